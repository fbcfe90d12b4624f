"""The outside of a head: smooth implicit surfaces in template coordinates, a face that differs from person to person.

A surface is where a signed distance (mm, negative inside) is 0. Landmarks follow the usual ones in MNI space: nasion (0, 86, -38),
nose tip (0, 110, -68), chin (0, 92, -125).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawson.simulation.streams import stream

Floats = NDArray[np.float32]
Point = tuple[float, float, float]
Points = tuple[Floats, Floats, Floats]
"""x, y and z (mm) as arrays that broadcast."""

_NASION_Z = -38.0


@dataclass(frozen=True)
class Face:
    """What differs between faces.

    Parameters
    ----------
    width, length : float
        Of the face below the eyes, relative to the usual.
    nose_length, nose_width, nose_bend : float
        Length and width relative to the usual; how far the tip turns up, mm.
    chin, brow, cheeks, lips : float
        How far they stand out beyond the usual, mm.
    eyes : float
        Distance of the eyes from the middle beyond the usual, mm.
    ears : float
        Relative size.
    scalp, skull, fat : float
        Thickness of scalp and skull together, of the skull (mm), and of fat relative to the usual.
    lean : float
        Shift of nose and chin to one side, mm.
    """

    width: float
    length: float
    nose_length: float
    nose_width: float
    nose_bend: float
    chin: float
    brow: float
    cheeks: float
    lips: float
    eyes: float
    ears: float
    scalp: float
    skull: float
    fat: float
    lean: float


def draw_face(seed: int, participant_id: str) -> Face:
    """The face of a person: the same at every visit."""
    rng = stream(seed, participant_id, "face")
    skull = float(np.clip(rng.normal(6.5, 0.9), 4.5, 9.0))
    return Face(
        width=float(rng.normal(1.0, 0.035)),
        length=float(rng.normal(1.0, 0.035)),
        nose_length=float(np.clip(rng.normal(1.0, 0.13), 0.7, 1.35)),
        nose_width=float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.35)),
        nose_bend=float(rng.normal(0, 2.0)),
        chin=float(rng.normal(0, 2.0)),
        brow=float(rng.normal(0, 1.0)),
        cheeks=float(rng.normal(0, 1.5)),
        lips=float(rng.normal(0, 0.8)),
        eyes=float(rng.normal(0, 1.2)),
        ears=float(rng.normal(1.0, 0.08)),
        scalp=skull + float(np.clip(rng.normal(7.5, 0.8), 6.0, 10.0)),
        skull=skull,
        fat=float(np.clip(rng.lognormal(0, 0.2), 0.6, 1.7)),
        lean=float(rng.normal(0, 0.7)),
    )


def eye(face: Face, side: float) -> Point:
    """Centre of an eyeball; side is -1 (left of the image's x axis) or 1."""
    return (side * (32.0 + face.eyes), 64.0, -38.0)


def in_face(points: Points, face: Face) -> Points:
    """Coordinates in which this face is as wide and as long as the usual one, from the nasion down."""
    x, y, z = points
    below = np.minimum(z - _NASION_Z, 0)
    return (np.asarray(x / face.width, np.float32), y, np.asarray(np.maximum(z, _NASION_Z) + below / face.length, np.float32))


def ellipsoid(points: Points, centre: Point, radii: Point) -> Floats:
    """Distance to an ellipsoid, to first order at its surface."""
    q = [(p - np.float32(c)) / np.float32(r) for p, c, r in zip(points, centre, radii, strict=True)]
    near = np.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2) + np.float32(1e-4)
    slope = np.sqrt(sum((part / np.float32(r)) ** 2 for part, r in zip(q, radii, strict=True))) + np.float32(1e-6)
    return np.asarray(near * (near - 1) / slope, dtype=np.float32)


def capsule(points: Points, start: Point, end: Point, radius: float, radius_end: float | None = None, flat: float = 1.0) -> Floats:
    """Distance to a rod with round ends whose radius changes evenly; `flat` below 1 makes it thinner from front to back."""
    axis = np.subtract(end, start)
    along = sum((p - np.float32(s)) * np.float32(a) for p, s, a in zip(points, start, axis, strict=True)) / np.float32(axis @ axis)
    along = np.clip(along, 0, 1)
    away = [p - np.float32(s) - along * np.float32(a) for p, s, a in zip(points, start, axis, strict=True)]
    reach = np.sqrt(away[0] ** 2 + (away[1] / np.float32(flat)) ** 2 + away[2] ** 2)
    wide = radius + along * ((radius if radius_end is None else radius_end) - radius)
    return np.asarray(reach - wide, dtype=np.float32)


def join(first: Floats, second: Floats, blend: float) -> Floats:
    """Smooth union of two surfaces: a fillet of about `blend` mm (polynomial smooth minimum)."""
    share = np.clip(0.5 + 0.5 * (second - first) / np.float32(blend), 0, 1)
    return np.asarray(second + share * (first - second) - np.float32(blend) * share * (1 - share), dtype=np.float32)


def carve(body: Floats, hollow: Floats, blend: float) -> Floats:
    """The body without the hollow, with a soft edge."""
    return -join(-body, hollow, blend)


def trunk(points: Points, brain_distance: Floats, face: Face) -> Floats:
    """Skull with scalp, jaws, cheeks and neck: all that a coarse grid can show.

    Parameters
    ----------
    points : tuple of ndarray
    brain_distance : ndarray
        Millimetres to the brain.
    face : Face
    """
    body = brain_distance - np.float32(face.scalp)
    neck = capsule(points, (0, -40, -75), (0, -34, -190), 53.0, 57.0, flat=1.04)
    body = join(body, neck, 18)
    p = in_face(points, face)
    mirrored = (np.abs(p[0]), p[1], p[2])
    shapes: list[tuple[Points, Point, Point, float]] = [
        (p, (0, 36, -58), (60, 50, 46), 14),  # upper jaw
        (p, (0, 42, -98), (45, 44, 38), 14),  # lower jaw
        (mirrored, (40, 14, -98), (17, 20, 26), 12),  # angle of the jaw
        (p, (0, 72 + face.chin, -122), (21, 18, 16), 12),  # chin
        (p, (0, 76, -94), (27, 18, 18), 10),  # mouth
        (mirrored, (42, 52 + face.cheeks, -58), (22, 20, 18), 10),  # cheekbone
        (mirrored, (54, 26, -28), (15, 34, 34), 12),  # temple
        (p, (0, 70 + face.brow, -22), (46, 17, 11), 10),  # brow
        (p, (0, -66, -82), (50, 38, 42), 16),  # nape
    ]
    for where, centre, radii, blend in shapes:
        body = join(body, ellipsoid(where, centre, radii), blend)
    return body


def features(points: Points, body: Floats, face: Face) -> Floats:
    """Add eye sockets, lids, nose and lips to the trunk's surface, on a fine grid over the face."""
    x, y, z = in_face(points, face)
    x = np.asarray(x - face.lean * np.clip((_NASION_Z - z) / 30, 0, 1), dtype=np.float32)
    p = (x, y, z)
    mirrored = (np.abs(x), y, z)
    ahead = 16.0 * face.nose_length
    tip = (0.0, 87.0 + ahead, -68.0 + face.nose_bend)
    socket = eye(face, 1.0)
    body = carve(body, ellipsoid(mirrored, (socket[0] - 1, 90, -39), (19, 13, 11)), 8)
    body = join(body, ellipsoid(mirrored, (socket[0], socket[1], socket[2]), (14.0, 13.8, 13.0)), 3)
    body = join(body, capsule(p, (0, 81, -36), (0, tip[1] - 7, tip[2] + 3), 6.0, 8.0 * face.nose_width), 7)
    body = join(body, ellipsoid(p, (0, tip[1] - 8, tip[2]), (8.5 * face.nose_width, 9, 8)), 4)
    body = join(body, ellipsoid(mirrored, (10.5 * face.nose_width, tip[1] - 15, tip[2] - 3), (6.5, 9.5, 7.0)), 4)
    body = join(body, ellipsoid(p, (0, 90 + face.lips, -92), (19, 7, 5.0)), 5)
    body = join(body, ellipsoid(p, (0, 88.5 + face.lips, -102), (17, 7, 5.0)), 4)
    # The line between the lips, the groove under them, and the nostrils.
    body = carve(body, ellipsoid(p, (0, 98, -97), (19, 9, 1.0)), 2)
    return carve(body, capsule(mirrored, (6.0 * face.nose_width, tip[1] - 9, tip[2] - 12), (5.5, 78, -63), 3.0), 1.5)


def ear(points: Points, body: Floats, face: Face, side: float) -> Floats:
    """Add one ear to the trunk's surface."""
    x, y, z = points
    # Ears stand off: their plane is turned out by a third.
    away = side * x
    turned: Points = (np.asarray(away + 0.35 * (y + 22), np.float32), y, np.asarray(z, np.float32))
    size = face.ears
    shell = ellipsoid(turned, (80.0, -26.0, -46.0), (4.0, 16 * size, 30 * size))
    hollow = ellipsoid(turned, (84.0, -22.0, -48.0), (4.5, 10 * size, 19 * size))
    return join(body, carve(shell, hollow, 2), 4)

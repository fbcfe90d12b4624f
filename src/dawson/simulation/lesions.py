"""Lesions as soft parametric shapes in the template's space: ovals, bands along a surface, tubes along a tract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.simulation.anatomy import Atlas, Volume
from dawson.simulation.streams import stream

Point = tuple[float, float, float]
Window = tuple[slice, slice, slice]

LESION_THRESHOLD = 0.4
"""Share of lesion above which a voxel counts as lesion in the truth."""

_SIDE = 64
"""Side of the periodic cube of noise from which borders and textures are cut, voxels."""


@dataclass(frozen=True)
class Lesion:
    """One lesion of a named kind.

    Parameters
    ----------
    kind : str
        What a radiologist would call it: a key of `dawson.simulation.kinds.KINDS`.
    shape : {"oval", "band", "tube"}
        An ellipsoid; the voxels near a surface within an ellipsoid; the voxels near a path.
    centre_mm : tuple of float
        In template coordinates.
    axis : tuple of float
        Unit vector along the first radius.
    radii_mm : tuple of float
        Along the axis and across it; of a tube the first two are its radius at the first and the last point of its path.
    across : tuple of float
        Direction of the second radius, as far as it is at right angles to the axis; the zero vector leaves it open.
    surface : str
        Of a band: which of the atlas's distances.
    width_mm : float
        Of a band: its thickness.
    from_mm : float
        Of a band: how far from the surface it begins.
    path : tuple of points
        Of a tube: its course, template coordinates.
    brightness : float
        On FLAIR, 0 to 1.
    t1_loss : float
        Darkness on T1w, 0 to 1; 1 is as dark as fluid.
    edge_mm : float
        Width of the soft edge.
    roughness : float
        Share of the radius by which the border wanders.
    wave_mm : float
        Scale on which border and texture vary.
    texture : float
        Share by which the brightness varies inside.
    rays : float
        Share by which the radius of an oval differs between directions: it runs out in spokes.
    rim : float
        Share by which the middle is less bright than the rim.
    grey : float
        Share that remains in grey matter.
    number : int
        Instance number in the person, from 1.
    scales : tuple of float
        Relative radius at each visit; 0 where the lesion is not there.
    seed : int
        Of its border's random shape.
    """

    kind: str
    shape: Literal["oval", "band", "tube"]
    centre_mm: Point
    axis: Point = (0.0, 0.0, 1.0)
    radii_mm: Point = (3.0, 3.0, 3.0)
    across: Point = (0.0, 0.0, 0.0)
    surface: str = "lateral"
    width_mm: float = 0.0
    from_mm: float = 0.0
    path: tuple[Point, ...] = ()
    brightness: float = 1.0
    t1_loss: float = 0.2
    edge_mm: float = 0.8
    roughness: float = 0.15
    wave_mm: float = 2.0
    texture: float = 0.0
    rays: float = 0.0
    rim: float = 0.0
    grey: float = 1.0
    number: int = 1
    scales: tuple[float, ...] = (1.0,)
    seed: int = 0


@dataclass(frozen=True)
class Painted:
    """Lesions of one visit on the template's box.

    Parameters
    ----------
    bright, dark : ndarray of float32
        Share of lesion on FLAIR and loss of signal on T1w, 0 to 1.
    share : ndarray of float32
        Largest share of lesion tissue, whatever its brightness, 0 to 1.
    instances : ndarray of int16
        Number of the lesion with the largest share where that is above `LESION_THRESHOLD`, else 0.
    """

    bright: Volume
    dark: Volume
    share: Volume
    instances: NDArray[np.int16]


def paint(lesions: Iterable[Lesion], brain: Atlas, visit: int) -> Painted:
    """Paint the lesions of one visit into the box, the brightest on top.

    Parameters
    ----------
    lesions : iterable of Lesion
    brain : Atlas
    visit : int
        Number of the visit, from 0.
    """
    bright, dark, best = (np.zeros(brain.shape, dtype=np.float32) for _ in range(3))
    instances = np.zeros(brain.shape, dtype=np.int16)
    for lesion in lesions:
        if lesion.scales[visit] <= 0:
            continue
        part, share, level = _shares(lesion, brain, lesion.scales[visit])
        if not share.size:
            continue
        np.maximum(bright[part], level * lesion.brightness, out=bright[part])
        np.maximum(dark[part], share * lesion.t1_loss, out=dark[part])
        more = share > best[part]
        np.copyto(best[part], share, where=more)
        np.copyto(instances[part], np.int16(lesion.number), where=more & (share > LESION_THRESHOLD))
    return Painted(bright, dark, best, instances)


def _shares(lesion: Lesion, brain: Atlas, scale: float) -> tuple[Window, Volume, Volume]:
    """Share of lesion tissue, and the same with the texture of its brightness, in the part of the box where it may be."""
    points = np.array(lesion.path or [lesion.centre_mm]) - brain.origin_mm
    radii = np.array(lesion.radii_mm) * scale
    # The share of lesion falls below one in a thousand 3.5 edge widths outside the border.
    reach = float(max(radii)) * (1 + 2 * (lesion.roughness + lesion.rays)) + 3.5 * lesion.edge_mm
    part = _window(points, reach, brain.shape)
    if any(axis.stop <= axis.start for axis in part):
        nothing = np.zeros(0, dtype=np.float32)
        return part, nothing, nothing
    wander = lesion.roughness * _noise(lesion, part, "border")
    if lesion.shape == "tube":
        inside = _inside_tube(part, points, radii, wander, reach)
    else:
        radius = _radius(lesion, part, points[0], radii)
        if lesion.rays > 0:
            radius = radius / np.clip(1 + lesion.rays * _spokes(lesion, part, points[0]), 0.4, 1 + 2 * lesion.rays)
        inside = (1 + wander - radius) * np.float32(radii.min())
        if lesion.shape == "band":
            # A band has one thickness for its whole length, so only its ends come from the ellipsoid.
            along = brain.distance[lesion.surface][part]
            inside = np.minimum(lesion.from_mm + lesion.width_mm * np.float32(scale**0.5) * (1 + wander) - along, inside)
            if lesion.from_mm > 0:
                inside = np.minimum(inside, along - lesion.from_mm)
    share = 1 / (1 + np.exp(np.clip(inside * np.float32(-2 / lesion.edge_mm), -30, 30)))
    tissue = np.clip(1 - brain.csf[part], 0, 1) ** 2 * brain.mask[part]
    if lesion.grey < 1:
        tissue *= 1 - np.float32(1 - lesion.grey) * brain.gm[part]
    share = _in_one_piece(share * tissue)
    level = share
    if lesion.texture > 0:
        level = level * np.clip(1 - lesion.texture * (0.5 + 0.5 * _noise(lesion, part, "texture")), 0, 1)
    if lesion.rim > 0:
        level = level * (1 - lesion.rim * np.clip(inside / np.float32(0.5 * radii.min()), 0, 1))
    return part, share.astype(np.float32, copy=False), level.astype(np.float32, copy=False)


def _in_one_piece(share: Volume) -> Volume:
    """Without the islands that tissue borders cut off, such as a gyrus of the other hemisphere; two equal walls both stay."""
    pieces, count = ndimage.label(share > 0.1)
    if count > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        lost = np.flatnonzero(sizes < 0.5 * sizes.max()) + 1
        share = np.where(np.isin(pieces, lost), np.float32(0), share)
    return share


def _window(points: NDArray[np.float64], reach: float, shape: tuple[int, int, int]) -> Window:
    low = np.clip(np.floor(points.min(axis=0) - reach), 0, shape).astype(int)
    high = np.clip(np.ceil(points.max(axis=0) + reach) + 1, 0, shape).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def _offsets(part: Window, point: NDArray[np.float64]) -> tuple[Volume, Volume, Volume]:
    """Voxel coordinates along each axis relative to a point, shaped to broadcast."""
    x, y, z = (np.arange(axis.start, axis.stop, dtype=np.float32) - np.float32(value) for axis, value in zip(part, point, strict=True))
    return x[:, None, None], y[None, :, None], z[None, None, :]


def _radius(lesion: Lesion, part: Window, centre: NDArray[np.float64], radii: NDArray[np.float64]) -> Volume:
    x, y, z = _offsets(part, centre)
    total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), dtype=np.float32)
    for direction, radius in zip(_frame(lesion), radii, strict=True):
        u, v, w = (np.float32(value / radius) for value in direction)
        total += (u * x + v * y + w * z) ** 2
    return np.sqrt(total)


def _inside_tube(part: Window, points: NDArray[np.float64], radii: NDArray[np.float64], wander: Volume, reach: float) -> Volume:
    """Depth below the tube's surface, mm; each segment is measured in its own neighbourhood only."""
    inside = np.full(wander.shape, -100, dtype=np.float32)
    last = len(points) - 1
    for number, (start, end) in enumerate(pairwise(points)):
        near = _window(points[number : number + 2], reach, (part[0].stop, part[1].stop, part[2].stop))
        near = (
            slice(max(near[0].start, part[0].start), near[0].stop),
            slice(max(near[1].start, part[1].start), near[1].stop),
            slice(max(near[2].start, part[2].start), near[2].stop),
        )
        if any(axis.stop <= axis.start for axis in near):
            continue
        own = tuple(slice(axis.start - whole.start, axis.stop - whole.start) for axis, whole in zip(near, part, strict=True))
        x, y, z = _offsets(near, start)
        u, v, w = (np.float32(value) for value in end - start)
        along = np.clip((u * x + v * y + w * z) / np.float32(max(float((end - start) @ (end - start)), 1e-6)), 0, 1)
        away = np.sqrt((x - along * u) ** 2 + (y - along * v) ** 2 + (z - along * w) ** 2)
        radius = np.float32(radii[0]) + np.float32(radii[1] - radii[0]) * (number + along) / np.float32(last)
        np.maximum(inside[own], radius * (1 + wander[own]) - away, out=inside[own])
    return inside


@lru_cache(maxsize=8)
def _noise_cube(wave: float) -> Volume:
    """Periodic smooth noise of standard deviation 1, the same for everyone: lesions differ by where they cut it."""
    noise = stream(0, "lesion noise").standard_normal((_SIDE, _SIDE, _SIDE), dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, wave, mode="wrap")
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _noise(lesion: Lesion, part: Window, purpose: str) -> Volume:
    shape = tuple(axis.stop - axis.start for axis in part)
    if purpose == "border" and lesion.roughness == 0:
        return np.zeros(shape, dtype=np.float32)
    # Counted from the box's corner, so that a growing lesion keeps its border's shape.
    start = stream(lesion.seed, purpose).integers(_SIDE, size=3)
    index = [(np.arange(axis.start, axis.stop) + first) % _SIDE for axis, first in zip(part, start, strict=True)]
    return _noise_cube(round(lesion.wave_mm, 1))[np.ix_(*index)]


def _spokes(lesion: Lesion, part: Window, centre: NDArray[np.float64]) -> Volume:
    """Noise that depends on the direction from the centre only, standard deviation 1."""
    x, y, z = _offsets(part, centre)
    # The unit sphere, blown up until a spoke is about a fifth of it wide.
    stretch = 4 * lesion.wave_mm / np.sqrt(x**2 + y**2 + z**2 + 1e-3)
    start = stream(lesion.seed, "spokes").uniform(_SIDE, 2 * _SIDE, size=3)
    index = tuple((stretch * axis + np.float32(first)).astype(np.int32) % _SIDE for axis, first in zip((x, y, z), start, strict=True))
    return _noise_cube(round(lesion.wave_mm, 1))[index]


def _frame(lesion: Lesion) -> NDArray[np.float64]:
    """Rows: the axis and two directions across it."""
    first = np.array(lesion.axis) / np.linalg.norm(lesion.axis)
    second = np.array(lesion.across) - np.dot(lesion.across, first) * first
    if np.linalg.norm(second) < 1e-3:
        second = np.cross(first, np.eye(3)[int(np.argmin(np.abs(first)))])
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])

"""A head around a brain: scalp, fat, skull with marrow, eyes, nose, sinuses, jaws, airway and neck.

Everything is painted on a 1 mm grid in template coordinates, both contrasts at once; soft edges give partial volume. It has a face
that a defacing tool has to remove, and enough of what surrounds a brain for a brain extraction to have something to do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.simulation.anatomy import Volume
from dawson.simulation.deformation import smooth_noise, upsample
from dawson.simulation.head_parts import Painter, paint_parts
from dawson.simulation.head_shape import Face, Points, ear, features, trunk
from dawson.simulation.scanner import CONTRASTS, Contrast

ORIGIN_MM = np.array([-96.0, -134.0, -150.0])
SHAPE = (192, 256, 256)

_COARSE = 4
_FLUID_MM = 2.5
_SKIN_MM = 1.8
# Boxes (mm) on which surfaces are drawn finely: face, right and left ear.
_FACE = ((-56, 55), (52, 121), (-120, -10))
_EARS = ((62, 95), (-60, 10), (-90, -6))


def make_head(
    images: dict[Contrast, Volume],
    brain_mask: NDArray[np.bool_],
    origin_mm: NDArray[np.float64],
    signals: dict[Contrast, dict[str, float]],
    face: Face,
    rng: np.random.Generator,
) -> dict[Contrast, Volume]:
    """Paint a head around a brain.

    Parameters
    ----------
    images : dict of str to ndarray (x, y, z)
        The brain's signal relative to white matter, on its 1 mm box.
    brain_mask : ndarray of bool (x, y, z)
    origin_mm : ndarray (3,)
        Template coordinates of the box's first voxel.
    signals : dict of str to dict of str to float
        Of tissues, from `ScannerState.head`.
    face : Face
    rng : Generator
        Of the person: texture is theirs.

    Returns
    -------
    dict of str to ndarray of float32 (192, 256, 256)
        From `ORIGIN_MM` on, 1 mm.
    """
    start = np.rint(origin_mm - ORIGIN_MM).astype(int)
    box = tuple(slice(s, s + size) for s, size in zip(start, brain_mask.shape, strict=True))
    mask = np.zeros(SHAPE, dtype=bool)
    mask[box] = brain_mask
    distance = _brain_distance(mask)
    coarse = tuple(size // _COARSE for size in SHAPE)
    points = _points(coarse, _COARSE)
    near = distance.reshape(coarse[0], 2, coarse[1], 2, coarse[2], 2).mean(axis=(1, 3, 5))
    # A scalp does not show the brain's dents.
    skin = trunk(points, ndimage.gaussian_filter(near, 1.5) + 0.5 * smooth_noise(rng, coarse, 5.0), face)
    fields = np.stack([skin, *_thickness(points, face, rng, coarse), smooth_noise(rng, coarse, 0.7)])
    skin, fat, skull, texture = upsample(fields.astype(np.float32), _COARSE)
    distance = upsample(distance[None], 2)[0]
    for edges, side in ((_EARS, 1.0), (tuple((-hi, -lo) if i == 0 else (lo, hi) for i, (lo, hi) in enumerate(_EARS)), -1.0)):
        part = box_of(edges)
        skin[part] = ear(points_of(part), skin[part], face, side)
    part = box_of(_FACE)
    skin[part] = features(points_of(part), skin[part], face)

    painter = Painter({contrast: np.zeros(SHAPE, dtype=np.float32) for contrast in CONTRASTS}, signals)
    where = np.flatnonzero((skin < 0.5) & ~mask)
    depth, away = -skin.ravel()[where], distance.ravel()[where]
    fat, skull, texture = (field.ravel()[where] for field in (fat, skull, texture))
    share = np.clip(depth + 0.5, 0, 1)
    layers = {
        "fat": _between(depth, _SKIN_MM, _SKIN_MM + fat),
        "bone": _between(away, _FLUID_MM, _FLUID_MM + skull),
        "marrow": _between(away, _FLUID_MM + 0.28 * skull, _FLUID_MM + 0.72 * skull) * (skull > 3.5),
        "csf": np.clip(_FLUID_MM + 0.5 - away, 0, 1),
    }
    for contrast, volume in painter.volumes.items():
        values = signals[contrast]["muscle"] * (1 + 0.12 * texture)
        for name, layer in layers.items():
            level = signals[contrast][name] * (1 + 0.1 * texture if name in ("fat", "marrow") else 1)
            values += layer * (level - values)
        volume.ravel()[where] = values * share
    paint_parts(painter, distance, skin, face, _lowest(brain_mask, origin_mm))
    for contrast, volume in painter.volumes.items():
        volume[box][brain_mask] = images[contrast][brain_mask]
    return painter.volumes


def box_of(edges_mm: tuple[tuple[float, float], ...]) -> tuple[slice, ...]:
    """The part of the head's grid between two corners, in template mm."""
    return tuple(
        slice(max(0, int(lo - first)), min(size, int(hi - first) + 1))
        for (lo, hi), first, size in zip(edges_mm, ORIGIN_MM, SHAPE, strict=True)
    )


def points_of(part: tuple[slice, ...]) -> Points:
    """Template coordinates of a part of the head's grid, as arrays that broadcast."""
    axes = [np.arange(piece.start, piece.stop, dtype=np.float32) + np.float32(first) for piece, first in zip(part, ORIGIN_MM, strict=True)]
    return (axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])


def _points(shape: tuple[int, ...], step: int) -> Points:
    axes = [
        (np.arange(size, dtype=np.float32) + 0.5) * step - 0.5 + np.float32(first) for size, first in zip(shape, ORIGIN_MM, strict=True)
    ]
    return (axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])


def _brain_distance(mask: NDArray[np.bool_]) -> Volume:
    """Millimetres to the brain on a grid of 2 mm; shells are smooth, and that is eight times as fast."""
    coarse = mask.reshape(mask.shape[0] // 2, 2, mask.shape[1] // 2, 2, mask.shape[2] // 2, 2).mean(axis=(1, 3, 5)) >= 0.5
    distance = 2.0 * ndimage.distance_transform_edt(~coarse) - 1.0
    return np.asarray(ndimage.gaussian_filter(distance.astype(np.float32), 1.0), dtype=np.float32)


def _thickness(points: Points, face: Face, rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Volume, Volume]:
    """Fat under the skin and bone around the brain, mm: thick fat in cheeks and neck, thin bone under the brain."""
    x, y, z = points
    low = 1 / (1 + np.exp((z + 45) / 12))
    fat = face.fat * (2.6 + 3.5 * low) * np.exp(0.25 * smooth_noise(rng, shape, 3.0))
    front_base = 1 / (1 + np.exp((z + 10) / 4)) / (1 + np.exp(-(y - 5) / 6))
    neck = 1 / (1 + np.exp((z + 68) / 3)) / (1 + np.exp((np.hypot(x, y + 44) - 22) / 3))
    skull = face.skull * (1 - 0.65 * front_base) * (1 - neck) * np.exp(0.12 * smooth_noise(rng, shape, 3.0))
    return fat, skull


def _between(value: NDArray[np.float32], low: NDArray[np.float32] | float, high: NDArray[np.float32] | float) -> NDArray[np.float32]:
    """1 between two limits, with edges of 1 mm."""
    return np.asarray(np.clip(np.minimum(value - low, high - value) + 0.5, 0, 1), dtype=np.float32)


def _lowest(mask: NDArray[np.bool_], origin_mm: NDArray[np.float64]) -> tuple[float, float, float]:
    """Where the brainstem leaves the brain's box (mm): the cord begins there."""
    below = np.flatnonzero(mask.sum(axis=(0, 1)) > 30)
    z = int(below[0]) if below.size else 0
    centre = np.argwhere(mask[:, :, z]).mean(axis=0)
    return (float(origin_mm[0] + centre[0]), float(origin_mm[1] + centre[1]), float(origin_mm[2] + z))

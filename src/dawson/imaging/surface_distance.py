"""Distances between the outlines of two masks, in mm on any grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from dawson.imaging.boxes import union_box

_TOUCHING = np.ones((3, 3, 3), dtype=bool)


def surface(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels of a mask of which a face borders on what is not in it; the outside of the image is not in it."""
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def surface_distances(
    first: NDArray[np.bool_], second: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of every surface voxel of each mask to the nearest surface voxel of the other.

    Parameters
    ----------
    first, second : ndarray of bool (x, y, z)
        Neither empty.
    spacing_mm : sequence of float
        Size of a voxel along each axis.

    Returns
    -------
    ndarray (n,), ndarray (m,)
        From the first to the second and back, in mm between the centres of voxels.

    Raises
    ------
    ValueError
        A mask is empty.
    """
    if not (first.any() and second.any()):
        raise ValueError("an empty mask has no surface")
    points = [np.argwhere(surface(mask)) * np.asarray(spacing_mm, dtype=np.float64) for mask in (first, second)]
    return tuple(np.asarray(KDTree(other).query(own)[0]) for own, other in (points, points[::-1]))  # type: ignore[return-value]


def hd95(there: NDArray[np.float64], back: NDArray[np.float64]) -> float:
    """The larger of the two directions' 95th percentiles of `surface_distances`, in mm."""
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def assd(there: NDArray[np.float64], back: NDArray[np.float64]) -> float:
    """The mean of all distances of both directions of `surface_distances`, in mm."""
    return float(np.concatenate([there, back]).mean())


def outline_bias(drawn: NDArray[Any], reference: NDArray[Any], spacing_mm: Sequence[float]) -> float:
    """How far an outline lies outside another on average: the signed mean surface distance, of what both have drawn.

    Lesions that only one of the masks has say nothing of how the other's outline would run: connected parts (26 neighbours) that
    share no voxel with the other mask are left out.

    Parameters
    ----------
    drawn, reference : ndarray (x, y, z)
        Mask above one half.
    spacing_mm : sequence of float

    Returns
    -------
    float
        Millimetres, positive where `drawn` is the wider; NaN where the masks have no lesion in common.

    Notes
    -----
    The mean of two directions: from the drawn outline to the reference's, positive outside it, and from the reference's to the
    drawn one, positive inside that. One direction alone is biased where outlines wander.
    """
    one, other = np.asarray(drawn) > 0.5, np.asarray(reference) > 0.5
    box = union_box(one, other, margin=1)
    one, other = one[box], other[box]
    one, other = _parts_in(one, other), _parts_in(other, one)
    if not one.any():
        return float("nan")
    there, back = surface_distances(one, other, spacing_mm)
    outward = np.where(other[surface(one)], -there, there)
    inward = np.where(one[surface(other)], back, -back)
    return float(0.5 * (outward.mean() + inward.mean()))


def _parts_in(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected parts of a mask that share a voxel with another."""
    numbers, count = ndimage.label(mask, _TOUCHING)
    kept = np.zeros(count + 1, dtype=bool)
    kept[np.unique(numbers[mask & other])] = True
    kept[0] = False
    return np.asarray(kept[numbers])

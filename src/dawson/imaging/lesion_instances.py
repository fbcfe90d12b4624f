"""The lesions of a mask one by one: by number, their voxels, and points that stand for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.region_atlas import RegionAtlas

# A mask with less of itself in the template's brain than this is not where the template is.
_LEAST_INSIDE = 0.5


def lesion_instances(mask: NDArray[Any]) -> NDArray[np.int32]:
    """Lesions of a mask by number, from 1: its connected parts, voxels that share a corner being connected (26 neighbours).

    Parameters
    ----------
    mask : ndarray (x, y, z)
        Lesion above one half.
    """
    parts, _ = ndimage.label(np.asarray(mask) > 0.5, np.ones((3, 3, 3), dtype=np.int8))
    return np.asarray(parts, dtype=np.int32)


def lesions_of(numbers: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Number and voxels of every lesion of an instance map, in the order of the numbers.

    Parameters
    ----------
    numbers : ndarray of int (x, y, z)
        0 where there is no lesion.

    Yields
    ------
    int, ndarray of int (n, 3)
    """
    voxels = np.argwhere(numbers > 0)
    own = numbers[tuple(voxels.T)].astype(int)
    order = np.argsort(own, kind="stable")
    found, starts = np.unique(own[order], return_index=True)
    for number, part in zip(found, np.split(voxels[order], starts[1:]), strict=False):
        yield int(number), part


def points_of(voxels: NDArray[np.intp], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 3) in mm that stand for equal parts of the lesion, a millimetre apart at most: a thick voxel touches with its end."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    parts = np.maximum(1, np.ceil(spacing - 1e-3)).astype(int)
    steps = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n - 0.5 for n in parts), indexing="ij"), axis=-1).reshape(-1, 3)
    places = (voxels[:, None, :] + steps[None, :, :]).reshape(-1, 3)
    return np.asarray(places @ affine[:3, :3].T + affine[:3, 3])


def refuse_elsewhere(voxels: NDArray[np.intp], affine: NDArray[np.float64], brain: RegionAtlas) -> None:
    """Stop where a mask cannot be in template space.

    Raises
    ------
    ValueError
        Less than half of its lesion voxels lie in the template's brain.
    """
    if not len(voxels):
        return
    nearest, inside = brain.voxels(voxels @ affine[:3, :3].T + affine[:3, 3])
    share = float((inside & (brain.labels[tuple(nearest.T)] > 0)).mean())
    if share < _LEAST_INSIDE:
        raise ValueError(f"only {100 * share:.0f} % of the lesion voxels lie in the template's brain: the mask is in another space")

"""The part of an image that holds what is asked about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def union_box(*masks: NDArray[np.bool_], margin: int = 0) -> tuple[slice, ...]:
    """The smallest box that holds every voxel of the masks, with a margin as far as the image reaches.

    Parameters
    ----------
    *masks : ndarray of bool (x, y, z)
    margin : int
        Voxels on every side.

    Returns
    -------
    tuple of slice
        Of no voxel where all masks are empty.
    """
    box = []
    for axis, size in enumerate(masks[0].shape):
        others = tuple(other for other in range(masks[0].ndim) if other != axis)
        held = np.flatnonzero(np.any([mask.any(axis=others) for mask in masks], axis=0))
        box.append(slice(max(0, int(held[0]) - margin), min(size, int(held[-1]) + 1 + margin)) if held.size else slice(0, 0))
    return tuple(box)


def box_across(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The mask's box across, all slices along; the whole image where the mask is empty.

    Parameters
    ----------
    mask : ndarray of bool (x, y, z)
    """
    if not mask.any():
        return slice(None), slice(None), slice(None)
    x, y, _ = union_box(mask)
    return x, y, slice(None)

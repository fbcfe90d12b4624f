"""What a removed face is filled with: the scan's own air."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Air is taken this far from the head, so that its blurred edge, ringing and skin do not enter.
_AWAY_MM = 8.0
_HEAD_LEVEL = 0.2
_ENOUGH = 1000


def head_mask(values: NDArray[np.float32], brain: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The head in its air: the largest body brighter than a fifth of the brain's median, with what it encloses.

    Parameters
    ----------
    values : ndarray of float32 (i, j, k)
    brain : ndarray of bool (i, j, k)
    spacing : ndarray (3,)
        Voxel size, mm.
    """
    level = _HEAD_LEVEL * float(np.median(values[brain]))
    bright = ndimage.gaussian_filter(values, np.where(spacing > 2.0, 0.0, 1.0 / spacing)) > level
    labels, count = ndimage.label(bright)
    if count > 1:
        bright = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(bright)
    return filled


def air_values(stored: NDArray[Any], head: NDArray[np.bool_], removed: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[Any]:
    """Stored values of the scan's air: outside the head with a margin, and not where the face is removed.

    Where a scan has next to no air in view, the darkest hundredth of what stays is taken.

    Parameters
    ----------
    stored : ndarray (i, j, k)
        As they are in the file, of any type.
    head, removed : ndarray of bool (i, j, k)
    spacing : ndarray (3,)
        Voxel size, mm.

    Returns
    -------
    ndarray (n,), of the type of `stored`
        At least one value.
    """
    steps = np.maximum(1, np.round(_AWAY_MM / spacing)).astype(int)
    # a box instead of a ball: three passes along the axes, whatever the size
    near = ndimage.maximum_filter(head.astype(np.uint8), size=tuple(2 * steps + 1)) > 0
    air: NDArray[Any] = stored[~near & ~removed]
    if air.size >= _ENOUGH:
        return air
    kept = stored[~removed]
    darkest: NDArray[Any] = kept[kept <= np.percentile(kept, 1.0)]
    return darkest


def fill(stored: NDArray[Any], removed: NDArray[np.bool_], air: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """A copy whose removed voxels hold values drawn at random from the air.

    Every removed voxel is replaced, whether it was skin or the air before it, so that no outline is left; values that the
    file holds already need no rounding and keep the file's type.

    Parameters
    ----------
    stored : ndarray (i, j, k)
    removed : ndarray of bool (i, j, k)
    air : ndarray (n,)
    rng : Generator
    """
    filled = stored.copy()
    filled[removed] = rng.choice(air, int(removed.sum()))
    return filled

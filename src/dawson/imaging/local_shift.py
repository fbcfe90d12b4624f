"""Whether one brain image is bent against another of the same session, whatever their contrasts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]

# in voxels of about 2 mm: what is finer than the blur is noise to a shift, the window holds a gyrus and its sulci
_BLUR, _WINDOW = 1.0, 4.0
# what is bright and what stands out from its surroundings foretell the other image together: two tissues may be equally bright
_BINS_OF_BRIGHTNESS, _BINS_OF_DETAIL = 24, 8
_SURROUNDINGS = 2.0
# a bin of few voxels is drawn to the mean of its brightness, as if it had so many more
_PRIOR_VOXELS = 20
_RIDGE = 0.5
_ROUNDS = 3
# residuals beyond so many robust standard deviations (lesions, vessels) count half and less
_CAUCHY = 3.0
_LEAST_VOXELS = 1000
# a block counts where at least this share of it is brain
_LEAST_SHARE = 0.2


def local_shifts(first: NDArray[np.floating], second: NDArray[np.floating], mask: NDArray[np.bool_]) -> Floats:
    """How far each piece of one brain image lies beside the same piece of another.

    The second image is foretold from the first (the mean of the second at each brightness of the first and each difference from its
    surroundings), and what it must be moved by to look as foretold is solved for in a window around each voxel by least squares,
    three times over, the image being moved in between (Lucas & Kanade, IJCAI 1981). Voxels that no shift explains count less (Cauchy
    weights). Two images of one session that were aligned rigidly differ then only by what bends one of them: susceptibility,
    gradients, motion. A part of a shift is told only, a third to two thirds: it serves to compare scans.

    Parameters
    ----------
    first, second : ndarray (x, y, z)
        On the same grid, voxels of about 2 mm.
    mask : ndarray of bool (x, y, z)
        Brain in both.

    Returns
    -------
    ndarray of float32 (n, 3)
        Shift in voxels along each axis at every voxel of the mask, less the median shift of all; no rows for a mask of fewer than 1000
        voxels, or images without edges.
    """
    if int(mask.sum()) < _LEAST_VOXELS:
        return np.zeros((0, 3), dtype=np.float32)
    box = tuple(slice(max(0, int(at.min()) - 3), int(at.max()) + 4) for at in np.nonzero(mask))
    inside = mask[box]
    one, seen = (_smoothed(np.asarray(image[box], np.float32), inside, _BLUR) for image in (first, second))
    told = _foretold(one, seen, inside)
    shift = np.zeros((int(inside.sum()), 3), dtype=np.float32)
    moved = seen
    for turn in range(_ROUNDS):
        found = _solved(told, moved, shift, inside)
        if found is None:
            return np.zeros((0, 3), dtype=np.float32)
        shift = np.asarray(found - np.median(found, axis=0), dtype=np.float32)
        if turn < _ROUNDS - 1:
            moved = _moved(seen, shift, inside)
    return shift


def block_shifts(shifts: Floats, mask: NDArray[np.bool_], depth: Floats, side: int, deepest: float) -> Floats:
    """Mean shift of blocks near the surface of the brain, where air and bone bend the field.

    Parameters
    ----------
    shifts : ndarray (n, 3)
        Of `local_shifts`, one row a voxel of `mask`.
    mask : ndarray of bool (x, y, z)
    depth : ndarray (x, y, z)
        How far inside the template's brain a voxel lies.
    side : int
        Of a block, in voxels.
    deepest : float
        Voxels that lie deeper do not count.

    Returns
    -------
    ndarray of float32 (blocks, 3)
        In the order of a grid of blocks over the whole image, the same for all scans of a space; NaN for a block with too little brain.
    """
    blocks = [-(-size // side) for size in mask.shape]
    at = np.nonzero(mask)
    number = np.ravel_multi_index(tuple(index // side for index in at), blocks)
    near = depth[at] <= deepest
    total = int(np.prod(blocks))
    counts = np.bincount(number[near], minlength=total)
    sums = np.stack([np.bincount(number[near], weights=shifts[near, axis], minlength=total) for axis in range(3)], axis=1)
    means: Floats = np.full((total, 3), np.nan, dtype=np.float32)
    enough = counts >= _LEAST_SHARE * side**3
    means[enough] = sums[enough] / counts[enough, None]
    return means


def blocks_near(
    shape: tuple[int, ...], affine: NDArray[np.float64], side: int, centre_mm: tuple[float, float, float], reach_mm: float
) -> set[int]:
    """Numbers of the blocks of `block_shifts` whose middle lies within a distance of a point of the image's world.

    Examples
    --------
    >>> sorted(blocks_near((4, 4, 4), np.eye(4), 2, (0.5, 0.5, 0.5), 2.0))
    [0, 1, 2, 4]
    """
    blocks = [-(-size // side) for size in shape]
    middles = (np.indices(blocks).reshape(3, -1).T + 0.5) * side - 0.5
    world = middles @ affine[:3, :3].T + affine[:3, 3]
    return {int(number) for number in np.flatnonzero(np.linalg.norm(world - np.asarray(centre_mm), axis=1) <= reach_mm)}


def _solved(told: Floats, moved: Floats, shift: Floats, mask: NDArray[np.bool_]) -> Floats | None:
    """The shift that explains, window by window, why the moved image is not as foretold; None without edges."""
    error = told - moved
    spread = 1.4826 * float(np.median(np.abs(error[mask])))
    weight = ndimage.binary_erosion(mask).astype(np.float32)
    if spread > 0:
        weight /= 1.0 + np.square(error / np.float32(_CAUCHY * spread))
    gradient = [np.gradient(moved, axis=axis).astype(np.float32) for axis in range(3)]
    # the image was moved by the shift already: what is left is to be explained together with it
    left = error.copy()
    left[mask] += sum(gradient[axis][mask] * shift[:, axis] for axis in range(3))
    matrix = np.empty((int(mask.sum()), 3, 3), dtype=np.float32)
    for i in range(3):
        for j in range(i, 3):
            matrix[:, i, j] = matrix[:, j, i] = _window(weight * gradient[i] * gradient[j])[mask]
    right = np.stack([_window(weight * gradient[i] * left)[mask] for i in range(3)], axis=1)
    # where there are no edges nothing is known of a shift: the ridge holds it at 0 there
    ridge = _RIDGE * float(np.mean([np.mean(matrix[:, i, i]) for i in range(3)]))
    if not ridge > 0:
        return None
    return np.asarray(np.linalg.solve(matrix + ridge * np.eye(3, dtype=np.float32), right[..., None])[..., 0], dtype=np.float32)


def _moved(image: Floats, shift: Floats, mask: NDArray[np.bool_]) -> Floats:
    where = np.indices(mask.shape).astype(np.float32)
    for axis in range(3):
        field = np.zeros(mask.shape, dtype=np.float32)
        field[mask] = shift[:, axis]
        where[axis] += _smoothed(field, mask, _BLUR)
    return np.asarray(ndimage.map_coordinates(image, where, order=1, mode="nearest"), dtype=np.float32)


def _foretold(first: Floats, second: Floats, mask: NDArray[np.bool_]) -> Floats:
    """The second image as far as brightness and detail of the first tell it."""
    bright, seen = first[mask], second[mask]
    detail = bright - _smoothed(first, mask, _SURROUNDINGS)[mask]
    level, levels = _binned(bright, _BINS_OF_BRIGHTNESS)
    fine, _ = _binned(detail, _BINS_OF_DETAIL)
    place, size = level * _BINS_OF_DETAIL + fine, levels * _BINS_OF_DETAIL
    of_level = np.bincount(level, weights=seen, minlength=levels) / np.maximum(np.bincount(level, minlength=levels), 1)
    counts, sums = np.bincount(place, minlength=size), np.bincount(place, weights=seen, minlength=size)
    means = (sums + _PRIOR_VOXELS * np.repeat(of_level, _BINS_OF_DETAIL)) / (counts + _PRIOR_VOXELS)
    told = np.zeros_like(first)
    told[mask] = means[place]
    return told


def _binned(values: Floats, bins: int) -> tuple[NDArray[np.intp], int]:
    """Bins of equal counts, and how many there are."""
    edges = np.unique(np.percentile(values, np.linspace(0, 100, bins + 1)))[1:-1]
    return np.searchsorted(edges, values), edges.size + 1


def _smoothed(image: Floats, mask: NDArray[np.bool_], width: float) -> Floats:
    """Smoothing that does not draw in the zeros outside the mask."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), width)
    blurred = ndimage.gaussian_filter(np.where(mask, image, np.float32(0)), width)
    return np.where(mask, blurred / np.maximum(weight, 1e-3), 0.0).astype(np.float32)


def _window(image: Floats) -> Floats:
    summed: Floats = ndimage.gaussian_filter(image, _WINDOW, truncate=3.0)
    return summed

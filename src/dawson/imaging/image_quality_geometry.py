"""Quality of geometry: where the head lies in the scanner, whether the brain is all there, and whether it is bent."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# in voxels of about 2 mm: what is finer than the blur is noise to a shift, the window holds a gyrus and its sulci
_BLUR, _WINDOW = 1.0, 4.0
_BINS = 40
_RIDGE = 0.5
_LEAST_VOXELS = 1000


def head_position(brain: Any) -> dict[str, float]:
    """Where the brain's middle lies in the scanner's world; its origin is the isocentre in images as scanners write them.

    Parameters
    ----------
    brain : nibabel.Nifti1Image
        Mask on the grid of the raw image.

    Returns
    -------
    dict
        `position_x_mm`, `position_y_mm`, `position_z_mm` (INNI's z offset).
    """
    inside = np.asarray(brain.dataobj) > 0
    if not inside.any():
        return {}
    affine = np.asarray(brain.affine, dtype=np.float64)
    centre = affine[:3, :3] @ np.asarray(ndimage.center_of_mass(inside)) + affine[:3, 3]
    return {f"position_{axis}_mm": float(value) for axis, value in zip("xyz", centre, strict=True)}


def brain_cut(inside: NDArray[np.bool_]) -> dict[str, float]:
    """How much of the brain the field of view cuts off, from the areas in which the mask touches its borders.

    Parameters
    ----------
    inside : ndarray of bool (x, y, z)
        Brain mask in RAS order.

    Returns
    -------
    dict
        `cut_top`, `cut_bottom`, `cut_side`: the touching area over the largest cross-section along the same axis, 0 (no touch) to 1
        (cut through the middle); `cut_side` is the worst of left, right, front and back.
    """
    touching = []
    for axis in range(3):
        areas = inside.sum(axis=tuple(other for other in range(3) if other != axis))
        largest = int(areas.max()) if areas.size else 0
        touching.append((areas[0] / largest, areas[-1] / largest) if largest else (0.0, 0.0))
    return {"cut_top": float(touching[2][1]), "cut_bottom": float(touching[2][0]), "cut_side": float(max(*touching[0], *touching[1]))}


def local_shifts(first: NDArray[np.floating], second: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How far each piece of one brain image lies beside the same piece of another, of whatever contrast.

    The second image is foretold from the first by brightness (the mean of the second at each brightness of the first), and
    what the foretold image must be moved by is solved for in a window around each voxel by least squares of the first order
    (Lucas & Kanade, IJCAI 1981). Two images of one session that were aligned rigidly differ then only by what bends one of
    them: susceptibility, gradients, motion. Of large shifts a part is seen only.

    Parameters
    ----------
    first, second : ndarray (x, y, z)
        On the same grid, voxels of about 2 mm.
    mask : ndarray of bool (x, y, z)
        Brain in both.

    Returns
    -------
    ndarray of float32 (n, 3)
        Shift in voxels along each axis at every voxel of the mask, less the median shift of all; no rows for an empty mask.
    """
    if int(mask.sum()) < _LEAST_VOXELS:
        return np.zeros((0, 3), dtype=np.float32)
    seen = _smoothed(np.asarray(second, np.float32), mask)
    told = _smoothed(_foretold(np.asarray(first, np.float32), np.asarray(second, np.float32), mask), mask)
    inner = ndimage.binary_erosion(mask)
    gradient = [np.where(inner, np.gradient(told, axis=axis), 0.0).astype(np.float32) for axis in range(3)]
    difference = np.where(inner, seen - told, 0.0).astype(np.float32)
    products = {(i, j): _window(gradient[i] * gradient[j])[mask] for i in range(3) for j in range(i, 3)}
    matrix = np.empty((int(mask.sum()), 3, 3), dtype=np.float32)
    for (i, j), values in products.items():
        matrix[:, i, j] = matrix[:, j, i] = values
    right = np.stack([_window(gradient[i] * difference)[mask] for i in range(3)], axis=1)
    # where there are no edges nothing is known of a shift: the ridge holds it at 0 there
    ridge = _RIDGE * float(np.mean([np.mean(matrix[:, i, i]) for i in range(3)]))
    if not ridge > 0:
        return np.zeros((0, 3), dtype=np.float32)
    shift = -np.linalg.solve(matrix + ridge * np.eye(3, dtype=np.float32), right[..., None])[..., 0]
    return np.asarray(shift - np.median(shift, axis=0), dtype=np.float32)


def _foretold(first: NDArray[np.float32], second: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The second image as far as the brightness of the first tells it."""
    inside = first[mask]
    edges = np.unique(np.percentile(inside, np.linspace(0, 100, _BINS + 1)))
    if edges.size < 3:
        return np.zeros_like(first)
    place = np.clip(np.searchsorted(edges, inside, side="right") - 1, 0, edges.size - 2)
    counts = np.maximum(np.bincount(place, minlength=edges.size - 1), 1)
    means = np.bincount(place, weights=second[mask], minlength=edges.size - 1) / counts
    told = np.zeros_like(first)
    told[mask] = np.interp(inside, (edges[:-1] + edges[1:]) / 2, means)
    return told


def _smoothed(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Smoothing that does not draw in the zeros outside the mask."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), _BLUR)
    blurred = ndimage.gaussian_filter(np.where(mask, image, np.float32(0)), _BLUR)
    return np.where(mask, blurred / np.maximum(weight, 1e-3), 0.0).astype(np.float32)


def _window(image: NDArray[np.float32]) -> NDArray[np.float32]:
    summed: NDArray[np.float32] = ndimage.gaussian_filter(image, _WINDOW)
    return summed

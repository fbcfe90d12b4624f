"""Values of an image at points of the world, through any chain of transforms, in one interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# points in one go: bounds the memory to some tens of megabytes whatever the grid
_BLOCK = 500_000


class PointTransform(Protocol):
    """Maps points of the image that gives the grid to points of the image that gives the values, both in RAS mm."""

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map points (n, 3)."""
        ...


def sample(
    image: Any,
    points: NDArray[np.float64],
    transforms: Sequence[PointTransform] = (),
    order: int = 1,
) -> NDArray[np.float32]:
    """Values of an image at points given in another space.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        3D, any affine.
    points : ndarray (n, 3)
        RAS mm in the space of the first transform.
    transforms : sequence of PointTransform
        Applied to the points one after the other; the last ends in the image's own world.
    order : {0, 1, 3}
        Nearest, linear, or cubic B-spline; the spline's values are kept within the range of the image, since it
        overshoots at sharp edges.

    Returns
    -------
    ndarray of float32, (n,)
        0 outside the image's field of view.
    """
    values = np.asarray(image.dataobj, dtype=np.float32)
    coefficients = ndimage.spline_filter(values, order=order, output=np.float32, mode="mirror") if order > 1 else values
    to_voxels = np.linalg.inv(np.asarray(image.affine, dtype=np.float64))
    result = np.zeros(len(points), dtype=np.float32)
    for start in range(0, len(points), _BLOCK):
        world = np.asarray(points[start : start + _BLOCK], dtype=np.float64)
        for transform in transforms:
            world = transform.apply(world)
        voxels = world @ to_voxels[:3, :3].T + to_voxels[:3, 3]
        inside = inside_grid(voxels, values.shape)
        # up to half a voxel beyond the outermost centres still belongs to the image
        near = np.clip(voxels[inside], 0.0, np.asarray(values.shape) - 1.0)
        block = ndimage.map_coordinates(coefficients, near.T, order=order, output=np.float32, mode="mirror", prefilter=False)
        if order > 1:
            np.clip(block, values.min(), values.max(), out=block)
        result[start : start + _BLOCK][inside] = block
    return result


def inside_grid(voxels: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Which voxel coordinates (n, 3) lie in the volume, outer halves of the border voxels included."""
    inside = (voxels >= -0.5) & (voxels <= np.asarray(shape) - 0.5)
    return np.asarray(inside.all(axis=1), dtype=bool)


def grid_points(shape: Sequence[int], affine: NDArray[np.float64], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """World coordinates (n, 3) in RAS mm of a grid's voxels, in C order, or of those inside a mask."""
    voxels = np.argwhere(mask if mask is not None else np.ones(tuple(shape), dtype=bool)).astype(np.float64)
    points: NDArray[np.float64] = voxels @ affine[:3, :3].T + affine[:3, 3]
    return points


def resample(
    image: Any,
    shape: Sequence[int],
    affine: NDArray[np.float64],
    transforms: Sequence[PointTransform] = (),
    order: int = 1,
    mask: NDArray[np.bool_] | None = None,
) -> Any:
    """An image on another grid.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        3D, any affine.
    shape, affine : sequence of 3 int, ndarray (4, 4)
        The grid to fill.
    transforms : sequence of PointTransform
        From the grid's world to the image's world, in the order in which points pass them.
    order : {0, 1, 3}
        0 for masks and labels.
    mask : ndarray of bool, optional
        Fill only these voxels of the grid, the others stay 0: saves most of the time for a brain.

    Returns
    -------
    nibabel.Nifti1Image
        float32.
    """
    filled = np.zeros(tuple(shape), dtype=np.float32)
    inside = mask if mask is not None else np.ones(tuple(shape), dtype=bool)
    filled[inside] = sample(image, grid_points(shape, affine, inside), transforms, order)
    return nib.Nifti1Image(filled, affine)


def isotropic(image: Any, spacing_mm: float, order: int = 1) -> Any:
    """An image on a straight RAS grid of cubes that covers it, smoothed first where the new voxels are larger.

    Straight whatever the obliqueness or shear of the original: what follows need not care for either.

    Parameters
    ----------
    image : nibabel.Nifti1Image
    spacing_mm : float
    order : {0, 1, 3}
        0 leaves out the smoothing (masks).

    Returns
    -------
    nibabel.Nifti1Image
        float32.
    """
    affine = np.asarray(image.affine, dtype=np.float64)
    values = np.asarray(image.dataobj, dtype=np.float32)
    if order > 0:
        ratio = spacing_mm / np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
        # the width that a box of the new size adds to one of the old: keeps what is finer from folding back as noise
        sigma = 0.5 * np.sqrt(np.clip(ratio**2 - 1.0, 0.0, None))
        values = ndimage.gaussian_filter(values, sigma, mode="nearest")
    corners = np.asarray(np.meshgrid(*[(-0.5, size - 0.5) for size in values.shape])).reshape(3, -1).T
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    low, high = world.min(axis=0), world.max(axis=0)
    shape = np.maximum(1, np.ceil((high - low) / spacing_mm - 1e-6)).astype(int)
    new = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    new[:3, 3] = (low + high) / 2 - (shape - 1) / 2 * spacing_mm
    return resample(nib.Nifti1Image(values, affine), shape.tolist(), new, order=order)

"""The 1 mm grid, axes in RAS order, that the network works on, and the way back to the grid of a scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.imaging.resample import resample

# A template grid written by another program differs by rounding.
_SAME = 1e-3


@dataclass(frozen=True)
class Grid:
    """A grid of cubic voxels and the scan's own.

    Parameters
    ----------
    shape : tuple of int
    affine : ndarray (4, 4)
    own_shape : tuple of int
    own_affine : ndarray (4, 4)
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    own_shape: tuple[int, ...]
    own_affine: NDArray[np.float64]

    @property
    def same(self) -> bool:
        """Whether the scan is on this grid already."""
        return self.shape == self.own_shape and bool(np.allclose(self.affine, self.own_affine, atol=_SAME))

    def take(self, image: Any) -> NDArray[np.float32]:
        """Values of an image of the scan's grid on this one, linearly between voxels."""
        if self.same:
            return np.asarray(image.dataobj, np.float32)
        return np.asarray(resample(image, self.shape, self.affine, order=1).dataobj, np.float32)

    def take_mask(self, mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> NDArray[np.bool_]:
        """A mask of the scan's grid on this one."""
        return self.take(nib.Nifti1Image(mask.astype(np.float32), affine)) > 0.5

    def give_back(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values of this grid on the scan's own, linearly between voxels."""
        if self.same:
            return values
        return np.asarray(resample(nib.Nifti1Image(values, self.affine), self.own_shape, self.own_affine, order=1).dataobj, np.float32)


def on_millimetres(image: Any, spacing_mm: float) -> Grid:
    """The grid of cubic voxels that covers an image's field of view, axes in RAS order.

    Parameters
    ----------
    image : nibabel.Nifti1Image
    spacing_mm : float
    """
    affine, shape = np.asarray(image.affine, np.float64), tuple(int(size) for size in image.shape)
    straight = np.allclose(affine[:3, :3], spacing_mm * np.eye(3), atol=_SAME)
    if straight:
        return Grid(shape, affine, shape, affine)
    corners = np.array(np.meshgrid(*[(-0.5, size - 0.5) for size in shape], indexing="ij")).reshape(3, -1)
    world = affine[:3, :3] @ corners + affine[:3, 3:]
    low, high = world.min(axis=1), world.max(axis=1)
    sizes = tuple(int(size) for size in np.maximum(1, np.ceil((high - low) / spacing_mm - 1e-6)))
    to_world = np.diag([spacing_mm] * 3 + [1.0])
    to_world[:3, 3] = low + spacing_mm / 2
    return Grid(sizes, to_world, shape, affine)

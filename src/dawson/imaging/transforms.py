"""Spatial transforms in RAS millimetres: apply, compose, save for other programs, and check for folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import PreprocessingError
from dawson.imaging.itk import RAS_LPS, read_itk_affine, write_itk_affine
from dawson.imaging.resample import PointTransform

_VECTOR_INTENT = 1007


@dataclass(frozen=True)
class Affine:
    """A linear map of points, from the world of the fixed image to that of the moving one.

    Parameters
    ----------
    matrix : ndarray (4, 4)
        RAS mm to RAS mm.
    """

    matrix: NDArray[np.float64]

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map points (n, 3)."""
        mapped: NDArray[np.float64] = points @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return mapped

    def inverse(self) -> Affine:
        """The map back."""
        return Affine(np.asarray(np.linalg.inv(self.matrix), dtype=np.float64))

    def save(self, path: Path) -> None:
        """Write as ITK text (`.txt`)."""
        write_itk_affine(path, self.matrix)

    @classmethod
    def load(cls, path: Path) -> Affine:
        """Read an ITK text affine."""
        return cls(read_itk_affine(path))


@dataclass(frozen=True)
class Warp:
    """A displacement field on a grid of the fixed image: point x goes to x + d(x).

    Parameters
    ----------
    displacement : ndarray (i, j, k, 3)
        RAS mm.
    affine : ndarray (4, 4)
        From voxel indices of the field to RAS mm.
    """

    displacement: NDArray[np.float32]
    affine: NDArray[np.float64]

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map points (n, 3); the field is linear between its voxels and constant beyond its border."""
        to_voxels = np.linalg.inv(self.affine)
        voxels = (points @ to_voxels[:3, :3].T + to_voxels[:3, 3]).T
        shift = [ndimage.map_coordinates(self.displacement[..., axis], voxels, order=1, mode="nearest") for axis in range(3)]
        moved: NDArray[np.float64] = points + np.stack(shift, axis=1)
        return moved

    def save(self, path: Path) -> None:
        """Write as ITK displacement field (`.nii.gz`, LPS mm), which ANTs, greedy and 3D Slicer read."""
        lps = self.displacement * np.asarray([-1, -1, 1], dtype=np.float32)
        image = nib.Nifti1Image(lps[:, :, :, None, :], self.affine)
        image.header.set_intent(_VECTOR_INTENT)
        image.header.set_xyzt_units("mm")
        nib.save(image, path)

    @classmethod
    def load(cls, path: Path) -> Warp:
        """Read an ITK displacement field.

        Raises
        ------
        PreprocessingError
            The file is no vector field.
        """
        image: Any = nib.load(path)
        field = np.asarray(image.dataobj, dtype=np.float32)
        if field.ndim != 5 or field.shape[3:] != (1, 3):
            raise PreprocessingError(f"{path} is no displacement field.", "Delete it; it will be made again.")
        return cls(np.ascontiguousarray(field[:, :, :, 0] * np.diag(RAS_LPS)[:3].astype(np.float32)), image.affine)


def jacobian_minimum(transforms: Sequence[PointTransform], mask: Any) -> float:
    """Smallest Jacobian determinant of a chain of transforms inside a mask; 0 or less means that it folds.

    At every voxel of the mask the determinant is taken from one-sided differences toward each of the eight corners around
    it, which is stricter than central differences: those can step over a fold that is one voxel wide.

    Parameters
    ----------
    transforms : sequence of PointTransform
        In the order in which points pass them.
    mask : nibabel.Nifti1Image
        Where to look, on a grid as fine as the warp's.
    """
    inside = np.asarray(mask.dataobj) > 0
    # one voxel of margin for the differences
    box = tuple(slice(max(0, int(where.min()) - 1), int(where.max()) + 2) for where in (np.nonzero(inside)[axis] for axis in range(3)))
    region = inside[box]
    affine = np.asarray(mask.affine, dtype=np.float64)
    voxels = np.stack(
        np.meshgrid(*[np.arange(part.start, part.start + size) for part, size in zip(box, region.shape, strict=True)], indexing="ij"),
        axis=-1,
    ).reshape(-1, 3)
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    for transform in transforms:
        points = transform.apply(points)
    mapped = points.reshape(*region.shape, 3)
    inner = region.copy()
    for axis in range(3):
        # voxels at the border of the region have no neighbour on one side
        np.moveaxis(inner, axis, 0)[[0, -1]] = False
    smallest = np.inf
    here = mapped[inner]
    for signs in product((-1, 1), repeat=3):
        columns = [sign * (np.roll(mapped, -sign, axis=axis)[inner] - here) for axis, sign in enumerate(signs)]
        determinant = np.einsum("ni,ni->n", columns[0], np.cross(columns[1], columns[2]))
        smallest = min(smallest, float(determinant.min()))
    return smallest / float(np.linalg.det(affine[:3, :3]))

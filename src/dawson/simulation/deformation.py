"""Smooth diffeomorphic deformations of the box, and fields and volumes taken through them.

A deformation is the exponential of a smooth velocity field, by scaling and squaring (Arsigny et al., MICCAI 2006), on a
grid of 4 mm; displacements point from a voxel of the patient to where it lies in the template, so that images are
pulled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.simulation.anatomy import COARSE

Field = NDArray[np.float32]

_SQUARINGS = 5

# Scale and standard deviation, mm, of the random parts of a person's deformation.
_WARPS = ((24.0, 1.2), (12.0, 1.4), (6.0, 0.8))


def smooth_noise(rng: np.random.Generator, shape: Sequence[int], sigma: float) -> Field:
    """Gaussian random field with standard deviation 1.

    Parameters
    ----------
    rng : Generator
    shape : sequence of int
    sigma : float
        Width of the smoothing kernel, voxels.
    """
    field = ndimage.gaussian_filter(rng.standard_normal(tuple(shape), dtype=np.float32), sigma, mode="wrap")
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)


def exponential(velocity: Field) -> Field:
    """Displacement after unit time along a velocity field.

    Parameters
    ----------
    velocity : ndarray (3, x, y, z)
        In voxels of its own grid.

    Returns
    -------
    ndarray (3, x, y, z)
        In voxels.
    """
    import torch

    displacement = torch.from_numpy(np.ascontiguousarray(velocity, dtype=np.float32)) / 2**_SQUARINGS
    to_unit = torch.tensor([2 / max(size - 1, 1) for size in velocity.shape[1:]])
    axes = torch.meshgrid(*(torch.arange(size, dtype=torch.float32) for size in velocity.shape[1:]), indexing="ij")
    grid = torch.stack(axes, dim=-1)
    for _ in range(_SQUARINGS):
        # grid_sample wants the last axis first and the volume's ends at -1 and 1.
        there = ((grid + displacement.movedim(0, -1)) * to_unit - 1).flip(-1)
        moved = torch.nn.functional.grid_sample(displacement[None], there[None], padding_mode="border", align_corners=True)
        displacement = displacement + moved[0]
    return np.asarray(displacement.numpy())


def draw_shape(rng: np.random.Generator, outward: Field) -> Field:
    """Velocity of the deformation that makes one person's brain out of the template.

    Three scales of random warp; the torque that nearly every brain has (right frontal and left occipital poles stand out; Toga &
    Thompson, Nat Rev Neurosci 2003), since the template is symmetric; and one lateral ventricle, more often the left, wider.

    Parameters
    ----------
    rng : Generator
    outward : ndarray (3, x, y, z)
        The atlas's direction away from the lateral ventricles; also gives the shape.

    Returns
    -------
    ndarray (3, x, y, z)
        In mm, on the coarse grid.
    """
    shape = outward.shape[1:]
    velocity = np.zeros(outward.shape, dtype=np.float32)
    for scale_mm, sd_mm in _WARPS:
        for part in velocity:
            part += np.float32(sd_mm) * smooth_noise(rng, shape, scale_mm / COARSE)
    side = np.tanh((np.arange(shape[0], dtype=np.float32) - (shape[0] - 1) / 2) * COARSE / 20)[:, None, None]
    velocity[1] -= np.float32(rng.normal(1.2, 0.5)) * side
    velocity += np.float32(rng.normal(0.15, 0.25)) * side * outward
    return velocity


def displacement_of(velocity_mm: Field) -> Field:
    """Displacement in mm of a velocity in mm, both (3, x, y, z) on the coarse grid."""
    return exponential(velocity_mm / np.float32(COARSE)) * np.float32(COARSE)


def share_volume(share: Field, velocity_mm: Field) -> float:
    """Volume, in cells of the coarse grid, that a region has after a deformation.

    Parameters
    ----------
    share : ndarray (x, y, z)
        Of the region in each cell of the coarse grid.
    velocity_mm : ndarray (3, x, y, z)
    """
    return float(pull_back([share], exponential(velocity_mm / np.float32(COARSE)))[0].sum())


def rigid_displacement(shape: Sequence[int], motion: NDArray[np.float64]) -> Field:
    """A small rotation about the box's centre and a shift.

    Parameters
    ----------
    shape : sequence of int
        Of the coarse grid.
    motion : ndarray (2, 3)
        Rotation about x, y and z in degrees; shift in mm.

    Returns
    -------
    ndarray (3, x, y, z)
        Displacement in mm.
    """
    from scipy.spatial.transform import Rotation

    centre = (np.array(shape) - 1) / 2
    grid = (np.indices(tuple(shape), dtype=np.float32).reshape(3, -1).T - centre) * COARSE
    turned = grid @ Rotation.from_euler("xyz", motion[0], degrees=True).as_matrix().T + motion[1]
    return np.asarray((turned - grid).T.reshape(3, *shape), dtype=np.float32)


@lru_cache(maxsize=16)
def _between(size: int, factor: int, extend: bool) -> Any:
    """Weights (factor * size, size) of linear interpolation from cells to parts of cells; ends are held, or extended."""
    import torch

    place = (np.arange(size * factor) + 0.5) / factor - 0.5
    if not extend:
        place = np.clip(place, 0, size - 1)
    low = np.clip(np.floor(place), 0, max(size - 2, 0)).astype(int)
    weights = np.zeros((size * factor, size), dtype=np.float32)
    rows = np.arange(size * factor)
    weights[rows, low] = 1 - (place - low)
    weights[rows, np.minimum(low + 1, size - 1)] += (place - low).astype(np.float32)
    return torch.from_numpy(weights)


def upsample(field: Field, factor: int = COARSE) -> Field:
    """Onto a finer grid, by default from the coarse grid to the 1 mm box, trilinear.

    Parameters
    ----------
    field : ndarray (channels, x, y, z)
    factor : int

    Returns
    -------
    ndarray (channels, factor * x, factor * y, factor * z)
    """
    import torch

    x, y, z = (_between(size, factor, False) for size in field.shape[1:])
    # One axis after another, as products of matrices: several times as fast as interpolating at each voxel.
    fine = torch.from_numpy(np.ascontiguousarray(field, dtype=np.float32))
    fine = torch.matmul(x, fine.flatten(2)).reshape(len(field), len(x), *field.shape[2:])
    return np.asarray(torch.matmul(torch.matmul(y, fine), z.T).numpy())


class Warp:
    """A deformation, worked out once and used for many volumes.

    Parameters
    ----------
    displacement : ndarray (3, x, y, z)
        In voxels of the volumes (mm on the box), on their grid or on one that is coarser by `factor`.
    factor : int
    inside : ndarray of bool, optional
        Cells of the displacement's grid in which values are wanted; the rest is 0. By default all.
    """

    def __init__(self, displacement: Field, factor: int = 1, inside: NDArray[np.bool_] | None = None) -> None:
        import torch

        sizes = displacement.shape[1:]
        self.shape = tuple(size * factor for size in sizes)
        positions = torch.empty((*sizes, 3))
        for axis, (size, whole) in enumerate(zip(sizes, self.shape, strict=True)):
            start = torch.arange(size, dtype=torch.float32).reshape([-1 if a == axis else 1 for a in range(3)])
            there = torch.from_numpy(displacement[axis]) + start * factor + (factor - 1) / 2
            # grid_sample wants the last axis first and the volume's ends at -1 and 1.
            positions[..., 2 - axis] = there * (2 / max(whole - 1, 1)) - 1
        if factor > 1:
            x, y, z = (_between(size, factor, True) for size in sizes)
            positions = torch.matmul(y, torch.matmul(z, positions).flatten(2))
            positions = torch.matmul(x, positions.flatten(1))
        self._grid = positions.reshape(1, 1, 1, -1, 3)
        self._wanted = None
        if inside is not None:
            fine = torch.from_numpy(inside)
            for axis in range(3):
                fine = fine.repeat_interleave(factor, axis)
            self._wanted = torch.nonzero(fine.reshape(-1))[:, 0]
            self._grid = self._grid[:, :, :, self._wanted]

    def pull(self, volumes: Sequence[Field], nearest: bool = False) -> list[Field]:
        """Take volumes through the deformation, zero outside.

        Parameters
        ----------
        volumes : sequence of ndarray of float32 (x, y, z)
        nearest : bool
            Take the nearest voxel instead of interpolating: for labels.
        """
        import torch

        stack = torch.from_numpy(np.stack(volumes, dtype=np.float32))[None]
        mode = "nearest" if nearest else "bilinear"
        moved = torch.nn.functional.grid_sample(stack, self._grid, mode=mode, padding_mode="zeros", align_corners=True)[0, :, 0, 0]
        if self._wanted is not None:
            whole = torch.zeros((len(volumes), stack[0, 0].numel()))
            for part, values in zip(whole, moved, strict=True):
                part[self._wanted] = values
            moved = whole
        return list(moved.reshape(-1, *self.shape).numpy())


def pull_back(volumes: Sequence[Field], displacement: Field) -> list[Field]:
    """Take volumes through a deformation on their own grid, trilinear, zero outside.

    Parameters
    ----------
    volumes : sequence of ndarray (x, y, z)
    displacement : ndarray (3, x, y, z)
        In voxels of the volumes; mm on the box.
    """
    return Warp(displacement).pull(volumes)


def jacobian_determinant(displacement: Field, spacing: float) -> Field:
    """Local volume factor of a displacement in the units of `spacing`; above 0 where nothing folds."""
    rows = [np.gradient(part, spacing) for part in displacement]
    matrix = np.stack([np.stack(row) for row in rows])
    return np.asarray(np.linalg.det(np.moveaxis(matrix, (0, 1), (-2, -1)) + np.eye(3)), dtype=np.float32)

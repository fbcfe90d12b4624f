"""Smooth diffeomorphic deformations of the box, and fields and volumes taken through them.

A deformation is the exponential of a smooth velocity field, by scaling and squaring (Arsigny et al., MICCAI 2006), on a
grid of 4 mm; displacements point from a voxel of the patient to where it lies in the template, so that images are
pulled back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.simulation.anatomy import COARSE

Field = NDArray[np.float32]

_SQUARINGS = 5


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
    grid = np.indices(velocity.shape[1:], dtype=np.float32)
    displacement = velocity / 2**_SQUARINGS
    for _ in range(_SQUARINGS):
        there = grid + displacement
        displacement = displacement + np.stack([ndimage.map_coordinates(part, there, order=1, mode="nearest") for part in displacement])
    return np.asarray(displacement, dtype=np.float32)


def draw_displacement(rng: np.random.Generator, outward: Field, ventricle_mm: float, sd_mm: tuple[float, float] = (1.8, 0.8)) -> Field:
    """The deformation that makes one person's brain.

    Parameters
    ----------
    rng : Generator
    outward : ndarray (3, x, y, z)
        The atlas's direction away from the lateral ventricles; also gives the shape.
    ventricle_mm : float
        How far the ventricles' walls move out; negative makes them narrower.
    sd_mm : tuple of float
        Standard deviation of the displacement at a scale of 12 and of 5 mm.

    Returns
    -------
    ndarray (3, x, y, z)
        Displacement in mm on the coarse grid.
    """
    shape = outward.shape[1:]
    velocity = np.stack(
        [sd_mm[0] * smooth_noise(rng, shape, 12 / COARSE) + sd_mm[1] * smooth_noise(rng, shape, 5 / COARSE) for _ in range(3)]
    )
    # The brain's torque: right frontal and left occipital poles stand out (the template is symmetric).
    x = (np.arange(shape[0], dtype=np.float32) - (shape[0] - 1) / 2) * COARSE
    velocity[1] -= 1.2 * np.tanh(x / 20)[:, None, None]
    velocity -= ventricle_mm * outward
    return exponential(np.asarray(velocity / COARSE, dtype=np.float32)) * COARSE


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

    fine = torch.nn.functional.interpolate(torch.from_numpy(field)[None], scale_factor=float(factor), mode="trilinear")
    return np.asarray(fine[0].numpy())


def pull_back(volumes: Sequence[Field], displacement_mm: Field) -> list[Field]:
    """Take volumes of the box through a deformation, trilinear, zero outside.

    Parameters
    ----------
    volumes : sequence of ndarray (x, y, z)
    displacement_mm : ndarray (3, x, y, z)
        On the 1 mm grid of the volumes.
    """
    import torch

    shape = volumes[0].shape
    positions = torch.empty((*shape, 3), dtype=torch.float32)
    for axis, size in enumerate(shape):
        start = torch.arange(size, dtype=torch.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        # grid_sample wants the last axis first and the volume's ends at -1 and 1.
        positions[..., 2 - axis] = (start + torch.from_numpy(displacement_mm[axis])) * (2 / (size - 1)) - 1
    stack = torch.from_numpy(np.stack(volumes))[None]
    moved = torch.nn.functional.grid_sample(stack, positions[None], mode="bilinear", padding_mode="zeros", align_corners=True)
    return list(moved[0].numpy())


def sample(volumes: Sequence[Field], to_voxel: NDArray[np.float64], shape: Sequence[int]) -> list[Field]:
    """Resample volumes on another grid, trilinear, zero outside.

    Parameters
    ----------
    volumes : sequence of ndarray (x, y, z)
    to_voxel : ndarray (4, 4)
        From voxel of the new grid to voxel of the volumes.
    shape : sequence of int
        Of the new grid.
    """
    import torch

    size = np.array(volumes[0].shape)
    # From normalised coordinates of the new grid (last axis first) to those of the volumes, as affine_grid takes them.
    flip = np.eye(4)[[2, 1, 0, 3]]
    from_unit = np.diag([*((np.array(shape) - 1) / 2), 1.0])
    from_unit[:3, 3] = (np.array(shape) - 1) / 2
    to_unit = np.diag([*(2 / (size - 1)), 1.0])
    to_unit[:3, 3] = -1
    theta = torch.from_numpy((flip @ to_unit @ to_voxel @ from_unit @ flip)[:3].astype(np.float32))[None]
    positions = torch.nn.functional.affine_grid(theta, [1, 1, *shape], align_corners=True)
    stack = torch.from_numpy(np.stack(volumes))[None]
    moved = torch.nn.functional.grid_sample(stack, positions, mode="bilinear", padding_mode="zeros", align_corners=True)
    return list(moved[0].numpy())


def jacobian_determinant(displacement: Field, spacing: float) -> Field:
    """Local volume factor of a displacement in the units of `spacing`; above 0 where nothing folds."""
    rows = [np.gradient(part, spacing) for part in displacement]
    matrix = np.stack([np.stack(row) for row in rows])
    return np.asarray(np.linalg.det(np.moveaxis(matrix, (0, 1), (-2, -1)) + np.eye(3)), dtype=np.float32)

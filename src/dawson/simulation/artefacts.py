"""Faults of MR images. What is random is drawn first, as a small frozen record; applying it is a pure function.

So every fault can be replayed, and its severity is known to whoever tests quality control. Severity 0 changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.simulation.anatomy import Volume

_CONTROL = 6


@dataclass(frozen=True)
class Bias:
    """Logarithm of a coil's sensitivity at (6, 6, 6) points over the image."""

    control: NDArray[np.float32]


@dataclass(frozen=True)
class Noise:
    """Standard deviation of each channel, in units of the image, and the seed of its two channels."""

    sd: float
    seed: int


@dataclass(frozen=True)
class Distortion:
    """A bump of displacement along one axis: its height and width (mm), axis, and centre (voxels)."""

    height_mm: float
    width_mm: float
    axis: int
    centre: tuple[float, float, float]


def draw_bias(rng: np.random.Generator, sd: float) -> Bias:
    """A smooth sensitivity whose logarithm has the standard deviation `sd` over its points."""
    control = ndimage.gaussian_filter(rng.standard_normal((_CONTROL,) * 3), 1.0, mode="nearest")
    control = (control - control.mean()) / control.std() * sd
    return Bias(np.asarray(control, dtype=np.float32))


def add_bias(image: Volume, bias: Bias) -> Volume:
    """Multiply with the coil's sensitivity.

    Parameters
    ----------
    image : ndarray of float32 (x, y, z)
    bias : Bias
    """
    if not bias.control.any():
        return image
    import torch

    control = torch.from_numpy(np.exp(bias.control))[None, None]
    field = torch.nn.functional.interpolate(control, size=image.shape, mode="trilinear", align_corners=True)[0, 0].numpy()
    return np.asarray(image * field, dtype=np.float32)


def draw_noise(rng: np.random.Generator, sd: float) -> Noise:
    """Noise of both channels with that standard deviation."""
    return Noise(sd, int(rng.integers(2**62)))


def add_noise(image: Volume, noise: Noise) -> Volume:
    """Rician noise: magnitude of a complex image with Gaussian noise in both channels (Gudbjartsson & Patz 1995).

    Parameters
    ----------
    image : ndarray of float32, any shape
        Not negative.
    noise : Noise
    """
    if noise.sd == 0:
        return image
    rng = np.random.default_rng(noise.seed)
    real, imaginary = (rng.standard_normal(image.shape, dtype=np.float32) for _ in range(2))
    real *= np.float32(noise.sd)
    real += image
    imaginary *= np.float32(noise.sd)
    return np.asarray(np.hypot(real, imaginary), dtype=np.float32)


def draw_distortion(rng: np.random.Generator, height_mm: float, axis: int, centre: tuple[float, float, float]) -> Distortion:
    """A field that air in the sinuses bends, up or down.

    Parameters
    ----------
    rng : Generator
    height_mm : float
        Largest displacement.
    axis : int
        Of frequency encoding.
    centre : tuple of float
        Where the sinuses lie, voxels.
    """
    return Distortion(height_mm * float(rng.choice([-1.0, 1.0])), float(rng.uniform(18, 26)), axis, centre)


def distort(image: Volume, distortion: Distortion, spacing_mm: tuple[float, float, float]) -> Volume:
    """Displace along one axis, brighter where signal is pushed together (Jezzard & Balaban 1995).

    Parameters
    ----------
    image : ndarray of float32 (x, y, z)
    distortion : Distortion
    spacing_mm : tuple of float
    """
    if distortion.height_mm == 0:
        return image
    axis, mm = distortion.axis, spacing_mm[distortion.axis]
    reach = 2 * distortion.width_mm
    box = tuple(
        slice(max(0, int(c - reach / step)), max(0, min(size, int(c + reach / step) + 2)))
        for c, step, size in zip(distortion.centre, spacing_mm, image.shape, strict=True)
    )
    part = image[box]
    if min(part.shape) < 2:
        return image
    away = [(np.arange(piece.start, piece.stop) - c) * step for piece, c, step in zip(box, distortion.centre, spacing_mm, strict=True)]
    bumps = [np.exp(-1.5 * (distance / distortion.width_mm) ** 2).astype(np.float32) for distance in away]
    displacement = np.einsum("i,j,k->ijk", *bumps) * np.float32(distortion.height_mm / mm)
    index = np.arange(part.shape[axis], dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    where = np.clip(index + displacement, 0, part.shape[axis] - 1.001)
    below = where.astype(np.intp)
    low, high = (np.take_along_axis(part, below + more, axis) for more in (0, 1))
    result = image.copy()
    result[box] = (low + (where - below) * (high - low)) * np.clip(1 + np.gradient(displacement, axis=axis), 0.2, 3.0)
    return result


def slices(size: int, thickness_mm: float, start: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Partial volume: weights that make thick slices of planes of 1 mm, and those that make planes of slices again.

    Parameters
    ----------
    size : int
        Number of planes.
    thickness_mm : float
        1 or less makes every plane a slice.
    start : float
        Where the first slice begins, as a share of a slice, 0 to 1.

    Returns
    -------
    down : ndarray of float32 (size, slices)
        Each slice is the mean over its thickness.
    up : ndarray of float32 (slices, size)
        Linear interpolation.
    """
    if thickness_mm <= 1:
        return np.eye(size, dtype=np.float32), np.eye(size, dtype=np.float32)
    # Only slices that hold a plane.
    centres = np.arange((0.5 - start) * thickness_mm, size + thickness_mm / 2, thickness_mm)
    planes = np.arange(size) + 0.5
    overlap = np.minimum.outer(planes + 0.5, centres + thickness_mm / 2) - np.maximum.outer(planes - 0.5, centres - thickness_mm / 2)
    down = np.clip(overlap, 0, None)
    down /= down.sum(axis=0)
    up = np.clip(1 - np.abs(np.subtract.outer(centres, planes)) / thickness_mm, 0, None)
    up /= up.sum(axis=0)
    return down.astype(np.float32), up.astype(np.float32)


def along_slices(image: Volume, weights: NDArray[np.float32]) -> Volume:
    """Weighted sums along the last axis, with one of the matrices of `slices`."""
    return np.asarray((image.reshape(-1, image.shape[2]) @ weights).reshape(*image.shape[:2], -1), dtype=np.float32)


def crop(
    image: NDArray[np.generic], affine: NDArray[np.float64], axis: int, start: int, stop: int
) -> tuple[np.ndarray, NDArray[np.float64]]:
    """Keep the slices of `start` to before `stop` along an axis, and say where they lie.

    Returns
    -------
    image : ndarray
    affine : ndarray (4, 4)
        Voxels keep their place in the world.
    """
    index: list[slice] = [slice(None)] * 3
    index[axis] = slice(start, stop)
    moved = np.array(affine, dtype=float)
    moved[:3, 3] += start * moved[:3, axis]
    return image[tuple(index)], moved

"""Faults of MR images that arise in k-space: motion, ghosts, truncation.

As in `artefacts`, what is random is drawn first and applying it is a pure function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from dawson.simulation.anatomy import Volume
from dawson.simulation.resampling import resample

_SEGMENTS = 3


@dataclass(frozen=True)
class Motion:
    """Poses of the head while k-space is filled.

    Parameters
    ----------
    rotations_deg, shifts_mm : tuple of tuple of float
        One pose a segment, about the image's centre.
    until : tuple of float
        Where each segment ends, as a share of all phase-encoding lines; the last is 1.
    axis : int
        Of phase encoding.
    """

    rotations_deg: tuple[tuple[float, float, float], ...]
    shifts_mm: tuple[tuple[float, float, float], ...]
    until: tuple[float, ...]
    axis: int


@dataclass(frozen=True)
class Ghosting:
    """A signal that swings from one phase-encoding line to the next: its height, period in lines, phase, and axis."""

    strength: float
    period: float
    phase: float
    axis: int


def draw_motion(rng: np.random.Generator, severity: float, axis: int) -> Motion:
    """A head that jumps twice and stays where it fell.

    Parameters
    ----------
    rng : Generator
    severity : float
        Standard deviation of each rotation (degrees) and shift (mm) of a jump; the first pose is the reference.
    axis : int
        Of phase encoding.
    """
    jumps = rng.normal(0, severity, (_SEGMENTS, 2, 3))
    # The middle of k-space gives the image its place and most of its signal: the pose there is the reference.
    until = np.sort(np.concatenate([rng.uniform(0.05, 0.45, 1), rng.uniform(0.55, 0.95, _SEGMENTS - 2)]))
    jumps[1] = 0.0
    poses = [tuple(tuple(float(value) for value in part) for part in pose) for pose in jumps]
    return Motion(
        tuple(pose[0] for pose in poses),  # type: ignore[misc]
        tuple(pose[1] for pose in poses),  # type: ignore[misc]
        (*(float(value) for value in until), 1.0),
        axis,
    )


def move(image: Volume, motion: Motion, spacing_mm: tuple[float, float, float]) -> Volume:
    """Fill every segment of k-space from the head as it lay then.

    Parameters
    ----------
    image : ndarray of float32 (x, y, z)
    motion : Motion
    spacing_mm : tuple of float

    Returns
    -------
    ndarray of float32 (x, y, z)
        Magnitude.
    """
    if not (np.any(motion.rotations_deg) or np.any(motion.shifts_mm)):
        return image
    import torch

    lines = image.shape[motion.axis]
    # Lines in the order of time: from the lowest to the highest frequency.
    frequency = np.fft.fftfreq(lines)
    order = np.argsort(np.argsort(frequency)) / lines
    whole: torch.Tensor | None = None
    start = 0.0
    for rotation, shift, end in zip(motion.rotations_deg, motion.shifts_mm, motion.until, strict=True):
        seen = torch.from_numpy(_posed(image, rotation, shift, spacing_mm))
        now = torch.from_numpy(((order >= start) & (order < end)).astype(np.float32))
        now = now.reshape([-1 if axis == motion.axis else 1 for axis in range(3)])
        part = torch.fft.fft(seen, dim=motion.axis) * now
        whole = part if whole is None else whole + part
        start = end
    assert whole is not None
    return np.asarray(torch.fft.ifft(whole, dim=motion.axis).abs().numpy(), dtype=np.float32)


def _posed(
    image: Volume, rotation_deg: tuple[float, float, float], shift_mm: tuple[float, float, float], spacing_mm: tuple[float, float, float]
) -> Volume:
    """The image of a head turned about the middle of the field of view and shifted."""
    if not (any(rotation_deg) or any(shift_mm)):
        return image
    spacing, centre = np.diag(spacing_mm), (np.array(image.shape) - 1) / 2
    turn = np.linalg.inv(spacing) @ Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix() @ spacing
    to_voxel = np.eye(4)
    to_voxel[:3, :3] = turn
    to_voxel[:3, 3] = centre - turn @ centre + np.array(shift_mm) / np.array(spacing_mm)
    return resample([image], to_voxel, image.shape)[0]


def draw_ghosting(rng: np.random.Generator, strength: float, axis: int) -> Ghosting:
    """Ghosts at a half to a fifth of the field of view."""
    return Ghosting(strength, float(rng.uniform(2.0, 5.0)), float(rng.uniform(0, 2 * np.pi)), axis)


def add_ghosts(image: Volume, ghosting: Ghosting) -> Volume:
    """Let the phase of the signal swing while the lines of k-space are read.

    With lines k times exp(2 i s sin(2 pi k / p + phase)), two ghosts of the height s lie a p-th of the field of view up and down.

    Parameters
    ----------
    image : ndarray of float32 (x, y, z)
    ghosting : Ghosting
    """
    if ghosting.strength == 0:
        return image
    import torch

    lines = image.shape[ghosting.axis]
    k = np.fft.fftfreq(lines, 1 / lines)
    swing = np.exp(2j * ghosting.strength * np.sin(2 * np.pi * k / ghosting.period + ghosting.phase)).astype(np.complex64)
    weights = torch.from_numpy(swing).reshape([-1 if axis == ghosting.axis else 1 for axis in range(3)])
    spectrum = torch.fft.fft(torch.from_numpy(image), dim=ghosting.axis) * weights
    return np.asarray(torch.fft.ifft(spectrum, dim=ghosting.axis).abs().numpy(), dtype=np.float32)


def truncate(image: Volume, left_out: float, axes: tuple[int, ...]) -> Volume:
    """Leave out the outer share of k-space along some axes: blur with Gibbs ringing at sharp borders.

    Parameters
    ----------
    image : ndarray of float32 (x, y, z)
    left_out : float
        0 (nothing) to below 1.
    axes : tuple of int
    """
    if left_out == 0:
        return image
    import torch

    result = torch.from_numpy(image)
    for axis in axes:
        lines = image.shape[axis]
        spectrum = torch.fft.rfft(result, dim=axis)
        kept = int(np.floor((1 - left_out) * (lines // 2))) + 1
        index = [slice(None)] * 3
        index[axis] = slice(kept, None)
        spectrum[tuple(index)] = 0
        result = torch.fft.irfft(spectrum, n=lines, dim=axis)
    # A magnitude image has no negative lobes.
    return np.asarray(result.abs().numpy(), dtype=np.float32)

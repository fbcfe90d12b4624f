"""Augmentation of training images: left-right flip and Gaussian noise. What is drawn is kept apart from what is done with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from dawson.config import TrainingSection


@dataclass(frozen=True)
class Draw:
    """What happens to one batch.

    Parameters
    ----------
    flip : Tensor of bool, shape (batch,)
        Which images are mirrored left to right.
    noise : Tensor of float32, shape (batch, channels, rows, columns)
        What is added to them.
    """

    flip: torch.Tensor
    noise: torch.Tensor


def draw(shape: tuple[int, ...], training: TrainingSection, generator: torch.Generator) -> Draw:
    """Draw flips and noise for a batch.

    Each image gets its own noise standard deviation, uniform over `training.noise_sd`, in units of the z-scored image.

    Parameters
    ----------
    shape : tuple of int
        Of the batch: (batch, channels, rows, columns).
    training : TrainingSection
    generator : torch.Generator
        On the CPU; the same state gives the same draw.
    """
    import torch

    batch = shape[0]
    flip = torch.rand(batch, generator=generator) < training.flip_probability
    low, high = training.noise_sd
    sd = low + (high - low) * torch.rand((batch, 1, 1, 1), generator=generator)
    return Draw(flip, sd * torch.randn(shape, generator=generator))


def apply(images: torch.Tensor, what: Draw) -> torch.Tensor:
    """Mirror and add, without changing the input; shape (batch, channels, rows, columns) in and out."""
    import torch

    flip = what.flip.to(images.device)[:, None, None, None]
    return torch.where(flip, images.flip(-1), images) + what.noise.to(images.device)

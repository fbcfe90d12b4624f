"""Differentially private training of a network (DP-SGD), with one bounded gradient for each person, however many scans they have.

Abadi et al., CCS 2016. Per-image gradients come from Opacus; they are averaged over a person's images before they are bounded, since a
bound on each image would protect an image and not the person.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from dawson.errors import ModelError
from dawson.federation.privacy_budget import PrivateRun

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PrivateSettings:
    """How a private training goes.

    Parameters
    ----------
    noise_multiplier : float
        Standard deviation of the noise over `bound`; 0 is no privacy at all.
    bound : float
        Largest Euclidean norm of one person's gradient.
    people_per_step : float
        Expected number of people in a step; each is drawn by chance, independently of all others.
    steps : int
    learning_rate : float
    """

    noise_multiplier: float
    bound: float = 1.0
    people_per_step: float = 16.0
    steps: int = 500
    learning_rate: float = 1e-3

    def run(self, job: str, people: int) -> PrivateRun:
        """What the accountant needs to know of it."""
        return PrivateRun(job, self.noise_multiplier, min(1.0, self.people_per_step / people), self.steps)


def train_privately(
    network: nn.Module,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    people: Sequence[str],
    settings: PrivateSettings,
    class_weights: NDArray[np.float32] | None = None,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """Train a network in place.

    Parameters
    ----------
    network : torch.nn.Module
        Without batch normalisation, which mixes people.
    images : ndarray of float32, shape (images, channels, rows, columns)
    labels : ndarray of int, shape (images,)
    people : sequence of str
        Whose image each is.
    settings : PrivateSettings
    class_weights : ndarray of float32, shape (classes,), optional
        They must not come from these people's counts, unless those are known anyway.
    generator : torch.Generator, optional
        For tests. By default it starts from the system's entropy: whoever knows the noise can take it away.

    Returns
    -------
    torch.nn.Module
        `network`, in evaluation mode.

    Raises
    ------
    ModelError
        The network has batch normalisation, or another part without per-image gradients.
    """
    from opacus import GradSampleModule
    from opacus.validators import ModuleValidator

    if problems := ModuleValidator.validate(network, strict=False):
        raise ModelError(f"The network cannot be trained privately: {problems[0]}", "Replace batch by group normalisation.")
    generator = generator or torch.Generator().manual_seed(secrets.randbits(63))
    names, owner = np.unique(np.asarray(people, str), return_inverse=True)
    weight = image_weights(owner, labels, class_weights)
    rate = min(1.0, settings.people_per_step / len(names))
    wrapped: Any = GradSampleModule(network, loss_reduction="sum")
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    network.train()
    for _ in range(settings.steps):
        drawn = torch.rand(len(names), generator=generator) < rate
        chosen = torch.from_numpy(np.flatnonzero(drawn.numpy()[owner]))
        optimiser.zero_grad(set_to_none=True)
        if len(chosen):
            # the backward hooks of Opacus want an input with a gradient
            losses = nn.functional.cross_entropy(wrapped(x[chosen].requires_grad_()), y[chosen], reduction="none")
            (losses * weight[chosen]).sum().backward()
        there, place = np.unique(owner[chosen.numpy()], return_inverse=True)
        summed = bounded_sum(network, torch.from_numpy(place), len(there), settings.bound)
        for parameter, total in zip(network.parameters(), summed, strict=True):
            noise = torch.randn(parameter.shape, generator=generator) * settings.noise_multiplier * settings.bound
            # by the expected number of people: the number that was drawn is a secret too
            parameter.grad = (total + noise) / settings.people_per_step
            parameter.grad_sample = None  # type: ignore[attr-defined]
        optimiser.step()
    wrapped.remove_hooks()
    for parameter in network.parameters():
        del parameter.grad_sample  # type: ignore[attr-defined]
    return network.eval()


def image_weights(owner: NDArray[np.intp], labels: NDArray[np.int64], class_weights: NDArray[np.float32] | None) -> Tensor:
    """What each image counts: one over the number of its person's images, times the weight of its class; shape (images,)."""
    counts = np.bincount(owner)[owner]
    classes = np.ones(len(owner)) if class_weights is None else np.asarray(class_weights, float)[labels]
    return torch.from_numpy((classes / counts).astype(np.float32))


def bounded_sum(network: nn.Module, owner: Tensor, people: int, bound: float) -> list[Tensor]:
    """The sum over people of their gradients, each shortened to `bound` where it is longer.

    Parameters
    ----------
    network : torch.nn.Module
        With per-image gradients in `grad_sample` of each parameter; none after an empty step.
    owner : Tensor of int, shape (images,)
        Person of each image, from 0.
    people : int
        How many they are.
    bound : float

    Returns
    -------
    list of Tensor
        In the order of the network's parameters.
    """
    parameters = list(network.parameters())
    if not len(owner):
        return [torch.zeros_like(parameter) for parameter in parameters]
    own = []
    for parameter in parameters:
        samples: Tensor = parameter.grad_sample  # type: ignore[attr-defined]
        own.append(torch.zeros((people, *parameter.shape)).index_add_(0, owner, samples))
    norms = torch.sqrt(sum(((part.flatten(1) ** 2).sum(dim=1) for part in own), start=torch.zeros(people)))
    factor = (bound / norms.clamp_min(1e-12)).clamp_max(1.0)
    return [torch.einsum("p,p...->...", factor, part) for part in own]

"""Differentially private training of a network (DP-SGD), with one bounded gradient for each person, however many scans they have.

Abadi et al., CCS 2016. The gradient of the mean loss over a person's images is bounded, since a bound on each image would protect an
image and not the person. It is one pass for each person: on a processor no slower than all at once, and right for any network that does
not mix the images of a batch. Opacus checks that, and counts what is spent.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from dawson.errors import ModelError
from dawson.federation.privacy_budget import PrivateRun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dawson.federation.plan import FederatedPlan


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


def private_settings(plan: FederatedPlan, people: int) -> PrivateSettings:
    """One round of a private plan at a site with so many training people: as many steps as its local passes would take.

    Raises
    ------
    ModelError
        The plan is not private.
    """
    if plan.privacy is None:
        raise ModelError(f"{plan.job} is no private training.")
    part = plan.privacy
    steps = max(1, round(plan.local_epochs * people / part.people_per_step))
    return PrivateSettings(part.noise_multiplier, part.bound, part.people_per_step, steps, plan.training.learning_rate)


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
        The network has batch normalisation.
    """
    from opacus.validators import ModuleValidator

    network.train()
    if problems := ModuleValidator.validate(network, strict=False):
        raise ModelError(f"The network cannot be trained privately: {problems[0]}", "Replace batch by group normalisation.")
    generator = generator or torch.Generator().manual_seed(secrets.randbits(63))
    names, owner = np.unique(np.asarray(people, str), return_inverse=True)
    weight = image_weights(owner, labels, class_weights)
    own = [torch.from_numpy(np.flatnonzero(owner == number)) for number in range(len(names))]
    rate = min(1.0, settings.people_per_step / len(names))
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    for _ in range(settings.steps):
        drawn = torch.rand(len(names), generator=generator) < rate
        batches = [(x[place], y[place], weight[place]) for place, taken in zip(own, drawn.tolist(), strict=True) if taken]
        summed = bounded_sum(network, batches, settings.bound)
        for parameter, total in zip(network.parameters(), summed, strict=True):
            noise = torch.randn(parameter.shape, generator=generator) * settings.noise_multiplier * settings.bound
            # by the expected number of people: the number that was drawn is a secret too
            parameter.grad = (total + noise) / settings.people_per_step
        optimiser.step()
    return network.eval()


def image_weights(owner: NDArray[np.intp], labels: NDArray[np.int64], class_weights: NDArray[np.float32] | None) -> Tensor:
    """What each image counts: one over the number of its person's images, times the weight of its class; shape (images,)."""
    counts = np.bincount(owner)[owner]
    classes = np.ones(len(owner)) if class_weights is None else np.asarray(class_weights, float)[labels]
    return torch.from_numpy((classes / counts).astype(np.float32))


def bounded_sum(network: nn.Module, people: Iterable[tuple[Tensor, Tensor, Tensor]], bound: float) -> list[Tensor]:
    """The sum over people of their gradients, each shortened to `bound` where it is longer.

    Parameters
    ----------
    network : torch.nn.Module
    people : iterable of (Tensor, Tensor, Tensor)
        Images, labels and weights of each person's images.
    bound : float

    Returns
    -------
    list of Tensor
        In the order of the network's parameters.
    """
    parameters = list(network.parameters())
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for images, labels, weights in people:
        loss = (nn.functional.cross_entropy(network(images), labels, reduction="none") * weights).sum()
        own = torch.autograd.grad(loss, parameters)
        norm = torch.sqrt(sum(((part**2).sum() for part in own), start=torch.zeros(())))
        factor = (bound / norm.clamp_min(1e-12)).clamp_max(1.0)
        for summed, part in zip(total, own, strict=True):
            summed += factor * part
    return total

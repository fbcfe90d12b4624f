"""What a site does in a round: some passes over its training people, from given weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from dawson.classification.augmentation import apply, draw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dawson.classification.device import Computing
    from dawson.config import TrainingSection


@dataclass(frozen=True)
class LocalWork:
    """One site's part of one round.

    Parameters
    ----------
    images : ndarray of float32, shape (images, channels, rows, columns)
        Of the training people.
    labels : ndarray of int, shape (images,)
    class_weights : ndarray of float32, shape (classes,)
    epochs : int
    proximal : float
        mu of FedProx.
    seed : sequence of int
        Order of images and augmentation follow from it.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_weights: NDArray[np.float32]
    epochs: int
    proximal: float
    seed: Sequence[int]


def proximal_term(network: nn.Module, start: Sequence[Tensor], names: Sequence[str], mu: float) -> Tensor:
    """Mu / 2 times the squared Euclidean distance of the named parameters to where the round started (Li et al., MLSys 2020, eq. 2).

    Parameters
    ----------
    network : torch.nn.Module
    start : sequence of Tensor
        In the order of `names`.
    names : sequence of str
        Parameters that travel.
    mu : float
    """
    parameters = dict(network.named_parameters())
    squares = [(parameters[name] - before).square().sum() for name, before in zip(names, start, strict=True)]
    return mu / 2 * torch.stack(squares).sum()


def train_locally(network: nn.Module, work: LocalWork, training: TrainingSection, computing: Computing, shared: Sequence[str]) -> float:
    """Train in place; the optimiser is new in each round.

    Parameters
    ----------
    network : torch.nn.Module
        With the weights of the round's start.
    work : LocalWork
    training : TrainingSection
        Batch size, learning rate, augmentation; its epochs are not looked at.
    computing : Computing
    shared : sequence of str
        Names of the weights that travel: the proximal term holds these.

    Returns
    -------
    float
        Mean class-weighted cross-entropy of the last pass, without the proximal term.
    """
    from torch.nn.functional import cross_entropy

    generator = torch.Generator().manual_seed(int(np.random.SeedSequence(list(work.seed)).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    device = torch.device(computing.device)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x, y = torch.from_numpy(np.array(work.images)).to(device), torch.from_numpy(work.labels).to(device)
    weight = torch.from_numpy(work.class_weights).to(device)
    trainable = dict(network.named_parameters())
    names = [name for name in shared if name in trainable]
    start = [trainable[name].detach().clone() for name in names]
    optimizer = torch.optim.Adam(network.parameters(), lr=training.learning_rate)
    mean = np.nan
    for _ in range(work.epochs):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(x), generator=generator).split(training.batch_size):
            if len(batch) == 1 and len(x) > 1:
                continue  # batch normalisation learns nothing from a single image
            shown = apply(x[batch], draw((len(batch), *x.shape[1:]), training, generator))
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=computing.autocast):
                logits = network(shown.to(memory_format=torch.channels_last))
            loss = cross_entropy(logits.float(), y[batch], weight=weight)
            total += float(loss.detach()) * len(batch)
            if work.proximal:
                loss = loss + proximal_term(network, start, names, work.proximal)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        mean = total / len(x)
    network.eval()
    return mean


@contextmanager
def one_thread(computing: Computing) -> Iterator[None]:
    """The processor computes in one thread, so that the result does not depend on the number of cores."""
    threads = torch.get_num_threads()
    if computing.on_cpu:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

"""Networks whose weights were thrown away, from the last layer down: what a map of a network must not look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from dawson.classification.networks import Architecture

COMPLETE = "all"
# Apart from (seed, repeat, fold), the entropy of training: no randomised network is where a member started from.
_APART = 0x5A11E


def untrained(arch: Architecture, channels: int, classes: int, seed: Sequence[int]) -> torch.nn.Module:
    """A network with weights as they are before training, in evaluation mode on the CPU; the same seed gives the same weights.

    Parameters
    ----------
    arch : Architecture
    channels, classes : int
    seed : sequence of int
    """
    import torch

    entropy = np.random.SeedSequence([*seed, _APART]).generate_state(1, dtype=np.uint64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(entropy[0] >> np.uint64(1)))
        return arch.build(channels, classes).eval()


def cascade(trained: torch.nn.Module, fresh: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Copies of a trained network with more and more layers, from the last one down, replaced by those of an untrained one.

    A layer is a direct child of the network with weights; a normalisation belongs to the layer before it. Children are taken in
    the order in which the network defines them, which for the networks here is the order of computation. The statistics of
    batch normalisation are replaced with the weights.

    Parameters
    ----------
    trained, fresh : torch.nn.Module
        Of one architecture.

    Yields
    ------
    name : str
        Of the lowest layer that was replaced; "all" for the last, which has no trained weight left.
    network : torch.nn.Module
        In evaluation mode, on the device of `trained`; its own copy.

    References
    ----------
    Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, section 3.
    """
    import torch
    from torch.nn.modules.batchnorm import _NormBase

    device = next(trained.parameters()).device
    layers: list[list[str]] = []
    for name, child in trained.named_children():
        if not any(True for _ in child.parameters()):
            continue
        if isinstance(child, _NormBase | torch.nn.GroupNorm) and layers:
            layers[-1].append(name)
        else:
            layers.append([name])
    state, replacement = dict(trained.state_dict()), fresh.state_dict()
    for layer in reversed(layers[1:]):
        state |= {key: value for key, value in replacement.items() if key.split(".")[0] in layer}
        network = deepcopy(trained)
        network.load_state_dict(state)
        yield layer[0], network.eval()
    yield COMPLETE, deepcopy(fresh).to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

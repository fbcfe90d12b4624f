"""Which weights of a network travel, and how its normalisation is made fit for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from dawson.classification.networks import architecture
from dawson.classification.networks.group_norm import with_group_norm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dawson.federation.averaging import Weights
    from dawson.federation.plan import FederatedPlan, Normalisation


def build_network(plan: FederatedPlan) -> nn.Module:
    """The plan's network with the initial weights that its seed gives, the same at every party."""
    entropy = np.random.SeedSequence([plan.seed, 0]).generate_state(1, dtype=np.uint64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(entropy[0] >> np.uint64(1)))
        network = architecture(plan.training.network).build(len(plan.preprocess.slices_mm), len(plan.classes))
    return with_group_norm(network) if plan.normalisation == "groupnorm" else network


def shared_names(network: nn.Module, normalisation: Normalisation) -> tuple[str, ...]:
    """Names in the state of the network that travel, sorted.

    With "fedbn" everything that belongs to batch normalisation stays (Li et al., ICLR 2021, "FedBN"); counters of batches always stay.
    """
    local: set[str] = set()
    if normalisation == "fedbn":
        for name, module in network.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                local |= {f"{name}.{inner}" for inner in module.state_dict()}
    return tuple(sorted(name for name, value in network.state_dict().items() if value.is_floating_point() and name not in local))


def get_shared(network: nn.Module, normalisation: Normalisation) -> Weights:
    """A copy of the weights that travel."""
    state = network.state_dict()
    return {name: state[name].detach().cpu().numpy().astype(np.float32, copy=True) for name in shared_names(network, normalisation)}


def set_shared(network: nn.Module, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Write weights into the network; what is not among them stays as it is."""
    state = network.state_dict()
    with torch.no_grad():
        for name, array in weights.items():
            state[name].copy_(torch.from_numpy(np.array(array)))


def get_kept(network: nn.Module, normalisation: Normalisation) -> Weights:
    """A copy of the weights that stay at the site, counters left out; empty but for "fedbn"."""
    travelling = set(shared_names(network, normalisation))
    return {
        name: value.detach().cpu().numpy().astype(np.float32, copy=True)
        for name, value in network.state_dict().items()
        if name not in travelling and value.is_floating_point()
    }


def shapes_of(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every array."""
    return {name: array.shape for name, array in weights.items()}

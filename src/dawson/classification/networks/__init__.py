"""Networks by name. To add one: a file beside this with an `ARCHITECTURE`, and one line in `_MODULES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from dawson.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

_MODULES = {
    "resnet18": "dawson.classification.networks.resnet18",
    "resnet18-narrow": "dawson.classification.networks.resnet18_narrow",
}


@dataclass(frozen=True)
class Architecture:
    """A network that the study file can name.

    Parameters
    ----------
    name : str
    build : callable
        `build(channels, classes)` returns an untrained network from (batch, channels, rows, columns) to (batch, classes) logits.
    gradcam_layer : str
        Name of the module whose output is the last convolutional feature map.
    description : str
        One sentence for the methods text, with its source.
    """

    name: str
    build: Callable[[int, int], nn.Module]
    gradcam_layer: str
    description: str


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises
    ------
    ConfigError
        There is none; the message lists those there are.
    """
    if name not in _MODULES:
        raise ConfigError(f"There is no network {name!r}.", f"Networks: {', '.join(sorted(_MODULES))}.")
    found: Architecture = import_module(_MODULES[name]).ARCHITECTURE
    return found


def network_names() -> tuple[str, ...]:
    """Names that the study file may use."""
    return tuple(sorted(_MODULES))

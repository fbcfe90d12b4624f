"""Comparators by name: what the network has to beat. To add one: a file beside this with a `COMPARATOR`, and one line in `_MODULES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from dawson.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from dawson.classification.comparators.material import Material

_MODULES = {
    "demographics": "dawson.classification.comparators.demographics",
    "lesion-features": "dawson.classification.comparators.lesion_features",
    "matthews": "dawson.classification.comparators.matthews",
    "cacciaguerra": "dawson.classification.comparators.cacciaguerra",
    "fusion": "dawson.classification.comparators.fusion",
}


@dataclass(frozen=True)
class Comparator:
    """A way of classifying that is judged on the network's own splits.

    Parameters
    ----------
    name : str
    description : str
        One sentence for the methods text, with its source.
    needs_lesions : bool
        It works on images with a lesion table only.
    predict : callable
        `predict(material)` returns repeat, fold, participant_id, session_id, role, label, probability_CLASS for every validation and
        test image of every repeat and fold, each out of sample. It raises ExperimentError where that cannot be.
    """

    name: str
    description: str
    needs_lesions: bool
    predict: Callable[[Material], pd.DataFrame]


def comparator(name: str) -> Comparator:
    """The comparator of that name.

    Raises
    ------
    ConfigError
        There is none; the message lists those there are.
    """
    if name not in _MODULES:
        raise ConfigError(f"There is no comparator {name!r}.", f"Comparators: {', '.join(_MODULES)}.")
    found: Comparator = import_module(_MODULES[name]).COMPARATOR
    return found


def comparator_names() -> tuple[str, ...]:
    """Names that the study file may use."""
    return tuple(_MODULES)

"""Weighted averaging of the sites' updates, and what keeps a broken or hostile one out of it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from dawson.errors import ExperimentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dawson.federation.messages import ModelUpdate, Shapes

Weights = dict[str, "NDArray[np.float32]"]

Fault = Literal["not finite", "other weights", "huge update", "nobody", "more people than announced"]
"""Why an update is not taken."""


@dataclass(frozen=True)
class Averaged:
    """New weights, and which sites they are not from.

    Parameters
    ----------
    weights : dict of str to ndarray of float32
    dropped : dict of str to Fault
    norms : dict of str to float
        Euclidean norm of each finite update of the right shape.
    share : dict of str to float
        Part of each site in the average; they sum to 1.
    """

    weights: Weights
    dropped: dict[str, Fault]
    norms: dict[str, float]
    share: dict[str, float]


def update_norm(arrays: Mapping[str, NDArray[np.float32]]) -> float:
    """Euclidean norm over all weights of an update, in float64."""
    return float(np.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays.values())))


def faults(
    updates: Mapping[str, ModelUpdate],
    shapes: Shapes,
    *,
    maximum_norm: float,
    norm_factor: float,
    announced: Mapping[str, int] | None = None,
    usual_norm: float = 0.0,
) -> tuple[dict[str, Fault], dict[str, float]]:
    """Which updates must not be averaged.

    An update is huge that is longer than `maximum_norm`, or than `norm_factor` times the lower median of the sites' norms: of two
    sites the smaller is the measure, so that even of two a runaway one is found. It never falls below what it was in an earlier round:
    sites that have learnt their people by heart hardly move any more, and one that still learns is not at fault beside them.

    Parameters
    ----------
    updates : mapping of str to ModelUpdate
        By site.
    shapes : mapping of str to tuple of int
        Of the global weights.
    maximum_norm, norm_factor : float
    announced : mapping of str to int, optional
        People of each site at the job's begin: the weight of a site in the average cannot grow past it.
    usual_norm : float
        Largest lower median of the norms in the rounds before.

    Returns
    -------
    faults : dict of str to Fault
    norms : dict of str to float
    """
    found: dict[str, Fault] = {}
    norms: dict[str, float] = {}
    for site, update in updates.items():
        if update.shapes != dict(shapes):
            found[site] = "other weights"
        elif not all(np.isfinite(array).all() for array in update.arrays.values()):
            found[site] = "not finite"
        elif update.people == 0:
            found[site] = "nobody"
        elif announced is not None and update.people > announced.get(site, 0):
            found[site] = "more people than announced"
        else:
            norms[site] = update_norm(update.arrays)
    if norms:
        limit = min(maximum_norm, norm_factor * max(usual_norm, statistics.median_low(norms.values())) or np.inf)
        found |= {site: "huge update" for site, norm in norms.items() if norm > limit}
    return found, norms


def average(
    weights: Weights,
    updates: Mapping[str, ModelUpdate],
    *,
    minimum_sites: int,
    maximum_norm: float,
    norm_factor: float,
    announced: Mapping[str, int] | None = None,
    usual_norm: float = 0.0,
) -> Averaged:
    """Add the updates to the weights, each by its site's share of the people (McMahan et al., AISTATS 2017, algorithm 1).

    Parameters
    ----------
    weights : dict of str to ndarray of float32
        That the sites trained from.
    updates : mapping of str to ModelUpdate
    minimum_sites : int
    maximum_norm, norm_factor, announced, usual_norm
        As in `faults`.

    Returns
    -------
    Averaged

    Raises
    ------
    ExperimentError
        Fewer sites than the minimum sent an update that can be used.
    """
    shapes = {name: array.shape for name, array in weights.items()}
    dropped, norms = faults(updates, shapes, maximum_norm=maximum_norm, norm_factor=norm_factor, announced=announced, usual_norm=usual_norm)
    taken = {site: update for site, update in updates.items() if site not in dropped}
    if len(taken) < minimum_sites:
        told = "; ".join(f"{site}: {fault}" for site, fault in dropped.items())
        raise ExperimentError(
            f"{len(taken)} sites sent an update that can be used, and the job needs {minimum_sites}{f' ({told})' if told else ''}.",
            "Look at the logs of the sites that are missing, and start the job again: it goes on where it stopped.",
        )
    people = sum(update.people for update in taken.values())
    share = {site: update.people / people for site, update in taken.items()}
    new: Weights = {}
    for name, array in weights.items():
        step = sum(share[site] * update.arrays[name].astype(np.float64) for site, update in sorted(taken.items()))
        new[name] = (array.astype(np.float64) + step).astype(np.float32)
    return Averaged(new, dropped, norms, share)

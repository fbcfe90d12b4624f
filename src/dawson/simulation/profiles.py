"""Which lesions a patient of each diagnosis has, in outline of what radiologists report.

Shares of NMOSD brains that are normal, non-specific and specific, and of the specific patterns: Seok et al. 2023 (given
there per scan). Counts: Cortese 2023.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from dawson.simulation.anatomy import Atlas
from dawson.simulation.kinds import (
    Draw,
    arch_bridge,
    callosal,
    cerebellar,
    cervicomedullary,
    corticospinal,
    dawson_finger,
    deep_dot,
    deep_grey,
    deep_white,
    dot,
    fourth_lining,
    hemispheric,
    hypothalamic,
    juxtacortical,
    lateral_lining,
    pontine,
    temporal,
    thalamic,
    third_lining,
)
from dawson.simulation.lesions import Lesion
from dawson.simulation.people import Person
from dawson.simulation.streams import stream

# Mean number of each kind in a patient of typical load.
_MS = {
    dawson_finger: 12.0,
    juxtacortical: 5.0,
    deep_white: 5.0,
    callosal: 1.5,
    temporal: 1.2,
    cerebellar: 0.6,
    pontine: 0.5,
    deep_grey: 0.5,
    dot: 3.0,
}
_NMOSD_SPECIFIC = {
    lateral_lining: 0.45,
    third_lining: 0.35,
    fourth_lining: 0.35,
    hemispheric: 0.32,
    corticospinal: 0.22,
    cervicomedullary: 0.15,
    hypothalamic: 0.12,
    thalamic: 0.12,
    arch_bridge: 0.10,
}


def _ms(rng: np.random.Generator, brain: Atlas) -> list[Lesion]:
    if rng.random() < 0.12:
        # Few and plain lesions: those who do not meet Barkhof's criteria.
        means: dict[Draw, float] = {dawson_finger: 0.8, juxtacortical: 0.3, dot: 2.5, deep_dot: 1.0}
        load = 1.0
    else:
        means, load = _MS, float(rng.lognormal(0.0, 0.7))
    return _some(rng, brain, means, load)


def _nmosd(rng: np.random.Generator, brain: Atlas) -> list[Lesion]:
    kind = rng.choice(["normal", "plain", "specific", "like MS"], p=[0.19, 0.34, 0.40, 0.07])
    if kind == "normal":
        return []
    if kind == "like MS":
        return _some(rng, brain, _MS, float(rng.uniform(0.3, 0.8)))
    found = _some(
        rng,
        brain,
        {dot: 3.5, deep_dot: 1.5, deep_white: 0.5, dawson_finger: 0.3, pontine: 0.15},
        float(rng.lognormal(0, 0.5)),
    )
    if kind == "specific":
        draws = list(_NMOSD_SPECIFIC)
        chances = np.array([_NMOSD_SPECIFIC[draw] for draw in draws])
        chosen = [draw for draw, chance in zip(draws, chances, strict=True) if rng.random() < chance]
        for draw in chosen or [draws[rng.choice(len(draws), p=chances / chances.sum())]]:
            found.append(draw(rng, brain))
    return found


def _some(rng: np.random.Generator, brain: Atlas, means: dict[Draw, float], load: float) -> list[Lesion]:
    return [draw(rng, brain) for draw, mean in means.items() for _ in range(rng.poisson(mean * load))]


PROFILES: dict[str, Callable[[np.random.Generator, Atlas], list[Lesion]]] = {"MS": _ms, "NMOSD": _nmosd}

# New lesions a year and their kinds, at follow-up.
_NEW: dict[str, tuple[float, dict[Draw, float]]] = {
    "MS": (1.0, {dawson_finger: 0.5, juxtacortical: 0.2, deep_white: 0.2, dot: 0.1}),
    "NMOSD": (0.5, {dot: 0.6, deep_dot: 0.2, lateral_lining: 0.1, hemispheric: 0.05, fourth_lining: 0.05}),
}


def draw_lesions(person: Person, brain: Atlas, seed: int) -> tuple[Lesion, ...]:
    """All lesions that a person has or will have by the last visit.

    Parameters
    ----------
    person : Person
    brain : Atlas
    seed : int
        Of the cohort.
    """
    rng = stream(seed, person.participant_id, "lesions")
    found = PROFILES[person.diagnosis](rng, brain)
    # Dots of age, whatever the disease.
    found += _some(rng, brain, {dot: 0.6, deep_dot: 0.4}, max(0.0, (person.age - 35) / 20))
    found = [replace(lesion, growth=float(rng.normal(0.02, 0.05))) for lesion in found]
    rate, kinds = _NEW[person.diagnosis]
    draws = list(kinds)
    for number, (before, visit) in enumerate(pairwise(person.visits), start=1):
        years = (visit.days_from_baseline - before.days_from_baseline) / 365.25
        for _ in range(rng.poisson(rate * years * (2.0 if visit.clinical_status == "relapse" else 0.8))):
            lesion = draws[rng.choice(len(draws), p=list(kinds.values()))](rng, brain)
            found.append(replace(lesion, visit=number, growth=float(rng.normal(0.05, 0.05))))
    return tuple(found)

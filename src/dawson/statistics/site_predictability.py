"""How well a site can be told from what should not know it, and whether site and diagnosis are confounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from scipy.stats import rankdata

from dawson.statistics.bootstrap import draw_counts, percentile_interval
from dawson.statistics.familiarity import fit_cloud
from dawson.statistics.interval import Interval
from dawson.statistics.proportions import wilson

Values = NDArray[np.float64]
Rows = NDArray[np.intp]
Harmonise = Callable[[NDArray[Any], Rows], Values]
"""`harmonise(site, training)` returns the whole table (rows, features), fitted on the training rows only and with these sites."""

STRONG_ASSOCIATION = 0.3
"""Bias-corrected Cramer's V from which site and diagnosis are called confounded (a medium effect in Cohen's terms)."""

_BOOTSTRAPS = 1000
_LEAST_OF_A_SITE = 2


@dataclass(frozen=True)
class SitePredictability:
    """How well the site of people who were not learnt from is told.

    Parameters
    ----------
    auc : Interval
        Mean over sites of the area of that site against the rest; interval by bootstrap over people within sites.
    accuracy : Interval
        Wilson.
    chance_auc, chance_accuracy : tuple of float
        Mean and 95th percentile where sites are dealt to people at random and everything is done again.
    p_auc, p_accuracy : float
        One-sided permutation p: the share of these, with the sample itself, that reach as much.
    people : int
    sites : tuple of str
    permutations : int
    """

    auc: Interval
    accuracy: Interval
    chance_auc: tuple[float, float]
    chance_accuracy: tuple[float, float]
    p_auc: float
    p_accuracy: float
    people: int
    sites: tuple[str, ...]
    permutations: int


def site_predictability(
    table: ArrayLike,
    site: Sequence[Any],
    person: Sequence[Any],
    *,
    harmonise: Harmonise | None = None,
    folds: int = 5,
    permutations: int = 199,
    seed: int = 0,
    confidence: float = 0.95,
) -> SitePredictability:
    """Tell the site of people from features, by others' features.

    Linear discriminants with a shrunken covariance on the standardised features and their squares: sites differ in location and in scale.
    People are dealt to folds within their site, all of a person's rows together; a person's probabilities are the mean over the rows.
    Whatever harmonises is fitted on the training rows of each fold. Where it makes the training people of all sites alike, held-out people
    lie a little on the other side of their site, and chance is below one half: compare with the chance that is returned.

    Parameters
    ----------
    table : array_like, shape (rows, features)
        NaN becomes the median of the training rows.
    site, person : sequence, shape (rows,)
        A person has one site.
    harmonise : callable, optional
        See `Harmonise`; without it the table as it is.
    folds : int
        At most; a smaller number where the smallest site has fewer people.
    permutations : int
    seed : int
    confidence : float

    Returns
    -------
    SitePredictability

    Raises
    ------
    ValueError
        There are fewer than two sites, a site has fewer than two people, or a person two sites.
    """
    values = np.asarray(table, dtype=np.float64)
    names, people = np.array([str(name) for name in site]), np.array([str(name) for name in person])
    who, first, member = np.unique(people, return_index=True, return_inverse=True)
    if (names != names[first][member]).any():
        raise ValueError(f"{people[names != names[first][member]][0]} has two sites")
    levels, truth, sizes = np.unique(names[first], return_inverse=True, return_counts=True)
    if len(levels) < 2 or sizes.min() < _LEAST_OF_A_SITE:
        there = ", ".join(f"{name} {size}" for name, size in zip(levels, sizes, strict=True))
        raise ValueError(f"two sites with {_LEAST_OF_A_SITE} people or more each are needed, not {there}")
    count = min(folds, int(sizes.min()))
    rng = np.random.default_rng(seed)
    given = harmonise or (lambda site, training: values)

    def told(own: NDArray[np.intp]) -> Values:
        return _out_of_fold(given, levels, own, member, count, rng)

    probability = told(truth)
    area, right = _area(truth, probability, np.ones((1, len(who))))[0], probability.argmax(axis=1) == truth
    dealt = [rng.permutation(truth) for _ in range(permutations)]
    chance = [(own, told(own)) for own in dealt]
    areas = np.array([_area(own, found, np.ones((1, len(who))))[0] for own, found in chance])
    shares = np.array([(found.argmax(axis=1) == own).mean() for own, found in chance])
    replicates = _area(truth, probability, draw_counts(truth, _BOOTSTRAPS, seed))
    return SitePredictability(
        percentile_interval(float(area), replicates, confidence),
        wilson(float(right.sum()), len(who), confidence),
        _summary(areas),
        _summary(shares),
        float((1 + (areas >= area - 1e-12).sum()) / (1 + permutations)),
        float((1 + (shares >= right.mean() - 1e-12).sum()) / (1 + permutations)),
        len(who),
        tuple(str(level) for level in levels),
        permutations,
    )


def _summary(values: Values) -> tuple[float, float]:
    return float(values.mean()), float(np.quantile(values, 0.95))


def _out_of_fold(
    harmonise: Harmonise, levels: NDArray[Any], truth: NDArray[np.intp], member: NDArray[np.intp], folds: int, rng: np.random.Generator
) -> Values:
    """Probability of each site for each person by people of other folds, shape (people, sites)."""
    fold = np.empty(len(truth), dtype=np.intp)
    for level in range(len(levels)):
        own = rng.permutation(np.flatnonzero(truth == level))
        fold[own] = (np.arange(len(own)) + rng.integers(folds)) % folds
    rows_of_site = truth[member]
    probability = np.zeros((len(truth), len(levels)))
    for number in range(folds):
        training, held = np.flatnonzero(fold[member] != number), np.flatnonzero(fold[member] == number)
        x = _moments(harmonise(levels[rows_of_site], training), training)
        # All sites taken for equally frequent: a large one is not told by its size.
        cloud = fit_cloud(x[training], rows_of_site[training])
        offset = x[held][:, None, :] - cloud.means
        np.add.at(probability, member[held], softmax(-0.5 * ((offset @ cloud.precision) * offset).sum(axis=-1), axis=1))
    return np.asarray(probability / np.bincount(member)[:, None])


def _moments(values: Values, training: Rows) -> Values:
    """Standardised features and their squares, filled and scaled by the training rows; without what does not vary there."""
    own = values[training]
    use = np.nanmax(own, axis=0, initial=-np.inf) > np.nanmin(own, axis=0, initial=np.inf)
    if not use.any():
        return np.zeros((len(values), 1))
    median = np.nanmedian(own[:, use], axis=0)
    filled = np.where(np.isnan(values[:, use]), median, values[:, use])
    mean, spread = filled[training].mean(axis=0), filled[training].std(axis=0)
    # Far out of the training range a square would say more than all else.
    scaled = np.clip((filled - mean) / np.where(spread > 0, spread, 1.0), -4, 4)
    return np.hstack([scaled, scaled**2])


def _area(truth: NDArray[np.intp], probability: Values, counts: Values) -> Values:
    """Mean over sites of the area of the site against the rest, in each resample (resamples,)."""
    areas = []
    for level in range(probability.shape[1]):
        positive = truth == level
        score = rankdata(probability[:, level])
        order = 0.5 * (1 + np.sign(score[positive][:, None] - score[~positive][None, :]))
        weight, rest = counts[:, positive], counts[:, ~positive]
        areas.append(np.einsum("bn,bn->b", weight @ order, rest) / (weight.sum(axis=1) * rest.sum(axis=1)))
    return np.asarray(np.mean(areas, axis=0))


@dataclass(frozen=True)
class Confounding:
    """How diagnosis depends on the site.

    Parameters
    ----------
    cramers_v : float
        0: independent; 1: a site each. As it is in the sample.
    corrected_v : float
        Less what chance gives in a sample of this size.
    one_class_sites : dict of str to str
        Sites where everybody has the same diagnosis, and which.
    counts : dict of str to dict of str to int
        People by site and diagnosis.
    warning : str
        A sentence with the numbers; empty where neither gives reason.
    """

    cramers_v: float
    corrected_v: float
    one_class_sites: dict[str, str]
    counts: dict[str, dict[str, int]]
    warning: str


def confounding(site: Sequence[Any], label: Sequence[Any]) -> Confounding:
    """Whether a model could tell the diagnosis by recognising the site.

    Parameters
    ----------
    site, label : sequence, shape (people,)
        One entry a person.

    References
    ----------
    Bergsma W. A bias-correction for Cramer's V and Tschuprow's T. J Korean Stat Soc 42 (2013) 323-328.

    Examples
    --------
    >>> confounding(["a"] * 4 + ["b"] * 4, ["MS"] * 4 + ["NMOSD"] * 4).cramers_v
    1.0
    """
    sites, row = np.unique([str(name) for name in site], return_inverse=True)
    labels, column = np.unique([str(name) for name in label], return_inverse=True)
    counts = np.zeros((len(sites), len(labels)), dtype=np.int64)
    np.add.at(counts, (row, column), 1)
    plain, corrected = _cramers_v(counts)
    alone = {str(name): str(labels[int(own.argmax())]) for name, own in zip(sites, counts, strict=True) if (own > 0).sum() == 1}
    alone = alone if len(labels) > 1 and len(sites) > 1 else {}
    table = {str(name): {str(which): int(n) for which, n in zip(labels, own, strict=True)} for name, own in zip(sites, counts, strict=True)}
    return Confounding(plain, corrected, alone, table, _warning(plain, corrected, alone, table))


def _cramers_v(counts: NDArray[np.int64]) -> tuple[float, float]:
    total, (rows, columns) = counts.sum(), counts.shape
    if min(rows, columns) < 2 or total < 2:
        return 0.0, 0.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / total
    phi = float(((counts - expected) ** 2 / expected).sum() / total)
    corrected = max(0.0, phi - (rows - 1) * (columns - 1) / (total - 1))
    smaller = min(size - (size - 1) ** 2 / (total - 1) for size in (rows, columns)) - 1
    return float(np.sqrt(phi / (min(rows, columns) - 1))), float(np.sqrt(corrected / smaller)) if smaller > 0 else 0.0


def _warning(plain: float, corrected: float, alone: dict[str, str], table: dict[str, dict[str, int]]) -> str:
    if corrected < STRONG_ASSOCIATION and not alone:
        return ""
    said = [f"Cramer's V is {plain:.2f} ({corrected:.2f} once chance is taken off)"]
    said += [f"everybody of site {name} ({table[name][label]}) has {label}" for name, label in alone.items()]
    return (
        f"Site and diagnosis are confounded: {'; '.join(said)}. A model may recognise the site in place of the disease, and harmonisation "
        "may take a part of the disease away with the site."
    )

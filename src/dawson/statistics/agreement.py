"""Agreement of raters on categories beyond chance: Cohen's and Fleiss' kappa, Krippendorff's alpha, with patient intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.bootstrap import patient_bootstrap
from dawson.statistics.interval import Interval

Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]


def cohen_kappa(first: ArrayLike, second: ArrayLike, weights: Weights = "none", levels: ArrayLike | None = None) -> float:
    """Cohen's kappa of two raters.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Category that each gave to each item.
    weights : {"none", "linear", "quadratic"}
        How a disagreement counts: all alike, by the distance of the places of the two categories in their order, or by its square.
    levels : array_like, optional
        All categories in their order; without it those that occur, sorted. With weights, give it where a level in between may not occur.

    Returns
    -------
    float
        1 is perfect, 0 what chance gives; NaN where both always gave the same single category.

    Raises
    ------
    ValueError
        The lengths differ, there are no items, or a rating is none of the levels.

    References
    ----------
    Cohen J. A coefficient of agreement for nominal scales. Educ Psychol Meas 20 (1960) 37-46; weighted: Psychol Bull 70 (1968) 213-220.

    Examples
    --------
    >>> round(cohen_kappa([1, 1, 0, 0], [1, 0, 0, 0]), 3)
    0.5
    """
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape or one.ndim != 1 or not one.size:
        raise ValueError(f"ratings of shapes {one.shape} and {two.shape}: two lists of the same items are needed")
    known = np.unique(np.concatenate([one, two])) if levels is None else np.asarray(levels)
    rows, columns = _places(one, known), _places(two, known)
    table = np.zeros((known.size, known.size))
    np.add.at(table, (rows, columns), 1.0 / one.size)
    return kappa_of_table(table, weights)


def kappa_of_table(table: ArrayLike, weights: Weights = "none") -> float:
    """Cohen's kappa from counts of the first rater's category by the second's; see `cohen_kappa`.

    Parameters
    ----------
    table : array_like, shape (categories, categories)
    """
    counts = np.asarray(table, dtype=np.float64)
    share = counts / counts.sum()
    apart = np.abs(np.subtract.outer(np.arange(len(share)), np.arange(len(share)))).astype(np.float64)
    cost = {"none": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[weights]
    by_chance = float((cost * np.outer(share.sum(axis=1), share.sum(axis=0))).sum())
    return 1.0 - float((cost * share).sum()) / by_chance if by_chance > 0 else math.nan


def fleiss_kappa(counts: ArrayLike) -> float:
    """Fleiss' kappa of several raters, who need not be the same for every item.

    Parameters
    ----------
    counts : array_like, shape (items, categories)
        How many raters gave each item each category; as many ratings for every item.

    Returns
    -------
    float
        NaN where all ratings are of one category.

    Raises
    ------
    ValueError
        Items have different numbers of ratings (use `krippendorff_alpha`), or fewer than two.

    References
    ----------
    Fleiss JL. Measuring nominal scale agreement among many raters. Psychol Bull 76 (1971) 378-382.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.ndim != 2 or not table.size:
        raise ValueError("counts of items by categories are needed")
    ratings = table.sum(axis=1)
    if np.any(ratings != ratings[0]) or ratings[0] < 2:
        raise ValueError("every item needs the same number of ratings, two at least; Krippendorff's alpha takes missing ones")
    n = ratings[0]
    agree = float(((table**2).sum(axis=1) - n).mean() / (n * (n - 1)))
    by_chance = float(((table.sum(axis=0) / table.sum()) ** 2).sum())
    return (agree - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


def krippendorff_alpha(ratings: ArrayLike, level: Level = "nominal") -> float:
    """Krippendorff's alpha of any number of raters, of whom each may have left out items.

    Parameters
    ----------
    ratings : array_like of float, shape (items, raters)
        NaN where a rater gave none. Items with fewer than two ratings say nothing and are left out.
    level : {"nominal", "ordinal", "interval"}
        What the numbers mean: names, an order, or amounts.

    Returns
    -------
    float
        1 is perfect, 0 what chance gives; NaN where nothing can be compared or all ratings are the same.

    References
    ----------
    Krippendorff K. Computing Krippendorff's alpha-reliability. University of Pennsylvania (2011).
    """
    given = np.asarray(ratings, dtype=np.float64)
    if given.ndim != 2:
        raise ValueError("ratings of items by raters are needed")
    given = given[np.isfinite(given).sum(axis=1) > 1]
    known = np.isfinite(given)
    values = np.unique(given[known])
    counts = np.stack([((given == value) & known).sum(axis=1) for value in values], axis=1).astype(np.float64) if values.size else None
    if counts is None:
        return math.nan
    # Coincidences: every ordered pair of ratings of one item, weighted so that an item counts as often as it was rated.
    pairs = counts / (counts.sum(axis=1) - 1)[:, None]
    coincidence = pairs.T @ counts - np.diag(pairs.sum(axis=0))
    total = coincidence.sum(axis=1)
    cost = _distances(values, total, level)
    expected = float((cost * np.outer(total, total)).sum()) / (total.sum() - 1)
    return 1.0 - float((cost * coincidence).sum()) / expected if expected > 0 else math.nan


def agreement_interval(
    figure: Callable[[NDArray[Any]], float],
    items: ArrayLike,
    patients: ArrayLike,
    n_bootstraps: int = 2000,
    seed: int | np.random.Generator = 0,
    confidence: float = 0.95,
) -> Interval:
    """Interval of any figure of agreement, drawing patients with all their items.

    Parameters
    ----------
    figure : callable
        Takes the rows of `items` of a resample and returns the figure, NaN where undefined.
    items : array_like, shape (n, ...)
        One row an item: its ratings.
    patients : array_like, shape (n,)
        Whose item each is: lesions and scans of one patient are more alike than those of two.
    n_bootstraps, seed, confidence
        See `bootstrap.patient_bootstrap`.
    """
    rows = np.asarray(items)
    who = np.asarray(patients)
    return patient_bootstrap(
        lambda chosen: figure(rows[chosen]), np.zeros(who.size), groups=who, n_bootstraps=n_bootstraps, seed=seed, confidence=confidence
    )


def _places(ratings: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.intp]:
    matches = ratings[:, None] == levels[None, :]
    if not matches.any(axis=1).all():
        raise ValueError(f"{ratings[~matches.any(axis=1)][0]} is none of the levels")
    return np.asarray(matches.argmax(axis=1), dtype=np.intp)


def _distances(values: NDArray[np.float64], total: NDArray[np.float64], level: Level) -> NDArray[np.float64]:
    """Squared difference of every pair of values."""
    if level == "nominal":
        return 1.0 - np.eye(values.size)
    if level == "interval":
        return np.asarray(np.subtract.outer(values, values) ** 2)
    # Ordinal: how many ratings lie between the two, those of the two themselves by half.
    place = np.cumsum(total) - total / 2
    return np.asarray(np.subtract.outer(place, place) ** 2)

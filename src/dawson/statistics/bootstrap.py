"""Bootstrap over patients: whole people are drawn with replacement, each with all of his or her scans."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from dawson.statistics.interval import Interval, check_confidence

# An interval from what is left when a figure was undefined in many resamples would be one of the lucky ones only.
LARGEST_UNDEFINED_SHARE = 0.1


def draw_counts(
    strata: ArrayLike, n_bootstraps: int, seed: int | np.random.Generator, groups: ArrayLike | None = None
) -> NDArray[np.float64]:
    """How often each row is drawn in each resample; people are drawn within their stratum (class).

    Parameters
    ----------
    strata : array_like, shape (n,)
        Class of each row. Within each class as many people are drawn as it has, so that prevalence stays that of the
        sample.
    n_bootstraps : int
        Number of resamples.
    seed : int or Generator
        Source of the randomness; the same seed gives the same resamples.
    groups : array_like, shape (n,), optional
        The person of each row. All rows of one person are drawn together. Without it each row is one person.

    Returns
    -------
    ndarray of float, shape (n_bootstraps, n)

    Raises
    ------
    ValueError
        The lengths differ, there are no rows, or one person stands in two strata.
    """
    stratum, person, first = _people(strata, groups)
    rng = np.random.default_rng(seed)
    drawn = np.zeros((n_bootstraps, first.size))
    person_stratum = stratum[first]
    for level in np.unique(person_stratum):
        members = np.flatnonzero(person_stratum == level)
        drawn[:, members] = rng.multinomial(members.size, np.full(members.size, 1 / members.size), size=n_bootstraps)
    return drawn[:, person]


def replicate_figures(truth: ArrayLike, score: ArrayLike, called: ArrayLike, counts: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """The six figures of every resample at once.

    Parameters
    ----------
    truth, called : array_like of bool, shape (n,)
        Whether each row is positive, and was called so.
    score : array_like of float, shape (n,)
        Higher means more likely positive.
    counts : array_like, shape (n_bootstraps, n)
        From `draw_counts`.

    Returns
    -------
    dict
        For each of `figures.FIGURES` an array of shape (n_bootstraps,); NaN where undefined in that resample.
    """
    true, call = np.asarray(truth, dtype=bool), np.asarray(called, dtype=bool)
    value, weight = np.asarray(score, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    right_positive, right_negative = weight[:, true & call].sum(1), weight[:, ~true & ~call].sum(1)
    positive, negative = weight[:, true], weight[:, ~true]
    n_positive, n_negative = positive.sum(1), negative.sum(1)
    # An area is a weighted mean over the pairs, and a resample only changes the weights: one matrix of pairs serves
    # them all.
    order = 0.5 * (1 + np.sign(value[true][:, None] - value[~true][None, :]))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": (right_positive + right_negative) / (n_positive + n_negative),
            "sensitivity": right_positive / n_positive,
            "specificity": right_negative / n_negative,
            "ppv": right_positive / weight[:, call].sum(1),
            "npv": right_negative / weight[:, ~call].sum(1),
            "auc": np.einsum("bn,bn->b", positive @ order, negative) / (n_positive * n_negative),
        }


def percentile_interval(estimate: float, replicates: ArrayLike, confidence: float = 0.95) -> Interval:
    """The percentile interval: the middle `confidence` share of the resampled figures.

    Parameters
    ----------
    estimate : float
        The figure of the sample itself.
    replicates : array_like, shape (n_bootstraps,)
        The figure of each resample; NaN where undefined (left out, up to a tenth of them; with more the bounds are
        NaN).
    confidence : float
        Two-sided level.

    References
    ----------
    Efron B. Bootstrap methods: another look at the jackknife. Ann Statist 7 (1979) 1-26.
    """
    values = np.asarray(replicates, dtype=np.float64)
    tail = (1 - check_confidence(confidence)) / 2
    low, high = _quantiles(estimate, values, tail, 1 - tail)
    return Interval(estimate, low, high, f"patient bootstrap ({values.size}), percentile", confidence)


def bca_interval(estimate: float, replicates: ArrayLike, left_out: ArrayLike, strata: ArrayLike, confidence: float = 0.95) -> Interval:
    """The bias-corrected and accelerated interval.

    Second-order exact for smooth figures; the price is a leave-one-person-out value of the figure for every person.

    Parameters
    ----------
    estimate : float
        The figure of the sample itself.
    replicates : array_like, shape (n_bootstraps,)
        The figure of each resample.
    left_out : array_like, shape (people,)
        The figure with each person left out.
    strata : array_like, shape (people,)
        The class of each person, within which the resamples were drawn.
    confidence : float
        Two-sided level.

    Returns
    -------
    Interval
        Bounds NaN where more than a tenth of the resamples or any leave-one-out value is undefined.

    References
    ----------
    Efron B. Better bootstrap confidence intervals. JASA 82 (1987) 171-185. Davison AC, Hinkley DV. Bootstrap methods
    and their application (1997), eq. 5.36 for several samples.
    """
    values, jackknife = np.asarray(replicates, dtype=np.float64), np.asarray(left_out, dtype=np.float64)
    tail = (1 - check_confidence(confidence)) / 2
    method = f"patient bootstrap ({values.size}), BCa"
    known = values[~np.isnan(values)]
    if known.size == 0 or np.isnan(jackknife).any():
        return Interval(estimate, math.nan, math.nan, method, confidence)
    third, second = 0.0, 0.0
    stratum = np.asarray(strata)
    for level in np.unique(stratum):
        part = jackknife[stratum == level]
        influence = (part.size - 1) * (part.mean() - part)
        third += float((influence**3).sum()) / part.size**3
        second += float((influence**2).sum()) / part.size**2
    acceleration = third / (6 * second**1.5) if second > 0 else 0.0
    # Half of the ties count as below: figures of few patients take few values.
    below = float(np.mean((known < estimate) + 0.5 * (known == estimate)))
    bias = float(norm.ppf(min(max(below, 0.5 / known.size), 1 - 0.5 / known.size)))
    levels = [float(norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))) for z in (norm.ppf(tail), norm.ppf(1 - tail))]
    low, high = _quantiles(estimate, values, *levels)
    return Interval(estimate, low, high, method, confidence)


def patient_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    strata: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_bootstraps: int = 2000,
    seed: int | np.random.Generator = 0,
    confidence: float = 0.95,
    kind: Literal["percentile", "bca"] = "percentile",
) -> Interval:
    """Interval of any figure.

    Parameters
    ----------
    statistic : callable
        Takes the indices of rows (one row may come several times) and returns the figure; NaN where it is undefined.
    strata : array_like, shape (n,)
        Class of each row; people are drawn within it. One value throughout for an unstratified bootstrap.
    groups : array_like, shape (n,), optional
        The person of each row; all rows of one person come together. Without it each row is one person.
    n_bootstraps : int
        Number of resamples.
    seed : int or Generator
        Source of the randomness.
    confidence : float
        Two-sided level.
    kind : {"percentile", "bca"}
        Percentile is the plain one; BCa corrects for bias and skewness.

    Raises
    ------
    ValueError
        The lengths differ, there are no rows, or one person stands in two strata.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([1.0, 2.0, 3.0, 4.0])
    >>> patient_bootstrap(lambda rows: float(values[rows].mean()), np.zeros(4)).estimate
    2.5
    """
    stratum, person, first = _people(strata, groups)
    rows_of = [np.flatnonzero(person == index) for index in range(first.size)]
    drawn = draw_counts(stratum[first], n_bootstraps, seed).astype(np.intp)
    estimate = float(statistic(np.arange(stratum.size)))
    replicates = np.array([statistic(_rows(rows_of, times)) for times in drawn], dtype=np.float64)
    if kind == "percentile":
        return percentile_interval(estimate, replicates, confidence)
    everyone = np.ones(first.size, dtype=np.intp)
    left_out = []
    for index in range(first.size):
        others = everyone.copy()
        others[index] = 0
        left_out.append(statistic(_rows(rows_of, others)))
    return bca_interval(estimate, replicates, left_out, stratum[first], confidence)


def _rows(rows_of: list[NDArray[np.intp]], times: NDArray[np.intp]) -> NDArray[np.intp]:
    chosen = [rows for rows, count in zip(rows_of, times, strict=True) for _ in range(count)]
    return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.intp)


def _people(strata: ArrayLike, groups: ArrayLike | None) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Stratum index of each row, person index of each row, first row of each person."""
    given = np.asarray(strata)
    if given.ndim != 1 or given.size == 0:
        raise ValueError("a bootstrap needs at least one row")
    _, stratum = np.unique(given, return_inverse=True)
    if groups is None:
        return stratum.astype(np.intp), np.arange(given.size), np.arange(given.size)
    named = np.asarray(groups)
    if named.shape != given.shape:
        raise ValueError(f"{named.size} persons for {given.size} rows")
    names, first, person = np.unique(named, return_index=True, return_inverse=True)
    torn = np.flatnonzero(stratum != stratum[first][person])
    if torn.size:
        raise ValueError(f"{names[person[torn[0]]]} stands in two strata")
    return stratum.astype(np.intp), person.astype(np.intp), first.astype(np.intp)


def _quantiles(estimate: float, values: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if math.isnan(estimate) or known.size < (1 - LARGEST_UNDEFINED_SHARE) * values.size or known.size == 0:
        return math.nan, math.nan
    bounds = np.quantile(known, [low, high])
    return float(bounds[0]), float(bounds[1])

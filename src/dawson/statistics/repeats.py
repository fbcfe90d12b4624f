"""Intervals over the repeats of a study, whose test sets (and training sets) overlap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from dawson.statistics.interval import Comparison, Interval, check_confidence

NAIVE = "mean over repeats, t interval as if repeats were independent"
NADEAU_BENGIO = "mean over repeats, Nadeau-Bengio corrected t interval"


def naive_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean over repeats with the t interval of independent observations.

    **Far too narrow** where repeats draw from the same patients: it shrinks with the number of repeats, which costs
    only computer time. It is here because papers print it (Seok, Cho et al., Sci Rep 2023, Table 2).

    Parameters
    ----------
    values : array_like, shape (repeats,)
        One figure from each repeat; NaN where it was undefined (left out, and the method says how many).
    confidence : float
        Two-sided level.

    Returns
    -------
    Interval
        Bounds NaN with fewer than two defined values.
    """
    return _t_interval(values, None, NAIVE, confidence)


def nadeau_bengio_interval(values: ArrayLike, n_train: float, n_test: float, confidence: float = 0.95) -> Interval:
    """Mean over repeats with the corrected resampled t interval, SE = sd sqrt(1/J + n_test/n_train).

    Better than the naive one, but under a draw from few test patients still too narrow: what all repeats share is not
    seen in their spread.

    Parameters
    ----------
    values : array_like, shape (repeats,)
        One figure from each repeat; NaN where undefined.
    n_train, n_test : float
        Sizes of the two parts. Count participants, not scans: scans of one person are no independent evidence.
    confidence : float
        Two-sided level.

    Raises
    ------
    ValueError
        A size is not positive.

    References
    ----------
    Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning 52 (2003) 239-281, eq. 12.
    """
    return _t_interval(values, _share(n_train, n_test), NADEAU_BENGIO, confidence)


def nadeau_bengio_test(first: ArrayLike, second: ArrayLike, n_train: float, n_test: float, confidence: float = 0.95) -> Comparison:
    """Corrected resampled t test of two models on identical splits.

    Parameters
    ----------
    first, second : array_like, shape (repeats,)
        The figure of each model in each repeat. A repeat where one is NaN is left out.
    n_train, n_test : float
        Sizes of the two parts, in participants.
    confidence : float
        Level of the interval of the difference.

    Returns
    -------
    Comparison
        First minus second. Statistic and p are NaN where the differences do not vary.

    Raises
    ------
    ValueError
        The lengths differ, or a size is not positive.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape:
        raise ValueError(f"{one.size} values of one model against {two.size} of the other: the splits must be the same")
    difference = _defined(one - two)
    share = _share(n_train, n_test)
    method = "Nadeau-Bengio corrected resampled t test"
    if difference.size < 2 or np.ptp(difference) == 0:
        mean = float(difference.mean()) if difference.size else math.nan
        p_value = 1.0 if difference.size > 1 and mean == 0 else math.nan
        return Comparison(mean, math.nan, math.nan, math.nan, p_value, method)
    error = difference.std(ddof=1) * math.sqrt(1 / difference.size + share)
    freedom = difference.size - 1
    half = stats.t.ppf((1 + check_confidence(confidence)) / 2, freedom) * error
    mean = float(difference.mean())
    t = mean / error
    return Comparison(mean, float(mean - half), float(mean + half), float(t), float(2 * stats.t.sf(abs(t), freedom)), method)


def _t_interval(values: ArrayLike, share: float | None, method: str, confidence: float) -> Interval:
    check_confidence(confidence)
    given = np.asarray(values, dtype=np.float64).ravel()
    known = _defined(given)
    if known.size < given.size:
        method += f" ({given.size - known.size} of {given.size} repeats undefined)"
    if known.size == 0:
        return Interval(math.nan, math.nan, math.nan, method, confidence)
    mean = float(known.mean())
    if known.size == 1:
        return Interval(mean, math.nan, math.nan, method, confidence)
    error = known.std(ddof=1) * math.sqrt(1 / known.size + (share or 0.0))
    half = float(stats.t.ppf((1 + confidence) / 2, known.size - 1) * error)
    return Interval(mean, mean - half, mean + half, method, confidence)


def _defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def _share(n_train: float, n_test: float) -> float:
    if not (n_train > 0 and n_test > 0):
        raise ValueError(f"the corrected interval needs training and test participants, not {n_train} and {n_test}")
    return n_test / n_train

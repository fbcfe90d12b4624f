"""DeLong's variance of the area under the ROC curve: interval, paired and unpaired test."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from dawson.statistics.figures import checked_scores
from dawson.statistics.interval import Comparison, Interval, check_confidence
from dawson.statistics.proportions import exact_binomial

# The variance of scores that separate perfectly is 0 but for rounding; so is that of a difference of two equal
# rankings.
_NO_VARIANCE = 1e-14


def structural_components(truth: ArrayLike, score: ArrayLike) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """What each case gives to the area, by midranks in O(n log n).

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each case is positive; both classes must occur.
    score : array_like of float, shape (n,)
        Higher means more likely positive.

    Returns
    -------
    auc : float
        The area.
    v10 : ndarray, shape (positives,)
        For each positive case the share of negatives below it (a tie counts one half).
    v01 : ndarray, shape (negatives,)
        For each negative case the share of positives above it.

    Raises
    ------
    ValueError
        One of the classes is absent, the lengths differ, or a score is NaN.

    References
    ----------
    DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated receiver operating
    characteristic curves: a nonparametric approach. Biometrics 44 (1988) 837-845.
    Sun X, Xu W. Fast implementation of DeLong's algorithm for comparing the areas under correlated receiver operating
    characteristic curves. IEEE Signal Process Lett 21 (2014) 1389-1393, eq. 11-14.
    """
    true, value = checked_scores(truth, score)
    positive, negative = value[true], value[~true]
    m, n = positive.size, negative.size
    if not m or not n:
        raise ValueError("the area under the ROC curve needs cases of both classes")
    ranks = rankdata(np.concatenate([positive, negative]))
    v10 = (ranks[:m] - rankdata(positive)) / n
    v01 = 1.0 - (ranks[m:] - rankdata(negative)) / m
    return float(v10.mean()), v10, v01


def delong_covariance(truth: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas of several scores of the same cases, and their covariance.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each case is positive.
    scores : array_like of float, shape (k, n)
        One row per score.

    Returns
    -------
    areas : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
        NaN where a class has a single case, from which no variance can be estimated.
    """
    components = [structural_components(truth, row) for row in np.atleast_2d(np.asarray(scores, dtype=np.float64))]
    areas = np.array([area for area, _, _ in components])
    v10 = np.array([row for _, row, _ in components])
    v01 = np.array([row for _, _, row in components])
    return areas, _covariance(v10) / v10.shape[1] + _covariance(v01) / v01.shape[1]


def delong_interval(truth: ArrayLike, score: ArrayLike, confidence: float = 0.95, scale: Literal["logit", "plain"] = "logit") -> Interval:
    """The area under the ROC curve with its DeLong interval.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each case is positive; both classes must occur.
    score : array_like of float, shape (n,)
        Higher means more likely positive.
    confidence : float
        Two-sided level.
    scale : {"logit", "plain"}
        "logit" computes the interval of log(A / (1 - A)) with the delta method and transforms it back, so that it stays
        in [0, 1] and is longer toward one half; "plain" is A -+ z SE, cut at 0 and 1.

    Returns
    -------
    Interval
        Bounds NaN where a class has a single case.

    Notes
    -----
    Where the scores do not vary in what they say (all pairs right, all wrong, or all tied) the estimated variance is 0,
    and A -+ z SE would claim certainty. Then the cases are taken as min(positives, negatives) disjoint, hence
    independent, pairs, each rightly ordered with probability A, and the bounds are Clopper-Pearson's for them: exact
    for A of 0 or 1, and cautious.

    Examples
    --------
    >>> interval = delong_interval([True] * 10 + [False] * 10, [0.9] * 10 + [0.1] * 10)
    >>> interval.estimate, round(interval.low, 3), interval.high
    (1.0, 0.692, 1.0)
    """
    check_confidence(confidence)
    true, _ = checked_scores(truth, score)
    areas, covariance = delong_covariance(truth, score)
    area, variance = float(areas[0]), float(covariance[0, 0])
    method = f"DeLong, {scale} scale"
    if math.isnan(variance):
        return Interval(area, math.nan, math.nan, method, confidence)
    if variance < _NO_VARIANCE or area in (0.0, 1.0):
        pairs = int(min(true.sum(), (~true).sum()))
        exact = exact_binomial(area * pairs, pairs, confidence)
        return Interval(
            area,
            exact.low,
            exact.high,
            f"exact binomial over {pairs} disjoint pairs (DeLong variance is 0)",
            confidence,
        )
    z = float(norm.ppf((1 + confidence) / 2))
    error = math.sqrt(variance)
    if scale == "plain":
        return Interval(area, area - z * error, area + z * error, method, confidence).clipped()
    centre, half = math.log(area / (1 - area)), z * error / (area * (1 - area))
    return Interval(area, _inverse_logit(centre - half), _inverse_logit(centre + half), method, confidence)


def delong_paired_test(truth: ArrayLike, first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Comparison:
    """Test whether two scores of the same cases have the same area.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each case is positive.
    first, second : array_like of float, shape (n,)
        Two scores of the same cases, in the same order.
    confidence : float
        Level of the interval of the difference.

    Returns
    -------
    Comparison
        First minus second. Where the difference has no variance (the two rank every pair alike, or each is perfect or
        reversed) the bounds and the statistic are NaN; p is 1 for no difference, NaN otherwise.
    """
    areas, covariance = delong_covariance(truth, np.stack([np.asarray(first), np.asarray(second)]))
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    return _z_test(float(areas[0] - areas[1]), variance, confidence, "DeLong test, paired")


def delong_unpaired_test(
    first_truth: ArrayLike, first: ArrayLike, second_truth: ArrayLike, second: ArrayLike, confidence: float = 0.95
) -> Comparison:
    """Test whether the areas in two separate groups of cases are the same (two sites, say).

    Parameters
    ----------
    first_truth, second_truth : array_like of bool
        Whether each case of the group is positive.
    first, second : array_like of float
        The scores of each group.
    confidence : float
        Level of the interval of the difference.

    Returns
    -------
    Comparison
        First minus second; see `delong_paired_test` where there is no variance.
    """
    one, one_variance = delong_covariance(first_truth, first)
    two, two_variance = delong_covariance(second_truth, second)
    variance = float(one_variance[0, 0] + two_variance[0, 0])
    return _z_test(float(one[0] - two[0]), variance, confidence, "DeLong test, unpaired")


def _z_test(difference: float, variance: float, confidence: float, method: str) -> Comparison:
    check_confidence(confidence)
    if math.isnan(variance) or variance < _NO_VARIANCE:
        p_value = 1.0 if variance < _NO_VARIANCE and difference == 0 else math.nan
        return Comparison(difference, math.nan, math.nan, math.nan, p_value, method)
    error = math.sqrt(variance)
    half = float(norm.ppf((1 + confidence) / 2)) * error
    z = difference / error
    return Comparison(difference, difference - half, difference + half, z, float(2 * norm.sf(abs(z))), method)


def _covariance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    if rows.shape[1] < 2:
        return np.full((rows.shape[0], rows.shape[0]), np.nan)
    return np.atleast_2d(np.cov(rows))


def _inverse_logit(value: float) -> float:
    # Written with tanh, which does not overflow for areas next to 0 or 1.
    return 0.5 * (1 + math.tanh(value / 2))

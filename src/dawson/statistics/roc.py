"""The ROC curve, and its band from a bootstrap over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.figures import checked_scores
from dawson.statistics.interval import check_confidence


@dataclass(frozen=True)
class RocCurve:
    """An ROC curve from (0, 0) to (1, 1), each array of shape (points,).

    Attributes
    ----------
    fpr, tpr : ndarray
        False and true positive rate; both never decrease. Several points may share one `fpr` (a vertical piece).
    low, high : ndarray
        Pointwise band of the true positive rate at each `fpr` (equal on a vertical piece). It holds for one false
        positive rate at a time, not for the whole curve at once.
    """

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def roc_points(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1); points on a straight piece are left out.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each case is positive; both classes must occur.
    score : array_like of float, shape (n,)
        Higher means more likely positive.

    Raises
    ------
    ValueError
        One of the classes is absent, the lengths differ, or a score is NaN.
    """
    true, value = checked_scores(truth, score)
    negative, positive = _cumulative(true, value, np.ones((1, true.size)))
    fp, tp = negative[0], positive[0]
    # A corner is where the direction changes: the cross product of the steps before and after is not zero (counts are
    # exact).
    turn = np.diff(fp)[:-1] * np.diff(tp)[1:] != np.diff(tp)[:-1] * np.diff(fp)[1:]
    keep = np.concatenate([[True], turn, [True]])
    return fp[keep] / fp[-1], tp[keep] / tp[-1]


def roc_with_band(
    truth: ArrayLike,
    score: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_bootstraps: int = 2000,
    seed: int | np.random.Generator = 0,
    confidence: float = 0.95,
) -> RocCurve:
    """The ROC curve with the vertical band of a patient bootstrap, stratified by class.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each case is positive; both classes must occur.
    score : array_like of float, shape (n,)
        Higher means more likely positive.
    groups : array_like, shape (n,), optional
        The person of each row.
    n_bootstraps : int
        Number of resamples.
    seed : int or Generator
        Source of the randomness.
    confidence : float
        Share of the resampled curves inside the band, at each false positive rate.

    Raises
    ------
    ValueError
        One of the classes is absent, the lengths differ, or a score is NaN.

    References
    ----------
    Fawcett T. An introduction to ROC analysis. Pattern Recognit Lett 27 (2006) 861-874 (vertical averaging).
    """
    true, value = checked_scores(truth, score)
    fpr, tpr = roc_points(true, value)
    counts = draw_counts(true, n_bootstraps, seed, groups)
    negative, positive = _cumulative(true, value, counts)
    places, back = np.unique(fpr, return_inverse=True)
    heights = np.empty((n_bootstraps, places.size))
    for index, (fp, tp) in enumerate(zip(negative, positive, strict=True)):
        heights[index] = _height(fp / fp[-1], tp / tp[-1], places)
    tail = (1 - check_confidence(confidence)) / 2
    low, high = np.quantile(heights, [tail, 1 - tail], axis=0)
    return RocCurve(fpr, tpr, low[back], high[back])


def _cumulative(
    true: NDArray[np.bool_], value: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted negatives and positives at or above each distinct score, highest first: (resamples, scores + 1)."""
    if true.all() or not true.any():
        raise ValueError("an ROC curve needs cases of both classes")
    order = np.argsort(-value, kind="stable")
    last = np.flatnonzero(np.append(np.diff(value[order]) != 0, True))
    start = np.zeros((counts.shape[0], 1))
    weight = counts[:, order]
    negative = np.cumsum(weight * ~true[order], axis=1)[:, last]
    positive = np.cumsum(weight * true[order], axis=1)[:, last]
    return np.hstack([start, negative]), np.hstack([start, positive])


def _height(fpr: NDArray[np.float64], tpr: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The top of one curve at given false positive rates, straight between its points."""
    before = np.searchsorted(fpr, places + 1e-12, side="right") - 1
    after = np.minimum(before + 1, fpr.size - 1)
    run = fpr[after] - fpr[before]
    share = np.divide(places - fpr[before], run, out=np.zeros_like(run), where=run > 0)
    return np.asarray(tpr[before] + np.clip(share, 0, 1) * (tpr[after] - tpr[before]), dtype=np.float64)

"""Ranks of the entries of an analysis challenge, by the three usual schemes, and how firm they are.

Scores come as one array per metric, entries by cases. A case that an entry did not answer is NaN and never helps it: in every scheme it
counts as the worst answer. Equal scores share the better rank (1, 2, 2, 4).

Schemes and their stability by bootstrap follow Wiesenfarth et al., Sci Rep 11 (2021) 2369 (challengeR), and Maier-Hein et al.,
Nat Commun 9 (2018) 5217.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.proportions import holm

Floats = NDArray[np.float64]

MEAN_THEN_RANK, RANK_THEN_MEAN, SIGNIFICANCE = "mean-then-rank", "rank-then-mean", "significance"
SCHEMES = (MEAN_THEN_RANK, RANK_THEN_MEAN, SIGNIFICANCE)


@dataclass(frozen=True)
class RankStability:
    """How ranks vary when the patients are drawn again.

    Parameters
    ----------
    ranks : ndarray of float, shape (entries,)
        On all patients.
    low, high : ndarray of float, shape (entries,)
        Percentile interval of each entry's rank.
    shares : ndarray of float, shape (entries, entries)
        Share of the bootstraps in which entry i has rank j + 1.
    kendall_tau : ndarray of float, shape (bootstraps,)
        Agreement (tau-b) of each bootstrap's ranking with that on all patients; 1 is the same. NaN where one of them is all ties.
    confidence : float
    """

    ranks: Floats
    low: Floats
    high: Floats
    shares: Floats
    kendall_tau: Floats
    confidence: float


def competition_ranks(values: ArrayLike) -> Floats:
    """Ranks along the last axis, the greatest value first; equal values share the better rank and NaN is the worst there is.

    Examples
    --------
    >>> competition_ranks([0.7, 0.9, 0.7, float("nan")]).tolist()
    [2.0, 1.0, 2.0, 4.0]
    """
    given = np.asarray(values, dtype=np.float64)
    return np.asarray(stats.rankdata(np.where(np.isnan(given), np.inf, -given), method="min", axis=-1), dtype=np.float64)


def mean_then_rank(
    scores: ArrayLike, higher_is_better: bool = True, worst: float | None = None, weights: ArrayLike | None = None
) -> Floats:
    """Rank the means over cases.

    Parameters
    ----------
    scores : array_like, shape (entries, cases)
    higher_is_better : bool
    worst : float, optional
        What a missing answer counts as, the worst value of the metric. Without it an entry with a missing answer comes after all that
        have none.
    weights : array_like, shape (cases,), optional
        How often each case counts, for a bootstrap.

    Returns
    -------
    ndarray of float, shape (entries,)

    Examples
    --------
    >>> mean_then_rank([[0.9, 0.1], [0.6, 0.6], [0.8, float("nan")]], worst=0.0).tolist()
    [2.0, 1.0, 3.0]
    """
    upward = _upward(scores, higher_is_better)
    if worst is not None:
        upward = np.where(np.isnan(upward), worst if higher_is_better else -worst, upward)
    times = _weights(weights, upward.shape[1])
    drawn = times > 0
    return competition_ranks(_rounded(upward[:, drawn] @ times[drawn] / times.sum()))


def rank_then_mean(scores: ArrayLike, higher_is_better: bool = True, weights: ArrayLike | None = None) -> Floats:
    """Rank the entries on each case, and then the means of these ranks. Parameters as in `mean_then_rank`.

    Examples
    --------
    >>> rank_then_mean([[0.9, 0.1, 0.9], [0.6, 0.6, 0.6]]).tolist()
    [1.0, 2.0]
    """
    of_cases = stats.rankdata(-_last(_upward(scores, higher_is_better)), method="average", axis=0)
    times = _weights(weights, of_cases.shape[1])
    return competition_ranks(_rounded(-(of_cases @ times) / times.sum()))


def significance_ranks(
    scores: ArrayLike, higher_is_better: bool = True, alpha: float = 0.05, weights: ArrayLike | None = None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Rank the entries by how many others each beats with significance.

    Every ordered pair is compared by the one-sided Wilcoxon signed-rank test over cases (zero differences are left out), and the P values
    are corrected by Holm over all pairs. A missing answer is worse than any answer.

    Parameters
    ----------
    scores, higher_is_better, weights
        As in `mean_then_rank`.
    alpha : float
        Family-wise error rate.

    Returns
    -------
    ranks : ndarray of float, shape (entries,)
    beats : ndarray of bool, shape (entries, entries)
        Whether entry i is better than entry j.
    """
    upward = _last(_upward(scores, higher_is_better))
    upward = np.repeat(upward, _weights(weights, upward.shape[1]).astype(np.intp), axis=1)
    entries = len(upward)
    p_values = np.ones((entries, entries))
    for one in range(entries):
        for other in range(one + 1, entries):
            difference = upward[one] - upward[other]
            difference = difference[difference != 0]
            if difference.size:
                p_values[one, other] = stats.wilcoxon(difference, alternative="greater").pvalue
                p_values[other, one] = stats.wilcoxon(difference, alternative="less").pvalue
    pairs = ~np.eye(entries, dtype=bool)
    beats = np.zeros((entries, entries), dtype=bool)
    if entries > 1:
        beats[pairs] = holm(p_values[pairs]) < alpha
    return competition_ranks(beats.sum(axis=1)), beats


def overall_ranks(ranks: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """One ranking of several metrics: the mean of the ranks, ranked.

    Parameters
    ----------
    ranks : array_like, shape (metrics, entries)
    weights : array_like, shape (metrics,), optional
        Equal by default.

    Examples
    --------
    >>> overall_ranks([[1, 2, 3], [2, 1, 3]]).tolist()
    [1.0, 1.0, 3.0]
    """
    given = np.asarray(ranks, dtype=np.float64)
    times = _weights(weights, len(given))
    return competition_ranks(_rounded(-(times @ given) / times.sum()))


def rank_stability(
    ranking: Callable[[Floats], Floats],
    people: ArrayLike,
    n_bootstraps: int = 1000,
    seed: int | np.random.Generator = 0,
    confidence: float = 0.95,
) -> RankStability:
    """Rank again and again on patients drawn with replacement.

    Parameters
    ----------
    ranking : callable
        Takes how often each case counts, shape (cases,), and returns the ranks, shape (entries,).
    people : array_like, shape (cases,)
        The person of each case; all cases of one person are drawn together.
    n_bootstraps : int
    seed : int or Generator
        The same seed gives the same draws.
    confidence : float

    Examples
    --------
    >>> scores = np.array([[0.9, 0.8, 0.9, 0.7], [0.5, 0.6, 0.4, 0.5]])
    >>> found = rank_stability(lambda times: mean_then_rank(scores, weights=times), ["a", "b", "c", "d"], 50)
    >>> found.ranks.tolist(), float(found.kendall_tau.min())
    ([1.0, 2.0], 1.0)
    """
    who = np.asarray(people)
    ranks = ranking(np.ones(who.size))
    drawn = np.array([ranking(times) for times in draw_counts(np.zeros(who.size), n_bootstraps, seed, groups=who)])
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0, method="inverted_cdf")
    shares = np.stack([(drawn == place).mean(axis=0) for place in range(1, ranks.size + 1)], axis=1)
    tau = np.array([_kendall(one, ranks) for one in drawn])
    return RankStability(ranks, low, high, shares, tau, confidence)


def _kendall(one: Floats, other: Floats) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(stats.kendalltau(one, other).statistic)


def _upward(scores: ArrayLike, higher_is_better: bool) -> Floats:
    given = np.asarray(scores, dtype=np.float64)
    if given.ndim != 2 or not given.size:
        raise ValueError(f"scores must be entries by cases, not of shape {given.shape}")
    return given if higher_is_better else -given


def _last(upward: Floats) -> Floats:
    """Missing answers as a value below all others, finite so that differences can be taken."""
    known = upward[np.isfinite(upward)]
    lowest, highest = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    beyond = max(1.0, highest - lowest)
    # an infinite distance is still an answer, and better than none
    return np.nan_to_num(upward, nan=lowest - 2 * beyond, neginf=lowest - beyond, posinf=highest + beyond)


def _weights(weights: ArrayLike | None, count: int) -> Floats:
    times = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    if times.shape != (count,) or (times < 0).any() or not times.sum() > 0:
        raise ValueError(f"{count} weights are needed, none below 0 and not all 0")
    return times


def _rounded(means: Floats) -> Floats:
    """Means that differ by the order of summation only are equal."""
    return np.round(means, 12)

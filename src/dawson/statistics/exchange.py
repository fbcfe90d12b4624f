"""Tests of two models that exchange them within patients at random: exact where, under the null, they are exchangeable."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from dawson.statistics.interval import Comparison, check_confidence

SAME = 1e-12
"""Differences below this are none: sums of the same fractions in another order differ in the last bits."""


def paired_results(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The results of two models as arrays.

    Raises
    ------
    ValueError
        Their shapes differ, or there are none.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape or not one.size:
        raise ValueError(f"results have shapes {one.shape} and {two.shape}: one of each model per row is needed")
    return one, two


def sign_flip_test(
    first: ArrayLike,
    second: ArrayLike,
    n_flips: int = 10000,
    seed: int | np.random.Generator = 0,
    confidence: float = 0.95,
    mid_p: bool = True,
) -> Comparison:
    """Whether the mean of a per-patient result differs between two models: the models are exchanged within patients at random.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Result of each model in each patient, e.g. the share of the repeats that called the patient rightly.
    n_flips : int
        Number of random exchanges.
    seed : int or Generator
        Source of the randomness.
    confidence : float
        Level of the interval of the difference: the spread of the exchanged differences about their mean.
    mid_p : bool
        Count exchanges that give the very same difference by half. Of results that are only right or wrong many do.

    Returns
    -------
    Comparison
        First minus second; the statistic is the difference in units of its standard deviation under exchange.

    Raises
    ------
    ValueError
        The lengths differ or there are no patients.

    Notes
    -----
    Exact if, under the null, the two models' results of a patient could as well be the other way round (mid-p: nearly
    so). Of results that are right or wrong it is McNemar's test.

    References
    ----------
    Pitman EJG. Significance tests which may be applied to samples from any populations. JRSS Suppl 4 (1937) 119-130.
    """
    one, two = paired_results(first, second)
    return _flipped((one - two) / one.size, np.zeros(one.size), n_flips, seed, confidence, mid_p, "sign-flip test over patients")


def auc_exchange_test(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    n_flips: int = 10000,
    seed: int | np.random.Generator = 0,
    confidence: float = 0.95,
    mid_p: bool = True,
) -> Comparison:
    """Whether two models have the same area: their ranks are exchanged within patients at random.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each patient is positive; both classes must occur.
    first, second : array_like, shape (n,)
        Scores by each model, one row per patient; each model's are replaced by their ranks, so that their scales do
        not matter.
    n_flips, seed, confidence, mid_p
        As for `sign_flip_test`.

    Returns
    -------
    Comparison
        First minus second.

    Raises
    ------
    ValueError
        The lengths differ, or a class is absent.

    Notes
    -----
    With scores exchanged in some patients the difference of the areas is a sum over patients of plus or minus how much
    better the patient stands by the first model's rank than by the second's, among both models' ranks of the other
    class; so it is a sign-flip test of these.

    References
    ----------
    Bandos AI, Rockette HE, Gur D. A permutation test sensitive to differences in areas for comparing ROC curves from a
    paired design. Stat Med 24 (2005) 2873-2893.
    """
    true = np.asarray(truth, dtype=bool)
    one, two = paired_results(first, second)
    if true.shape != one.shape:
        raise ValueError(f"truth has shape {true.shape}, the models {one.shape}")
    if true.all() or not true.any():
        raise ValueError("the area under the ROC curve needs cases of both classes")
    one, two = stats.rankdata(one), stats.rankdata(two)
    share = np.empty(true.size)
    for side, sign in ((true, 1), (~true, -1)):
        others = np.concatenate([one[~side], two[~side]])
        above = [np.sign(rank[side][:, None] - others[None, :]).sum(axis=1) / 2 for rank in (one, two)]
        # Half of the pairs with each model's others, and half of a difference that both classes share.
        share[side] = sign * (above[0] - above[1]) / (2 * side.sum() * (~side).sum())
    return _flipped(share, true.astype(np.float64), n_flips, seed, confidence, mid_p, "exchange of ranks within patients")


def _flipped(
    share: NDArray[np.float64],
    stratum: NDArray[np.float64],
    n_flips: int,
    seed: int | np.random.Generator,
    confidence: float,
    mid_p: bool,
    method: str,
) -> Comparison:
    """Test a sum of per-patient shares by flipping their signs."""
    difference, spread = float(share.sum()), float(np.sqrt((share**2).sum()))
    if spread < SAME:
        return Comparison(difference, math.nan, math.nan, math.nan, 1.0, method)
    signs = np.random.default_rng(seed).integers(0, 2, size=(n_flips, share.size), dtype=np.int8) * 2.0 - 1.0
    flipped = np.abs(signs @ share)
    more, same = int(np.sum(flipped > abs(difference) + SAME)), int(np.sum(np.abs(flipped - abs(difference)) <= SAME))
    # The sample itself is one of the exchanges.
    p_value = (more + (same + 1) / 2) / (n_flips + 1) if mid_p else (more + same + 1) / (n_flips + 1)
    residual = share.copy()
    for level in np.unique(stratum):
        residual[stratum == level] -= share[stratum == level].mean()
    half = float(np.quantile(np.abs(signs @ residual), check_confidence(confidence)))
    low, high = max(-1.0, difference - half), min(1.0, difference + half)
    return Comparison(difference, low, high, difference / spread, p_value, f"{method} ({n_flips} exchanges{', mid-p' if mid_p else ''})")

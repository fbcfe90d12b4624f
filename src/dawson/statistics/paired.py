"""Two models on the same patients: tests of per-patient results, each patient averaged over the repeats that tested him or her.

Repeats share their patients, so that neither their number nor their spread says how two models differ on new patients.
Every test here but `naive_t` takes one row per patient; `headline_test` picks the one to report.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from dawson.statistics.bootstrap import percentile_interval, replicate_figures
from dawson.statistics.delong import delong_paired_test
from dawson.statistics.exchange import SAME, paired_results, sign_flip_test
from dawson.statistics.figures import FIGURES, binary_figures, macro_figures
from dawson.statistics.interval import Comparison, check_confidence


def headline_test(truth: ArrayLike, first: ArrayLike, second: ArrayLike, figure: str, confidence: float = 0.95) -> Comparison:
    """The test that keeps its level under a draw of overlapping test sets: per patient, averaged over repeats.

    Which tests do was simulated (`benchmarks/paired_tests.py`): DeLong's for the area, McNemar's mid-p test for the
    accuracy of the averaged probabilities, the sign-flip test for a result that was itself averaged over repeats.

    Parameters
    ----------
    truth : array_like, shape (n,)
        Whether each patient is positive (bool), or index of the true class where the models give several columns.
        Not used for the figure "mean".
    first, second : array_like, shape (n,), or for "accuracy" (n, classes)
        Probability averaged over the repeats; for "mean" any per-patient result, such as the share of the repeats that
        called the patient rightly.
    figure : {"auc", "accuracy", "mean"}
    confidence : float
        Level of the interval of the difference.

    Returns
    -------
    Comparison
        First minus second.

    Raises
    ------
    ValueError
        The shapes do not fit, or there is no such figure (of a macro area use `paired_bootstrap`).
    """
    one, two = paired_results(first, second)
    if figure == "auc" and one.ndim == 1:
        return delong_paired_test(truth, one, two, confidence)
    if figure == "mean" and one.ndim == 1:
        return sign_flip_test(one, two, confidence=confidence)
    if figure != "accuracy":
        raise ValueError(f"there is no headline test of {figure} for results of shape {one.shape}")
    true = np.asarray(truth)
    if true.shape != one.shape[:1]:
        raise ValueError(f"truth has shape {true.shape}, the models {one.shape}")
    calls = [values >= 0.5 if values.ndim == 1 else values.argmax(axis=1) for values in (one, two)]
    return mcnemar(calls[0] == true, calls[1] == true, confidence, mid_p=True)


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike, confidence: float = 0.95, mid_p: bool = False) -> Comparison:
    """McNemar's exact test of two models' correctness in the same patients.

    Parameters
    ----------
    first_correct, second_correct : array_like of bool, shape (n,)
        Whether each patient was called rightly by each model, one row per patient (by the probability averaged over
        repeats).
    confidence : float
        Level of the interval of the difference of accuracies (Bonett and Price's adjusted Wald interval).
    mid_p : bool
        Count the observed table by half. The exact test rejects too seldom where few patients differ; the mid-p test
        is near its level.

    Returns
    -------
    Comparison
        First minus second. The statistic is the smaller of the two discordant counts.

    Raises
    ------
    ValueError
        The lengths differ or there are no patients.

    References
    ----------
    McNemar Q. Psychometrika 12 (1947) 153-157. Fagerland MW, Lydersen S, Laake P. BMC Med Res Methodol 13 (2013) 91.
    Bonett DG, Price RM. J Educ Behav Stat 37 (2012) 479-488, eq. 4.
    """
    one, two = paired_results(np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool))
    better, worse = int(np.sum(one > two)), int(np.sum(one < two))
    discordant, least = better + worse, min(better, worse)
    p_value = 2 * float(stats.binom.cdf(least, discordant, 0.5))
    if mid_p:
        p_value -= float(stats.binom.pmf(least, discordant, 0.5))
    n = one.size + 2
    up, down = (better + 1) / n, (worse + 1) / n
    half = float(stats.norm.ppf((1 + check_confidence(confidence)) / 2)) * math.sqrt((up + down - (up - down) ** 2) / n)
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    name = "McNemar mid-p test" if mid_p else "McNemar exact test"
    return Comparison((better - worse) / one.size, low, high, float(least), min(1.0, p_value), f"{name}, Bonett-Price interval")


def paired_bootstrap(
    truth: ArrayLike, first: ArrayLike, second: ArrayLike, figure: str, counts: ArrayLike, confidence: float = 0.95
) -> Comparison:
    """Difference of a figure of two models, resampling patients.

    Parameters
    ----------
    truth : array_like, shape (n,)
        Whether each patient is positive (bool), or index of the true class where the models give several columns.
    first, second : array_like, shape (n,) or (n, classes)
        Probability of the positive class, or of every class, averaged over repeats; one row per patient. A patient is
        called positive from one half, or the class of the largest probability. For the figure "mean" any per-patient
        value, such as the share of the repeats that called the patient rightly.
    figure : str
        One of `figures.FIGURES` (of several classes the macro figure), or "mean".
    counts : array_like, shape (n_bootstraps, n)
        From `bootstrap.draw_counts`: the same resamples for both models.
    confidence : float
        Level of the percentile interval.

    Returns
    -------
    Comparison
        First minus second. p is twice the smaller share of resamples on one side of 0 (those at 0 by half), so that it
        is below 1 - confidence where the interval leaves out 0; the statistic is NaN.

    Raises
    ------
    ValueError
        The shapes do not fit, or there is no such figure.
    """
    one, two = paired_results(first, second)
    true, weight = np.asarray(truth), np.asarray(counts, dtype=np.float64)
    if true.shape != one.shape[:1] or weight.ndim != 2 or weight.shape[1] != true.size:
        raise ValueError(f"truth has shape {true.shape}, counts {weight.shape}, the models {one.shape}")
    estimates, replicates = zip(*(_figure(true, values, figure, weight) for values in (one, two)), strict=True)
    difference, resampled = estimates[0] - estimates[1], replicates[0] - replicates[1]
    interval = percentile_interval(difference, resampled, confidence)
    known = resampled[~np.isnan(resampled)]
    p_value = math.nan
    if not math.isnan(interval.low):
        tied = 0.5 * np.mean(np.abs(known) < SAME)
        side = min(float(np.mean(known <= -SAME) + tied), float(np.mean(known >= SAME) + tied))
        p_value = min(1.0, max(2 * side, 1 / known.size))
    return Comparison(difference, interval.low, interval.high, math.nan, p_value, f"paired {interval.method}")


def naive_t(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Comparison:
    """Paired t test over repeats as if they were independent.

    **Wrong** where repeats draw from the same patients: it calls most pairs of equally good models different. It is
    here because papers print it.

    Parameters
    ----------
    first, second : array_like, shape (repeats,)
        The figure of each model in each repeat; a repeat where one is NaN is left out.
    confidence : float
        Level of the interval of the difference.

    Raises
    ------
    ValueError
        The lengths differ or there are no repeats.
    """
    one, two = paired_results(first, second)
    difference = (one - two)[~np.isnan(one - two)]
    method = "paired t test over repeats as if independent"
    mean = float(difference.mean()) if difference.size else math.nan
    if difference.size < 2 or np.ptp(difference) < SAME:
        same = difference.size > 1 and abs(mean) < SAME
        return Comparison(mean, math.nan, math.nan, math.nan, 1.0 if same else math.nan, method)
    error = float(difference.std(ddof=1)) / math.sqrt(difference.size)
    half = float(stats.t.ppf((1 + check_confidence(confidence)) / 2, difference.size - 1)) * error
    t = mean / error
    return Comparison(mean, mean - half, mean + half, t, float(2 * stats.t.sf(abs(t), difference.size - 1)), method)


def _figure(
    truth: NDArray[np.generic], values: NDArray[np.float64], figure: str, weight: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """The figure of the sample and of each resample."""
    if figure == "mean" and values.ndim == 1:
        return float(values.mean()), np.asarray(weight @ values / weight.sum(axis=1), dtype=np.float64)
    if figure not in FIGURES:
        raise ValueError(f"{figure} is none of {', '.join(FIGURES)}")
    if values.ndim == 1:
        called = values >= 0.5
        return binary_figures(truth, values, called)[figure], replicate_figures(truth, values, called, weight)[figure]
    label = values.argmax(axis=1)
    if figure == "accuracy":
        right = label == truth
        return float(right.mean()), np.asarray(weight @ right / weight.sum(axis=1), dtype=np.float64)
    each = [replicate_figures(truth == k, values[:, k], label == k, weight)[figure] for k in range(values.shape[1])]
    return macro_figures(truth, values, label)[figure], np.asarray(np.mean(each, axis=0), dtype=np.float64)

"""Every figure of merit over patients with its bootstrap interval, exact bounds where the bootstrap has no spread."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.bootstrap import percentile_interval, replicate_figures
from dawson.statistics.delong import delong_interval
from dawson.statistics.figures import (
    FIGURES,
    Counts,
    auc,
    confusion_counts,
    figures_of_counts,
    macro_figures,
    npv_at,
    ppv_at,
)
from dawson.statistics.interval import Interval
from dawson.statistics.proportions import exact_binomial


def binary_intervals(
    truth: ArrayLike, score: ArrayLike, called: ArrayLike, counts: ArrayLike, confidence: float = 0.95
) -> dict[str, Interval]:
    """The six figures of two classes with percentile intervals of a patient bootstrap.

    Where all resamples agree (34 of 34 called rightly), a bootstrap interval would have no width. Then a proportion
    gets Clopper-Pearson's bounds, and the area those of `delong_interval`; the method says so.

    Parameters
    ----------
    truth, called : array_like of bool, shape (n,)
        Whether each patient is positive, and was called so. Both classes must occur.
    score : array_like of float, shape (n,)
        Probability of the positive class.
    counts : array_like, shape (n_bootstraps, n)
        From `bootstrap.draw_counts`.
    confidence : float
        Two-sided level.

    Returns
    -------
    dict
        An Interval for each of `figures.FIGURES`.
    """
    table = confusion_counts(truth, called)
    estimates = {**figures_of_counts(table), "auc": auc(truth, score)}
    replicates = replicate_figures(truth, score, called, counts)
    result = {name: percentile_interval(estimates[name], replicates[name], confidence) for name in FIGURES}
    for name, (part, whole) in _fractions(table).items():
        if no_spread(replicates[name]):
            result[name] = exact_binomial(part, whole, confidence)
    if no_spread(replicates["auc"]):
        result["auc"] = delong_interval(truth, score, confidence)
    return result


def macro_intervals(
    truth: ArrayLike, probability: ArrayLike, called: ArrayLike, counts: ArrayLike, confidence: float = 0.95
) -> dict[str, Interval]:
    """Accuracy and the macro figures of several classes with percentile intervals of a patient bootstrap.

    Where all resamples agree, accuracy gets Clopper-Pearson's bounds, and a macro figure the mean of its classes'
    bounds: all classes at their bounds at once is less likely than any one, so this is cautious.

    Parameters
    ----------
    truth, called : array_like of int, shape (n,)
        Index of the true and of the called class; every class must occur in `truth`.
    probability : array_like, shape (n, classes)
        Scores of the classes.
    counts : array_like, shape (n_bootstraps, n)
        From `bootstrap.draw_counts`.
    confidence : float
        Two-sided level.

    Returns
    -------
    dict
        An Interval for each of `figures.FIGURES`.
    """
    true, call = np.asarray(truth), np.asarray(called)
    scores, weight = np.asarray(probability, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    each = [replicate_figures(true == k, scores[:, k], call == k, weight) for k in range(scores.shape[1])]
    replicates = {name: np.mean([figures[name] for figures in each], axis=0) for name in FIGURES}
    replicates["accuracy"] = weight[:, true == call].sum(1) / weight.sum(1)
    estimates = macro_figures(true, scores, call)
    result = {name: percentile_interval(estimates[name], replicates[name], confidence) for name in FIGURES}
    if no_spread(replicates["accuracy"]):
        result["accuracy"] = exact_binomial(float(np.sum(true == call)), true.size, confidence)
    stuck = [name for name in FIGURES if name != "accuracy" and no_spread(replicates[name])]
    if stuck:
        classes = [binary_intervals(true == k, scores[:, k], call == k, weight, confidence) for k in range(scores.shape[1])]
        for name in stuck:
            low, high = (float(np.mean([getattr(one[name], end) for one in classes])) for end in ("low", "high"))
            result[name] = Interval(estimates[name], low, high, "mean of the classes' exact bounds", confidence)
    return result


def predictive_intervals(
    truth: ArrayLike, called: ArrayLike, counts: ArrayLike, prevalence: float, confidence: float = 0.95
) -> dict[str, Interval]:
    """PPV and NPV at a given prevalence, from sensitivity and specificity by Bayes' rule, with bootstrap intervals.

    The prevalence is taken as known. Where all resamples agree (no false positive at all), the exact bounds of
    sensitivity and specificity are put through the rule together, which is cautious.

    Parameters
    ----------
    truth, called : array_like of bool, shape (n,)
        Whether each patient is positive, and was called so.
    counts : array_like, shape (n_bootstraps, n)
        From `bootstrap.draw_counts`.
    prevalence : float
        Share of positives among those who would be tested.
    confidence : float
        Two-sided level.

    Returns
    -------
    dict
        An Interval for each of "ppv" and "npv".

    Raises
    ------
    ValueError
        The prevalence is not strictly between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must lie strictly between 0 and 1, not {prevalence}")
    table = confusion_counts(truth, called)
    fractions = _fractions(table)
    estimate = figures_of_counts(table)
    replicates = replicate_figures(truth, np.zeros(np.asarray(truth).shape), called, counts)
    sensitivity, specificity = (exact_binomial(*fractions[name], confidence) for name in ("sensitivity", "specificity"))
    result = {}
    for name, rule in (("ppv", ppv_at), ("npv", npv_at)):
        value = rule(prevalence, estimate["sensitivity"], estimate["specificity"])
        resampled = np.array(
            [rule(prevalence, one, two) for one, two in zip(replicates["sensitivity"], replicates["specificity"], strict=True)]
        )
        if no_spread(resampled):
            low = rule(prevalence, sensitivity.low, specificity.low)
            high = rule(prevalence, sensitivity.high, specificity.high)
            result[name] = Interval(value, low, high, "Bayes' rule on exact bounds of sensitivity and specificity", confidence)
        else:
            result[name] = percentile_interval(value, resampled, confidence)
    return result


def _fractions(table: Counts) -> Mapping[str, tuple[float, float]]:
    tp, fp, tn, fn = table.true_positive, table.false_positive, table.true_negative, table.false_negative
    return {
        "accuracy": (tp + tn, tp + fp + tn + fn),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }


def no_spread(replicates: NDArray[np.float64]) -> bool:
    """Whether all resamples in which a figure is defined agree on it, so that a bootstrap interval has no width."""
    known = replicates[~np.isnan(replicates)]
    # Sums of weighted pairs differ in the last bits only, whatever was drawn.
    return bool(known.size) and float(np.ptp(known)) < 1e-12

"""What one model does on new patients, from repeats that each made a new model and tested some of the patients.

Averaging a patient's probabilities over the repeats judges the ensemble of all their models. Averaging how often the
patient was called rightly judges one of them, which is what is handed on: the noise of retraining, which an ensemble
loses, stays in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from dawson.statistics.bootstrap import percentile_interval
from dawson.statistics.figures import FIGURES, npv_at, ppv_at
from dawson.statistics.interval import Interval
from dawson.statistics.patient_intervals import no_spread
from dawson.statistics.proportions import exact_binomial

_CORRECTNESS = "each patient's correctness averaged over repeats"
_BAYES = "Bayes' rule on sensitivity and specificity at the test patients' class mix"
_PAIRS = "pairs tested by the same model, averaged over repeats"
METHODS = {
    "accuracy": _CORRECTNESS,
    "sensitivity": _CORRECTNESS,
    "specificity": _CORRECTNESS,
    "ppv": _BAYES,
    "npv": _BAYES,
    "auc": _PAIRS,
}


def call_shares(called: ArrayLike, tested: ArrayLike) -> NDArray[np.float64]:
    """In which share of the repeats that tested a patient he or she was called positive.

    Parameters
    ----------
    called : array_like of bool, shape (repeats, n)
        Whether the repeat's model called the patient positive; anything where it did not test the patient.
    tested : array_like of bool, shape (repeats, n)
        Whether the repeat tested the patient.

    Returns
    -------
    ndarray, shape (n,)
        Every repeat that tested a patient counts the same for the patient.

    Raises
    ------
    ValueError
        The shapes differ, or a patient was never tested.

    Examples
    --------
    >>> call_shares([[True, False], [False, False]], [[True, True], [True, False]]).tolist()
    [0.5, 0.0]
    """
    call, test = np.asarray(called, dtype=bool), np.asarray(tested, dtype=bool)
    if call.ndim != 2 or call.shape != test.shape:
        raise ValueError(f"calls have shape {call.shape}, tests {test.shape}: one of each per repeat and patient")
    times = test.sum(axis=0)
    if (times == 0).any():
        raise ValueError("a patient was tested in no repeat")
    return np.asarray((call & test).sum(axis=0) / times, dtype=np.float64)


def pair_order(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How often each (positive, negative) pair was in the right order, over the repeats that tested both.

    Scores of different models are not on one scale, hence only pairs that one model scored are compared.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each patient is positive.
    score : array_like of float, shape (repeats, n)
        Higher means more likely positive; NaN where the repeat did not test the patient.

    Returns
    -------
    order : ndarray, shape (positives, negatives)
        Share of the common repeats with the positive above the negative, a tie counting one half; 0 where there is
        no common repeat.
    known : ndarray of bool, shape (positives, negatives)
        Whether any repeat tested both.
    """
    true, value = np.asarray(truth, dtype=bool), np.asarray(score, dtype=np.float64)
    positive, negative = value[:, true], value[:, ~true]
    right = np.zeros((positive.shape[1], negative.shape[1]))
    common = np.zeros_like(right)
    for above, below in zip(positive, negative, strict=True):
        rows, columns = np.flatnonzero(~np.isnan(above)), np.flatnonzero(~np.isnan(below))
        block = np.ix_(rows, columns)
        right[block] += 0.5 * (1 + np.sign(above[rows][:, None] - below[columns][None, :]))
        common[block] += 1
    known = common > 0
    return np.divide(right, common, out=np.zeros_like(right), where=known), known


def one_model_intervals(
    truth: ArrayLike, score: ArrayLike, called: ArrayLike, counts: ArrayLike, confidence: float = 0.95
) -> dict[str, Interval]:
    """The six figures that one repeat's model is expected to reach, two classes, with a patient bootstrap.

    Every patient counts the same, however often tested. Where all resamples agree, the bounds are exact ones, as in
    `patient_intervals.binary_intervals`.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each patient is positive. Both classes must occur.
    score : array_like of float, shape (repeats, n)
        Probability of the positive class; NaN where the repeat did not test the patient.
    called : array_like of bool, shape (repeats, n)
        Whether the patient was called positive; anything where the score is NaN.
    counts : array_like, shape (n_bootstraps, n)
        From `bootstrap.draw_counts`, drawn within class.
    confidence : float
        Two-sided level.

    Returns
    -------
    dict
        An Interval for each of `figures.FIGURES`. The area is NaN where no repeat tested both classes.

    Raises
    ------
    ValueError
        The shapes do not fit, a class is absent, or a patient was never tested.

    Notes
    -----
    The interval is for the mean over models, of which the repeats are a sample, not for any single one.
    What all patients of a repeat share (a model that calls everybody too often) averages out over many repeats, but
    with few it is not in the interval. In simulated studies with such a shift as large as the differences between
    patients, 95 % intervals of sensitivity and specificity held the truth in 89 % with 100 repeats and 75 % with 10;
    without it, in 93 to 95 % with either. Accuracy and area lose little.
    """
    weight = np.asarray(counts, dtype=np.float64)
    side = _side(np.asarray(truth, dtype=bool), np.asarray(score, dtype=np.float64), np.asarray(called, dtype=bool))
    estimates, replicates = _single(side.figures(np.ones((1, side.truth.size)))), side.figures(weight)
    return {
        name: _exact(side, name, estimates, confidence)
        if no_spread(replicates[name])
        else _percentile(name, estimates[name], replicates[name], confidence)
        for name in FIGURES
    }


def one_model_macro_intervals(
    truth: ArrayLike, probability: ArrayLike, called: ArrayLike, counts: ArrayLike, confidence: float = 0.95
) -> dict[str, Interval]:
    """Accuracy and the macro figures (plain mean of one class against the rest) that one repeat's model should reach.

    Where all resamples agree, accuracy gets Clopper-Pearson's bounds and a macro figure the mean of its classes' exact
    bounds, as in `patient_intervals.macro_intervals`.

    Parameters
    ----------
    truth : array_like of int, shape (n,)
        Index of the true class; every class must occur.
    probability : array_like, shape (repeats, n, classes)
        NaN where the repeat did not test the patient.
    called : array_like of int, shape (repeats, n)
        Index of the called class; anything where the probability is NaN.
    counts : array_like, shape (n_bootstraps, n)
        From `bootstrap.draw_counts`, drawn within class.
    confidence : float
        Two-sided level.

    Returns
    -------
    dict
        An Interval for each of `figures.FIGURES`.

    Raises
    ------
    ValueError
        The shapes do not fit, a class is absent, or a patient was never tested.
    """
    true, call = np.asarray(truth), np.asarray(called)
    scores, weight = np.asarray(probability, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    sides = [_side(true == k, scores[:, :, k], call == k) for k in range(scores.shape[2])]
    # How often each patient was called what he or she is.
    right = np.stack([side.called for side in sides])[true, np.arange(true.size)]

    def macro(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        each = [side.figures(weights) for side in sides]
        means = {name: np.asarray(np.mean([figures[name] for figures in each], axis=0)) for name in FIGURES}
        return means | {"accuracy": weights @ right / weights.sum(axis=1)}

    estimates, replicates = _single(macro(np.ones((1, true.size)))), macro(weight)
    result = {}
    for name in FIGURES:
        if not no_spread(replicates[name]):
            result[name] = _percentile(name, estimates[name], replicates[name], confidence, "macro, ")
        elif name == "accuracy":
            result[name] = exact_binomial(float(right.sum()), true.size, confidence)
        else:
            each = [_exact(side, name, _single(side.figures(np.ones((1, true.size)))), confidence) for side in sides]
            low, high = (float(np.mean([getattr(one, end) for one in each])) for end in ("low", "high"))
            result[name] = Interval(estimates[name], low, high, "mean of the classes' exact bounds", confidence)
    return result


@dataclass(frozen=True)
class _Side:
    """One class against the rest: truth (n,), share of repeats called so (n,), order and known (positives, negatives).

    A share stands for a call: the sum of shares is the expected number of calls of one model.
    """

    truth: NDArray[np.bool_]
    called: NDArray[np.float64]
    order: NDArray[np.float64]
    known: NDArray[np.bool_]

    def figures(self, weight: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The six figures, each of shape (resamples,), for patients weighted (resamples, n)."""
        positive, negative = weight[:, self.truth], weight[:, ~self.truth]
        true_positive, n_positive = positive @ self.called[self.truth], positive.sum(axis=1)
        false_positive, n_negative = negative @ self.called[~self.truth], negative.sum(axis=1)
        true_negative, false_negative = n_negative - false_positive, n_positive - true_positive
        known = self.known.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "accuracy": (true_positive + true_negative) / (n_positive + n_negative),
                "sensitivity": true_positive / n_positive,
                "specificity": true_negative / n_negative,
                # Bayes' rule at the mix of these patients is this ratio: resamples keep the number of each class.
                "ppv": true_positive / (true_positive + false_positive),
                "npv": true_negative / (true_negative + false_negative),
                "auc": np.einsum("bn,bn->b", positive @ self.order, negative) / np.einsum("bn,bn->b", positive @ known, negative),
            }


def _side(truth: NDArray[np.bool_], score: NDArray[np.float64], called: NDArray[np.bool_]) -> _Side:
    if score.ndim != 2 or truth.shape != score.shape[1:]:
        raise ValueError(f"truth has shape {truth.shape}, scores {score.shape}: one score per repeat and patient")
    if truth.all() or not truth.any():
        raise ValueError("the figures need patients of every class")
    return _Side(truth, call_shares(called, ~np.isnan(score)), *pair_order(truth, score))


def _single(figures: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    return {name: float(values[0]) for name, values in figures.items()}


def _percentile(name: str, estimate: float, replicates: NDArray[np.float64], confidence: float, prefix: str = "") -> Interval:
    interval = percentile_interval(estimate, replicates, confidence)
    first = "" if name == "accuracy" else prefix
    method = f"{first}{METHODS[name]}; {interval.method}"
    return Interval(estimate, interval.low, interval.high, method, confidence)


def _exact(side: _Side, name: str, estimates: Mapping[str, float], confidence: float) -> Interval:
    """Bounds for a figure on which all resamples agree."""
    n_positive, n_negative = int(side.truth.sum()), int((~side.truth).sum())
    trials = {"accuracy": n_positive + n_negative, "sensitivity": n_positive, "specificity": n_negative}
    value = estimates[name]
    if name == "auc":
        if math.isnan(value):
            return Interval(value, math.nan, math.nan, METHODS[name], confidence)
        pairs = int((maximum_bipartite_matching(csr_array(side.known)) >= 0).sum())
        exact = _proportion(value, pairs, confidence)
        return Interval(value, exact.low, exact.high, f"exact binomial over {pairs} disjoint pairs", confidence)
    if name in trials:
        return _proportion(value, trials[name], confidence)
    rule = ppv_at if name == "ppv" else npv_at
    sensitivity, specificity = (_proportion(estimates[key], trials[key], confidence) for key in ("sensitivity", "specificity"))
    low, high = (rule(n_positive / side.truth.size, getattr(sensitivity, end), getattr(specificity, end)) for end in ("low", "high"))
    return Interval(value, low, high, "Bayes' rule on exact bounds of sensitivity and specificity", confidence)


def _proportion(value: float, trials: int, confidence: float) -> Interval:
    return exact_binomial(value * trials, trials, confidence)

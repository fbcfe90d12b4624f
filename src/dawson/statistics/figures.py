"""Figures of merit of a classifier: accuracy, sensitivity, specificity, predictive values, area under the ROC curve."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

FIGURES = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "auc")


@dataclass(frozen=True)
class Counts:
    """The two-by-two table of truth and call. Counts may be weighted, hence floats."""

    true_positive: float
    false_positive: float
    true_negative: float
    false_negative: float


def confusion_counts(truth: ArrayLike, called: ArrayLike) -> Counts:
    """Count agreements and disagreements.

    Parameters
    ----------
    truth, called : array_like of bool, shape (n,)
        Whether each case is positive, and whether it was called positive.

    Raises
    ------
    ValueError
        The lengths differ.
    """
    true, call = _same_length(truth, called)
    return Counts(
        true_positive=float(np.sum(true & call)),
        false_positive=float(np.sum(~true & call)),
        true_negative=float(np.sum(~true & ~call)),
        false_negative=float(np.sum(true & ~call)),
    )


def figures_of_counts(counts: Counts) -> dict[str, float]:
    """Accuracy, sensitivity, specificity, PPV and NPV; NaN where the denominator is 0 (PPV without positive calls).

    Examples
    --------
    >>> figures_of_counts(Counts(8, 1, 9, 2))["sensitivity"]
    0.8
    """
    tp, fp, tn, fn = counts.true_positive, counts.false_positive, counts.true_negative, counts.false_negative
    return {
        "accuracy": _ratio(tp + tn, tp + fp + tn + fn),
        "sensitivity": _ratio(tp, tp + fn),
        "specificity": _ratio(tn, tn + fp),
        "ppv": _ratio(tp, tp + fp),
        "npv": _ratio(tn, tn + fn),
    }


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, a tie counting one half.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each case is positive.
    score : array_like of float, shape (n,)
        Higher means more likely positive.

    Returns
    -------
    float
        NaN where one of the classes is absent.

    Raises
    ------
    ValueError
        The lengths differ, or a score is NaN.

    References
    ----------
    Hanley JA, McNeil BJ. The meaning and use of the area under a ROC curve. Radiology 143 (1982) 29-36.

    Examples
    --------
    >>> auc([True, True, False, False], [0.9, 0.4, 0.4, 0.1])
    0.875
    """
    true, value = checked_scores(truth, score)
    n_positive = int(true.sum())
    n_negative = true.size - n_positive
    if not n_positive or not n_negative:
        return math.nan
    ranks = rankdata(value)
    return float((ranks[true].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def binary_figures(truth: ArrayLike, score: ArrayLike, called: ArrayLike) -> dict[str, float]:
    """All of `FIGURES` for two classes.

    Parameters
    ----------
    truth : array_like of bool, shape (n,)
        Whether each case is positive.
    score : array_like of float, shape (n,)
        Probability of the positive class; only its order matters.
    called : array_like of bool, shape (n,)
        Whether each case was called positive.
    """
    return {**figures_of_counts(confusion_counts(truth, called)), "auc": auc(truth, score)}


def one_vs_rest_figures(truth: ArrayLike, probability: ArrayLike, called: ArrayLike) -> list[dict[str, float]]:
    """`binary_figures` of each class against all others.

    Parameters
    ----------
    truth, called : array_like of int, shape (n,)
        Index of the true and of the called class.
    probability : array_like, shape (n, classes)
        Scores of the classes.

    Returns
    -------
    list of dict
        One for each class, in the order of the columns of `probability`.
    """
    true, scores, call = np.asarray(truth), np.asarray(probability, dtype=np.float64), np.asarray(called)
    return [binary_figures(true == k, scores[:, k], call == k) for k in range(scores.shape[1])]


def macro_figures(truth: ArrayLike, probability: ArrayLike, called: ArrayLike) -> dict[str, float]:
    """Accuracy (the share of cases called rightly) and the plain mean over classes of every other one-vs-rest figure.

    A figure that is undefined for one class (no case was called so, say) is undefined for the mean: leaving the class
    out would flatter a classifier that never calls it.

    Parameters
    ----------
    truth, called : array_like of int, shape (n,)
        Index of the true and of the called class.
    probability : array_like, shape (n, classes)
        Scores of the classes.
    """
    each = one_vs_rest_figures(truth, probability, called)
    result = {name: float(np.mean([figures[name] for figures in each])) for name in FIGURES if name != "accuracy"}
    true, call = np.asarray(truth), np.asarray(called)
    return {"accuracy": float(np.mean(true == call)) if true.size else math.nan, **result}


def confusion_matrix(truth: ArrayLike, called: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Count cases by true class (row) and called class (column).

    Parameters
    ----------
    truth, called : array_like of int, shape (n,)
        Indices of the classes.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of int, shape (n_classes, n_classes)
    """
    matrix = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(matrix, (np.asarray(truth, dtype=np.int64), np.asarray(called, dtype=np.int64)), 1)
    return matrix


def ppv_at(prevalence: float, sensitivity: float, specificity: float) -> float:
    """Positive predictive value at a given prevalence, by Bayes' rule; NaN where nothing would be called positive.

    Examples
    --------
    >>> round(ppv_at(0.1, 0.8, 0.9), 4)
    0.4706
    """
    return _ratio(sensitivity * prevalence, sensitivity * prevalence + (1 - specificity) * (1 - prevalence))


def npv_at(prevalence: float, sensitivity: float, specificity: float) -> float:
    """Negative predictive value at a given prevalence, by Bayes' rule; NaN where nothing would be called negative."""
    return _ratio(specificity * (1 - prevalence), specificity * (1 - prevalence) + (1 - sensitivity) * prevalence)


def or_none(values: Mapping[str, float]) -> dict[str, float | None]:
    """The same figures with None for NaN, which JSON has not."""
    return {name: none_if_undefined(value) for name, value in values.items()}


def none_if_undefined(value: float) -> float | None:
    """None for NaN or infinity, else the value as a plain float."""
    return float(value) if math.isfinite(value) else None


def checked_scores(truth: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Truth and score as arrays of one length.

    Raises
    ------
    ValueError
        The lengths differ, or a score is NaN.
    """
    true, value = np.asarray(truth, dtype=bool), np.asarray(score, dtype=np.float64)
    if true.ndim != 1 or true.shape != value.shape:
        raise ValueError(f"truth has shape {true.shape}, score {value.shape}: one of each per case is needed")
    if np.isnan(value).any():
        raise ValueError("a score is NaN")
    return true, value


def _same_length(truth: ArrayLike, called: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    true, call = np.asarray(truth, dtype=bool), np.asarray(called, dtype=bool)
    if true.ndim != 1 or true.shape != call.shape:
        raise ValueError(f"truth has shape {true.shape}, calls {call.shape}: one of each per case is needed")
    return true, call


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else math.nan

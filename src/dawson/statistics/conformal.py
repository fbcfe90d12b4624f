"""Prediction sets that keep silent where they must: class-conditional conformal prediction over patients.

A patient's p value for a class says how unusual its probability of that class would be among calibration patients who
have the class. The set of classes with p > alpha misses the true class of at most a share alpha of new patients, of
each class by itself, if they are like the calibration patients and those did not train the network.

A patient may have several calibration scans, and they are no independent evidence. Each patient counts as one: as the
share of his or her scans that are at least as strange. This keeps the guarantee for one scan of a new patient (the mean
over scans would not: it is less noisy than the one scan it is compared with).

All p values are unsmoothed, (count + 1) / (n + 1) with ties counted: never too small, and no random numbers.

References
----------
Vovk V, Gammerman A, Shafer G. Algorithmic learning in a random world (2005), section 4.5 (class-conditional).
Vovk V. Cross-conformal predictors. Ann Math Artif Intell 74 (2015) 9-28.
Lee Y, Barber RF, Willett R. Distribution-free inference with hierarchical data. arXiv:2306.06342 (2023), section 3
(several observations of one group).
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.bootstrap import draw_counts, percentile_interval
from dawson.statistics.interval import Interval
from dawson.statistics.patient_intervals import no_spread
from dawson.statistics.proportions import exact_binomial

# p values are ratios of sums of fractions: equal ones differ in the last bits.
_SAME = 1e-9


def class_conditional_p_values(
    calibration_probability: ArrayLike, calibration_truth: ArrayLike, calibration_groups: ArrayLike, probability: ArrayLike
) -> NDArray[np.float64]:
    """The p value of each class for each new patient, from one network.

    Parameters
    ----------
    calibration_probability : array_like, shape (c, classes)
        Of scans that neither trained the network nor chose when to stop.
    calibration_truth : array_like of int, shape (c,)
        Index of the true class.
    calibration_groups : array_like, shape (c,)
        The person of each row; a person has one class.
    probability : array_like, shape (n, classes)
        Of the new scans, by the same network.

    Returns
    -------
    ndarray, shape (n, classes)
        1 throughout for a class without calibration patients.

    Raises
    ------
    ValueError
        The shapes do not fit, a probability is not finite, or a person has two classes.

    Examples
    --------
    >>> calibration = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
    >>> class_conditional_p_values(calibration, [0, 0, 1], ["a", "b", "c"], [[0.7, 0.3]]).round(4).tolist()
    [[0.6667, 0.5]]
    """
    one_fold = np.zeros(np.shape(calibration_truth), dtype=np.intp)
    tested = np.asarray(probability, dtype=np.float64)[None]
    return cross_conformal_p_values(calibration_probability, calibration_truth, one_fold, calibration_groups, tested)


def cross_conformal_p_values(
    calibration_probability: ArrayLike,
    calibration_truth: ArrayLike,
    calibration_fold: ArrayLike,
    calibration_person: ArrayLike,
    test_probability_by_fold: ArrayLike,
) -> NDArray[np.float64]:
    """The p value of each class for each new patient, from the networks of a k-fold: ranks pooled over the folds.

    The network of fold f judges its own validation patients and the new patient; the numbers of patients who are at
    least as strange are added over the folds, so that every patient calibrates and none judges a network that has seen
    him or her. In theory such sets may miss up to 2 alpha; networks that disagree only pull p values to the middle, so
    that in practice they miss alpha or less.

    Parameters
    ----------
    calibration_probability : array_like, shape (c, classes)
        Row by the network of the row's fold, of its validation patients.
    calibration_truth : array_like of int, shape (c,)
        Index of the true class.
    calibration_fold : array_like of int, shape (c,)
        From 0 to folds - 1.
    calibration_person : array_like, shape (c,)
        The person of each row; a person has one class and one fold.
    test_probability_by_fold : array_like, shape (folds, n, classes)
        Of the new scans by each fold's network. Where all calibration rows and the new ones are by the same predictor
        give one fold.

    Returns
    -------
    ndarray, shape (n, classes)
        1 throughout for a class without calibration patients.

    Raises
    ------
    ValueError
        The shapes do not fit, a probability is not finite, or a person has two classes or folds.
    """
    given, tested = np.asarray(calibration_probability, dtype=np.float64), np.asarray(test_probability_by_fold, dtype=np.float64)
    truth, fold, person = np.asarray(calibration_truth), np.asarray(calibration_fold), np.asarray(calibration_person)
    if tested.ndim != 3 or given.ndim != 2 or given.shape[1] != tested.shape[2]:
        raise ValueError(f"calibration {given.shape} and test {tested.shape} probabilities do not fit")
    if not truth.shape == fold.shape == person.shape == given.shape[:1]:
        raise ValueError("one class, one fold and one person per calibration row are needed")
    if not (np.isfinite(given).all() and np.isfinite(tested).all()):
        raise ValueError("a probability is not finite")
    if not (np.isin(truth, np.arange(tested.shape[2])).all() and np.isin(fold, np.arange(tested.shape[0])).all()):
        raise ValueError("a class or a fold of a calibration row is not among the tested ones")
    _check_whole(person, truth, "classes")
    _check_whole(person, fold, "folds")
    result = np.ones(tested.shape[1:])
    for label in range(tested.shape[2]):
        of_class = truth == label
        people = np.unique(person[of_class]).size
        stranger = np.zeros(tested.shape[1])
        for index in np.unique(fold[of_class]):
            rows = of_class & (fold == index)
            stranger += _people_at_least(1 - given[rows, label], person[rows], 1 - tested[index, :, label])
        result[:, label] = (stranger + 1) / (people + 1)
    return result


def prediction_sets(p_values: ArrayLike, alpha: float) -> NDArray[np.bool_]:
    """The classes that cannot be excluded at a given error rate: those with p > alpha.

    Parameters
    ----------
    p_values : array_like, shape (n, classes)
    alpha : float
        Share of the patients of each class whose class may be missed, e.g. 0.1.

    Returns
    -------
    ndarray of bool, shape (n, classes)

    Raises
    ------
    ValueError
        alpha is not strictly between 0 and 1.
    """
    return np.asarray(p_values, dtype=np.float64) > _checked_alpha(alpha) + _SAME


def answers(sets: ArrayLike) -> NDArray[np.intp]:
    """The class that each set names, -1 where it names none or more than one ("cannot tell").

    Parameters
    ----------
    sets : array_like of bool, shape (n, classes)
        From `prediction_sets`.

    Examples
    --------
    >>> answers([[True, False], [True, True], [False, False]]).tolist()
    [0, -1, -1]
    """
    member = np.asarray(sets, dtype=bool)
    return np.where(member.sum(axis=1) == 1, member.argmax(axis=1), -1).astype(np.intp)


def smallest_calibration(alpha: float) -> int:
    """How many calibration patients of a class are needed before it can ever be excluded: the least n with 1/(n + 1) <= alpha.

    Examples
    --------
    >>> smallest_calibration(0.1)
    9
    """
    return max(1, math.ceil(1 / _checked_alpha(alpha) - 1 - _SAME))


def coverage_by_class(
    sets: ArrayLike,
    truth: ArrayLike,
    groups: ArrayLike | None = None,
    n_bootstraps: int = 2000,
    seed: int | np.random.Generator = 0,
    confidence: float = 0.95,
) -> dict[int, Interval]:
    """Share of the patients of each class whose set holds it, with a patient bootstrap.

    Parameters
    ----------
    sets : array_like of bool, shape (n, classes)
        From `prediction_sets`; a patient who was tested in several repeats has several rows.
    truth : array_like of int, shape (n,)
        Index of the true class.
    groups : array_like, shape (n,), optional
        The person of each row. Each person counts once, with the share of his or her rows that hold the class.
    n_bootstraps : int
        Number of resamples.
    seed : int or Generator
        Source of the randomness.
    confidence : float
        Two-sided level.

    Returns
    -------
    dict
        For each class an Interval; where all resamples agree the exact binomial one, all NaN for a class without
        patients.

    Raises
    ------
    ValueError
        The shapes do not fit, or a person has two classes.
    """
    member, true = np.asarray(sets, dtype=bool), np.asarray(truth)
    if member.ndim != 2 or true.shape != member.shape[:1]:
        raise ValueError(f"sets have shape {member.shape}, truth {true.shape}: one class per row is needed")
    person = np.arange(true.size) if groups is None else np.asarray(groups)
    if person.shape != true.shape:
        raise ValueError(f"{person.size} persons for {true.size} rows")
    _check_whole(person, true, "classes")
    rng = np.random.default_rng(seed)
    result = {}
    for label in range(member.shape[1]):
        rows = true == label
        if not rows.any():
            result[label] = exact_binomial(0, 0, confidence)
            continue
        _, index, times = np.unique(person[rows], return_inverse=True, return_counts=True)
        share = np.bincount(index, weights=member[rows, label]) / times
        replicates = draw_counts(np.zeros(share.size), n_bootstraps, rng) @ share / share.size
        if no_spread(replicates):
            result[label] = exact_binomial(float(share.sum()), share.size, confidence)
        else:
            result[label] = percentile_interval(float(share.mean()), replicates, confidence)
    return result


def risk_coverage(confidence_score: ArrayLike, correct: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Error rate among the surest patients against the share of patients that are answered.

    Parameters
    ----------
    confidence_score : array_like, shape (n,)
        Higher means surer, e.g. the largest probability. Patients with the same score are answered together.
    correct : array_like, shape (n,)
        Whether the answer was right, or in which share of the repeats.

    Returns
    -------
    coverage, risk : ndarray, shape (distinct scores,)
        From the surest patients to all of them (coverage 1).

    Raises
    ------
    ValueError
        The lengths differ, there are no rows, or a score is not finite.

    References
    ----------
    El-Yaniv R, Wiener Y. On the foundations of noise-free selective classification. JMLR 11 (2010) 1605-1641.

    Examples
    --------
    >>> coverage, risk = risk_coverage([0.9, 0.8, 0.7, 0.6], [True, True, False, True])
    >>> coverage.tolist(), risk.round(4).tolist()
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.3333, 0.25])
    """
    score, right = np.asarray(confidence_score, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if score.ndim != 1 or score.shape != right.shape or not score.size or not np.isfinite(score).all():
        raise ValueError(f"scores have shape {score.shape}, answers {right.shape}: one finite score per answer is needed")
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    answered = last + 1.0
    return answered / score.size, np.cumsum(1 - right[order])[last] / answered


def _people_at_least(strangeness: NDArray[np.float64], person: NDArray[np.generic], tested: NDArray[np.float64]) -> NDArray[np.float64]:
    """Calibration people at least as strange as each tested value, a person with m scans counting 1/m for each."""
    with warnings.catch_warnings():
        # Importing it sets the warnings filter of the whole program.
        from crepes import ConformalClassifier
    _, index, times = np.unique(person, return_inverse=True, return_counts=True)
    scans = times[index]
    total = np.zeros(tested.size)
    for m in np.unique(scans):
        values = strangeness[scans == m]
        p = ConformalClassifier().fit(values).predict_p(tested, smoothing=False)
        total += np.rint(p * (values.size + 1) - 1) / m
    return total


def _check_whole(person: NDArray[np.generic], level: NDArray[np.generic], what: str) -> None:
    names, first, index = np.unique(person, return_index=True, return_inverse=True)
    torn = np.flatnonzero(level != level[first][index])
    if torn.size:
        raise ValueError(f"{names[index[torn[0]]]} has two {what}")


def _checked_alpha(alpha: float) -> float:
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie strictly between 0 and 1, not {alpha}")
    return alpha

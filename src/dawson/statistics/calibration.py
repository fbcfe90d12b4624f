"""Whether probabilities mean what they say: temperature, Brier score, calibration error, slope and intercept, reliability."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import softmax

from dawson.statistics.bootstrap import percentile_interval
from dawson.statistics.figures import checked_scores
from dawson.statistics.interval import Interval
from dawson.statistics.proportions import exact_binomial
from dawson.statistics.recalibration import slopes_and_intercepts

# Logits that say nothing are best left unsaid (temperature without end), and logits that separate all cases call for
# certainty (temperature 0): both ends are held here.
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
# A probability of 0 that came true would cost infinitely much; scikit-learn's log_loss uses the same bound.
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of a reliability plot.

    Attributes
    ----------
    mean_probability : float
        Mean of the probabilities in the bin.
    observed : float
        Share of positives among its patients.
    low, high : float
        Exact binomial interval of `observed`.
    n : int
        Number of patients.
    """

    mean_probability: float
    observed: float
    low: float
    high: float
    n: int


def fit_temperature(logits: ArrayLike, truth: ArrayLike, weight: ArrayLike | None = None) -> float:
    """The temperature that makes softmax(logits / temperature) most likely.

    Fit it on logits of patients whom the network did not train on, and apply it to others.

    Parameters
    ----------
    logits : array_like, shape (n, classes)
    truth : array_like of int, shape (n,), or of float, shape (n, classes)
        Index of the true class, or the probability of each.
    weight : array_like, shape (n,), optional
        How much each row counts: 1 / (number of the patient's scans) makes every patient count the same.

    Returns
    -------
    float
        Above 1 where the network was too sure, below where it was too modest; within `LOWEST_TEMPERATURE` and
        `HIGHEST_TEMPERATURE`.

    Raises
    ------
    ValueError
        The shapes do not fit, a logit is not finite, or a weight is negative.

    References
    ----------
    Guo C, Pleiss G, Sun Y, Weinberger KQ. On calibration of modern neural networks. ICML 2017, section 4.2.
    """
    given = np.asarray(logits, dtype=np.float64)
    if given.ndim != 2 or not given.size or not np.isfinite(given).all():
        raise ValueError(f"temperature needs finite logits of shape (n, classes), not {given.shape}")
    target = _class_probabilities(truth, given.shape)
    share = np.ones(len(given)) if weight is None else np.asarray(weight, dtype=np.float64)
    if share.shape != (len(given),) or (share < 0).any() or not share.sum() > 0:
        raise ValueError("one weight per row is needed, none negative and not all 0")
    wanted = (target * given).sum(axis=1)

    # The likelihood is concave in the inverse temperature: its slope has one zero at most.
    def slope(log_inverse: float) -> float:
        expected = (softmax(math.exp(log_inverse) * given, axis=1) * given).sum(axis=1)
        return float(share @ (expected - wanted))

    low, high = -math.log(HIGHEST_TEMPERATURE), -math.log(LOWEST_TEMPERATURE)
    if slope(low) >= 0:
        return HIGHEST_TEMPERATURE
    if slope(high) <= 0:
        return LOWEST_TEMPERATURE
    return math.exp(-float(brentq(slope, low, high, xtol=1e-10)))


def apply_temperature(logits: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Probabilities of the classes, softmax(logits / temperature).

    Parameters
    ----------
    logits : array_like, shape (..., classes)
    temperature : float
        From `fit_temperature`; 1 changes nothing.

    Raises
    ------
    ValueError
        The temperature is not positive.

    Examples
    --------
    >>> apply_temperature([[2.0, 0.0]], 2.0).round(4).tolist()
    [[0.7311, 0.2689]]
    """
    if not temperature > 0:
        raise ValueError(f"a temperature is positive, not {temperature}")
    return np.asarray(softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=-1), dtype=np.float64)


def negative_log_likelihood(probability: ArrayLike, truth: ArrayLike) -> float:
    """Mean of minus the log probability of what was true, in nats (with soft labels the cross-entropy).

    Parameters
    ----------
    probability : array_like, shape (n, classes)
    truth : array_like of int, shape (n,), or of float, shape (n, classes)
        Index of the true class, or the probability of each.

    Raises
    ------
    ValueError
        The shapes do not fit, or a row of probabilities does not sum to 1.
    """
    return float(_log_losses(*_checked(probability, truth)).mean())


def brier_score(probability: ArrayLike, truth: ArrayLike) -> float:
    """Mean squared distance of probability and truth: 0 is perfect.

    With two classes that of the positive class alone (0 to 1; 0.25 for always one half), with more the sum over
    classes (0 to 2), as scikit-learn counts.

    Parameters
    ----------
    probability : array_like, shape (n, classes)
    truth : array_like of int, shape (n,), or of float, shape (n, classes)
        Index of the true class, or the probability of each.

    Raises
    ------
    ValueError
        The shapes do not fit, or a row of probabilities does not sum to 1.

    References
    ----------
    Brier GW. Verification of forecasts expressed in terms of probability. Mon Weather Rev 78 (1950) 1-3.
    """
    return float(_squared_losses(*_checked(probability, truth)).mean())


def expected_calibration_error(probability: ArrayLike, truth: ArrayLike, bins: int = 5) -> float:
    """Mean distance, over patients, of mean probability and share of positives in bins of equal width.

    Of few patients it lies above 0 even where every probability is right.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Probability of the positive class.
    truth : array_like of bool, shape (n,)
    bins : int
        Few for few patients.

    Raises
    ------
    ValueError
        The lengths differ, there are no rows, or a value is no probability.

    References
    ----------
    Guo C, Pleiss G, Sun Y, Weinberger KQ. On calibration of modern neural networks. ICML 2017, eq. 3.
    """
    true, value = _checked_binary(probability, truth)
    return float(_calibration_errors(value, true, bins, np.ones((1, value.size)))[0])


def calibration_line(probability: ArrayLike, truth: ArrayLike) -> tuple[float, float]:
    """Calibration slope and intercept.

    Slope: of a logistic regression of the truth on the logit of the probability; 1 is right, below 1 too sure.
    Intercept: of the same regression with the slope held at 1 (calibration in the large); 0 is right, above 0 the
    positive class is more frequent than was said.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Probability of the positive class; cut to 1e-6 and 1 - 1e-6.
    truth : array_like of bool, shape (n,)

    Returns
    -------
    slope, intercept : float
        NaN where undefined: a class is absent; and the slope where the probabilities separate the classes.

    Raises
    ------
    ValueError
        The lengths differ, there are no rows, or a value is no probability.

    References
    ----------
    Van Calster B, McLernon DJ, van Smeden M, et al. Calibration: the Achilles heel of predictive analytics. BMC Med 17
    (2019) 230.
    """
    true, value = _checked_binary(probability, truth)
    slope, intercept = slopes_and_intercepts(value, true, np.ones((1, value.size)))
    return float(slope[0]), float(intercept[0])


def reliability(probability: ArrayLike, truth: ArrayLike, bins: int = 5, confidence: float = 0.95) -> list[ReliabilityBin]:
    """The points of a reliability plot, in bins of equal width (an edge belongs to the bin below); empty bins are left out.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Probability of the positive class, one row per patient.
    truth : array_like of bool, shape (n,)
    bins : int
        Number of bins from 0 to 1.
    confidence : float
        Level of the exact binomial interval of each bin.

    Raises
    ------
    ValueError
        The lengths differ, there are no rows, or a value is no probability.
    """
    true, value = _checked_binary(probability, truth)
    place = _bin_of(value, bins)
    points = []
    for index in np.unique(place):
        inside = place == index
        n, positives = int(inside.sum()), int(true[inside].sum())
        observed = exact_binomial(positives, n, confidence)
        points.append(ReliabilityBin(float(value[inside].mean()), observed.estimate, observed.low, observed.high, n))
    return points


def calibration_intervals(
    probability: ArrayLike, truth: ArrayLike, positive: int, counts: ArrayLike, confidence: float = 0.95, bins: int = 5
) -> dict[str, Interval]:
    """Likelihood, Brier score, calibration error, slope and intercept with percentile intervals of a patient bootstrap.

    Resampling adds noise within the bins, so that the interval of the calibration error leans upward.

    Parameters
    ----------
    probability : array_like, shape (n, classes)
        One row per patient.
    truth : array_like of int, shape (n,)
        Index of the true class.
    positive : int
        The class whose probability is binned and regressed (against all others).
    counts : array_like, shape (n_bootstraps, n)
        From `bootstrap.draw_counts`.
    confidence : float
        Two-sided level.
    bins : int
        For the calibration error.

    Returns
    -------
    dict
        An Interval for each of "nll", "brier", "ece", "slope" and "intercept"; NaN where undefined.

    Raises
    ------
    ValueError
        The shapes do not fit, or a row of probabilities does not sum to 1.
    """
    chance, target = _checked(probability, truth)
    weight = np.asarray(counts, dtype=np.float64)
    if weight.ndim != 2 or weight.shape[1] != len(chance):
        raise ValueError(f"counts have shape {weight.shape} for {len(chance)} patients")
    value, true = chance[:, positive], target[:, positive] > 0.5
    # The sample itself is the first row, so that estimate and resamples come from one computation.
    rows = np.vstack([np.ones(len(chance)), weight])
    people = rows.sum(axis=1)
    slope, intercept = slopes_and_intercepts(value, true, rows)
    figures = {
        "nll": rows @ _log_losses(chance, target) / people,
        "brier": rows @ _squared_losses(chance, target) / people,
        "ece": _calibration_errors(value, true, bins, rows),
        "slope": slope,
        "intercept": intercept,
    }
    return {name: percentile_interval(float(values[0]), values[1:], confidence) for name, values in figures.items()}


def _log_losses(chance: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-(target * np.log(np.maximum(chance, SMALLEST_PROBABILITY))).sum(axis=1), dtype=np.float64)


def _squared_losses(chance: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(((chance - target) ** 2).sum(axis=1) / (2 if chance.shape[1] == 2 else 1), dtype=np.float64)


def _bin_of(value: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    if bins < 1:
        raise ValueError(f"{bins} bins")
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], value)


def _calibration_errors(value: NDArray[np.float64], true: NDArray[np.bool_], bins: int, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """The calibration error of each row of weights."""
    gap = weight * (value - true)
    place = _bin_of(value, bins)
    total = sum(np.abs(gap[:, place == index].sum(axis=1)) for index in np.unique(place))
    return np.asarray(total / weight.sum(axis=1), dtype=np.float64)


def _class_probabilities(truth: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Truth as one row of class probabilities per case."""
    given = np.asarray(truth)
    if given.shape == shape:
        soft = given.astype(np.float64)
        if not (np.isfinite(soft).all() and (soft >= 0).all() and np.allclose(soft.sum(axis=1), 1, atol=1e-4)):
            raise ValueError("soft labels must be probabilities that sum to 1")
        return soft
    if given.shape != shape[:1]:
        raise ValueError(f"truth has shape {given.shape} for {shape[0]} rows of {shape[1]} classes")
    index = given.astype(np.intp)
    if (index != given).any() or (index < 0).any() or (index >= shape[1]).any():
        raise ValueError(f"truth must be indices of the {shape[1]} classes")
    return np.eye(shape[1])[index]


def _checked(probability: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    chance = np.asarray(probability, dtype=np.float64)
    if chance.ndim != 2 or not chance.size:
        raise ValueError(f"probabilities must have shape (n, classes), not {chance.shape}")
    if not ((chance >= 0).all() and np.allclose(chance.sum(axis=1), 1, atol=1e-4)):
        raise ValueError("each row of probabilities must sum to 1")
    return chance, _class_probabilities(truth, chance.shape)


def _checked_binary(probability: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    true, value = checked_scores(truth, probability)
    if not value.size or (value < 0).any() or (value > 1).any():
        raise ValueError("probabilities of at least one patient, between 0 and 1, are needed")
    return true, value

"""Calibration slope and intercept of many resamples at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

# The line through the logits would be drawn by one rounded probability of 0 or 1 alone.
SMALLEST_PROBABILITY = 1e-6


def slopes_and_intercepts(
    value: NDArray[np.float64], true: NDArray[np.bool_], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logistic recalibration of each row of weights, by Newton's method on all rows at once.

    Parameters
    ----------
    value : ndarray, shape (n,)
        Probability of the positive class; cut to `SMALLEST_PROBABILITY` at both ends.
    true : ndarray of bool, shape (n,)
        Whether each patient is positive.
    weight : ndarray, shape (b, n)
        How often each patient counts, from `bootstrap.draw_counts`.

    Returns
    -------
    slope : ndarray, shape (b,)
        Of a logistic regression of the truth on the logit of the probability; NaN where a class is absent or a
        threshold separates the classes.
    intercept : ndarray, shape (b,)
        Of the same regression with the slope held at 1; NaN where a class is absent.

    References
    ----------
    Cox DR. Two further applications of a model for binary regression. Biometrika 45 (1958) 562-565.
    """
    score = logit(np.clip(value, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    drawn = weight > 0
    highest = [np.where(drawn[:, side], score[side], -np.inf).max(axis=1, initial=-np.inf) for side in (~true, true)]
    lowest = [np.where(drawn[:, side], score[side], np.inf).min(axis=1, initial=np.inf) for side in (~true, true)]
    both = np.isfinite(highest[0]) & np.isfinite(highest[1])
    # Where a threshold parts the classes the likelihood grows with the slope without end.
    free = both & (highest[0] > lowest[1]) & (highest[1] > lowest[0])
    slope, intercept = np.full(len(weight), np.nan), np.full(len(weight), np.nan)
    slope[free] = _slopes(score, true, weight[free])
    intercept[both] = _shifts(score, true, weight[both])
    return slope, intercept


def _slopes(score: NDArray[np.float64], true: NDArray[np.bool_], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    centre, spread = score.mean(), score.std() or 1.0
    z = (score - centre) / spread
    line = np.zeros((len(weight), 2))

    def likelihood(at: NDArray[np.float64]) -> NDArray[np.float64]:
        eta = at[:, :1] + at[:, 1:] * z
        return np.asarray((weight * (true * eta - np.logaddexp(0, eta))).sum(axis=1), dtype=np.float64)

    settled = np.zeros(len(weight), dtype=bool)
    for _ in range(100):
        chance = expit(line[:, :1] + line[:, 1:] * z)
        residual, bend = weight * (true - chance), weight * chance * (1 - chance)
        g0, g1 = residual.sum(axis=1), residual @ z
        h00, h01, h11 = bend.sum(axis=1), bend @ z, bend @ z**2
        determinant = np.maximum(h00 * h11 - h01**2, 1e-300)
        step = np.stack([(h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant], axis=1)
        settled = np.abs(step).max(axis=1, initial=0) < 1e-9 * (1 + np.abs(line).max(axis=1, initial=0))
        if settled.all():
            break
        before = likelihood(line)
        for _ in range(40):
            worse = ~(likelihood(line + step) >= before - 1e-9 * (1 + np.abs(before)))
            if not worse.any():
                break
            step[worse] /= 2
        line = line + step
    return np.where(settled, line[:, 1] / spread, np.nan)


def _shifts(score: NDArray[np.float64], true: NDArray[np.bool_], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    shift = np.zeros(len(weight))
    for _ in range(200):
        chance = expit(shift[:, None] + score)
        step = (weight * (true - chance)).sum(axis=1) / np.maximum((weight * chance * (1 - chance)).sum(axis=1), 1e-300)
        # Far from the answer a whole step would overshoot it.
        step = np.clip(step, -1, 1)
        shift += step
        if np.abs(step).max(initial=0) < 1e-10:
            break
    return shift

"""Linear and logistic regression from sums over people that each centre makes by itself: the same as from all people together.

The sums are exact, not approximations: Karr et al., J Comput Graph Stat 14 (2005) 263 for linear, Wu et al. (GLORE), J Am Med Inform Assoc
19 (2012) 758 for logistic regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
MOST_ROUNDS = 25
_CONVERGED = 1e-10


@dataclass(frozen=True)
class RegressionFit:
    """A fitted model.

    Parameters
    ----------
    coefficients, standard_errors, p_values : ndarray (p,)
    low, high : ndarray (p,)
        Interval of 95 %.
    people : int
    rounds : int
        1 for a linear model.
    residual_sd : float
        Of a linear model; NaN for a logistic one.
    log_likelihood : float
        Of a logistic model; NaN for a linear one.
    """

    coefficients: Floats
    standard_errors: Floats
    p_values: Floats
    low: Floats
    high: Floats
    people: int
    rounds: int
    residual_sd: float
    log_likelihood: float


def linear_sums(design: ArrayLike, outcome: ArrayLike) -> dict[str, Floats]:
    """What one centre says for a linear regression.

    Parameters
    ----------
    design : array-like, shape (n, p)
        With its column of ones.
    outcome : array-like, shape (n,)

    Returns
    -------
    dict of str to ndarray
        n (), xx (p, p), xy (p,), yy ().
    """
    x, y = np.asarray(design, float), np.asarray(outcome, float)
    return {"n": np.asarray(float(len(x))), "xx": x.T @ x, "xy": x.T @ y, "yy": np.asarray(float(y @ y))}


def logistic_sums(design: ArrayLike, outcome: ArrayLike, coefficients: ArrayLike) -> dict[str, Floats]:
    """What one centre says in a round of a logistic regression.

    Parameters
    ----------
    design : array-like, shape (n, p)
    outcome : array-like of 0 or 1, shape (n,)
    coefficients : array-like, shape (p,)
        Those of the round before.

    Returns
    -------
    dict of str to ndarray
        n (), gradient (p,), information (p, p), log_likelihood ().
    """
    x, y = np.asarray(design, float), np.asarray(outcome, float)
    linear = x @ np.asarray(coefficients, float)
    probability = logistic_probability(x, coefficients)
    weight = probability * (1 - probability)
    likelihood = float((y * linear - np.logaddexp(0, linear)).sum())
    return {
        "n": np.asarray(float(len(x))),
        "gradient": x.T @ (y - probability),
        "information": (x * weight[:, None]).T @ x,
        "log_likelihood": np.asarray(likelihood),
    }


def logistic_probability(design: ArrayLike, coefficients: ArrayLike) -> Floats:
    """Probability of the outcome for each row, shape (n,)."""
    from scipy.special import expit

    return np.asarray(expit(np.asarray(design, float) @ np.asarray(coefficients, float)))


def added(parts: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
    """The sums of several centres together."""
    return {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}


def fit_linear(sums: dict[str, Floats]) -> RegressionFit:
    """The least-squares fit of the sums of all centres, as from all people.

    Raises
    ------
    ValueError
        A column of the design is a combination of others, or there are no more people than columns.
    """
    from scipy.stats import t

    people, p = int(sums["n"]), len(sums["xy"])
    if people <= p:
        raise ValueError(f"{people} people are too few for {p} coefficients")
    coefficients, inverse = _solved(sums["xx"], sums["xy"])
    variance = max(0.0, float(sums["yy"] - coefficients @ sums["xy"])) / (people - p)
    errors = np.sqrt(variance * np.diag(inverse))
    with np.errstate(divide="ignore", invalid="ignore"):
        p_values = 2 * t.sf(np.abs(coefficients / errors), people - p)
    half = float(t.ppf(0.975, people - p)) * errors
    return RegressionFit(
        coefficients, errors, p_values, coefficients - half, coefficients + half, people, 1, float(np.sqrt(variance)), float("nan")
    )


def next_coefficients(coefficients: ArrayLike, sums: dict[str, Floats]) -> tuple[Floats, bool]:
    """One step of Newton's method, and whether there is nothing left to go.

    Raises
    ------
    ValueError
        A column of the design is a combination of others, or the outcome is told apart completely, so that there is no finite fit.
    """
    step, _ = _solved(sums["information"], sums["gradient"])
    there = np.asarray(coefficients, float) + step
    if np.abs(there).max() > 1e3 or not np.isfinite(there).all():
        raise ValueError("the coefficients grow without end: the outcome is told apart completely by the variables")
    return there, bool(np.abs(step).max() < _CONVERGED * max(1.0, float(np.abs(there).max())))


def fit_logistic(rounds: Sequence[dict[str, Floats]]) -> tuple[Floats, RegressionFit | None]:
    """Follow a logistic regression through the sums of its rounds, from coefficients of 0.

    Parameters
    ----------
    rounds : sequence of dict
        Sums of all centres together, a round each; none yet: the start.

    Returns
    -------
    ndarray (p,)
        Coefficients for the next round; empty before the first, whose coefficients are 0 as many as the design has columns.
    RegressionFit or None
        None while it has not converged.

    Raises
    ------
    ValueError
        See `next_coefficients`; or too many rounds.
    """
    from scipy.stats import norm

    if not rounds:
        return np.zeros(0), None
    coefficients = np.zeros(len(rounds[0]["gradient"]))
    for number, sums in enumerate(rounds, 1):
        before = coefficients
        coefficients, done = next_coefficients(coefficients, sums)
        if done:
            # the information at the place from which nothing moved any more
            _, inverse = _solved(sums["information"], sums["gradient"])
            errors = np.sqrt(np.diag(inverse))
            half = float(norm.ppf(0.975)) * errors
            p_values = 2 * norm.sf(np.abs(before / errors))
            fit = RegressionFit(
                before, errors, p_values, before - half, before + half, int(sums["n"]), number, float("nan"), float(sums["log_likelihood"])
            )
            return before, fit
    if len(rounds) >= MOST_ROUNDS:
        raise ValueError(f"it has not converged in {MOST_ROUNDS} rounds")
    return coefficients, None


def _solved(matrix: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Solution and inverse of a symmetric system, scaled so that units of measurement do not matter."""
    scale = np.sqrt(np.maximum(np.diag(matrix), 0))
    if (scale == 0).any():
        raise ValueError("a column of the design is 0 for everybody")
    scaled = matrix / np.outer(scale, scale)
    if np.linalg.cond(scaled) > 1e12:
        raise ValueError("a column of the design is a combination of others")
    inverse = np.linalg.inv(scaled) / np.outer(scale, scale)
    return np.linalg.solve(scaled, right / scale) / scale, inverse

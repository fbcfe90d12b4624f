"""Intervals of one proportion, and Holm's adjustment of many p values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from dawson.statistics.interval import Interval, check_confidence


def exact_binomial(successes: float, trials: float, confidence: float = 0.95) -> Interval:
    """Clopper-Pearson interval: never covers less than its level.

    Parameters
    ----------
    successes, trials : float
        0 <= successes <= trials. Fractions are allowed (the bounds are beta quantiles); the guarantee holds for whole
        numbers.
    confidence : float
        Two-sided level.

    Returns
    -------
    Interval
        All NaN where `trials` is 0.

    Raises
    ------
    ValueError
        The counts are negative or more succeed than were tried.

    References
    ----------
    Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the case of the binomial. Biometrika
    26 (1934) 404-413.

    Examples
    --------
    >>> interval = exact_binomial(10, 10)
    >>> round(interval.low, 4), interval.high
    (0.6915, 1.0)
    """
    _check_counts(successes, trials)
    tail = (1.0 - check_confidence(confidence)) / 2.0
    method = "exact binomial (Clopper-Pearson)"
    if trials == 0:
        return Interval(math.nan, math.nan, math.nan, method, confidence)
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(stats.beta.ppf(1.0 - tail, successes + 1, trials - successes))
    return Interval(successes / trials, low, high, method, confidence)


def wilson(successes: float, trials: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval: nearly its level on average, and short.

    Parameters
    ----------
    successes, trials : float
        0 <= successes <= trials.
    confidence : float
        Two-sided level.

    Returns
    -------
    Interval
        All NaN where `trials` is 0.

    Raises
    ------
    ValueError
        The counts are negative or more succeed than were tried.

    References
    ----------
    Wilson EB. Probable inference, the law of succession, and statistical inference. JASA 22 (1927) 209-212.
    """
    _check_counts(successes, trials)
    check_confidence(confidence)
    if trials == 0:
        return Interval(math.nan, math.nan, math.nan, "Wilson score", confidence)
    z = float(stats.norm.ppf((1.0 + confidence) / 2.0))
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), "Wilson score", confidence)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjustment of p values.

    Parameters
    ----------
    p_values : array_like, any shape
        NaN marks a test that was not made: it stays NaN and does not count.

    Returns
    -------
    ndarray, same shape
        Adjusted values: compare them with the level wanted for the whole family.

    Raises
    ------
    ValueError
        A value lies outside [0, 1].

    References
    ----------
    Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 6 (1979) 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    flat = values.ravel()
    known = np.flatnonzero(~np.isnan(flat))
    if np.any((flat[known] < 0) | (flat[known] > 1)):
        raise ValueError("p values must lie between 0 and 1")
    order = known[np.argsort(flat[known], kind="stable")]
    factors = np.arange(order.size, 0, -1)
    adjusted = np.full(flat.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(flat[order] * factors))
    return adjusted.reshape(values.shape)


def _check_counts(successes: float, trials: float) -> None:
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials is no proportion")

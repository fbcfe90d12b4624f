"""A mean over patients of a figure that several networks (or readers) gave: its interval for other patients and other networks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from dawson.statistics.interval import Interval, check_confidence


def two_way_interval(values: ArrayLike, without: ArrayLike | None = None, confidence: float = 0.95) -> Interval:
    """Mean over patients with an interval that counts patients and networks as samples, both by the jackknife.

    The variance is the sum of two: of the mean over patients, and of leaving out one network at a time. What the two have in
    common is counted twice, so that the interval is rather too wide than too narrow. Degrees of freedom after Satterthwaite.

    Parameters
    ----------
    values : array_like, shape (n,)
        The figure of each patient, from all networks.
    without : array_like, shape (networks, n), optional
        The figure of each patient with one network left out. Without it the networks are taken as fixed, and the method says so.
    confidence : float
        Two-sided level.

    Returns
    -------
    Interval
        Bounds NaN with fewer than two patients.

    References
    ----------
    Dorfman DD, Berbaum KS, Metz CE. Receiver operating characteristic rating analysis: generalization to the population of
    readers and patients with the jackknife method. Invest Radiol 27 (1992) 723-731.

    Examples
    --------
    >>> interval = two_way_interval([1.0, 2.0, 3.0])
    >>> interval.estimate, round(interval.low, 3), round(interval.high, 3)
    (2.0, -0.484, 4.484)
    """
    check_confidence(confidence)
    value = np.asarray(values, dtype=np.float64)
    n, method = value.size, "patients, t"
    estimate = float(value.mean()) if n else math.nan
    if n < 2:
        return Interval(estimate, math.nan, math.nan, method, confidence)
    parts = [(float(value.var(ddof=1)) / n, n - 1)]
    if without is not None:
        means = np.asarray(without, dtype=np.float64).mean(axis=1)
        k, method = means.size, "patients and networks, jackknife"
        parts.append(((k - 1) / k * float(((means - means.mean()) ** 2).sum()), k - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Interval(estimate, estimate, estimate, method, confidence)
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    half = float(t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, method, confidence)

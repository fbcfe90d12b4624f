"""Agreement of raters on amounts, such as lesion volumes: intraclass correlation, and Bland and Altman's limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t

from dawson.statistics.agreement import agreement_interval
from dawson.statistics.bootstrap import patient_bootstrap
from dawson.statistics.interval import Interval, check_confidence


def icc_2_1(values: ArrayLike) -> float:
    """Intraclass correlation ICC(2,1): absolute agreement of single raters who stand for others like them.

    Parameters
    ----------
    values : array_like of float, shape (items, raters)
        Every rater measured every item.

    Returns
    -------
    float
        NaN with fewer than two items or raters, or where all values are the same.

    References
    ----------
    Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychol Bull 86 (1979) 420-428.

    Examples
    --------
    >>> round(icc_2_1([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]), 2)
    0.29
    """
    value = np.asarray(values, dtype=np.float64)
    n, k = value.shape
    if n < 2 or k < 2:
        return math.nan
    centre = value.mean()
    items, raters = value.mean(axis=1) - centre, value.mean(axis=0) - centre
    between = k * float((items**2).sum()) / (n - 1)
    rater = n * float((raters**2).sum()) / (k - 1)
    rest = float(((value - centre - items[:, None] - raters[None, :]) ** 2).sum()) / ((n - 1) * (k - 1))
    below = between + (k - 1) * rest + k * (rater - rest) / n
    return (between - rest) / below if below > 0 else math.nan


def icc_interval(values: ArrayLike, patients: ArrayLike, n_bootstraps: int = 2000, seed: int = 0, confidence: float = 0.95) -> Interval:
    """ICC(2,1) with an interval that draws patients with all their scans; see `icc_2_1` and `agreement_interval`.

    The raters are taken as fixed: of few raters, others could differ by more than the interval says.
    """
    return agreement_interval(icc_2_1, values, patients, n_bootstraps, seed, confidence)


@dataclass(frozen=True)
class LimitsOfAgreement:
    """Bland and Altman's limits of a difference.

    Parameters
    ----------
    bias : Interval
        Mean difference, first minus second.
    lower, upper : Interval
        Bias minus and plus 1.96 standard deviations: between them 95 % of differences are expected to lie.
    deviation : float
        Standard deviation of the differences.
    """

    bias: Interval
    lower: Interval
    upper: Interval
    deviation: float


def bland_altman(
    first: ArrayLike,
    second: ArrayLike,
    patients: ArrayLike | None = None,
    n_bootstraps: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> LimitsOfAgreement:
    """Limits of agreement of two measurements of the same items.

    Parameters
    ----------
    first, second : array_like of float, shape (n,)
    patients : array_like, shape (n,), optional
        Whose item each is. With it the intervals draw patients; without it they are Bland and Altman's own, of independent items.
    n_bootstraps, seed, confidence
        See `bootstrap.patient_bootstrap`.

    Raises
    ------
    ValueError
        The lengths differ, or there are fewer than two items.

    References
    ----------
    Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical measurement. Lancet 327 (1986)
    307-310; intervals of the limits: Stat Methods Med Res 8 (1999) 135-160.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape or one.ndim != 1 or one.size < 2:
        raise ValueError(f"measurements of shapes {one.shape} and {two.shape}: two lists of the same two items or more are needed")
    difference = one - two
    n, bias, deviation = difference.size, float(difference.mean()), float(difference.std(ddof=1))
    width = 1.96
    if patients is None:
        quantile = float(t.ppf((1 + check_confidence(confidence)) / 2, n - 1))
        error, of_limit = deviation / math.sqrt(n), deviation * math.sqrt(1 / n + width**2 / (2 * (n - 1)))
        spreads = ((0.0, error), (-width, of_limit), (width, of_limit))
        found = [
            Interval(
                bias + side * deviation, bias + side * deviation - quantile * e, bias + side * deviation + quantile * e, "t", confidence
            )
            for side, e in spreads
        ]
        return LimitsOfAgreement(found[0], found[1], found[2], deviation)
    who = np.asarray(patients)
    found = [
        patient_bootstrap(
            lambda rows, side=side: float(difference[rows].mean() + side * difference[rows].std(ddof=1)),  # type: ignore[misc]
            np.zeros(n),
            groups=who,
            n_bootstraps=n_bootstraps,
            seed=seed,
            confidence=confidence,
        )
        for side in (0.0, -width, width)
    ]
    return LimitsOfAgreement(found[0], found[1], found[2], deviation)

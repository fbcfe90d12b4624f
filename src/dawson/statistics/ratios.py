"""A ratio of sums over people (how many of those so judged were judged rightly) with a patient bootstrap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.bootstrap import percentile_interval
from dawson.statistics.interval import Interval
from dawson.statistics.patient_intervals import no_spread
from dawson.statistics.proportions import exact_binomial


def person_means(values: ArrayLike, person: ArrayLike, people: int) -> NDArray[np.float64]:
    """Mean of each person's rows, so that everybody counts the same however many rows he or she has.

    Parameters
    ----------
    values : array_like, shape (rows,)
    person : array_like of int, shape (rows,)
        Index of the row's person, 0 to `people` - 1; everybody has a row.
    people : int

    Returns
    -------
    ndarray, shape (people,)

    Examples
    --------
    >>> person_means([1.0, 0.0, 1.0], [0, 0, 1], 2).tolist()
    [0.5, 1.0]
    """
    index = np.asarray(person, dtype=np.intp)
    total = np.bincount(index, np.asarray(values, dtype=np.float64), minlength=people)
    return np.asarray(total / np.bincount(index, minlength=people))


def ratio_interval(numerator: ArrayLike, denominator: ArrayLike, counts: ArrayLike, confidence: float = 0.95) -> Interval:
    """Sum of the numerators over sum of the denominators.

    Parameters
    ----------
    numerator, denominator : array_like, shape (people,)
        Of each person, 0 <= numerator <= denominator <= 1: in which share of the repeats he or she was judged rightly, and judged
        at all.
    counts : array_like, shape (n_bootstraps, people)
        From `bootstrap.draw_counts`.
    confidence : float
        Two-sided level.

    Returns
    -------
    Interval
        NaN where nobody is in the denominator. Where all resamples agree, the exact binomial one for as many trials as there are
        people in the denominator.

    Raises
    ------
    ValueError
        The shapes do not fit.
    """
    above, below, weight = (np.asarray(values, dtype=np.float64) for values in (numerator, denominator, counts))
    if above.shape != below.shape or weight.ndim != 2 or weight.shape[1:] != above.shape:
        raise ValueError(f"shapes {above.shape}, {below.shape} and {weight.shape} do not fit together")
    judged = int((below > 0).sum())
    if not judged:
        return Interval(math.nan, math.nan, math.nan, "nobody to judge", confidence)
    estimate = float(above.sum() / below.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = (weight @ above) / (weight @ below)
    if no_spread(replicates):
        return exact_binomial(min(estimate, 1.0) * judged, judged, confidence)
    return percentile_interval(estimate, replicates, confidence)

"""Sums that one or two people make up nearly alone: the two rules of statistical offices.

Hundepool et al., Statistical Disclosure Control (Wiley, 2012), chapter 4. With 2 people, 90 % and a ratio of 10 % as in the ACRO tool of
the UK's Data Research, Access and Governance Network (Preen et al., IEEE Access 13 (2025)).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def is_dominated(values: ArrayLike, people: int = 2, share: float = 0.9) -> bool:
    """N-K rule: the largest `people` contributions make up more than `share` of the sum of magnitudes.

    Parameters
    ----------
    values : array-like, shape (n,)
        What each person adds; magnitudes count. All of them 0 is nobody's sum and not dominated.
    people : int
    share : float

    Examples
    --------
    >>> is_dominated([50, 42, 2, 2, 2, 2])
    True
    >>> is_dominated([20, 20, 20, 20, 20])
    False
    """
    sizes = np.sort(np.abs(np.asarray(values, float)))[::-1]
    total = float(sizes.sum())
    return total > 0 and float(sizes[:people].sum()) > share * total


def is_guessable(values: ArrayLike, ratio: float = 0.1) -> bool:
    """p-ratio rule: the second largest contributor could work the largest out to within `ratio` of it.

    Parameters
    ----------
    values : array-like, shape (n,)
    ratio : float

    Examples
    --------
    >>> is_guessable([100, 50, 4, 4])
    True
    >>> is_guessable([100, 50, 10, 10])
    False
    """
    sizes = np.sort(np.abs(np.asarray(values, float)))[::-1]
    return bool(len(sizes)) and sizes[0] > 0 and float(sizes[2:].sum()) < ratio * float(sizes[0])

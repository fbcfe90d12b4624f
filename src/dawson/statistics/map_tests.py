"""Saliency maps as vectors: how alike two are, and whether they lie on their own patient's lesions rather than on others'."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Matrix = NDArray[np.float64]


def standard_ranks(maps: ArrayLike) -> Matrix:
    """Ranks of each row, centred and of length 1, so that the product of two rows is Spearman's correlation of their maps.

    Parameters
    ----------
    maps : array_like, shape (maps, units)

    Returns
    -------
    ndarray, shape (maps, units)
        All 0 for a map without any variation, which so resembles none, not even itself.
    """
    ranks = np.asarray(rankdata(np.asarray(maps, dtype=np.float64), axis=1), dtype=np.float64)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    return np.asarray(ranks / np.where(length > 0, length, 1), dtype=np.float64)


def mass_inside(maps: ArrayLike, regions: ArrayLike) -> Matrix:
    """Share of each map's mass that lies in each region.

    Parameters
    ----------
    maps : array_like, shape (maps, units)
        Not negative.
    regions : array_like, shape (regions, units)
        0 to 1: how much of the unit belongs to the region.

    Returns
    -------
    ndarray, shape (maps, regions)
        0 for a map without mass.

    Examples
    --------
    >>> mass_inside([[1.0, 3.0, 0.0]], [[0, 1, 1], [1, 0, 0]]).tolist()
    [[0.75, 0.25]]
    """
    value, region = np.asarray(maps, dtype=np.float64), np.asarray(regions, dtype=np.float64)
    total = value.sum(axis=1, keepdims=True)
    return np.asarray((value @ region.T) / np.where(total > 0, total, 1), dtype=np.float64)


def points_inside(maps: ArrayLike, regions: ArrayLike) -> Matrix:
    """The pointing game: whether the highest value of each map lies in each region; 0 for a map without mass.

    Where several units are highest, one of them in the region is enough.

    Parameters
    ----------
    maps : array_like, shape (maps, units)
    regions : array_like, shape (regions, units)
        Above 0 where the unit belongs to the region.

    References
    ----------
    Zhang et al., Top-down neural attention by excitation backprop, ECCV 2016, section 4.2.
    """
    value, region = np.asarray(maps, dtype=np.float64), np.asarray(regions) > 0
    top = value.max(axis=1, keepdims=True)
    highest = (value == top) & (top > 0)
    return np.asarray((highest[:, None, :] & region[None]).any(axis=2), dtype=np.float64)


def permutation_p(own_and_others: ArrayLike, n_permutations: int, seed: int | np.random.Generator) -> float:
    """Whether maps fit the regions of their own patients better than regions dealt out at random; one-sided p value.

    Parameters
    ----------
    own_and_others : array_like, shape (patients, patients)
        How well map i fits region j. Its own fit is on the diagonal.
    n_permutations : int
    seed : int or Generator

    Returns
    -------
    float
        (1 + permutations with at least this mean fit) / (1 + permutations), so that it is never 0.
    """
    fit = np.asarray(own_and_others, dtype=np.float64)
    rng, rows = np.random.default_rng(seed), np.arange(len(fit))
    own = float(np.trace(fit)) / len(fit)
    means = np.array([fit[rows, rng.permutation(len(fit))].mean() for _ in range(n_permutations)])
    return float((1 + int((means >= own - 1e-12).sum())) / (1 + n_permutations))


def others_mean(fit: ArrayLike) -> Matrix:
    """For each map the mean fit to the other patients' regions: row means without the diagonal, shape (patients,)."""
    square = np.asarray(fit, dtype=np.float64)
    n = len(square)
    return np.asarray((square.sum(axis=1) - np.diag(square)) / (n - 1), dtype=np.float64)

"""How unsure an ensemble is of each voxel: entropy of its mean, mutual information between its members and the answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def binary_entropy(probability: NDArray[np.floating]) -> NDArray[np.float32]:
    """Entropy of yes or no at each voxel, in bits: 0 where it is certain, 1 at one half.

    Parameters
    ----------
    probability : ndarray of float, any shape
        Between 0 and 1.

    Examples
    --------
    >>> binary_entropy(np.array([0.0, 0.5, 1.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    p = np.asarray(probability, dtype=np.float32)
    if p.size and (np.nanmin(p) < 0 or np.nanmax(p) > 1):
        raise ValueError(f"probabilities lie between 0 and 1, these between {np.nanmin(p):g} and {np.nanmax(p):g}")
    entropy = np.zeros_like(p)
    for part in (p, 1 - p):
        # 0 log 0 is 0
        entropy -= part * np.log2(np.where(part > 0, part, 1))
    return np.asarray(entropy, dtype=np.float32)


def predictive_entropy(members: NDArray[np.floating]) -> NDArray[np.float32]:
    """Entropy of the members' mean probability, in bits: all uncertainty, whatever it comes from.

    Parameters
    ----------
    members : ndarray of float (m, ...)
        Probability by each member.

    Returns
    -------
    ndarray of float32 (...)
    """
    return binary_entropy(np.mean(_checked(members), axis=0, dtype=np.float32))


def expected_entropy(members: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mean of the members' own entropies, in bits: what would stay however many members there were, such as blurred edges.

    Parameters
    ----------
    members : ndarray of float (m, ...)

    Returns
    -------
    ndarray of float32 (...)
    """
    members = _checked(members)
    # one member after the other: the whole stack of entropies would double the memory of a scan
    total = np.zeros(members.shape[1:], dtype=np.float32)
    for member in members:
        total += binary_entropy(member)
    return np.asarray(total / len(members), dtype=np.float32)


def mutual_information(members: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mutual information between the answer and which member gave it, in bits: how much the members disagree.

    Predictive minus expected entropy (BALD; Houlsby et al. 2011, arXiv:1112.5745; for MS lesions Nair et al.,
    Med Image Anal 2020, 59:101557).

    Parameters
    ----------
    members : ndarray of float (m, ...)

    Returns
    -------
    ndarray of float32 (...)
        0 where all members say the same, 1 where half of them are certain of one answer and half of the other.

    Examples
    --------
    >>> mutual_information(np.array([[0.0, 0.5], [1.0, 0.5]])).tolist()
    [1.0, 0.0]
    """
    # rounding may leave a little less than nothing
    return np.asarray(np.maximum(predictive_entropy(members) - expected_entropy(members), 0), dtype=np.float32)


def _checked(members: NDArray[np.floating]) -> NDArray[np.floating]:
    members = np.asarray(members)
    if members.ndim < 2 or not len(members):
        raise ValueError(f"members of shape {members.shape}: (members, x, y, z) is needed, with one member or more")
    return members

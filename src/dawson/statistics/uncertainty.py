"""The uncertainty of a prediction divided into what the data leave open and what the members of an ensemble disagree on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr


@dataclass(frozen=True)
class Uncertainty:
    """Entropies in nats, each of shape (n,); total = data + members.

    Attributes
    ----------
    total : ndarray
        Entropy of the mean prediction: 0 is certain, log(classes) is "no idea".
    data : ndarray
        Mean entropy of the members: what each of them leaves open.
    members : ndarray
        The rest, the mutual information of class and member: how far the members disagree. More patients lower it.
    """

    total: NDArray[np.float64]
    data: NDArray[np.float64]
    members: NDArray[np.float64]


def split_uncertainty(member_probability: ArrayLike) -> Uncertainty:
    """Divide the entropy of an ensemble's mean prediction.

    Parameters
    ----------
    member_probability : array_like, shape (members, n, classes)
        Class probabilities by each member.

    Raises
    ------
    ValueError
        The shape is another, or a row does not sum to 1.

    References
    ----------
    Depeweg S, Hernandez-Lobato JM, Doshi-Velez F, Udluft S. Decomposition of uncertainty in Bayesian deep learning.
    ICML 2018, eq. 3-4.

    Examples
    --------
    >>> parts = split_uncertainty([[[1.0, 0.0]], [[0.0, 1.0]]])
    >>> parts.data.tolist(), parts.members.round(4).tolist()
    ([0.0], [0.6931])
    """
    chance = np.asarray(member_probability, dtype=np.float64)
    if chance.ndim != 3 or not chance.shape[0] or chance.shape[2] < 2:
        raise ValueError(f"member probabilities must have shape (members, n, classes), not {chance.shape}")
    if not ((chance >= 0).all() and np.allclose(chance.sum(axis=2), 1, atol=1e-4)):
        raise ValueError("each row of probabilities must sum to 1")
    total = entr(chance.mean(axis=0)).sum(axis=1)
    # Rounding may leave the mean of equal members a hair above the whole.
    data = np.minimum(entr(chance).sum(axis=2).mean(axis=0), total)
    return Uncertainty(total, data, total - data)

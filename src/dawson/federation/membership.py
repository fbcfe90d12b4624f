"""Can somebody tell from a model who was in its training? An attack to run before a model is handed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.statistics.delong import delong_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MembershipAttack:
    """How well members are told from others.

    Parameters
    ----------
    auc, low, high : float
        0.5 is guessing; 95 % interval (DeLong), over people.
    members, others : int
    """

    auc: float
    low: float
    high: float
    members: int
    others: int


def loss_attack(losses: ArrayLike, people: Sequence[str], member: Sequence[bool]) -> MembershipAttack:
    """Guess that people with a small loss were in the training (Yeom et al., CSF 2018).

    Parameters
    ----------
    losses : array-like, shape (images,)
        Of the model on each image.
    people : sequence of str
        Whose image each is; a person is judged by the mean.
    member : sequence of bool
        Whether the image's person was in the training.

    Raises
    ------
    ValueError
        There are no members, or nobody else.
    """
    names, owner = np.unique(np.asarray(people, str), return_inverse=True)
    mean = np.bincount(owner, np.asarray(losses, float)) / np.bincount(owner)
    inside = np.zeros(len(names), bool)
    inside[owner] = np.asarray(member, bool)
    if inside.all() or not inside.any():
        raise ValueError("an attack needs people who were in the training and people who were not")
    interval = delong_interval(inside, -mean)
    return MembershipAttack(interval.estimate, interval.low, interval.high, int(inside.sum()), int((~inside).sum()))


def calibrated_attack(losses: ArrayLike, reference: ArrayLike, people: Sequence[str], member: Sequence[bool]) -> MembershipAttack:
    """The loss attack against how hard a person is: the loss over that of reference models (Watson et al., ICLR 2022).

    Parameters
    ----------
    losses : array-like, shape (images,)
    reference : array-like, shape (models, images)
        Losses of models that were trained on other people of the same kind.
    people, member
        As in `loss_attack`.
    """
    hard = np.asarray(reference, float).mean(axis=0)
    return loss_attack(np.asarray(losses, float) - hard, people, member)

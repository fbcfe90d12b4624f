"""One label of an item from those of many raters: votes, and models of the raters that learn whom to believe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from dawson.statistics.interval import Interval, check_confidence

_ITERATIONS = 500
_CONVERGED = 1e-6


@dataclass(frozen=True, eq=False)
class Ratings:
    """Labels that raters gave to items, one row each; nobody needs to have rated everything.

    Parameters
    ----------
    item, rater, label : ndarray of int, shape (ratings,)
        From 0.
    n_items, n_raters, n_classes : int

    Raises
    ------
    ValueError
        The lengths differ, or an index is out of its range.
    """

    item: NDArray[np.intp]
    rater: NDArray[np.intp]
    label: NDArray[np.intp]
    n_items: int
    n_raters: int
    n_classes: int

    def __post_init__(self) -> None:
        if not self.item.shape == self.rater.shape == self.label.shape or self.item.ndim != 1:
            raise ValueError("item, rater and label of every rating are needed")
        for name, values, size in (
            ("item", self.item, self.n_items),
            ("rater", self.rater, self.n_raters),
            ("label", self.label, self.n_classes),
        ):
            if values.size and not (values.min() >= 0 and values.max() < size):
                raise ValueError(f"{name} {values.max() if values.max() >= size else values.min()} is not in 0 to {size - 1}")

    @staticmethod
    def of_table(table: ArrayLike, n_classes: int) -> Ratings:
        """Ratings from a table of items by raters, with -1 where a rater gave no label."""
        given = np.asarray(table, dtype=np.intp)
        item, rater = np.nonzero(given >= 0)
        return Ratings(item, rater, given[item, rater], given.shape[0], given.shape[1], n_classes)


@dataclass(frozen=True, eq=False)
class Consensus:
    """What a method made of ratings.

    Parameters
    ----------
    posterior : ndarray (items, classes)
        Soft label: rows sum to 1. Items without any rating have the method's prior.
    skill : tuple of Interval
        Of each rater, the chance to give the right label; of the votes the share of agreement with the posterior. NaN for a rater
        without ratings where no prior speaks.
    confusion : ndarray (raters, classes, classes) or None
        Chance of each label (last axis) by the true class, of the methods that model it.
    converged : bool
    """

    posterior: NDArray[np.float64]
    skill: tuple[Interval, ...]
    confusion: NDArray[np.float64] | None
    converged: bool

    @property
    def label(self) -> NDArray[np.intp]:
        """The most probable class of each item, the first of equals."""
        return np.asarray(self.posterior.argmax(axis=1), dtype=np.intp)


def vote(ratings: Ratings, weights: ArrayLike | None = None, gold: ArrayLike | None = None, confidence: float = 0.95) -> Consensus:
    """Majority: the share of the votes for each class, of raters who count alike or by weights.

    Parameters
    ----------
    ratings : Ratings
    weights : array_like, shape (raters,), optional
        Not negative. For raters of known skill p the best are log(p (classes - 1) / (1 - p)): see `skill_weights`.
    gold : array_like of int, shape (items,), optional
        The known class of items, -1 of the others; it replaces their votes.
    confidence : float
        Of the skills' intervals.
    """
    weight = np.ones(ratings.n_raters) if weights is None else np.asarray(weights, dtype=np.float64)
    if weight.shape != (ratings.n_raters,) or np.any(weight < 0) or not np.all(np.isfinite(weight)):
        raise ValueError("one weight of 0 or more for every rater is needed")
    votes = np.zeros((ratings.n_items, ratings.n_classes))
    np.add.at(votes, (ratings.item, ratings.label), weight[ratings.rater])
    total = votes.sum(axis=1, keepdims=True)
    posterior = np.where(total > 0, votes / np.where(total > 0, total, 1.0), 1.0 / ratings.n_classes)
    posterior = _clamped(posterior, gold)
    return Consensus(posterior, _skills(ratings, posterior, (0.0, 0.0), confidence), None, True)


def skill_weights(skill: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    """Weights of votes from known skills, log(p (classes - 1) / (1 - p)), 0 for who is no better than chance.

    References
    ----------
    Nitzan S, Paroush J. Optimal decision rules in uncertain dichotomous choice situations. Int Econ Rev 23 (1982) 289-297.
    """
    p = np.clip(np.asarray(skill, dtype=np.float64), 1e-3, 1 - 1e-3)
    return np.asarray(np.maximum(0.0, np.log(p * (n_classes - 1) / (1 - p))))


def one_coin(
    ratings: Ratings, gold: ArrayLike | None = None, prior: tuple[float, float] = (4.0, 2.0), confidence: float = 0.95
) -> Consensus:
    """One-coin Dawid-Skene: each rater is right with one chance, and wrong with all other classes alike; expectation-maximisation.

    One figure a rater can be learned from few ratings, where a whole confusion matrix cannot.

    Parameters
    ----------
    ratings : Ratings
    gold : array_like of int, shape (items,), optional
        The known class of items, -1 of the others: clamped, they teach whom to believe.
    prior : (float, float)
        Beta prior of the chance to be right, as so many right and wrong ratings: it keeps a rater with few of them from being
        believed in everything or nothing.
    confidence : float

    References
    ----------
    Dawid AP, Skene AM. Maximum likelihood estimation of observer error-rates using the EM algorithm. Appl Stat 28 (1979) 20-28, with
    one parameter a rater; Zhang Y et al. Spectral methods meet EM. J Mach Learn Res 17 (2016) 1-44.
    """
    posterior = vote(ratings, gold=gold).posterior
    classes = ratings.n_classes
    converged = False
    for _ in range(_ITERATIONS):
        right, given = _right(ratings, posterior)
        p = np.clip((right + prior[0]) / (given + sum(prior)), 1e-6, 1 - 1e-6)
        share = _class_shares(posterior)
        score = np.tile(np.log(share), (ratings.n_items, 1))
        # A label speaks for its class by the odds of the rater being right against naming just this one wrongly.
        np.add.at(score, (ratings.item, ratings.label), np.log(p * (classes - 1) / (1 - p))[ratings.rater])
        before, posterior = posterior, _clamped(_softmax(score), gold)
        if np.abs(posterior - before).max(initial=0.0) < _CONVERGED:
            converged = True
            break
    return Consensus(posterior, _skills(ratings, posterior, prior, confidence), None, converged)


def dawid_skene(ratings: Ratings, gold: ArrayLike | None = None, strength: float = 10.0, confidence: float = 0.95) -> Consensus:
    """Dawid-Skene with a confusion matrix of each rater, drawn towards that of all raters together by a Dirichlet prior.

    Parameters
    ----------
    ratings : Ratings
    gold : array_like of int, shape (items,), optional
        See `one_coin`.
    strength : float
        How many ratings of each true class the crowd's matrix is worth against a rater's own. 0 is Dawid and Skene's own
        maximum likelihood, which with few ratings a rater is worse than the majority.
    confidence : float

    Raises
    ------
    ValueError
        The strength is negative.

    Notes
    -----
    Starts from `one_coin`. The crowd's matrix itself is smoothed by one rating of each class, half of it right.
    """
    if strength < 0:
        raise ValueError(f"a strength of {strength} is negative")
    start = one_coin(ratings, gold)
    posterior, classes = start.posterior, ratings.n_classes
    confusion = np.empty((ratings.n_raters, classes, classes))
    converged = False
    for _ in range(_ITERATIONS):
        confusion = _confusions(ratings, posterior, strength)
        score = np.tile(np.log(_class_shares(posterior)), (ratings.n_items, 1))
        np.add.at(score, ratings.item, np.log(confusion)[ratings.rater, :, ratings.label])
        before, posterior = posterior, _clamped(_softmax(score), gold)
        if np.abs(posterior - before).max(initial=0.0) < _CONVERGED:
            converged = True
            break
    return Consensus(posterior, _skills(ratings, posterior, (4.0, 2.0), confidence), confusion, converged)


def gold_skill(
    ratings: Ratings, gold: ArrayLike, prior: tuple[float, float] = (0.5, 0.5), confidence: float = 0.95
) -> tuple[Interval, ...]:
    """Skill of each rater by the items of known class alone, which no consensus can flatter (Jeffreys interval)."""
    known = np.asarray(gold, dtype=np.intp)
    chosen = known[ratings.item] >= 0
    part = Ratings(ratings.item[chosen], ratings.rater[chosen], ratings.label[chosen], ratings.n_items, ratings.n_raters, ratings.n_classes)
    return _skills(part, _clamped(np.zeros((ratings.n_items, ratings.n_classes)), known), prior, confidence)


def _confusions(ratings: Ratings, posterior: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    classes = ratings.n_classes
    counts = np.zeros((ratings.n_raters, classes, classes))
    np.add.at(counts.transpose(0, 2, 1), (ratings.rater, ratings.label), posterior[ratings.item])
    crowd = counts.sum(axis=0) + 0.5 * np.eye(classes) + 0.5 / classes
    counts += strength * crowd / crowd.sum(axis=1, keepdims=True)
    total = counts.sum(axis=2, keepdims=True)
    # With no prior at all an unseen label has the chance 0, whose logarithm would overrule everybody.
    return np.asarray(np.maximum(np.where(total > 0, counts / np.where(total > 0, total, 1.0), 1.0 / classes), 1e-9))


def _right(ratings: Ratings, posterior: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected number of right ratings of each rater, and of all."""
    right = np.bincount(ratings.rater, posterior[ratings.item, ratings.label], ratings.n_raters)
    return right.astype(np.float64), np.bincount(ratings.rater, minlength=ratings.n_raters).astype(np.float64)


def _skills(ratings: Ratings, posterior: NDArray[np.float64], prior: tuple[float, float], confidence: float) -> tuple[Interval, ...]:
    """Beta posterior of each rater's chance to be right, made wider by the labels' own doubt.

    The doubt of the label of each rated item adds q (1 - q) to the variance of the number of right ratings; the beta distribution
    keeps its mean and gets that variance.
    """
    tail = (1 - check_confidence(confidence)) / 2
    q = posterior[ratings.item, ratings.label]
    doubt = np.bincount(ratings.rater, q * (1 - q), ratings.n_raters)
    found = []
    for right, given, more in zip(*_right(ratings, posterior), doubt, strict=True):
        total = given + sum(prior)
        if total == 0:
            found.append(Interval(float("nan"), float("nan"), float("nan"), "no ratings", confidence))
            continue
        one, other = right + max(prior[0], 0.5), given - right + max(prior[1], 0.5)
        mean, size = one / (one + other), one + other
        variance = mean * (1 - mean) / (size + 1) + more / size**2
        size = mean * (1 - mean) / variance - 1
        low, high = beta.ppf([tail, 1 - tail], mean * size, (1 - mean) * size)
        found.append(Interval(float((right + prior[0]) / total), float(low), float(high), "beta posterior", confidence))
    return tuple(found)


def _class_shares(posterior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each class, smoothed by one item of each so that none becomes impossible."""
    total = posterior.sum(axis=0) + 1.0
    return np.asarray(total / total.sum())


def _clamped(posterior: NDArray[np.float64], gold: ArrayLike | None) -> NDArray[np.float64]:
    if gold is None:
        return posterior
    known = np.asarray(gold, dtype=np.intp)
    if known.shape != posterior.shape[:1] or known.max(initial=-1) >= posterior.shape[1]:
        raise ValueError("gold: the class of every item, -1 where it is not known, is needed")
    fixed = posterior.copy()
    items = np.flatnonzero(known >= 0)
    fixed[items] = 0.0
    fixed[items, known[items]] = 1.0
    return fixed


def _softmax(score: NDArray[np.float64]) -> NDArray[np.float64]:
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))

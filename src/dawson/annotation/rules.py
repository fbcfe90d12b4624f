"""The rules of a campaign as pure functions: what an item's ratings say, when it is done, what a rater gets next, who is careless."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.annotation.settings import ChecksPart, EndPart
from dawson.statistics.interval import Interval

State = Literal["open", "done", "expert"]
Purpose = Literal["item", "gold", "repeat"]
_LIMIT = 1e-3


@dataclass(frozen=True)
class Candidate:
    """An open item that a rater could get.

    Parameters
    ----------
    item : int
    ratings : int
        Given, and being given by somebody else.
    posterior : ndarray (classes,)
    """

    item: int
    ratings: int
    posterior: NDArray[np.float64]


def item_posterior(labels: Sequence[int], skills: Sequence[float], n_classes: int) -> NDArray[np.float64]:
    """Probability of each class of an item from its ratings and the raters' chances to be right, all wrong classes being alike.

    The rule of Dawid and Skene's one-coin model with all classes equally frequent; without ratings all are equally probable.

    Parameters
    ----------
    labels : sequence of int
        Class of each rating.
    skills : sequence of float
        Chance of each rating's rater to be right.
    n_classes : int

    Examples
    --------
    >>> item_posterior([0, 0, 1], [0.8, 0.8, 0.8], 2).round(2)
    array([0.8, 0.2])
    """
    score = np.zeros(n_classes)
    for label, skill in zip(labels, np.clip(np.asarray(skills, dtype=np.float64), _LIMIT, 1 - _LIMIT), strict=True):
        score[label] += np.log(skill * (n_classes - 1) / (1 - skill))
    weight = np.exp(score - score.max())
    return np.asarray(weight / weight.sum())


def state_of(posterior: ArrayLike, n_ratings: int, part: EndPart) -> State:
    """Whether an item needs more ratings, is done, or is for an expert.

    Parameters
    ----------
    posterior : array_like (classes,)
    n_ratings : int
        All of them, also those that could not tell.
    part : EndPart
    """
    if n_ratings >= part.minimum and np.max(posterior) >= part.certain:
        return "done"
    return "expert" if n_ratings >= part.maximum else "open"


def state_of_drawings(pairwise_dice: Sequence[float], n_drawings: int, part: EndPart) -> State:
    """The same for drawings: done with enough of them that agree, for an expert where they do not."""
    if n_drawings < part.drawings:
        return "open"
    return "done" if np.mean(pairwise_dice) >= part.drawings_agree else "expert"


def choose_item(candidates: Sequence[Candidate], rng: np.random.Generator) -> int | None:
    """The item with the fewest ratings, of these the most uncertain, of these any; None without candidates."""
    if not candidates:
        return None
    ratings = np.array([one.ratings for one in candidates])
    doubt = np.array([_entropy(one.posterior) for one in candidates]).round(9)
    order = np.lexsort((rng.random(len(candidates)), -doubt, ratings))
    return candidates[int(order[0])].item


def choose_purpose(part: ChecksPart, rng: np.random.Generator, *, gold_left: bool, repeats_left: bool) -> Purpose:
    """What a rater's next item is for, by the campaign's shares; a check that there is nothing left for becomes an item."""
    drawn = rng.random()
    if drawn < part.gold_share:
        return "gold" if gold_left else "item"
    if drawn < part.gold_share + part.repeat_share:
        return "repeat" if repeats_left else "item"
    return "item"


def careless(skill: Interval, n_ratings: int, n_classes: int, crowd: float, part: ChecksPart) -> bool:
    """Whether a rater answers as if by chance: the interval of the skill lies nearer to chance than to the crowd.

    Parameters
    ----------
    skill : Interval
        Of the rater.
    n_ratings : int
        On which it rests.
    n_classes : int
    crowd : float
        Median skill of all raters.
    part : ChecksPart
    """
    chance = 1 / n_classes
    return n_ratings >= part.careless_after and crowd > chance and skill.high < (chance + crowd) / 2


def promoted(skill: Interval, n_ratings: int, part: ChecksPart) -> bool:
    """Whether a rater is surely good: enough ratings, and the lower end of the skill above the bar."""
    return n_ratings >= part.promote_after and skill.low >= part.promote_above


def gold_points(share_right: float) -> int:
    """Points for a right answer to a hidden item of known class: 5, and up to 5 more the fewer others got it right.

    Examples
    --------
    >>> gold_points(1.0), gold_points(0.4)
    (5, 8)
    """
    return 5 + round(5 * (1 - share_right))


def _entropy(posterior: NDArray[np.float64]) -> float:
    p = posterior[posterior > 0]
    return float(-(p * np.log(p)).sum())

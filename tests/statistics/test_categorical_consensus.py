"""Consensus labels: votes by hand, models of raters against each other on simulated crowds whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from dawson.statistics.categorical_consensus import Ratings, dawid_skene, gold_skill, one_coin, skill_weights, vote

CLASSES = 4


def crowd(
    seed: int, ratings_each: int, items: int = 200, raters: int = 10, fixed: str = "coin"
) -> tuple[Ratings, NDArray[np.intp], NDArray[np.float64]]:
    """Items of four classes and raters who are right with a chance of 0.4 to 0.9; `fixed` "habit" gives each wrong labels of his own."""
    rng = np.random.default_rng(seed)
    truth, skill = rng.integers(0, CLASSES, items), rng.uniform(0.4, 0.9, raters)
    table = np.full((items, raters), -1)
    for rater, p in enumerate(skill):
        confusion = np.full((CLASSES, CLASSES), (1 - p) / (CLASSES - 1))
        if fixed == "habit":
            confusion = rng.dirichlet(np.full(CLASSES, 0.3), CLASSES) * (1 - p)
            confusion[np.arange(CLASSES), np.arange(CLASSES)] += p
        else:
            np.fill_diagonal(confusion, p)
        for item in rng.choice(items, ratings_each, replace=False):
            table[item, rater] = rng.choice(CLASSES, p=confusion[truth[item]])
    return Ratings.of_table(table, CLASSES), truth, skill


def right(found: NDArray[np.intp], truth: NDArray[np.intp], ratings: Ratings) -> float:
    rated = np.unique(ratings.item)
    return float(np.mean(found[rated] == truth[rated]))


def test_votes_are_shares_and_an_item_without_any_says_nothing() -> None:
    found = vote(Ratings.of_table([[0, 0, 1], [2, -1, -1], [-1, -1, -1]], 3))
    np.testing.assert_allclose(found.posterior, [[2 / 3, 1 / 3, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]])
    assert found.skill[2].estimate == pytest.approx(1 / 3)


def test_weights_let_one_good_rater_outvote_two_poor_ones() -> None:
    ratings = Ratings.of_table([[0, 1, 1]], 2)
    weights = skill_weights([0.95, 0.6, 0.6], 2)
    assert vote(ratings).label[0] == 1
    assert vote(ratings, weights).label[0] == 0
    np.testing.assert_allclose(weights, [math.log(19), math.log(1.5), math.log(1.5)])
    assert skill_weights([0.2], 4)[0] == 0.0


@pytest.mark.parametrize("method", [vote, one_coin, dawid_skene])
def test_gold_items_keep_their_class(method) -> None:
    gold = np.array([1, -1])
    found = method(Ratings.of_table([[0, 0, 0], [0, 0, 0]], 2), gold=gold)
    np.testing.assert_allclose(found.posterior[0], [0, 1])
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)


def test_with_few_ratings_one_coin_beats_the_majority_and_full_dawid_skene_does_not() -> None:
    """Fifty ratings a rater, two or three an item."""
    share = np.zeros(4)
    for seed in range(12):
        ratings, truth, _ = crowd(seed, 50)
        methods = (vote(ratings), one_coin(ratings), dawid_skene(ratings), dawid_skene(ratings, strength=0.0))
        share += [right(found.label, truth, ratings) / 12 for found in methods]
    majority, coin, smoothed, full = share
    assert coin > majority + 0.01
    assert full < majority
    assert smoothed > full + 0.01


def test_with_many_ratings_and_habits_the_confusion_matrices_pay() -> None:
    share, squares = np.zeros(3), np.zeros(3)
    for seed in range(6):
        ratings, truth, _ = crowd(seed, 100, fixed="habit")
        for place, found in enumerate((vote(ratings), one_coin(ratings), dawid_skene(ratings))):
            share[place] += right(found.label, truth, ratings) / 6
            squares[place] += float(np.mean((found.posterior - np.eye(CLASSES)[truth]) ** 2)) / 6
    assert share[2] > share[1] > share[0]
    assert squares[2] < squares[0]


def test_the_interval_of_a_skill_holds_it() -> None:
    held = []
    for seed in range(12):
        ratings, _, skill = crowd(seed, 100)
        held += [interval.low <= p <= interval.high for interval, p in zip(one_coin(ratings).skill, skill, strict=True)]
    assert 0.88 < np.mean(held) <= 0.99


def test_the_full_matrices_are_found_with_enough_ratings() -> None:
    rng = np.random.default_rng(3)
    confusion = np.array([[[0.9, 0.1], [0.3, 0.7]], [[0.7, 0.3], [0.1, 0.9]], [[0.8, 0.2], [0.2, 0.8]]])
    truth = rng.integers(0, 2, 3000)
    table = np.stack([(rng.random(3000) < matrix[truth, 1]).astype(int) for matrix in confusion], axis=1)
    found = dawid_skene(Ratings.of_table(table, 2))
    assert found.converged
    np.testing.assert_allclose(found.confusion, confusion, atol=0.05)


def test_gold_alone_judges_a_rater_whom_all_others_contradict() -> None:
    table = np.array([[0, 1, 1]] * 8)
    gold = np.array([0, 0, 0, 0, 0, -1, -1, -1])
    skill = gold_skill(Ratings.of_table(table, 2), gold)
    assert skill[0].low > 0.55 and skill[1].high < 0.45
    assert one_coin(Ratings.of_table(table, 2), gold).label.tolist() == [0] * 8


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="label 3 is not in 0 to 1"):
        Ratings.of_table([[3]], 2)
    with pytest.raises(ValueError, match="one weight"):
        vote(Ratings.of_table([[0, 1]], 2), [1.0])
    with pytest.raises(ValueError, match="negative"):
        dawid_skene(Ratings.of_table([[0, 1]], 2), strength=-1)
    with pytest.raises(ValueError, match="gold"):
        one_coin(Ratings.of_table([[0, 1]], 2), gold=[2])

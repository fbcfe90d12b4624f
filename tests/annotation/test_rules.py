"""The rules of a campaign, by hand-worked numbers."""

import numpy as np
import pytest

from dawson.annotation.rules import (
    Candidate,
    careless,
    choose_item,
    choose_purpose,
    gold_points,
    item_posterior,
    promoted,
    state_of,
    state_of_drawings,
)
from dawson.annotation.settings import ChecksPart, EndPart, parse_campaign
from dawson.errors import ConfigError
from dawson.statistics.interval import Interval


def interval(low, high, estimate=None):
    return Interval((low + high) / 2 if estimate is None else estimate, low, high, "test", 0.95)


def test_posterior_of_two_against_one_follows_bayes():
    # 0.8 * 0.8 * 0.2 against 0.2 * 0.2 * 0.8
    assert item_posterior([0, 0, 1], [0.8, 0.8, 0.8], 2) == pytest.approx([0.8, 0.2])


def test_posterior_of_three_classes_spreads_errors_evenly():
    # 0.7 against 0.15 and 0.15
    assert item_posterior([2], [0.7], 3) == pytest.approx([0.15, 0.15, 0.7])


def test_a_rater_at_chance_says_nothing_and_one_below_speaks_for_the_other():
    assert item_posterior([0], [0.5], 2) == pytest.approx([0.5, 0.5])
    assert item_posterior([0], [0.2], 2) == pytest.approx([0.2, 0.8])


def test_without_ratings_all_are_equally_probable():
    assert item_posterior([], [], 4) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize(
    ("posterior", "n", "state"),
    [([0.99, 0.01], 2, "open"), ([0.99, 0.01], 3, "done"), ([0.9, 0.1], 3, "open"), ([0.9, 0.1], 9, "expert"), ([0.99, 0.01], 9, "done")],
)
def test_items_end_by_certainty_or_by_number(posterior, n, state):
    assert state_of(posterior, n, EndPart()) == state


def test_drawings_end_when_they_agree():
    part = EndPart()
    assert state_of_drawings([], 1, part) == "open"
    assert state_of_drawings([0.6, 0.7, 0.5], 3, part) == "done"
    assert state_of_drawings([0.1, 0.7, 0.2], 3, part) == "expert"


def test_fewest_ratings_first_then_most_uncertain():
    rng = np.random.default_rng(0)
    few_sure, few_unsure, many = (
        Candidate(1, 1, np.array([0.9, 0.1])),
        Candidate(2, 1, np.array([0.6, 0.4])),
        Candidate(3, 2, np.array([0.5, 0.5])),
    )
    assert choose_item([many, few_sure, few_unsure], rng) == 2
    assert choose_item([many, few_sure], rng) == 1
    assert choose_item([], rng) is None


def test_equal_items_come_in_any_order():
    rng = np.random.default_rng(0)
    items = [Candidate(number, 0, np.array([0.5, 0.5])) for number in range(4)]
    assert {choose_item(items, rng) for _ in range(100)} == {0, 1, 2, 3}


def test_checks_come_in_their_shares():
    rng, part = np.random.default_rng(1), ChecksPart(gold_share=0.2, repeat_share=0.1)
    drawn = [choose_purpose(part, rng, gold_left=True, repeats_left=True) for _ in range(20_000)]
    assert drawn.count("gold") / len(drawn) == pytest.approx(0.2, abs=0.01)
    assert drawn.count("repeat") / len(drawn) == pytest.approx(0.1, abs=0.01)
    assert {choose_purpose(part, rng, gold_left=False, repeats_left=False) for _ in range(100)} == {"item"}


def test_careless_is_who_is_nearer_to_chance_than_to_the_crowd():
    part = ChecksPart(careless_after=12)
    assert careless(interval(0.4, 0.6), 30, 2, 0.85, part)
    assert not careless(interval(0.6, 0.8), 30, 2, 0.85, part)
    assert not careless(interval(0.4, 0.6), 11, 2, 0.85, part)
    # a hopeless task says nothing of its raters
    assert not careless(interval(0.4, 0.45), 30, 2, 0.5, part)


def test_promotion_needs_a_sure_skill():
    assert promoted(interval(0.86, 0.95), 40, ChecksPart())
    assert not promoted(interval(0.84, 0.99), 400, ChecksPart())
    assert not promoted(interval(0.9, 0.99), 39, ChecksPart())


def test_hard_checks_earn_more():
    assert [gold_points(share) for share in (1.0, 0.8, 0.0)] == [5, 6, 10]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": {"minimum": 5, "maximum": 4}}, "maximum"),
        ({"checks": {"gold_share": 0.4, "repeat_share": 0.2}}, "half"),
        ({"choices": [{"key": "a", "title": "A"}]}, "two to nine"),
        ({"campaign": {"title": "x", "task": "tea"}}, "no annotation task"),
        (
            {"campaign": {"title": "x", "task": "lesion-draw"}, "choices": [{"key": "a", "title": "A"}, {"key": "b", "title": "B"}]},
            "no choices",
        ),
    ],
)
def test_rules_that_make_no_sense_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        parse_campaign({"campaign": {"title": "x", "task": "diagnosis"}, **change}, "campaign.toml")

"""What a site tells of its validation people, and what comes of it over all sites."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from dawson.federation.aggregates import calibration_bins, joined_histogram, rounded_down, summarise
from dawson.federation.messages import BinnedProbability, Evaluation
from dawson.federation.pooled_evaluation import best_round, pool, pooled_auc, spread

CLASSES = ("MS", "NMOSD")


def people(rng: np.random.Generator, count: int, signal: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.integers(0, 2, count)
    score = 1 / (1 + np.exp(-(signal * (truth - 0.5) + rng.standard_normal(count))))
    return truth, np.column_stack([1 - score, score])


def told(loss: float, count: int = 20) -> Evaluation:
    nothing = dict.fromkeys(CLASSES)
    return Evaluation(minimum_cell=1, people=count, loss=loss, confusion=nothing, roc=nothing, calibration=None)


def test_numbers_are_told_in_steps():
    assert [rounded_down(count, 5) for count in (0, 4, 5, 14, 15)] == [0, 0, 5, 10, 15]


def test_bins_are_joined_until_each_holds_enough():
    # 3 people below 0.05, 2 in [0.05, 0.1), 4 in [0.5, 0.55), 1 at 1
    probability = np.array([0.01] * 3 + [0.06] * 2 + [0.5] * 4 + [1.0])
    histogram = joined_histogram(probability, 4)
    assert (histogram.edges, histogram.counts) == ([0, 2, 20], [5, 5])
    assert joined_histogram(probability, 11) is None
    assert joined_histogram(probability, 1).counts == [3, 2, 4, 1]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 120), st.integers(1, 12), st.floats(0, 6))
def test_nothing_that_is_told_is_small(seed, count, minimum, signal):
    truth, probability = people(np.random.default_rng(seed), count, signal)
    evaluation = summarise(truth, probability, 0.5, CLASSES, "NMOSD", minimum, 5)
    if rounded_down(count, 5) < minimum:
        assert evaluation is None
        return
    cells = [cell for row in evaluation.confusion.values() if row for cell in row.values()]
    for name, histogram in evaluation.roc.items():
        own = int((truth == CLASSES.index(name)).sum())
        assert (histogram is None) == (own < minimum)
        if histogram:
            assert sum(histogram.counts) == own
            cells += histogram.counts
    for entry in evaluation.calibration or []:
        cells += [entry.positive, entry.people - entry.positive]
    assert all(cell >= minimum for cell in cells)


def test_a_confusion_row_with_a_small_cell_is_left_out_whole():
    truth = np.array([0] * 30 + [1] * 30)
    score = np.array([0.1] * 29 + [0.9] + [0.1] * 12 + [0.9] * 18)
    evaluation = summarise(truth, np.column_stack([1 - score, score]), 0.4, CLASSES, "NMOSD", 10, 1)
    assert evaluation.confusion == {"MS": None, "NMOSD": {"MS": 12, "NMOSD": 18}}


def test_calibration_bins_have_both_kinds_of_people():
    positive = np.array([False] * 3 + [True] + [False, True] * 3)
    probability = np.array([0.1] * 4 + [0.7] * 6)
    (first,) = calibration_bins(positive, probability, 3)
    assert (first.edges, first.people, first.positive, first.mean_probability) == ([0, 5], 10, 4, 0.46)
    low, high = calibration_bins(positive, probability, 1)
    assert (low.edges, low.people, low.positive) == ([0, 1], 4, 1)
    assert (high.edges, high.people, high.positive) == ([1, 5], 6, 3)


def test_area_from_histograms_by_hand():
    # positives 1, 3 and negatives 2, 1 in the same two bins: won 3 * 2 = 6, doubtful 1 * 2 + 3 * 1 = 5, pairs 12
    positive, negative = BinnedProbability(edges=[0, 10, 20], counts=[1, 3]), BinnedProbability(edges=[0, 10, 20], counts=[2, 1])
    assert pooled_auc([positive], [negative]) == pytest.approx((8.5 / 12, 6 / 12, 11 / 12))
    # other bins at another site: 4 positives in the upper quarter are above all negatives of the lower half, 3 in doubt with the upper
    above = BinnedProbability(edges=[0, 15, 20], counts=[0, 4])
    assert pooled_auc([above], [negative])[1:] == pytest.approx((8 / 12, 1))


def test_the_pooled_area_brackets_the_area_of_all_predictions():
    rng = np.random.default_rng(5)
    sites = {f"site-{number}": people(rng, 300) for number in range(3)}
    every = {site: summarise(truth, probability, 0.5, CLASSES, "NMOSD", 10, 5) for site, (truth, probability) in sites.items()}
    truth = np.concatenate([item[0] for item in sites.values()])
    probability = np.concatenate([item[1] for item in sites.values()])
    exact = roc_auc_score(truth, probability[:, 1])
    pooled = pool(every, CLASSES, "NMOSD")
    assert pooled["auc"]["least"] <= exact <= pooled["auc"]["most"]
    assert pooled["auc"]["estimate"] == pytest.approx(exact, abs=0.03)
    called = probability[:, 1] >= 0.5
    assert pooled["accuracy"] == pytest.approx((called == truth).mean())
    assert pooled["sensitivity"] == pytest.approx(called[truth == 1].mean())
    assert pooled["specificity"] == pytest.approx(1 - called[truth == 0].mean())
    assert spread([item.roc["NMOSD"] for item in every.values()]).sum() == pytest.approx((truth == 1).sum())
    assert pooled["curve"]["tpr"][0] == 0 and pooled["curve"]["fpr"][-1] == 1
    assert (np.diff(pooled["curve"]["tpr"]) >= 0).all()


def test_what_is_held_back_is_missing_and_not_guessed():
    pooled = pool({"a": told(0.5)}, CLASSES, "NMOSD")
    assert pooled["people"] == 20
    assert [pooled[name] for name in ("auc", "accuracy", "sensitivity", "curve")] == [None] * 4


def test_rounds_are_compared_over_the_sites_that_judged_all():
    rounds = {1: {"a": told(0.9), "b": told(0.1)}, 2: {"a": told(0.6)}, 3: {"a": told(0.8), "b": told(0.1)}}
    assert best_round(rounds) == (2, ("a",))
    assert best_round({1: {"a": told(0.5)}, 2: {"b": told(0.4)}}) == (2, ())
    assert best_round({1: {"a": told(0.5, 30), "b": told(0.9, 10)}, 2: {"a": told(0.6, 30), "b": told(0.6, 10)}})[0] == 1  # both 0.6
    assert best_round({1: {}, 2: {}}) == (2, ())

import math

import numpy as np
import pytest

from dawson.statistics.bootstrap import draw_counts, patient_bootstrap
from dawson.statistics.figures import FIGURES, auc, binary_figures, macro_figures
from dawson.statistics.one_model import call_shares, one_model_intervals, one_model_macro_intervals, pair_order
from dawson.statistics.patient_intervals import binary_intervals, macro_intervals

NAN = math.nan
# Two positives, two negatives; three repeats that test three of them each. Called positive at one half.
TRUTH = np.array([True, True, False, False])
SCORE = np.array([[0.9, NAN, 0.2, 0.6], [0.4, 0.7, 0.3, NAN], [NAN, 0.5, 0.5, 0.1]])
CALLED = SCORE >= 0.5


def noisy(repeats=30, n=40, seed=0):
    """Scores of many repeats that each test about half of the patients, a new model each time."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) < n // 2
    score = rng.random(n) * 0.4 + rng.random((repeats, n)) * 0.4 + 0.2 * truth
    score[rng.random((repeats, n)) < 0.5] = NAN
    return truth, score, score >= 0.5


def estimates(intervals):
    return {name: intervals[name].estimate for name in FIGURES}


def test_worked_shares_and_pairs():
    assert call_shares(CALLED, ~np.isnan(SCORE)) == pytest.approx([1 / 2, 1, 1 / 3, 1 / 2])
    order, known = pair_order(TRUTH, SCORE)
    # The second positive meets the first negative twice: above it once, tied once.
    assert order.tolist() == [[1, 1], [0.75, 1]]
    assert known.all()


def test_worked_figures():
    # One model calls 1.5 of the 2 positives and 5/6 of a negative.
    intervals = one_model_intervals(TRUTH, SCORE, CALLED, draw_counts(TRUTH, 200, 0))
    assert estimates(intervals) == pytest.approx(
        {"accuracy": 2 / 3, "sensitivity": 3 / 4, "specificity": 7 / 12, "ppv": 9 / 14, "npv": 7 / 10, "auc": 15 / 16}
    )


def test_worked_macro_figures_of_two_classes():
    probability = np.stack([1 - SCORE, SCORE], axis=2)
    counts = draw_counts(TRUTH, 200, 0)
    macro = estimates(one_model_macro_intervals(TRUTH.astype(int), probability, CALLED.astype(int), counts))
    both = (3 / 4 + 7 / 12) / 2
    predictive = (9 / 14 + 7 / 10) / 2
    assert macro == pytest.approx(
        {"accuracy": 2 / 3, "sensitivity": both, "specificity": both, "ppv": predictive, "npv": predictive,
         "auc": 15 / 16}
    )  # fmt: skip


def test_a_pair_never_tested_together_weighs_nothing():
    score = np.array([[0.9, NAN, 0.2, NAN], [NAN, 0.3, NAN, 0.8]])
    order, known = pair_order(TRUTH, score)
    assert known.tolist() == [[True, False], [False, True]]
    intervals = one_model_intervals(TRUTH, score, score >= 0.5, draw_counts(TRUTH, 200, 0))
    assert intervals["auc"].estimate == 0.5
    assert order.sum() == 1


def test_no_repeat_with_both_classes_leaves_only_the_area_undefined():
    score = np.array([[0.9, 0.2, NAN, NAN], [NAN, NAN, 0.3, 0.8]])
    intervals = one_model_intervals(TRUTH, score, score >= 0.5, draw_counts(TRUTH, 200, 0))
    assert math.isnan(intervals["auc"].estimate)
    assert math.isnan(intervals["auc"].low)
    assert intervals["accuracy"].estimate == 0.5


def test_one_repeat_is_the_ordinary_figures_with_their_bootstrap():
    truth, score, _ = noisy()
    score = np.where(np.isnan(score[0]), 0.45, score[0])
    counts = draw_counts(truth, 300, 0)
    ordinary = binary_intervals(truth, score, score >= 0.5, counts)
    ours = one_model_intervals(truth, score[None], score[None] >= 0.5, counts)
    for name in FIGURES:
        for part in ("estimate", "low", "high"):
            assert getattr(ours[name], part) == pytest.approx(getattr(ordinary[name], part))


def test_one_repeat_of_three_classes_is_the_ordinary_macro_figures_with_their_bootstrap():
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], [8, 12, 20])
    probability = rng.dirichlet([1, 1, 1], 40) * 0.5 + np.eye(3)[truth] * 0.5 * rng.random((40, 1))
    called = probability.argmax(axis=1)
    counts = draw_counts(truth, 300, 0)
    ordinary = macro_intervals(truth, probability, called, counts)
    ours = one_model_macro_intervals(truth, probability[None], called[None], counts)
    for name in FIGURES:
        for part in ("estimate", "low", "high"):
            assert getattr(ours[name], part) == pytest.approx(getattr(ordinary[name], part))


def test_everybody_tested_in_every_repeat_gives_the_mean_over_repeats():
    rng = np.random.default_rng(2)
    truth = np.arange(30) < 12
    score = rng.random((9, 30)) + 0.3 * truth
    each = [binary_figures(truth, row, row >= 0.6) for row in score]
    ours = estimates(one_model_intervals(truth, score, score >= 0.6, draw_counts(truth, 100, 0)))
    for name in ("accuracy", "sensitivity", "specificity", "auc"):
        assert ours[name] == pytest.approx(np.mean([figures[name] for figures in each]))


def test_three_classes_tested_in_every_repeat_give_the_mean_over_repeats():
    rng = np.random.default_rng(3)
    truth = np.repeat([0, 1, 2], 7)
    probability = rng.dirichlet([1, 1, 1], (5, 21))
    called = probability.argmax(axis=2)
    each = [macro_figures(truth, row, call) for row, call in zip(probability, called, strict=True)]
    ours = estimates(one_model_macro_intervals(truth, probability, called, draw_counts(truth, 100, 0)))
    for name in ("accuracy", "sensitivity", "specificity", "auc"):
        assert ours[name] == pytest.approx(np.mean([figures[name] for figures in each]))


def test_area_interval_is_that_of_the_pairs_written_out():
    truth, score, called = noisy(repeats=12, n=16)

    def area(rows):
        pairs = []
        for i in rows[truth[rows]]:
            for j in rows[~truth[rows]]:
                both = ~np.isnan(score[:, i]) & ~np.isnan(score[:, j])
                if both.any():
                    pairs.append(np.mean([auc([True, False], repeat[[i, j]]) for repeat in score[both]]))
        return float(np.mean(pairs))

    slow = patient_bootstrap(area, truth, n_bootstraps=30, seed=5)
    fast = one_model_intervals(truth, score, called, draw_counts(truth, 30, 5))["auc"]
    assert (fast.estimate, fast.low, fast.high) == pytest.approx((slow.estimate, slow.low, slow.high))


def test_retraining_noise_counts_against_one_model_and_not_against_the_ensemble():
    truth, score, called = noisy(repeats=100)
    counts = draw_counts(truth, 200, 0)
    mean = np.nanmean(score, axis=0)
    ensemble = binary_intervals(truth, mean, mean >= 0.5, counts)
    one = one_model_intervals(truth, score, called, counts)
    for name in ("accuracy", "auc"):
        assert one[name].estimate < ensemble[name].estimate


def test_estimates_lie_in_their_intervals_and_the_methods_are_named():
    truth, score, called = noisy()
    intervals = one_model_intervals(truth, score, called, draw_counts(truth, 500, 0))
    for name in FIGURES:
        assert intervals[name].low < intervals[name].estimate < intervals[name].high
        assert "patient bootstrap (500)" in intervals[name].method
    assert "class mix" in intervals["ppv"].method
    assert "correctness" in intervals["sensitivity"].method


def test_all_right_in_every_repeat_gets_exact_bounds():
    truth, score, _ = noisy(n=30)
    score = np.where(np.isnan(score), NAN, truth * 1.0)
    counts = draw_counts(truth, 100, 0)
    intervals = one_model_intervals(truth, score, score >= 0.5, counts)
    assert intervals["sensitivity"].low == pytest.approx(0.025 ** (1 / 15))
    assert intervals["accuracy"].low == pytest.approx(0.025 ** (1 / 30))
    assert intervals["auc"].low == pytest.approx(0.025 ** (1 / 15))
    # Bayes at a half, with sensitivity and specificity at the same bound.
    assert intervals["ppv"].low == pytest.approx(0.025 ** (1 / 15))
    assert all(interval.high == 1 for interval in intervals.values())
    probability = np.stack([1 - score, score], axis=2)
    macro = one_model_macro_intervals(truth.astype(int), probability, (score >= 0.5).astype(int), counts)
    assert macro["auc"].low == pytest.approx(0.025 ** (1 / 15))
    assert macro["accuracy"].low == pytest.approx(0.025 ** (1 / 30))


def test_exact_area_counts_only_pairs_that_were_compared():
    # Four positives, three of which met the same single negative: two disjoint pairs at most.
    truth = np.array([True] * 4 + [False] * 4)
    score = np.full((2, 8), NAN)
    score[0, [0, 1, 2, 4]] = [0.9, 0.8, 0.7, 0.1]
    score[1, [3, 5, 6, 7]] = [0.9, 0.1, 0.1, 0.1]
    area = one_model_intervals(truth, score, score >= 0.5, draw_counts(truth, 100, 0))["auc"]
    assert (area.estimate, area.low) == pytest.approx((1.0, 0.025 ** (1 / 2)))


def test_never_called_positive_leaves_ppv_undefined():
    intervals = one_model_intervals(TRUTH, SCORE, np.zeros_like(CALLED), draw_counts(TRUTH, 100, 0))
    assert math.isnan(intervals["ppv"].estimate)
    assert intervals["npv"].estimate == 0.5


@pytest.mark.parametrize(
    ("truth", "score", "message"),
    [
        (TRUTH, np.full((2, 4), NAN), "in no repeat"),
        (np.ones(4, bool), SCORE, "every class"),
        (TRUTH[:3], SCORE, "shape"),
    ],
)
def test_tables_that_cannot_be_judged_say_why(truth, score, message):
    with pytest.raises(ValueError, match=message):
        one_model_intervals(truth, score, score >= 0.5, np.ones((10, len(truth))))

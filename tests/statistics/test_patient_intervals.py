import math

import numpy as np
import pytest

from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.figures import FIGURES, binary_figures, macro_figures
from dawson.statistics.patient_intervals import binary_intervals, macro_intervals, predictive_intervals


def cases(seed=0, n=60):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) < n // 2
    score = rng.random(n) * 0.7 + 0.3 * truth
    return truth, score, score >= 0.5


def test_estimates_are_the_figures_and_lie_in_their_intervals():
    truth, score, called = cases()
    intervals = binary_intervals(truth, score, called, draw_counts(truth, 500, 0))
    figures = binary_figures(truth, score, called)
    for name in FIGURES:
        assert intervals[name].estimate == figures[name]
        assert intervals[name].low < figures[name] < intervals[name].high


def test_all_right_gets_exact_bounds():
    truth = np.arange(30) < 10
    intervals = binary_intervals(truth, truth * 1.0, truth, draw_counts(truth, 200, 0))
    assert intervals["sensitivity"].low == pytest.approx(0.025 ** (1 / 10))
    assert intervals["specificity"].low == pytest.approx(0.025 ** (1 / 20))
    assert intervals["accuracy"].low == pytest.approx(0.025 ** (1 / 30))
    assert intervals["auc"].low == pytest.approx(0.025 ** (1 / 10))
    assert all(interval.high == 1 for interval in intervals.values())


def test_no_positive_call_leaves_ppv_undefined():
    truth = np.arange(20) < 10
    ppv = binary_intervals(truth, np.linspace(0, 0.4, 20), np.zeros(20, bool), draw_counts(truth, 200, 0))["ppv"]
    assert math.isnan(ppv.estimate)
    assert math.isnan(ppv.low)


def test_macro_of_two_classes_halves_the_two_sides():
    truth, score, called = cases()
    probability = np.stack([1 - score, score], 1)
    counts = draw_counts(truth, 300, 0)
    macro = macro_intervals(truth.astype(int), probability, called.astype(int), counts)
    assert macro["accuracy"] == binary_intervals(truth, score, called, counts)["accuracy"]
    figures = binary_figures(truth, score, called)
    assert macro["sensitivity"].estimate == pytest.approx((figures["sensitivity"] + figures["specificity"]) / 2)


def test_macro_estimates_and_exact_bounds_of_a_perfect_classifier():
    truth = np.repeat([0, 1, 2], [5, 10, 20])
    probability = np.eye(3)[truth]
    intervals = macro_intervals(truth, probability, truth, draw_counts(truth, 100, 0))
    assert {name: intervals[name].estimate for name in FIGURES} == macro_figures(truth, probability, truth)
    expected = np.mean([0.025 ** (1 / n) for n in (5, 10, 20)])
    assert intervals["sensitivity"].low == pytest.approx(expected)
    assert intervals["accuracy"].low == pytest.approx(0.025 ** (1 / 35))


def test_predictive_values_at_the_sample_prevalence_are_those_of_the_sample():
    truth, score, called = cases()
    figures = binary_figures(truth, score, called)
    result = predictive_intervals(truth, called, draw_counts(truth, 300, 0), float(truth.mean()))
    for name in ("ppv", "npv"):
        assert result[name].estimate == pytest.approx(figures[name])
        assert result[name].low < figures[name] < result[name].high


def test_ppv_falls_with_prevalence():
    truth, _, called = cases()
    counts = draw_counts(truth, 200, 0)
    rare, common = (predictive_intervals(truth, called, counts, share)["ppv"] for share in (0.05, 0.5))
    assert rare.estimate < common.estimate
    assert rare.high < common.high


def test_no_false_positive_does_not_make_ppv_certain():
    truth = np.arange(20) < 10
    called = np.arange(20) < 8
    ppv = predictive_intervals(truth, called, draw_counts(truth, 200, 0), 0.1)["ppv"]
    assert ppv.estimate == 1.0
    assert ppv.low < 0.5


def test_prevalence_must_be_a_share():
    with pytest.raises(ValueError, match="prevalence"):
        predictive_intervals([True, False], [True, False], draw_counts([1, 0], 100, 0), 0.0)

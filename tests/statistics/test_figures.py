import math

import numpy as np
import pytest
from sklearn import metrics

from dawson.statistics.figures import (
    FIGURES,
    Counts,
    auc,
    binary_figures,
    confusion_counts,
    confusion_matrix,
    figures_of_counts,
    macro_figures,
    none_if_undefined,
    npv_at,
    one_vs_rest_figures,
    or_none,
    ppv_at,
)


def random_cases(seed, n=60, levels=8):
    """Truth, coarse score (so that there are ties), call."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    score = np.round((rng.random(n) + 0.5 * truth) * levels) / levels
    return truth, score, score >= 0.6


def test_hand_worked_table():
    # 8 of 10 positives found, 1 of 10 negatives called: PPV 8/9, NPV 9/11, accuracy 17/20.
    assert figures_of_counts(Counts(8, 1, 9, 2)) == pytest.approx(
        {"accuracy": 17 / 20, "sensitivity": 8 / 10, "specificity": 9 / 10, "ppv": 8 / 9, "npv": 9 / 11}
    )


def test_counts_of_each_kind():
    assert confusion_counts([1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0]) == Counts(2, 1, 3, 1)


@pytest.mark.parametrize("seed", range(5))
def test_all_figures_agree_with_scikit_learn(seed):
    truth, score, called = random_cases(seed)
    assert binary_figures(truth, score, called) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(truth, called),
            "sensitivity": metrics.recall_score(truth, called),
            "specificity": metrics.recall_score(~truth, ~called),
            "ppv": metrics.precision_score(truth, called),
            "npv": metrics.precision_score(~truth, ~called),
            "auc": metrics.roc_auc_score(truth, score),
        }
    )


@pytest.mark.parametrize(
    ("score", "area"),
    [
        ([3, 4, 1, 2], 1.0),
        ([1, 2, 3, 4], 0.0),
        ([5, 5, 5, 5], 0.5),
        # Pairs (2,1) right, (2,2) tied, (3,1) and (3,2) right: 3.5 of 4.
        ([2, 3, 1, 2], 0.875),
    ],
)
def test_area_counts_pairs_and_half_of_ties(score, area):
    assert auc([True, True, False, False], score) == area


def test_area_without_one_class_is_undefined():
    assert math.isnan(auc([True, True], [0.1, 0.2]))


def test_area_refuses_missing_scores():
    with pytest.raises(ValueError, match="NaN"):
        auc([True, False], [0.1, math.nan])


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="shape"):
        auc([True, False, True], [0.1, 0.2])
    with pytest.raises(ValueError, match="shape"):
        confusion_counts([True, False, True], [True, False])


def test_ppv_without_positive_calls_is_undefined_and_none_in_json():
    figures = binary_figures([True, False], [0.2, 0.1], [False, False])
    assert math.isnan(figures["ppv"])
    assert or_none(figures)["ppv"] is None
    assert or_none(figures)["npv"] == 0.5
    assert none_if_undefined(math.inf) is None


def test_bayes_gives_back_the_sample_value_at_the_sample_prevalence():
    figures = figures_of_counts(Counts(8, 3, 27, 2))
    assert ppv_at(10 / 40, figures["sensitivity"], figures["specificity"]) == pytest.approx(figures["ppv"])
    assert npv_at(10 / 40, figures["sensitivity"], figures["specificity"]) == pytest.approx(figures["npv"])


def test_bayes_by_hand():
    # Of 1000 with prevalence 1 %: 9 true and 99 false positives, 891 true and 1 false negatives.
    assert ppv_at(0.01, 0.9, 0.9) == pytest.approx(9 / 108)
    assert npv_at(0.01, 0.9, 0.9) == pytest.approx(891 / 892)


def test_three_classes_agree_with_scikit_learn():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 90)
    probability = rng.dirichlet(np.ones(3), 90) * 0.5 + 0.5 * np.eye(3)[truth] * rng.random((90, 1))
    probability /= probability.sum(1, keepdims=True)
    called = probability.argmax(1)
    macro = macro_figures(truth, probability, called)
    assert macro["accuracy"] == pytest.approx(metrics.accuracy_score(truth, called))
    assert macro["sensitivity"] == pytest.approx(metrics.recall_score(truth, called, average="macro"))
    assert macro["ppv"] == pytest.approx(metrics.precision_score(truth, called, average="macro"))
    assert macro["auc"] == pytest.approx(metrics.roc_auc_score(truth, probability, multi_class="ovr"))
    np.testing.assert_array_equal(confusion_matrix(truth, called, 3), metrics.confusion_matrix(truth, called))


def test_two_classes_seen_from_the_other_side_swap_their_figures():
    truth, score, called = random_cases(1)
    one, other = one_vs_rest_figures(truth.astype(int), np.stack([1 - score, score], 1), called.astype(int))
    assert one["sensitivity"] == other["specificity"]
    assert one["ppv"] == other["npv"]
    assert one["auc"] == pytest.approx(other["auc"])


def test_a_class_never_called_leaves_the_macro_ppv_undefined():
    truth, probability = np.array([0, 1, 2]), np.array([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3]])
    macro = macro_figures(truth, probability, probability.argmax(1))
    assert math.isnan(macro["ppv"])
    assert macro["sensitivity"] == pytest.approx(2 / 3)
    assert set(macro) == set(FIGURES)

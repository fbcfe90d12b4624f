import math

import numpy as np
import pytest

from dawson.statistics.bootstrap import (
    bca_interval,
    draw_counts,
    patient_bootstrap,
    percentile_interval,
    replicate_figures,
)
from dawson.statistics.figures import FIGURES, binary_figures


def cases(seed=0, n=30):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) < n // 3
    score = np.round(rng.random(n) + 0.4 * truth, 1)
    return truth, score, score >= 0.7


def test_every_resample_keeps_the_size_of_each_class():
    strata = np.array([0] * 4 + [1] * 7)
    counts = draw_counts(strata, 50, seed=0)
    assert counts.shape == (50, 11)
    np.testing.assert_array_equal(counts[:, :4].sum(1), 4)
    np.testing.assert_array_equal(counts[:, 4:].sum(1), 7)


def test_same_seed_same_resamples_other_seed_others():
    strata = np.zeros(20)
    np.testing.assert_array_equal(draw_counts(strata, 10, 3), draw_counts(strata, 10, 3))
    assert not np.array_equal(draw_counts(strata, 10, 3), draw_counts(strata, 10, 4))


def test_all_scans_of_a_person_are_drawn_together():
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    counts = draw_counts(np.zeros(6), 40, 0, groups)
    np.testing.assert_array_equal(counts[:, 0], counts[:, 2])
    np.testing.assert_array_equal(counts[:, 0], counts[:, 5])
    np.testing.assert_array_equal(counts[:, 1], counts[:, 4])
    np.testing.assert_array_equal(counts[:, [0, 1, 3]].sum(1), 3)


def test_a_person_in_two_classes_is_named():
    with pytest.raises(ValueError, match="sub-2 stands in two strata"):
        draw_counts([0, 0, 1], 5, 0, groups=["sub-1", "sub-2", "sub-2"])


def test_nobody_cannot_be_resampled():
    with pytest.raises(ValueError, match="at least one"):
        draw_counts([], 5, 0)


def test_fast_figures_are_those_of_the_written_out_resample():
    truth, score, called = cases()
    counts = draw_counts(truth, 25, 1)
    fast = replicate_figures(truth, score, called, counts)
    for index, times in enumerate(counts.astype(int)):
        rows = np.repeat(np.arange(truth.size), times)
        slow = binary_figures(truth[rows], score[rows], called[rows])
        assert {name: fast[name][index] for name in FIGURES} == pytest.approx(slow, nan_ok=True)


def test_general_bootstrap_sees_the_same_resamples_as_the_fast_one():
    truth, score, called = cases()
    slow = patient_bootstrap(lambda rows: float(np.mean(truth[rows] == called[rows])), truth, n_bootstraps=200, seed=4)
    fast = replicate_figures(truth, score, called, draw_counts(truth, 200, 4))["accuracy"]
    assert (slow.low, slow.high) == pytest.approx(tuple(np.quantile(fast, [0.025, 0.975])))


def test_copies_of_scans_do_not_shorten_the_interval():
    # Ten identical scans a person are no more evidence than one.
    rng = np.random.default_rng(2)
    values = rng.normal(size=15)
    single = patient_bootstrap(lambda rows: float(values[rows].mean()), np.zeros(15), n_bootstraps=300)
    many = np.repeat(values, 10)
    people = patient_bootstrap(lambda rows: float(many[rows].mean()), np.zeros(150), groups=np.repeat(np.arange(15), 10), n_bootstraps=300)
    scans = patient_bootstrap(lambda rows: float(many[rows].mean()), np.zeros(150), n_bootstraps=300)
    assert (people.low, people.high) == pytest.approx((single.low, single.high))
    assert scans.high - scans.low < 0.5 * (people.high - people.low)


def test_percentile_interval_by_hand():
    interval = percentile_interval(0.5, np.linspace(0, 1, 101), confidence=0.9)
    assert (interval.low, interval.high) == pytest.approx((0.05, 0.95))


def test_few_undefined_resamples_are_left_out_many_leave_no_bounds():
    values = np.linspace(0, 1, 100)
    few, many = values.copy(), values.copy()
    few[:5], many[:20] = math.nan, math.nan
    assert not math.isnan(percentile_interval(0.5, few).low)
    assert math.isnan(percentile_interval(0.5, many).low)


def test_bca_without_bias_or_skewness_is_the_percentile_interval():
    replicates = np.linspace(-1, 1, 1001)
    bca = bca_interval(0.0, replicates, [-0.1, 0.0, 0.1], np.zeros(3))
    plain = percentile_interval(0.0, replicates)
    assert (bca.low, bca.high) == pytest.approx((plain.low, plain.high), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_bca_agrees_with_scipy_on_the_same_resamples(seed):
    from scipy.stats import bootstrap

    values = np.random.default_rng(seed).exponential(size=40)
    theirs = bootstrap((values,), np.mean, n_resamples=2000, method="BCa", rng=1)
    left_out = [np.delete(values, index).mean() for index in range(40)]
    ours = bca_interval(float(values.mean()), theirs.bootstrap_distribution, left_out, np.zeros(40))
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), rel=1e-6)


def test_bca_of_a_skewed_mean_reaches_further_up():
    values = np.random.default_rng(0).exponential(size=40)
    bca = patient_bootstrap(lambda rows: float(values[rows].mean()), np.zeros(40), n_bootstraps=1000, kind="bca")
    assert bca.high - bca.estimate > bca.estimate - bca.low


def test_coverage_is_nearly_nominal():
    # Sensitivity 0.75, specificity 0.8 in 40 + 40 patients, area of two normals 1.2 apart.
    rng = np.random.default_rng(7)
    truth = np.arange(80) < 40
    area = 0.8019
    covered = {"accuracy": 0, "auc": 0}
    trials = 300
    for trial in range(trials):
        score = rng.normal(size=80) + 1.2 * truth
        called = score > 0.6
        replicates = replicate_figures(truth, score, called, draw_counts(truth, 400, trial))
        estimate = binary_figures(truth, score, called)
        for name, target in (("accuracy", 0.7257), ("auc", area)):
            interval = percentile_interval(estimate[name], replicates[name])
            covered[name] += interval.low <= target <= interval.high
    # 300 trials: 0.95 has a standard error of 0.013; the percentile interval is known to be a little short.
    assert 0.90 <= covered["accuracy"] / trials <= 0.98
    assert 0.90 <= covered["auc"] / trials <= 0.98

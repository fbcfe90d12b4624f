import numpy as np
import pytest
from scipy import stats

from dawson.statistics.two_way import two_way_interval


def test_of_fixed_networks_it_is_students_interval() -> None:
    values = np.random.default_rng(0).normal(1, 2, 12)
    interval = two_way_interval(values, confidence=0.9)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_of_many_patients_it_is_students_interval_of_the_networks() -> None:
    effects = np.random.default_rng(1).normal(0, 1, 5)
    without = np.stack([np.full(4, np.delete(effects, m).mean()) for m in range(5)])
    interval = two_way_interval(np.full(4, effects.mean()), without)
    expected = stats.ttest_1samp(effects, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_it_holds_the_truth_as_often_as_it_says_where_patients_and_networks_both_vary() -> None:
    rng = np.random.default_rng(2)
    held = []
    for _ in range(600):
        cells = rng.normal(0, 1, (5, 1)) + rng.normal(0, 2, (1, 20)) + rng.normal(0, 1, (5, 20))
        interval = two_way_interval(cells.mean(0), np.stack([np.delete(cells, m, axis=0).mean(0) for m in range(5)]))
        held.append(interval.low <= 0 <= interval.high)
    assert 0.93 <= np.mean(held) <= 0.99


def test_one_patient_has_no_interval() -> None:
    assert np.isnan(two_way_interval([0.3]).low)

import math

import numpy as np
import pytest
from scipy import stats

from dawson.statistics.repeats import nadeau_bengio_interval, nadeau_bengio_test, naive_interval


def values_with(mean, sd, n):
    """n values with exactly this mean and standard deviation."""
    raw = np.random.default_rng(0).normal(size=n)
    return mean + sd * (raw - raw.mean()) / raw.std(ddof=1)


def sd_behind(half_width, repeats):
    """The standard deviation over repeats behind a printed naive interval."""
    return half_width * math.sqrt(repeats) / stats.t.ppf(0.975, repeats - 1)


def test_naive_interval_by_hand():
    # 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.302653.
    interval = naive_interval([1.0, 2.0, 3.0])
    assert (interval.low, interval.high) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))


def test_naive_interval_agrees_with_scipy():
    values = np.random.default_rng(1).normal(size=12)
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    ours = naive_interval(values, 0.9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_published_interval_is_given_back_and_corrected():
    # Seok 2023 prints accuracy 76.1 (74.8-77.4) over 100 repeats of 30 test and 126 other patients.
    values = values_with(76.1, sd_behind(1.3, 100), 100)
    naive = naive_interval(values)
    assert (round(naive.low, 1), round(naive.high, 1)) == (74.8, 77.4)
    corrected = nadeau_bengio_interval(values, n_train=126, n_test=30)
    # By hand: half width 1.3 sqrt(1 + 100 * 30 / 126) = 6.475.
    assert (corrected.low, corrected.high) == pytest.approx((76.1 - 6.475, 76.1 + 6.475), abs=0.001)


def test_corrected_published_interval_is_known_to_the_rounding_of_what_was_printed():
    # "74.8-77.4" stands for half widths from 1.25 to 1.35; "about 69.5-82.7" must lie between what these give.
    bounds = [nadeau_bengio_interval(values_with(76.1, sd_behind(half, 100), 100), 126, 30) for half in (1.25, 1.35)]
    assert bounds[1].low < 69.5 < bounds[0].low
    assert bounds[0].high < 82.7 < bounds[1].high


def test_correction_is_the_stated_factor():
    values = values_with(0.8, 0.1, 10)
    naive, corrected = naive_interval(values), nadeau_bengio_interval(values, 80, 20)
    ratio = (corrected.high - corrected.low) / (naive.high - naive.low)
    assert ratio == pytest.approx(math.sqrt((1 / 10 + 20 / 80) / (1 / 10)))


def test_more_repeats_do_not_make_the_corrected_interval_vanish():
    wide = nadeau_bengio_interval(values_with(0.8, 0.1, 10), 126, 30)
    long = nadeau_bengio_interval(values_with(0.8, 0.1, 10000), 126, 30)
    assert long.high - long.low > 0.6 * (wide.high - wide.low)


def test_one_repeat_has_an_estimate_and_no_bounds():
    interval = naive_interval([0.7])
    assert interval.estimate == 0.7
    assert math.isnan(interval.low)
    assert math.isnan(nadeau_bengio_interval([], 10, 5).estimate)


def test_undefined_repeats_are_left_out_and_counted():
    interval = naive_interval([0.5, math.nan, 0.7])
    assert interval.estimate == pytest.approx(0.6)
    assert "1 of 3 repeats undefined" in interval.method


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match="participants"):
        nadeau_bengio_interval([0.1, 0.2], 0, 30)


def test_corrected_test_by_hand():
    # Differences 1, 2, 3: mean 2, sd 1, SE sqrt(1/3 + 1/4).
    result = nadeau_bengio_test([2.0, 4.0, 6.0], [1.0, 2.0, 3.0], n_train=80, n_test=20)
    t = 2 / math.sqrt(1 / 3 + 1 / 4)
    assert result.statistic == pytest.approx(t)
    assert result.p_value == pytest.approx(2 * stats.t.sf(t, 2))
    assert result.low == pytest.approx(2 - stats.t.ppf(0.975, 2) * 2 / t)


def test_the_same_model_twice_differs_by_nothing():
    result = nadeau_bengio_test([0.7, 0.8], [0.7, 0.8], 80, 20)
    assert (result.difference, result.p_value) == (0.0, 1.0)


def test_models_on_other_splits_cannot_be_compared():
    with pytest.raises(ValueError, match="the splits must be the same"):
        nadeau_bengio_test([0.7, 0.8], [0.7], 80, 20)

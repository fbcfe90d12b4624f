import math

import numpy as np
import pytest
from scipy.stats import binomtest

from dawson.statistics.proportions import exact_binomial, holm, wilson


@pytest.mark.parametrize("trials", [1, 7, 34])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_both_intervals_agree_with_scipy(trials, confidence):
    for successes in range(trials + 1):
        for ours, method in ((exact_binomial, "exact"), (wilson, "wilson")):
            interval = ours(successes, trials, confidence)
            theirs = binomtest(successes, trials).proportion_ci(confidence, method)
            assert (interval.low, interval.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
            assert interval.estimate == successes / trials


def test_lower_bound_of_all_right_by_hand():
    # All n right: low solves p^n = alpha / 2.
    assert exact_binomial(34, 34).low == pytest.approx(0.025 ** (1 / 34))


def test_no_trials_no_proportion():
    assert math.isnan(exact_binomial(0, 0).estimate)
    assert math.isnan(wilson(0, 0).low)


@pytest.mark.parametrize("function", [exact_binomial, wilson])
def test_impossible_counts_are_refused(function):
    with pytest.raises(ValueError, match="no proportion"):
        function(5, 4)
    with pytest.raises(ValueError, match="confidence"):
        function(1, 4, 95)


@pytest.mark.parametrize("seed", range(4))
def test_holm_agrees_with_statsmodels(seed):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = np.random.default_rng(seed).random(9) ** 3
    np.testing.assert_allclose(holm(p_values), multitest.multipletests(p_values, method="holm")[1])


def test_holm_by_hand_keeps_order_and_missing_values():
    # Sorted 0.01, 0.02, 0.6 -> times 3, 2, 1 -> 0.03, 0.04, 0.6.
    np.testing.assert_allclose(holm([0.6, 0.01, math.nan, 0.02]), [0.6, 0.03, math.nan, 0.04])


def test_holm_refuses_what_is_no_p_value():
    with pytest.raises(ValueError, match="p values"):
        holm([0.1, 1.2])

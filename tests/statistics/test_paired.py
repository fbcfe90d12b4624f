import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as theirs_mcnemar

from dawson.statistics.bootstrap import draw_counts, patient_bootstrap
from dawson.statistics.delong import delong_paired_test
from dawson.statistics.exchange import auc_exchange_test, sign_flip_test
from dawson.statistics.figures import auc, macro_figures
from dawson.statistics.paired import headline_test, mcnemar, naive_t, paired_bootstrap


def table(both, first, second, neither):
    """Correctness of two models with given counts of agreement."""
    one = np.repeat([True, True, False, False], [both, first, second, neither])
    two = np.repeat([True, False, True, False], [both, first, second, neither])
    return one, two


def scores(seed=0, n=40):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) < n // 3
    shared = rng.normal(size=n) + truth
    return truth, np.round(shared + rng.normal(size=n), 1), np.round(shared + rng.normal(size=n), 1)


@pytest.mark.parametrize("counts", [(50, 12, 3, 15), (10, 0, 5, 10), (20, 6, 6, 8), (3, 1, 0, 0), (5, 0, 0, 5)])
def test_mcnemar_agrees_with_statsmodels(counts):
    both, first, second, neither = counts
    ours = mcnemar(*table(*counts))
    theirs = theirs_mcnemar([[both, first], [second, neither]], exact=True)
    assert ours.p_value == pytest.approx(min(1.0, theirs.pvalue))
    assert ours.statistic == theirs.statistic


def test_mcnemar_by_hand():
    # 5 against 1: 2 (1 + 6) / 64; mid-p takes off the 6 / 64 of the observed table.
    exact, middle = mcnemar(*table(10, 5, 1, 4)), mcnemar(*table(10, 5, 1, 4), mid_p=True)
    assert exact.p_value == pytest.approx(14 / 64)
    assert middle.p_value == pytest.approx(8 / 64)
    assert exact.difference == pytest.approx(4 / 20)


def test_mcnemar_interval_by_hand():
    # Bonett and Price with 12 and 2 of 40: 13/42 - 3/42 -+ 1.96 sqrt((16/42 - (10/42)^2) / 42).
    interval = mcnemar(*table(16, 12, 2, 10))
    half = stats.norm.ppf(0.975) * math.sqrt((16 / 42 - (10 / 42) ** 2) / 42)
    assert (interval.low, interval.high) == pytest.approx((10 / 42 - half, 10 / 42 + half))


def test_swapped_models_swap_the_sign():
    truth, first, second = scores()
    one, two = table(16, 12, 2, 10)
    pairs = [
        (mcnemar(one, two), mcnemar(two, one)),
        (sign_flip_test(first, second), sign_flip_test(second, first)),
        (auc_exchange_test(truth, first, second), auc_exchange_test(truth, second, first)),
        (naive_t(first, second), naive_t(second, first)),
    ]
    for forth, back in pairs:
        assert (forth.difference, forth.low, forth.high, forth.p_value) == pytest.approx(
            (-back.difference, -back.high, -back.low, back.p_value)
        )


def test_a_model_against_itself_differs_by_nothing():
    truth, first, _ = scores()
    counts = draw_counts(truth, 50, 0)
    same = [
        mcnemar(truth, truth),
        sign_flip_test(first, first),
        auc_exchange_test(truth, first, np.exp(first)),
        naive_t(first, first),
        paired_bootstrap(truth, first, first, "auc", counts),
    ]
    assert [(comparison.difference, comparison.p_value) for comparison in same] == [(0.0, 1.0)] * len(same)


@pytest.mark.parametrize("figure", ["auc", "accuracy"])
def test_bootstrap_is_the_written_out_one(figure):
    truth, first, second = scores(1)
    one, two = stats.norm.cdf(first), stats.norm.cdf(second)
    ours = paired_bootstrap(truth, one, two, figure, draw_counts(truth, 200, 5))

    def difference(rows):
        if figure == "auc":
            return auc(truth[rows], one[rows]) - auc(truth[rows], two[rows])
        return float(np.mean((one[rows] >= 0.5) == truth[rows]) - np.mean((two[rows] >= 0.5) == truth[rows]))

    theirs = patient_bootstrap(difference, truth, n_bootstraps=200, seed=5)
    assert (ours.difference, ours.low, ours.high) == pytest.approx((theirs.estimate, theirs.low, theirs.high))


@pytest.mark.parametrize("figure", ["auc", "accuracy"])
def test_bootstrap_of_several_classes(figure):
    rng = np.random.default_rng(2)
    truth = np.arange(45) % 3
    one, two = (rng.dirichlet(np.ones(3), size=45) + s * np.eye(3)[truth] for s in (0.6, 0.1))
    one, two = one / one.sum(1, keepdims=True), two / two.sum(1, keepdims=True)
    ours = paired_bootstrap(truth, one, two, figure, draw_counts(truth, 300, 0))

    def value(chance, rows):
        return macro_figures(truth[rows], chance[rows], chance[rows].argmax(1))[figure]

    theirs = patient_bootstrap(lambda rows: value(one, rows) - value(two, rows), truth, n_bootstraps=300, seed=0)
    assert (ours.difference, ours.low, ours.high) == pytest.approx((theirs.estimate, theirs.low, theirs.high))
    assert ours.low > 0
    assert ours.p_value < 0.05


def test_bootstrap_p_value_and_interval_say_the_same():
    for seed in range(20):
        truth, first, second = scores(seed)
        result = paired_bootstrap(truth, first, second + 0.6 * truth, "auc", draw_counts(truth, 999, seed))
        assert (result.p_value < 0.05) == (result.low > 0 or result.high < 0), seed


def test_bootstrap_of_a_mean_is_that_of_the_differences():
    _, first, second = scores(3)
    strata = np.zeros(first.size)
    ours = paired_bootstrap(strata, first, second, "mean", draw_counts(strata, 200, 1))
    theirs = patient_bootstrap(lambda rows: float((first - second)[rows].mean()), strata, n_bootstraps=200, seed=1)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_sign_flip_is_scipys_permutation_test():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=10) + 0.4, rng.normal(size=10)
    exact = stats.permutation_test((first, second), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf)
    ours = sign_flip_test(first, second, n_flips=200000, mid_p=False)
    # 200000 flips: a p value of one half has a standard error of 0.0011.
    assert ours.p_value == pytest.approx(exact.pvalue, abs=0.004)


@pytest.mark.parametrize("mid_p", [True, False])
def test_sign_flip_of_right_and_wrong_is_mcnemar(mid_p):
    one, two = table(16, 9, 3, 10)
    flips = sign_flip_test(one, two, n_flips=200000, mid_p=mid_p)
    assert flips.p_value == pytest.approx(mcnemar(one, two, mid_p=mid_p).p_value, abs=0.004)


def test_exchange_of_ranks_is_the_written_out_one():
    truth, first, second = scores(4, n=12)
    one, two = stats.rankdata(first), stats.rankdata(second)
    observed, rng, beyond, same = auc(truth, one) - auc(truth, two), np.random.default_rng(1), 0, 0
    for _ in range(4000):
        swap = rng.random(12) < 0.5
        value = auc(truth, np.where(swap, two, one)) - auc(truth, np.where(swap, one, two))
        beyond += abs(value) > abs(observed) + 1e-12
        same += abs(abs(value) - abs(observed)) <= 1e-12
    ours = auc_exchange_test(truth, first, second, n_flips=100000)
    assert ours.difference == pytest.approx(observed)
    # 4000 exchanges: a p value has a standard error of 0.008 or less.
    assert ours.p_value == pytest.approx((beyond + same / 2) / 4000, abs=0.03)


def test_exchange_of_ranks_is_near_delong_with_many_patients():
    truth, first, second = scores(5, n=400)
    first = first + 0.25 * truth
    ours, theirs = auc_exchange_test(truth, first, second), delong_paired_test(truth, first, second)
    assert ours.difference == pytest.approx(theirs.difference)
    assert ours.p_value == pytest.approx(theirs.p_value, abs=0.03)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_naive_t_agrees_with_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=20), rng.normal(size=20)
    ours, theirs = naive_t(first, second), stats.ttest_rel(first, second)
    bounds = theirs.confidence_interval(0.95)
    assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (ours.low, ours.high) == pytest.approx((bounds.low, bounds.high))


def test_undefined_repeats_are_left_out():
    assert naive_t([1.0, math.nan, 3.0, 5.0], [1.0, 2.0, 1.0, 2.0]) == naive_t([1.0, 3.0, 5.0], [1.0, 1.0, 2.0])


def test_the_same_seed_gives_the_same_p_value():
    truth, first, second = scores(6)
    assert sign_flip_test(first, second, seed=3) == sign_flip_test(first, second, seed=3)
    assert auc_exchange_test(truth, first, second, seed=3) == auc_exchange_test(truth, first, second, seed=3)


@pytest.mark.parametrize("test", [mcnemar, sign_flip_test, naive_t])
def test_models_of_other_patients_cannot_be_compared(test):
    with pytest.raises(ValueError, match="one of each model"):
        test([True, False], [True])


def test_an_unknown_figure_is_named():
    with pytest.raises(ValueError, match="kappa is none of accuracy"):
        paired_bootstrap([True, False], [0.5, 0.1], [0.1, 0.5], "kappa", np.ones((3, 2)))


def test_the_headline_test_is_the_one_that_keeps_its_level():
    truth, first, second = scores(7)
    # Away from one half, where two classes are called positive and the first of several columns is.
    one, two = stats.norm.cdf(first + 0.03), stats.norm.cdf(second + 0.03)
    assert headline_test(truth, one, two, "auc") == delong_paired_test(truth, one, two)
    assert headline_test(truth, one, two, "mean") == sign_flip_test(one, two)
    accuracy = mcnemar((one >= 0.5) == truth, (two >= 0.5) == truth, mid_p=True)
    assert headline_test(truth, one, two, "accuracy") == accuracy
    columns = [np.stack([1 - chance, chance], axis=1) for chance in (one, two)]
    assert headline_test(truth.astype(int), *columns, "accuracy") == accuracy


def test_there_is_no_headline_test_of_a_macro_area():
    with pytest.raises(ValueError, match="no headline test of auc"):
        headline_test([0, 1], np.eye(2), np.eye(2), "auc")

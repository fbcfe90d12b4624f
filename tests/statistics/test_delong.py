import math

import numpy as np
import pytest
from scipy.stats import norm

from dawson.statistics.delong import (
    delong_covariance,
    delong_interval,
    delong_paired_test,
    delong_unpaired_test,
    structural_components,
)

# Hanley and McNeil 1982, table 1: ratings 1 to 5 of 58 normal and 51 abnormal CT images.
NORMAL, ABNORMAL = (33, 6, 6, 11, 2), (3, 2, 2, 11, 33)


def ct_ratings():
    ratings = np.concatenate([np.repeat(np.arange(1, 6), NORMAL), np.repeat(np.arange(1, 6), ABNORMAL)])
    return np.repeat([False, True], [58, 51]), ratings.astype(float)


def pairwise(truth, scores):
    """Areas and covariance straight from the 1988 definition, all pairs one by one."""
    positives, negatives = np.flatnonzero(truth), np.flatnonzero(~truth)
    v10 = np.zeros((len(scores), positives.size))
    v01 = np.zeros((len(scores), negatives.size))
    for k, score in enumerate(scores):
        for i, positive in enumerate(positives):
            for j, negative in enumerate(negatives):
                difference = score[positive] - score[negative]
                psi = 1.0 if difference > 0 else 0.5 if difference == 0 else 0.0
                v10[k, i] += psi / negatives.size
                v01[k, j] += psi / positives.size
    areas = v10.mean(1)
    covariance = np.zeros((len(scores), len(scores)))
    for r in range(len(scores)):
        for s in range(len(scores)):
            s10 = sum((v10[r] - areas[r]) * (v10[s] - areas[s])) / (positives.size - 1)
            s01 = sum((v01[r] - areas[r]) * (v01[s] - areas[s])) / (negatives.size - 1)
            covariance[r, s] = s10 / positives.size + s01 / negatives.size
    return areas, covariance


def random_pair(seed, n=40):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) < n // 3
    shared = rng.normal(size=n) + truth
    return truth, np.round(shared + rng.normal(size=n), 1), np.round(shared + rng.normal(size=n), 1)


def test_published_example():
    # Area 0.893: Hanley and McNeil 1982. DeLong standard error 0.0307: counted from the table in the next test.
    truth, ratings = ct_ratings()
    areas, covariance = delong_covariance(truth, ratings)
    assert areas[0] == pytest.approx(0.893, abs=0.0005)
    assert math.sqrt(covariance[0, 0]) == pytest.approx(0.0307, abs=0.00005)


def test_published_example_counted_from_the_table():
    # Over pairs of rating categories, weighted by how many images have them: no shared code with the module.
    normal, abnormal = np.array(NORMAL, float), np.array(ABNORMAL, float)
    psi = 0.5 * (1 + np.sign(np.arange(5)[:, None] - np.arange(5)[None, :]))
    v10, v01 = psi @ normal / 58, abnormal @ psi / 51
    area = abnormal @ v10 / 51
    variance = abnormal @ (v10 - area) ** 2 / 50 / 51 + normal @ (v01 - area) ** 2 / 57 / 58
    areas, covariance = delong_covariance(*ct_ratings())
    assert areas[0] == pytest.approx(area)
    assert covariance[0, 0] == pytest.approx(variance)


@pytest.mark.parametrize("seed", range(4))
def test_midranks_agree_with_all_pairs(seed):
    truth, first, second = random_pair(seed)
    areas, covariance = delong_covariance(truth, [first, second])
    expected_areas, expected_covariance = pairwise(truth, [first, second])
    np.testing.assert_allclose(areas, expected_areas)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-15)


def test_components_average_to_the_area():
    truth, score, _ = random_pair(0)
    area, v10, v01 = structural_components(truth, score)
    assert v10.mean() == pytest.approx(area)
    assert v01.mean() == pytest.approx(area)


def test_plain_and_logit_interval_from_the_variance():
    truth, ratings = ct_ratings()
    areas, covariance = delong_covariance(truth, ratings)
    area, error, z = areas[0], math.sqrt(covariance[0, 0]), norm.ppf(0.975)
    plain = delong_interval(truth, ratings, scale="plain")
    assert (plain.low, plain.high) == pytest.approx((area - z * error, area + z * error))
    logit = delong_interval(truth, ratings)
    low = math.log(area / (1 - area)) - z * error / (area * (1 - area))
    assert logit.low == pytest.approx(1 / (1 + math.exp(-low)))
    assert logit.low < plain.low
    assert logit.high < plain.high


def test_interval_stays_inside_for_a_nearly_perfect_score():
    truth = np.repeat([False, True], 12)
    score = np.arange(24.0)
    score[11], score[12] = score[12], score[11]
    interval = delong_interval(truth, score)
    assert 0 < interval.low < interval.estimate < interval.high < 1


@pytest.mark.parametrize(("sign", "area"), [(1, 1.0), (-1, 0.0)])
def test_perfect_separation_has_exact_bounds_not_certainty(sign, area):
    # 12 disjoint pairs, all right: p^12 = 0.025.
    interval = delong_interval(np.repeat([False, True], [20, 12]), sign * np.arange(32.0))
    bound = 0.025 ** (1 / 12)
    assert interval.estimate == area
    assert (interval.low, interval.high) == pytest.approx((bound, 1.0) if area else (0.0, 1 - bound))
    assert "12 disjoint pairs" in interval.method


def test_constant_scores_do_not_prove_an_area_of_one_half():
    interval = delong_interval(np.repeat([False, True], 10), np.ones(20))
    assert interval.estimate == 0.5
    assert interval.low < 0.25 < 0.75 < interval.high


def test_one_positive_case_has_an_area_but_no_variance():
    interval = delong_interval([True, False, False], [0.5, 0.4, 0.6])
    assert interval.estimate == 0.5
    assert math.isnan(interval.low)


def test_an_absent_class_is_an_error():
    with pytest.raises(ValueError, match="both classes"):
        delong_interval([True, True], [0.1, 0.2])


@pytest.mark.parametrize("seed", range(3))
def test_paired_test_agrees_with_all_pairs(seed):
    truth, first, second = random_pair(seed)
    areas, covariance = pairwise(truth, [first, second])
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    result = delong_paired_test(truth, first, second)
    assert result.difference == pytest.approx(areas[0] - areas[1])
    assert result.statistic == pytest.approx((areas[0] - areas[1]) / error)
    assert result.p_value == pytest.approx(2 * norm.sf(abs(areas[0] - areas[1]) / error))
    assert (result.high - result.low) / 2 == pytest.approx(norm.ppf(0.975) * error)


def test_paired_test_is_shorter_than_unpaired_for_scores_that_go_together():
    truth, first, second = random_pair(1, n=90)
    paired = delong_paired_test(truth, first, second)
    unpaired = delong_unpaired_test(truth, first, truth, second)
    assert paired.high - paired.low < unpaired.high - unpaired.low
    assert paired.difference == pytest.approx(unpaired.difference)


def test_unpaired_variances_add():
    one, two = random_pair(2), random_pair(3, n=55)
    error = math.sqrt(pairwise(one[0], [one[1]])[1][0, 0] + pairwise(two[0], [two[1]])[1][0, 0])
    result = delong_unpaired_test(one[0], one[1], two[0], two[1])
    assert result.statistic == pytest.approx(result.difference / error)


def test_a_score_against_itself_differs_by_nothing():
    truth, score, _ = random_pair(0)
    result = delong_paired_test(truth, score, 2 * score + 1)
    assert (result.difference, result.p_value) == (0.0, 1.0)


def test_perfect_against_reversed_has_no_variance_to_test_with():
    truth, score = np.repeat([False, True], 5), np.arange(10.0)
    result = delong_paired_test(truth, score, -score)
    assert result.difference == 1.0
    assert math.isnan(result.p_value)


def test_paired_test_keeps_its_level_under_the_null():
    rng = np.random.default_rng(5)
    truth = np.arange(60) < 30
    rejected = 0
    for _ in range(400):
        shared = rng.normal(size=60) + 1.2 * truth
        first, second = shared + rng.normal(size=60), shared + rng.normal(size=60)
        rejected += delong_paired_test(truth, first, second).p_value < 0.05
    # 400 trials: 0.05 has a standard error of 0.011.
    assert 0.02 <= rejected / 400 <= 0.085

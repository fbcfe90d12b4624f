from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from dawson.statistics.map_tests import mass_inside, others_mean, permutation_p, points_inside, standard_ranks


def test_products_of_ranks_are_spearmans_correlations() -> None:
    maps = np.random.default_rng(0).integers(0, 9, (3, 50)).astype(float)  # with ties
    np.testing.assert_allclose(standard_ranks(maps) @ standard_ranks(maps).T, stats.spearmanr(maps.T).statistic, atol=1e-12)


def test_an_empty_map_resembles_nothing() -> None:
    ranks = standard_ranks([[0.0, 0, 0], [1, 2, 3]])
    assert not (ranks @ ranks.T)[0].any()


def test_mass_and_points_by_hand() -> None:
    maps, regions = [[1.0, 1, 2, 0], [0, 0, 0, 0]], [[0, 0, 1, 1], [1, 1, 0, 0]]
    np.testing.assert_allclose(mass_inside(maps, regions), [[0.5, 0.5], [0, 0]])
    np.testing.assert_array_equal(points_inside(maps, regions), [[1, 0], [0, 0]])


def test_a_share_of_a_unit_takes_its_share_of_the_mass() -> None:
    np.testing.assert_allclose(mass_inside([[3.0, 1.0]], [[0.5, 0.0]]), [[0.375]])


def test_of_equal_peaks_one_inside_is_enough() -> None:
    assert points_inside([[2.0, 2.0, 1.0]], [[0, 1, 0]])[0, 0] == 1


def test_p_is_that_of_all_permutations() -> None:
    fit = np.random.default_rng(3).random((5, 5)) + 0.25 * np.eye(5)
    own = np.trace(fit) / 5
    exact = np.mean([fit[np.arange(5), list(order)].mean() >= own - 1e-12 for order in permutations(range(5))])
    assert permutation_p(fit, 20000, 0) == pytest.approx(exact, abs=0.015)


def test_p_is_uniform_where_a_map_knows_nothing_of_its_patient() -> None:
    rng = np.random.default_rng(4)
    # Some patients have many lesions and some maps are wide: neither is knowledge of the patient.
    values = [permutation_p(rng.random((8, 8)) + 3 * rng.random((1, 8)) + rng.random((8, 1)), 199, rng) for _ in range(300)]
    assert stats.binomtest(int(np.sum(np.array(values) <= 0.1)), 300, 0.1).pvalue > 0.01


def test_others_leave_out_the_own() -> None:
    np.testing.assert_allclose(others_mean([[9.0, 1, 3], [1, 9, 1], [0, 4, 9]]), [2, 1, 2])

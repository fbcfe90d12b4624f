from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dawson.cohort.comparison import compare_counts, compare_numbers


def normal(mean: float, size: int, seed: int) -> np.ndarray:
    # quantiles of the normal distribution pass any test of normality
    return np.random.default_rng(seed).permutation(stats.norm.ppf((np.arange(size) + 0.5) / size)) + mean


def test_two_normal_classes():
    first, second = normal(0, 20, 0), normal(0.5, 30, 1) * 2
    result = compare_numbers([first, second])
    assert result.name == "Welch's t test"
    # by hand: difference of means over the root of the summed squared errors
    t = (first.mean() - second.mean()) / np.sqrt(first.var(ddof=1) / 20 + second.var(ddof=1) / 30)
    assert result.p == pytest.approx(stats.ttest_ind(first, second, equal_var=False).pvalue)
    assert stats.ttest_ind(first, second, equal_var=False).statistic == pytest.approx(t)


def test_skewed_classes():
    skewed = np.exp(2 * normal(0, 30, 0))
    result = compare_numbers([skewed, skewed[:20] + 1])
    assert result.name == "Mann-Whitney U"
    assert "Shapiro" in result.reason


def test_few_values_are_not_called_normal():
    assert compare_numbers([normal(0, 5, 0), normal(1, 40, 1)]).name == "Mann-Whitney U"


def test_three_classes():
    groups = [normal(mean, 15, seed) for seed, mean in enumerate((0, 1, 2))]
    assert compare_numbers(groups).name == "one-way ANOVA"
    assert compare_numbers([*groups[:2], np.exp(3 * groups[2])]).name == "Kruskal-Wallis"


@pytest.mark.parametrize("groups", [[[1.0], [1.0, 2.0]], [[3.0, 3.0], [3.0, 3.0]], [[1.0, 2.0]], [[], [1.0, 2.0]]])
def test_numbers_that_cannot_be_compared(groups):
    result = compare_numbers([np.array(group) for group in groups])
    assert result.name == "not tested"
    assert np.isnan(result.p)


def test_chi_square_by_hand():
    # 20/30 against 30/20: sum of (25 - 20)^2 / 25 over four cells = 4
    result = compare_counts(np.array([[20, 30], [30, 20]]))
    assert result.name == "chi-square"
    assert result.p == pytest.approx(stats.chi2.sf(4.0, 1))


def test_fisher_by_hand():
    # tea tasting: the two-sided p of 3 and 1 against 1 and 3 is 34 / 70
    result = compare_counts(np.array([[3, 1], [1, 3]]))
    assert result.name == "Fisher's exact"
    assert result.p == pytest.approx(34 / 70)


def test_expected_count_of_five_is_enough():
    assert compare_counts(np.array([[5, 5], [5, 5]])).name == "chi-square"
    assert compare_counts(np.array([[5, 5], [4, 5]])).name == "Fisher's exact"


def test_freeman_halton_agrees_with_enumeration():
    # all tables with these margins, by enumeration
    table = np.array([[4, 0], [1, 3], [0, 2]])
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    margins = stats.random_table(rows, columns)
    every = [
        np.array([[a, rows[0] - a], [b, rows[1] - b], [columns[0] - a - b, rows[2] - columns[0] + a + b]])
        for a in range(rows[0] + 1) for b in range(rows[1] + 1) if 0 <= columns[0] - a - b <= rows[2]
    ]  # fmt: skip
    chances = np.array([margins.pmf(one) for one in every])
    exact = chances[chances <= margins.pmf(table) * (1 + 1e-9)].sum()
    result = compare_counts(table)
    assert chances.sum() == pytest.approx(1)
    assert result.name == "Fisher's exact (drawn tables)"
    assert result.p == pytest.approx(exact, abs=0.01)
    assert result == compare_counts(table)


@pytest.mark.parametrize("table", [[[3, 0], [4, 0]], [[3, 4]], [[3, 4], [0, 0]], [[3], [4]]])
def test_counts_that_cannot_be_compared(table):
    assert compare_counts(np.array(table)).name == "not tested"

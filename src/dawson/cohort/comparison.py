"""The tests of a Table 1, chosen by the data: which test, its p value, and why that one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

# Below this many values in a class, a test of normality can hardly fail, so it is not trusted.
SMALLEST_FOR_NORMALITY = 8
NORMALITY_LEVEL = 0.05
SMALLEST_EXPECTED = 5.0
_TABLES = 20_000


@dataclass(frozen=True)
class Comparison:
    """One statistical test.

    Parameters
    ----------
    name : str
        Such as "Welch's t test"; "not tested" where it cannot be done.
    p : float
        NaN where not tested.
    reason : str
        Why this test and not its alternative.
    """

    name: str
    p: float
    reason: str


def is_normal(groups: Sequence[npt.NDArray[np.float64]]) -> bool:
    """Whether every group has at least 8 values and passes Shapiro-Wilk at 0.05."""
    return all(
        len(group) >= SMALLEST_FOR_NORMALITY and np.ptp(group) > 0 and stats.shapiro(group).pvalue >= NORMALITY_LEVEL for group in groups
    )


def compare_numbers(groups: Sequence[npt.NDArray[np.float64]]) -> Comparison:
    """Compare a quantity between two or more classes.

    Where every class is near normal (see `is_normal`): Welch's t test for two classes, one-way analysis of variance
    for more. Otherwise: Mann-Whitney U for two, Kruskal-Wallis for more.

    Parameters
    ----------
    groups : sequence of ndarray, each of shape (n_class,)
        Values without missing ones.

    Returns
    -------
    Comparison
    """
    if len(groups) < 2 or min(len(group) for group in groups) < 2:
        return Comparison("not tested", np.nan, "a class has fewer than two values")
    if np.ptp(np.concatenate(groups)) == 0:
        return Comparison("not tested", np.nan, "all values are the same")
    if is_normal(groups):
        reason = "near normal in every class (Shapiro-Wilk)"
        if len(groups) == 2:
            return Comparison("Welch's t test", float(stats.ttest_ind(*groups, equal_var=False).pvalue), reason)
        return Comparison("one-way ANOVA", float(stats.f_oneway(*groups).pvalue), reason)
    small = min(len(group) for group in groups) < SMALLEST_FOR_NORMALITY
    reason = f"a class has fewer than {SMALLEST_FOR_NORMALITY} values" if small else "not normal in a class (Shapiro-Wilk)"
    if len(groups) == 2:
        return Comparison("Mann-Whitney U", float(stats.mannwhitneyu(*groups, alternative="two-sided").pvalue), reason)
    return Comparison("Kruskal-Wallis", float(stats.kruskal(*groups).pvalue), reason)


def compare_counts(table: npt.NDArray[np.int64]) -> Comparison:
    """Compare a category between two or more classes.

    Chi-square (without continuity correction) where every expected count is 5 or more. Otherwise Fisher's exact test:
    exact for two by two; for larger tables the Freeman-Halton extension over 20,000 tables drawn with the same
    margins (fixed seed).

    Parameters
    ----------
    table : ndarray of int, shape (levels, classes)
        Counts.

    Returns
    -------
    Comparison
    """
    table = np.asarray(table, np.int64)
    if table.ndim != 2 or table.shape[1] < 2 or (table.sum(axis=0) == 0).any():
        return Comparison("not tested", np.nan, "a class has no value")
    table = table[table.sum(axis=1) > 0]
    if len(table) < 2:
        return Comparison("not tested", np.nan, "all values are the same")
    expected = stats.contingency.expected_freq(table).min()
    if expected >= SMALLEST_EXPECTED:
        p = float(stats.chi2_contingency(table, correction=False).pvalue)
        return Comparison("chi-square", p, f"the smallest expected count is {expected:.1f}")
    reason = f"the smallest expected count is {expected:.1f}, below {SMALLEST_EXPECTED:g}"
    if table.shape == (2, 2):
        return Comparison("Fisher's exact", float(stats.fisher_exact(table).pvalue), reason)
    return Comparison("Fisher's exact (drawn tables)", _freeman_halton(table), reason)


def _freeman_halton(table: npt.NDArray[np.int64]) -> float:
    """Share of tables with the same margins that are as improbable as this one (Freeman and Halton 1951), by
    drawing.
    """
    margins = stats.random_table(table.sum(axis=1), table.sum(axis=0))
    drawn = margins.logpmf(margins.rvs(size=_TABLES, random_state=np.random.default_rng(0)))
    as_rare = int((drawn <= margins.logpmf(table) + 1e-9).sum())
    return (as_rare + 1) / (_TABLES + 1)

"""Agreement beyond chance: published examples, scikit-learn, and what the figures must do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from dawson.statistics.agreement import agreement_interval, cohen_kappa, fleiss_kappa, kappa_of_table, krippendorff_alpha

N = np.nan
# Krippendorff 2011, section C: four observers, twelve units, missing ratings
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_krippendorffs_own_example(level: str, alpha: float) -> None:
    assert krippendorff_alpha(np.transpose(OBSERVERS), level) == pytest.approx(alpha, abs=5e-4)


def test_alpha_does_not_know_items_with_a_single_rating_or_the_order_of_raters() -> None:
    table = np.transpose(OBSERVERS)
    shorter = table[np.isfinite(table).sum(axis=1) > 1]
    assert len(shorter) < len(table)
    assert krippendorff_alpha(shorter[:, ::-1]) == pytest.approx(krippendorff_alpha(table))


def test_alpha_of_names_and_orders_does_not_know_the_numbers() -> None:
    table = np.transpose(OBSERVERS)
    assert krippendorff_alpha(table**3, "ordinal") == pytest.approx(krippendorff_alpha(table, "ordinal"))
    assert krippendorff_alpha((7 - table) % 5, "nominal") == pytest.approx(krippendorff_alpha(table, "nominal"))
    assert krippendorff_alpha(2 - 3 * table, "interval") == pytest.approx(krippendorff_alpha(table, "interval"))


def test_where_nothing_varies_or_nothing_is_shared_there_is_no_alpha() -> None:
    assert math.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    assert math.isnan(krippendorff_alpha([[1, N], [N, 2]]))


def test_fleiss_kappa_of_fleisss_kind_of_table() -> None:
    # ten items, fourteen raters, five categories: the worked table of the literature, kappa 0.210
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    assert fleiss_kappa(counts) == pytest.approx(0.210, abs=5e-4)


def test_fleiss_kappa_needs_equally_many_ratings() -> None:
    with pytest.raises(ValueError, match="Krippendorff"):
        fleiss_kappa([[2, 1], [1, 1]])
    assert math.isnan(fleiss_kappa([[3, 0], [3, 0]]))


def test_cohens_kappa_worked_by_hand() -> None:
    # both yes 20, only the first 5, only the second 10, both no 15: agreement 0.7, by chance 0.5
    assert kappa_of_table([[20, 5], [10, 15]]) == pytest.approx(0.4)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
@pytest.mark.parametrize("seed", range(3))
def test_cohens_kappa_is_scikit_learns(weights: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 5, 200)
    other = np.clip(one + rng.integers(-1, 2, 200), 0, 4)
    expected = cohen_kappa_score(one, other, weights=None if weights == "none" else weights)
    assert cohen_kappa(one, other, weights) == pytest.approx(expected)


def test_levels_that_do_not_occur_count_as_distance() -> None:
    one, other = [0, 0, 3, 3], [0, 3, 3, 0]
    assert cohen_kappa(one, other, "quadratic", [0, 1, 2, 3]) == pytest.approx(cohen_kappa(one, other))
    one, other = [0, 0, 1, 3], [0, 1, 1, 3]
    with_gap = cohen_kappa(one, other, "linear", [0, 1, 2, 3])
    assert with_gap == pytest.approx(1 - 0.25 / 1.25)
    assert cohen_kappa(one, other, "linear") == pytest.approx(1 - 0.25 / 0.875)


def test_ratings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="same items"):
        cohen_kappa([1, 2], [1])
    with pytest.raises(ValueError, match="none of the levels"):
        cohen_kappa([1, 2], [1, 7], levels=[1, 2])
    assert math.isnan(cohen_kappa([1, 1], [1, 1]))


def test_items_of_one_patient_make_no_narrower_interval_than_the_patient() -> None:
    """Every item copied ten times: the interval over patients stays, one over items would shrink."""
    table = np.asarray(np.random.default_rng(0).integers(0, 2, (30, 3)), dtype=float)
    table[:, 1] = np.where(np.arange(30) < 22, table[:, 0], table[:, 1])
    patients = np.arange(30)
    once = agreement_interval(krippendorff_alpha, table, patients, 300, seed=1)
    copied = agreement_interval(krippendorff_alpha, np.repeat(table, 10, axis=0), np.repeat(patients, 10), 300, seed=1)
    assert once.low < once.estimate < once.high
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.05)

"""Agreement on amounts: Shrout and Fleiss' table, Bland and Altman's limits by hand, patients drawn whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dawson.statistics.volume_agreement import bland_altman, icc_2_1, icc_interval

# Shrout and Fleiss 1979, table 2: six targets, four judges
TARGETS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_the_intraclass_correlation_of_shrout_and_fleiss() -> None:
    assert icc_2_1(TARGETS) == pytest.approx(0.29, abs=5e-3)


def test_a_constant_bias_of_a_rater_lowers_absolute_agreement() -> None:
    truth = np.arange(10.0)
    assert icc_2_1(np.stack([truth, truth], axis=1)) == pytest.approx(1.0)
    # difference of 2 between raters: variance of items 9.1667, of raters 2 (of two means), nothing else
    assert icc_2_1(np.stack([truth, truth + 2], axis=1)) == pytest.approx(9.16666667 / (9.16666667 + 2))


def test_one_item_or_no_spread_has_no_correlation() -> None:
    assert math.isnan(icc_2_1([[1.0, 2.0]]))
    assert math.isnan(icc_2_1([[1.0, 1.0], [1.0, 1.0]]))


def test_limits_by_hand() -> None:
    found = bland_altman([11.0, 12.0, 13.0, 16.0], [10.0, 10.0, 10.0, 10.0])
    assert found.bias.estimate == 3.0
    assert found.deviation == pytest.approx(math.sqrt(14 / 3))
    assert found.lower.estimate == pytest.approx(3 - 1.96 * math.sqrt(14 / 3))
    assert found.upper.estimate == pytest.approx(3 + 1.96 * math.sqrt(14 / 3))
    # t of 3 degrees of freedom, 3.182; standard error of the bias s / sqrt(n)
    assert found.bias.high - 3 == pytest.approx(3.18245 * math.sqrt(14 / 3) / 2, rel=1e-4)


def test_limits_hold_most_differences_and_their_intervals_hold_the_true_limits() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        found = bland_altman(rng.normal(1.0, 2.0, 40), np.zeros(40))
        held += found.upper.low < 1 + 1.96 * 2 < found.upper.high
    assert 0.90 < held / 200 < 0.99


def test_scans_of_one_patient_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    own = rng.normal(0, 1, 20)
    first = np.repeat(own, 5) + rng.normal(0, 0.01, 100)
    patients = np.repeat(np.arange(20), 5)
    by_patient = bland_altman(first, np.zeros(100), patients, 400).bias
    by_scan = bland_altman(first, np.zeros(100)).bias
    assert by_patient.high - by_patient.low > 1.7 * (by_scan.high - by_scan.low)
    volumes = np.stack([first + 3, first + 3.2], axis=1)
    interval = icc_interval(volumes, patients, 200)
    assert interval.low < interval.estimate < interval.high


def test_a_single_pair_has_no_limits() -> None:
    with pytest.raises(ValueError, match="two items or more"):
        bland_altman([1.0], [1.0])

"""Robust z by group, worked out by hand, and what it must not do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from dawson.quality.outliers import WHOLE_STUDY, directed_z, judged_against, judged_columns


def _z(values: list[float], groups: list[str], minimum: int = 5, name: str = "FLAIR_inu_range") -> np.ndarray:
    table = pd.DataFrame({name: values})
    return directed_z(table, pd.Series(groups), minimum)[name].to_numpy()


def test_z_by_hand() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 23.0]
    found = _z(values, ["a"] * 6)
    # the other five have median 3 and a median absolute deviation of 1; so have all but this one around the group's median 3.5: 1.5, 1.5,
    # 0.5, 0.5, 1.5 give 1.5 as the pooled spread
    own, pooled = 1.4826 * 1.0, 1.4826 * 1.5
    spread = np.sqrt((5 * own**2 + 16 * pooled**2) / 21)
    # 3.5 is as rare as it should be: Student's t of 0.37 x 21 = 7.77 degrees of freedom has that tail at 5.77
    wider = t.isf(norm.sf(3.5), 7.77) / 3.5
    assert found[-1] == pytest.approx((23.0 - 3.0) / (spread * np.sqrt(1 + np.pi / 10) * wider))


def test_an_outlier_does_not_hide_itself_or_move_the_others() -> None:
    rng = np.random.default_rng(0)
    values = list(rng.normal(0.3, 0.06, 20))
    before = _z(values, ["a"] * 20)
    after = _z([*values, 5.0], ["a"] * 21)
    assert after[-1] > 50
    assert np.abs(after[:-1] - before).max() < 0.6


def test_direction_and_scale() -> None:
    low = _z([10.0] * 8 + [5.0], ["a"] * 9, name="T1w_snr_wm")
    high = _z([10.0] * 8 + [20.0], ["a"] * 9, name="T1w_snr_wm")
    assert low[-1] > 5 and high[-1] == pytest.approx(-low[-1])
    both = [_z([0.2] * 8 + [value], ["a"] * 9, name="T1w_gm_nawm_contrast")[-1] for value in (0.0, 0.4)]
    assert both[0] == pytest.approx(both[1]) and both[0] > 5


def test_each_group_is_its_own_yardstick() -> None:
    rng = np.random.default_rng(1)
    quiet, loud = rng.normal(0.2, 0.05, 12), rng.normal(0.9, 0.05, 12)
    found = _z([*quiet, *loud], ["quiet"] * 12 + ["loud"] * 12, minimum=8)
    assert np.abs(found).max() < 4
    assert _z([*quiet, *loud, 0.9], ["quiet"] * 12 + ["loud"] * 12 + ["quiet"], minimum=8)[-1] > 7


def test_a_small_group_falls_back_to_the_study_and_a_small_study_is_not_judged() -> None:
    groups = ["a"] * 9 + ["b"] * 2
    assert list(judged_against(pd.Series(groups), 8)) == ["a"] * 9 + [WHOLE_STUDY] * 2
    assert np.isfinite(_z([0.1 * n for n in range(11)], groups, minimum=8)).all()
    assert np.isnan(_z([0.1, 0.2, 0.3, 9.0], ["a"] * 4, minimum=8)).all()


def test_an_even_group_makes_no_outliers_of_trifles() -> None:
    found = _z([0.3] * 9 + [0.31], ["a"] * 10, minimum=8)
    assert abs(found[-1]) < 1


def test_few_clean_scans_are_flagged() -> None:
    rng = np.random.default_rng(7)
    scans, minimum = 400, 8
    table = pd.DataFrame({name: np.exp(rng.normal(0, 1, scans)) for name in judged_columns()})
    groups = pd.Series(np.repeat([f"site {n}" for n in range(25)], 16))
    single = table[["FLAIR_snr_wm", "FLAIR_fber", "FLAIR_cjv"]]
    z = directed_z(single, groups, minimum)
    assert (z >= 3.5).to_numpy().mean() < 0.01

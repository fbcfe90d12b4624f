"""Absolute rules."""

from __future__ import annotations

import pytest

from dawson.quality.plausibility import implausible

SOUND = {
    "T1w_brain_ml": 1450.0,
    "FLAIR_brain_ml": 1430.0,
    "T1w_gm_nawm_contrast": 0.2,
    "FLAIR_gm_nawm_contrast": -0.15,
    "T1w_csf_nawm_ratio": 0.4,
    "FLAIR_csf_nawm_ratio": 0.5,
    "T1w_cut_top": 0.05,
}
FIT = {"status": "done", "wm_dice": 0.72, "template_brain_dice": 0.985, "min_jacobian": 0.2}


def test_nothing_speaks_against_a_sound_scan() -> None:
    assert implausible(SOUND, FIT) == []


@pytest.mark.parametrize(
    ("change", "fit", "grade", "word"),
    [
        ({"T1w_brain_ml": 2431.0}, {}, "reject", "2431 mL"),
        ({"T1w_brain_ml": 700.0}, {}, "reject", "700 mL"),
        ({"T1w_brain_ml": 2250.0}, {}, "review", "2250 mL"),
        ({"FLAIR_cut_top": 0.5}, {}, "reject", "at the top"),
        ({"FLAIR_cut_side": 0.1}, {}, "review", "at a side"),
        ({"T1w_gm_nawm_contrast": -0.1}, {}, "reject", "not a T1w"),
        ({"FLAIR_gm_nawm_contrast": 0.3}, {}, "reject", "not a FLAIR"),
        ({"FLAIR_csf_nawm_ratio": 1.4}, {}, "reject", "fluid"),
        ({}, {"wm_dice": 0.55}, "review", "0.55"),
        ({}, {"template_brain_dice": 0.5}, "reject", "0.50"),
        ({}, {"min_jacobian": -0.1}, "review", "folds"),
        ({}, {"status": "failed", "reason": "no brain"}, "review", "no brain"),
    ],
)
def test_each_rule_speaks(change: dict[str, float], fit: dict[str, object], grade: str, word: str) -> None:
    found = implausible(SOUND | change, FIT | fit)
    assert found[0].grade == grade
    assert any(word in one.text for one in found)


def test_masks_of_one_person_must_agree() -> None:
    found = implausible(SOUND | {"FLAIR_brain_ml": 1800.0}, FIT)
    assert [one.grade for one in found] == ["review"]

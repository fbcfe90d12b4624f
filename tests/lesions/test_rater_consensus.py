"""On simulated raters of differing skill the consensus is worth more than its raters, and the rule names who is apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from dawson.imaging.staple import CroppedMasks, crop_masks, margin_of, mask_consensus
from dawson.imaging.tissue import dice
from dawson.lesions.rater_outliers import judge_raters
from dawson.lesions.rater_scores import lesion_votes, score_raters
from dawson.simulation.raters import CARELESS, EXPERT, VOLUNTEER, draw_mask
from dawson.statistics.exchange import sign_flip_test

SHAPE = (64, 76, 52)
SPACING = (1.0, 1.0, 1.0)
KINDS = {"E": EXPERT, "V": VOLUNTEER, "C": CARELESS}


def scene(number: int) -> NDArray[np.int16]:
    """Thirty ovals, most of them small."""
    rng = np.random.default_rng([11, number])
    volume = np.zeros(SHAPE, np.int16)
    axes = np.ogrid[tuple(slice(size) for size in SHAPE)]
    for lesion in range(1, 31):
        radii = np.clip(rng.lognormal(np.log(2.2), 0.4), 1.2, 7) * rng.uniform(0.75, 1.35, 3)
        centre = [rng.uniform(9, size - 9) for size in SHAPE]
        inside = sum(((axis - middle) / radius) ** 2 for axis, middle, radius in zip(axes, centre, radii, strict=True)) <= 1
        volume[inside & (volume == 0)] = lesion
    return volume


@pytest.fixture(scope="module")
def drawn() -> list[tuple[NDArray[np.bool_], dict[str, NDArray[np.uint8]]]]:
    """Truth and masks of two experts, two volunteers and two careless raters of eight patients."""
    found = []
    for number in range(8):
        lesions, places = scene(number), np.ones(SHAPE, dtype=bool)
        masks = {}
        for place, name in enumerate(("E1", "E2", "V1", "V2", "C1", "C2")):
            # the scene is smaller than a head: half of the false lesions
            rater = replace(KINDS[name[0]], false_per_scan=KINDS[name[0]].false_per_scan / 2)
            masks[name] = draw_mask(lesions, SPACING, rater, np.random.default_rng([number, place]), places)
        found.append((lesions > 0, masks))
    return found


def panel(masks: dict[str, NDArray[np.uint8]], names: str) -> CroppedMasks:
    return crop_masks([masks[name] for name in names.split()], margin_of(SPACING))


def brier(probability: NDArray[np.generic], truth: NDArray[np.bool_]) -> float:
    return float(np.mean((probability.astype(float) - truth) ** 2))


@pytest.mark.parametrize("names", ["E1 V1 V2 C1", "E1 E2 V1 C1", "E1 E2 V1 V2 C1", "E1 E2 V1 V2 C1 C2"])
def test_staple_beats_the_mean_rater_and_the_majority(drawn, names: str) -> None:
    rows = []
    for truth, masks in drawn:
        cropped = panel(masks, names)
        single = np.mean([dice(masks[name] > 0, truth) for name in names.split()])
        rows.append((dice(mask_consensus(cropped).mask, truth), single, dice(mask_consensus(cropped, "majority").mask, truth)))
    staple, rater, majority = np.transpose(rows)
    for other in (rater, majority):
        assert better(staple, other)


@pytest.mark.parametrize("names", ["E1 V1 V2 C1", "E1 E2 V1 V2 C1"])
def test_soft_votes_beat_the_masks_of_majority_and_staple_in_brier_score_and_staples_posterior_beats_them(drawn, names: str) -> None:
    rows = []
    for truth, masks in drawn:
        cropped = panel(masks, names)
        staple, soft = mask_consensus(cropped), mask_consensus(cropped, "soft")
        rows.append([-brier(values, truth) for values in (soft.probability, staple.mask, soft.mask, staple.probability)])
    votes, staple, majority, posterior = np.transpose(rows)
    assert better(votes, staple) and better(votes, majority)
    assert np.mean(posterior) > np.mean(votes)


def better(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    """Paired by patient."""
    test = sign_flip_test(first, second)
    return test.difference > 0 and test.p_value < 0.05


def test_staple_that_sees_the_whole_box_does_not_beat_the_majority(drawn) -> None:
    """Why it is shown the marked voxels: with two experts a mark of one of them is enough in a box."""
    differences = []
    for truth, masks in drawn:
        cropped = panel(masks, "E1 E2 V1 V2 C1")
        boxed, voted = mask_consensus(cropped, "staple", None), mask_consensus(cropped, "majority")
        differences.append(dice(boxed.mask, truth) - dice(voted.mask, truth))
    assert np.mean(differences) < 0


def test_raters_are_held_against_the_others_only(drawn) -> None:
    """Of two raters, each one's consensus is the other's mask."""
    _, masks = drawn[0]
    cropped = panel(masks, "E1 V1")
    first, second = score_raters(cropped, ["E1", "V1"], SPACING)
    assert first.dice == second.dice == pytest.approx(dice(masks["E1"] > 0, masks["V1"] > 0))
    assert (first.others_ml, second.others_ml) == (second.volume_ml, first.volume_ml)
    assert first.outline_bias_mm == pytest.approx(-second.outline_bias_mm)
    assert first.lesion_recall == second.lesion_precision


def test_votes_for_lesions_by_hand() -> None:
    one, other = np.zeros((2, 12, 4, 4), dtype=bool)
    one[1:4, 1, 1] = other[3:5, 1, 1] = other[8, 2, 2] = True
    assert lesion_votes(crop_masks([one, other])).tolist() == [[1, 1], [0, 1]]
    assert lesion_votes(crop_masks([one & other & ~one] * 2)).shape == (0, 2)


def test_the_careless_rater_is_named_and_no_other(drawn) -> None:
    rows = []
    for number, (_, masks) in enumerate(drawn[:5]):
        names = ["E1", "E2", "V1", "C1"]
        for score in score_raters(panel(masks, " ".join(names)), names, SPACING):
            rows.append({"participant_id": str(number), "session_id": "", **vars(score)})
    verdicts = judge_raters(pd.DataFrame(rows))
    assert [rater for rater, verdict in verdicts.items() if verdict.outlier] == ["C1"]
    assert "misses lesions" in verdicts["C1"].reason


def table(**changes: dict[str, float]) -> pd.DataFrame:
    """Four equal raters of six scans, with some columns of some raters changed."""
    usual = {"dice": 0.75, "lesion_recall": 0.8, "n_false": 2.0, "outline_bias_mm": 0.0}
    rng = np.random.default_rng(4)
    rows = [
        {
            "rater": rater,
            "participant_id": str(scan),
            "session_id": "",
            **{name: value + changes.get(rater, {}).get(name, 0.0) + rng.normal(0, 0.001) for name, value in usual.items()},
        }
        for rater in "ABCD"
        for scan in range(6)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dice": -0.3}, "agrees little with the others' consensus: Dice 0.45, the others 0.75"),
        ({"dice": -0.05, "lesion_recall": -0.45}, "misses lesions: finds 35 % of them, the others 80 %"),
        ({"dice": -0.05, "n_false": 8.0}, "marks lesions where nobody else does: 10.0 a scan, the others 2.0"),
        ({"dice": -0.05, "outline_bias_mm": 0.9}, "outlines wider than the others: by 0.90 mm"),
        ({"dice": -0.05, "outline_bias_mm": -0.9}, "outlines tighter than the others: by 0.90 mm"),
    ],
)
def test_the_reason_says_what_sets_a_rater_apart(change: dict[str, float], words: str) -> None:
    verdicts = judge_raters(table(B=change))
    assert [rater for rater, verdict in verdicts.items() if verdict.outlier] == ["B"]
    assert verdicts["B"].reason == words


def test_equal_raters_and_small_differences_name_nobody() -> None:
    assert not any(verdict.outlier for verdict in judge_raters(table()).values())
    assert not any(verdict.outlier for verdict in judge_raters(table(B={"dice": -0.05, "outline_bias_mm": 0.2})).values())


def test_who_agrees_best_is_no_outlier_for_seeing_more() -> None:
    assert not judge_raters(table(A={"dice": 0.05, "n_false": 9.0}))["A"].outlier


def test_one_bad_scan_names_nobody() -> None:
    rows = table()
    rows.loc[(rows["rater"] == "B") & (rows["participant_id"] == "0"), "dice"] -= 0.7
    assert not judge_raters(rows)["B"].outlier


def test_a_panel_of_two_or_two_scans_tell_nobody_apart() -> None:
    rows = table(B={"dice": -0.4})
    of_two = judge_raters(rows[rows["rater"].isin(["A", "B"])])
    assert not of_two["B"].outlier and "panel of two" in of_two["B"].reason
    few = judge_raters(rows[rows["participant_id"].isin(["0", "1"])])
    assert not few["B"].outlier and "fewer than 3 scans" in few["B"].reason

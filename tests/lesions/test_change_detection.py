"""Changes of planted lesions are named rightly, with and without masks, and in both directions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import ConfigError
from dawson.imaging.subtraction import Subtraction, subtract
from dawson.lesions.change_detection import detect_changes, enlargement_needed
from dawson.lesions.changed_tissue import detect_changed_tissue
from dawson.lesions.changes import CODES, Changes, ChangeSettings

# what each change is called when the scans are exchanged
OPPOSITE = {"new": "resolved", "resolved": "new", "enlarging": "shrinking", "shrinking": "enlarging", "stable": "stable"}

SHAPE = (60, 64, 56)
MASKS = ChangeSettings(detector="masks")


def ball(centre: tuple[int, int, int], radius: float) -> NDArray[np.bool_]:
    steps = np.ogrid[tuple(slice(0, size) for size in SHAPE)]
    return np.asarray(sum((step - middle) ** 2 for step, middle in zip(steps, centre, strict=True)) <= radius**2)


NOTHING = np.zeros(SHAPE, dtype=bool)
BRAIN = ball((30, 32, 28), 26)
ONE, OTHER = ball((20, 32, 28), 4), ball((40, 32, 28), 4)
BRIDGE = ball((25, 32, 28), 3) | ball((30, 32, 28), 3) | ball((35, 32, 28), 3)
TISSUE = 100 + 130 * ndimage.gaussian_filter(np.random.default_rng(9).standard_normal(SHAPE), 2)


def scans(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Subtraction:
    made = [
        np.where(BRAIN, TISSUE + 45 * lesions + 3 * np.random.default_rng(seed).standard_normal(SHAPE), 0).astype(np.float32)
        for seed, lesions in enumerate((first, second))
    ]
    return subtract(made[0], made[1], BRAIN, 1.0, first | second)


def names(changes: Changes) -> list[str]:
    return sorted(lesion.change for lesion in changes.lesions)


CASES = {
    "new": (NOTHING, ONE, ["new"], ""),
    "resolved": (ONE, NOTHING, ["resolved"], ""),
    "enlarging": (ball((20, 32, 28), 3), ball((20, 32, 28), 5), ["enlarging"], ""),
    "shrinking": (ball((20, 32, 28), 5), ball((20, 32, 28), 3), ["shrinking"], ""),
    "stable": (ONE, ONE, ["stable"], ""),
    "merge": (ONE | OTHER, ONE | OTHER | BRIDGE, ["enlarging"], "merge"),
    "split": (ONE | OTHER | BRIDGE, ONE | OTHER, ["shrinking"], "split"),
}


@pytest.mark.parametrize("case", CASES)
def test_masks_alone(case: str) -> None:
    first, second, expected, event = CASES[case]
    changes = detect_changes(first, second, 1.0, MASKS)
    assert names(changes) == expected
    assert changes.lesions[0].event == event
    assert changes.lesions[0].first_mm3 == first.sum() and changes.lesions[0].second_mm3 == second.sum()
    assert np.array_equal(changes.codes, np.where(first | second, CODES[expected[0]], 0))


@pytest.mark.parametrize("case", ["new", "resolved", "enlarging", "shrinking", "stable"])
def test_masks_with_the_scans_as_witness(case: str) -> None:
    first, second, expected, _ = CASES[case]
    changes = detect_changes(first, second, 1.0, ChangeSettings(), scans(first, second))
    assert names(changes) == expected
    assert not any(lesion.doubt for lesion in changes.lesions)


def test_a_lesion_in_the_second_mask_only_that_the_scans_do_not_show_is_doubtful() -> None:
    changes = detect_changes(NOTHING, ONE, 1.0, ChangeSettings(), scans(ONE, ONE))
    assert names(changes) == ["stable"]
    assert changes.lesions[0].doubt == "new in the masks only"


def test_a_new_lesion_that_touches_an_old_one_is_cut_off_and_new() -> None:
    old, new = ball((20, 32, 28), 5), ball((28, 32, 28), 3)
    changes = detect_changes(old, old | new, 1.0, ChangeSettings(), scans(old, old | new))
    assert names(changes) == ["new", "stable"]
    (found,) = (lesion for lesion in changes.lesions if lesion.change == "new")
    assert found.event == "joined"
    assert changes.joined[1] == {found.second[0]: 1}
    # masks alone cannot know
    assert "new" not in names(detect_changes(old, old | new, 1.0, MASKS))


@pytest.mark.parametrize(("first", "second", "change"), [(NOTHING, ONE, "new"), (ONE, NOTHING, "resolved")])
def test_changed_tissue_without_masks(first: NDArray[np.bool_], second: NDArray[np.bool_], change: str) -> None:
    changes = detect_changed_tissue(scans(first, second), 1.0, ChangeSettings())
    assert names(changes) == [change]
    assert 2 * (ONE & (changes.codes == CODES[change])).sum() / (ONE.sum() + (changes.codes > 0).sum()) > 0.7


def test_a_rim_of_new_tissue_round_a_lesion_is_enlargement() -> None:
    changes = detect_changed_tissue(scans(ball((24, 32, 28), 5), ball((24, 32, 28), 7)), 1.0, ChangeSettings())
    assert set(names(changes)) == {"enlarging"}


def test_an_identical_pair_has_no_change() -> None:
    one = np.where(BRAIN, TISSUE, 0).astype(np.float32)
    same = subtract(one, one, BRAIN, 1.0, ONE)
    assert names(detect_changes(ONE | OTHER, ONE | OTHER, 1.0, ChangeSettings(), same)) == ["stable", "stable"]
    assert detect_changed_tissue(same, 1.0, ChangeSettings()).lesions == ()


@pytest.mark.parametrize("settings", [MASKS, ChangeSettings()])
def test_exchanging_the_sessions_turns_every_change_round(settings: ChangeSettings) -> None:
    first = ONE | ball((30, 45, 28), 3) | ball((30, 18, 28), 4)
    second = OTHER | ball((30, 45, 28), 5) | ball((30, 18, 28), 4)
    there = detect_changes(first, second, 1.0, settings, scans(first, second))
    witness = scans(first, second)
    turned = Subtraction(BRAIN, witness.second, witness.first, -witness.difference, -witness.z, witness.noise, witness.edge_mm)
    back = detect_changes(second, first, 1.0, settings, turned)
    swap = np.array([0, *(CODES[OPPOSITE[name]] for name in CODES)], dtype=np.uint8)
    assert np.array_equal(back.codes, swap[there.codes])
    assert names(back) == sorted(OPPOSITE[name] for name in names(there))
    assert {"new", "resolved", "enlarging", "stable"} == set(names(there))


def test_specks_are_left_out_and_the_limit_is_a_volume() -> None:
    speck = NOTHING.copy()
    speck[20, 32, 28:30] = True
    assert detect_changes(NOTHING, speck, 1.0, MASKS).lesions == ()
    assert names(detect_changes(NOTHING, speck, 1.5, MASKS)) == ["new"]


def test_small_lesions_must_change_more_than_large_ones() -> None:
    assert enlargement_needed(50.0) == pytest.approx(1.452**1.5)
    assert enlargement_needed(5000.0) == pytest.approx(1.242**1.5)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(ConfigError, match="no change detector"):
        ChangeSettings(detector="eye")
    with pytest.raises(ConfigError, match="needs the scans"):
        detect_changes(ONE, ONE, 1.0, ChangeSettings())

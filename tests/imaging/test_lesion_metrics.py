"""Lesion scores: hand-worked answers, the reference package's and MONAI's on the same masks."""

from __future__ import annotations

import math
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.metrics import DiceMetric, HausdorffDistanceMetric, SurfaceDistanceMetric
from scipy import ndimage

from dawson.imaging.lesion_metrics import compare_masks, matched_lesions, ndsc, without_small
from dawson.imaging.lesion_scores import compare_new_lesions, isbi2015, summarise_new_lesions

MILLIMETRE = (1.0, 1.0, 1.0)


def boxes(*corners: tuple[int, int, int, int, int, int], shape: tuple[int, int, int] = (20, 20, 20)) -> np.ndarray:
    """A mask of boxes: from and to (exclusive) along each axis."""
    mask = np.zeros(shape, dtype=np.uint8)
    for a, b, c, d, e, f in corners:
        mask[a:b, c:d, e:f] = 1
    return mask


def blobs(seed: int, shape: tuple[int, int, int] = (24, 30, 18), share: float = 0.06) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.5)
    return noise > np.quantile(noise, 1 - share)


@pytest.mark.data
def test_the_scores_are_those_of_the_reference_package(reference_data: Path) -> None:
    folder = reference_data / "oracles" / "lesion-metrics"
    prediction, truth = (np.asarray(nib.load(folder / f"{name}.nii.gz").dataobj) for name in ("pred", "truth"))
    found = compare_masks(prediction, truth, MILLIMETRE)
    assert found.dice == pytest.approx(0.428571, abs=5e-7)
    assert found.jaccard == 3 / 11
    assert found.ppv == 3 / 4
    assert found.tpr == 3 / 10
    assert 1 - found.lesion_precision == pytest.approx(1 / 3, abs=1e-15)
    assert found.lesion_recall == 2 / 3
    assert found.avd == 0.6
    assert isbi2015([found]).without_volumes == pytest.approx(0.640873, abs=5e-7)


def test_a_pair_worked_by_hand() -> None:
    # truth: a cube of 64 voxels and a bar of 4; prediction: the cube shifted by one, a corner of the bar, a speck elsewhere
    truth = boxes((2, 6, 2, 6, 2, 6), (12, 16, 12, 13, 12, 13))
    prediction = boxes((3, 7, 2, 6, 2, 6), (15, 16, 12, 13, 12, 13), (2, 3, 17, 18, 17, 18))
    found = compare_masks(prediction, truth, (1.0, 1.0, 2.0))
    assert found.dice == 2 * 49 / (68 + 66)
    assert found.jaccard == 49 / (68 + 66 - 49)
    assert (found.ppv, found.tpr) == (49 / 66, 49 / 68)
    assert (found.truth_ml, found.predicted_ml) == pytest.approx((0.136, 0.132))
    assert found.avd == pytest.approx(2 / 68)
    assert (found.n_truth, found.n_predicted, found.n_found, found.n_false) == (2, 3, 2, 1)
    assert (found.lesion_recall, found.lesion_precision) == (1.0, 2 / 3)
    assert found.lesion_f1 == pytest.approx(0.8)
    # the cubes share 48 of 80 voxels, the bar 1 of 4: both pairs count at 0.25
    assert found.n_matched_iou25 == 2
    assert found.lesion_f1_iou25 == 2 * 2 / 5
    assert found.isbi2015_parts == pytest.approx((98 / 134 + 49 / 66) / 8 + (2 / 3 + 1) / 4)


def test_voxels_that_share_a_corner_are_one_lesion() -> None:
    truth = boxes((2, 3, 2, 3, 2, 3), (3, 4, 3, 4, 3, 4))
    assert compare_masks(truth, truth, MILLIMETRE).n_truth == 1


def test_of_two_empty_masks_everything_is_perfect() -> None:
    empty = boxes()
    found = compare_masks(empty, empty, MILLIMETRE)
    ones = ("dice", "jaccard", "ppv", "tpr", "lesion_recall", "lesion_precision", "lesion_f1", "lesion_f1_iou25", "lesion_recall_iou25")
    assert {getattr(found, name) for name in ones} == {1.0}
    assert (found.hd95_mm, found.assd_mm, found.avd) == (0.0, 0.0, 0.0)
    assert found.isbi2015_parts == 0.75
    assert ndsc(empty, empty) == 1.0


@pytest.mark.parametrize("swapped", [False, True])
def test_where_one_mask_is_empty_everything_is_at_its_worst(swapped: bool) -> None:
    masks = [boxes(), boxes((2, 6, 2, 6, 2, 6))]
    prediction, truth = masks[::-1] if swapped else masks
    found = compare_masks(prediction, truth, (1.0, 2.0, 2.0))
    zeros = ("dice", "jaccard", "ppv", "tpr", "lesion_recall", "lesion_precision", "lesion_f1", "lesion_f1_iou25")
    assert {getattr(found, name) for name in zeros} == {0.0}
    assert found.hd95_mm == found.assd_mm == pytest.approx(60.0)  # the diagonal of 20 x 40 x 40 mm
    assert math.isnan(found.avd) if swapped else found.avd == 1.0
    assert ndsc(prediction, truth) == 0.0


@pytest.mark.parametrize("spacing", [MILLIMETRE, (0.8, 1.0, 3.0)])
@pytest.mark.parametrize("seed", range(4))
def test_monai_says_the_same_of_random_masks(seed: int, spacing: tuple[float, float, float]) -> None:
    one, other = blobs(seed), blobs(seed + 100)
    found = compare_masks(one, other, spacing)
    as_batch = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (one, other)]
    distance = HausdorffDistanceMetric(include_background=True, percentile=95)
    surface = SurfaceDistanceMetric(include_background=True, symmetric=True)
    assert found.dice == pytest.approx(float(DiceMetric()(*as_batch)), abs=1e-6)
    assert found.hd95_mm == pytest.approx(float(distance(*as_batch, spacing=spacing)), rel=1e-5)
    assert found.assd_mm == pytest.approx(float(surface(*as_batch, spacing=spacing)), rel=1e-5)


def test_shifting_a_plate_by_two_slices_of_three_millimetres_moves_its_surface_by_six() -> None:
    plate = boxes((0, 20, 0, 20, 8, 9))
    found = compare_masks(np.roll(plate, 2, axis=2), plate, (1.0, 1.0, 3.0))
    assert found.hd95_mm == found.assd_mm == 6.0


def test_a_lesion_is_in_one_pair_at_most_and_as_many_pairs_as_can_be_are_made() -> None:
    # one true bar of 12; three predicted pieces of 4, 4 and 3 voxels of it with IoU 1/3, 1/3, 1/4
    truth = boxes((2, 14, 2, 3, 2, 3))
    pieces = np.zeros(truth.shape, dtype=np.int32)
    pieces[2:6, 2, 2], pieces[6:10, 2, 2], pieces[10:13, 2, 2] = 1, 2, 3
    assert len(matched_lesions(pieces, truth)) == 1
    # predicted 1 overlaps both true lesions; giving it the one it fits best would leave predicted 2 alone
    truth, guess = np.zeros((2, 20, 1, 1), dtype=np.int32)
    truth[0:6], truth[6:10] = 1, 2
    guess[2:10], guess[0:2] = 1, 2
    assert sorted(matched_lesions(guess, truth, 0.3)) == [(1, 2, 0.5), (2, 1, pytest.approx(1 / 3))]


def test_normalised_dice_does_not_depend_on_the_lesion_load() -> None:
    """Doubling the truth with the hits, false positives staying, changes Dice and leaves nDSC nearly alone."""
    n, scores, plain = 1_000_000, [], []
    for load in (500, 5000):
        truth, guess = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        truth[:load] = True
        guess[: load * 3 // 4] = True
        guess[-int(0.0005 * (n - load)) :] = True
        scores.append(ndsc(guess, truth))
        plain.append(compare_masks(guess.reshape(100, 100, 100), truth.reshape(100, 100, 100), MILLIMETRE).dice)
    assert scores[0] == pytest.approx(scores[1], abs=0.002)
    assert plain[1] - plain[0] > 0.2


def test_normalised_dice_is_dice_at_its_own_load_and_counts_the_brain_alone() -> None:
    truth, guess = np.zeros(1000, dtype=bool), np.zeros(1000, dtype=bool)
    truth[:100], guess[50:120] = True, True
    assert ndsc(guess, truth, ratio=0.1) == pytest.approx(2 * 50 / 170)
    inside = np.arange(1000) < 100
    assert ndsc(guess, truth, inside) == pytest.approx(2 * 50 / 150)


def test_the_isbi_score_of_a_set_holds_the_correlation_of_volumes() -> None:
    truths = [boxes((2, 2 + n, 2, 4, 2, 4)) for n in (2, 4, 9)]
    guesses = [boxes((2, 2 + n, 2, 4, 2, 4)) for n in (1, 2, 9)]
    found = isbi2015([compare_masks(guess, truth, MILLIMETRE) for guess, truth in zip(guesses, truths, strict=True)])
    assert found.volume_correlation == pytest.approx(np.corrcoef([2, 4, 9], [1, 2, 9])[0, 1])
    dice = np.mean([2 / 3, 2 / 3, 1])
    assert found.score == pytest.approx(dice / 8 + 1 / 8 + 1 / 4 + 1 / 4 + found.volume_correlation / 4)
    assert isbi2015([compare_masks(truth, truth, MILLIMETRE) for truth in truths]).score == pytest.approx(1.0)


def test_one_scan_has_no_correlation() -> None:
    truth = boxes((2, 4, 2, 4, 2, 4))
    found = isbi2015([compare_masks(truth, truth, MILLIMETRE)])
    assert math.isnan(found.score)
    assert found.without_volumes == 1.0
    with pytest.raises(ValueError, match="at least one scan"):
        isbi2015([])


def test_cases_without_new_lesions_are_judged_by_the_false_ones_alone() -> None:
    none, two = boxes(), boxes((2, 5, 2, 4, 2, 4), (12, 14, 12, 14, 12, 14))
    false = compare_new_lesions(two, none, (1.0, 1.0, 2.0))
    assert not false.any_new and math.isnan(false.f1)
    assert (false.n_false, false.false_ml) == (2, pytest.approx(0.04))
    half = compare_new_lesions(boxes((2, 5, 2, 4, 2, 4)), two, MILLIMETRE)
    assert (half.f1, half.n_new, half.n_found) == (pytest.approx(2 / 3), 2, 1)
    summary = summarise_new_lesions([false, half, compare_new_lesions(none, none, MILLIMETRE)])
    assert (summary.n_with, summary.n_without, summary.clean_cases) == (1, 2, 1)
    assert (summary.f1, summary.false_per_case, summary.false_ml_per_case) == pytest.approx((2 / 3, 1.0, 0.02))


def test_lesions_below_a_volume_are_taken_out_of_both_masks() -> None:
    mask = boxes((2, 5, 2, 3, 2, 3), (12, 14, 12, 13, 12, 13))
    np.testing.assert_array_equal(without_small(mask, MILLIMETRE, 3.0), boxes((2, 5, 2, 3, 2, 3)) > 0)
    assert not compare_new_lesions(boxes(), boxes((12, 14, 12, 13, 12, 13)), MILLIMETRE, 3.0).any_new


def test_masks_of_different_grids_are_refused() -> None:
    with pytest.raises(ValueError, match="one three-dimensional grid"):
        compare_masks(boxes(), boxes(shape=(20, 20, 19)), MILLIMETRE)
    with pytest.raises(ValueError, match="spacing"):
        compare_masks(boxes(), boxes(), (1.0, 0.0, 1.0))


def test_a_whole_head_takes_a_few_seconds_at_most() -> None:
    one, other = np.zeros((182, 218, 182), dtype=np.uint8), np.zeros((182, 218, 182), dtype=np.uint8)
    one[40:140, 50:160, 60:130], other[40:140, 50:160, 60:130] = (blobs(seed, (100, 110, 70), 0.02) for seed in (1, 2))
    before = time.process_time()
    compare_masks(one, other, MILLIMETRE)
    assert time.process_time() - before < 3.0

"""Simulated raters: what is measured of their masks is what their parameters say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dawson.errors import CohortError, ConfigError
from dawson.imaging.brain_regions import LABELS
from dawson.simulation.raters import CARELESS, EXPERT, FALSE_RADIUS_MM, RATERS, VOLUNTEER, Rater, draw_mask

MILLIMETRE = (1.0, 1.0, 1.0)


def ball(radius: float, shape: tuple[int, int, int] = (49, 49, 49)) -> NDArray[np.int16]:
    squares = sum((axis - (size - 1) / 2) ** 2 for axis, size in zip(np.ogrid[tuple(slice(size) for size in shape)], shape, strict=True))
    return (squares < radius**2).astype(np.int16)


def slab() -> NDArray[np.int16]:
    """A thick plate whose two faces are flat and far from each other and from the image's border."""
    plate = np.zeros((60, 120, 120), np.int16)
    plate[20:40] = 1
    return plate


def upper_face_mm(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Height of the plate's upper face over its true place; its edge, where other faces are near, is left out."""
    return mask[30:].sum(axis=0, dtype=float)[20:-20, 20:-20] - 10


@pytest.fixture(scope="module")
def many_lesions() -> NDArray[np.int16]:
    """Lesions like those of a patient with MS: 60 ovals, most of them small, 5 mL in all."""
    rng = np.random.default_rng(8)
    volume = np.zeros((110, 130, 90), np.int16)
    axes = np.ogrid[tuple(slice(size) for size in volume.shape)]
    for number in range(1, 61):
        radii = np.clip(rng.lognormal(np.log(2.1), 0.4), 1.2, 9) * rng.uniform(0.75, 1.35, 3)
        centre = [rng.uniform(12, size - 12) for size in volume.shape]
        inside = sum(((axis - middle) / radius) ** 2 for axis, middle, radius in zip(axes, centre, radii, strict=True)) <= 1
        volume[inside & (volume == 0)] = number
    return volume


def dice(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    return float(2 * np.sum((one > 0) & (other > 0)) / (np.sum(one > 0) + np.sum(other > 0)))


def test_a_perfect_rater_draws_the_truth(many_lesions: NDArray[np.int16]) -> None:
    drawn = draw_mask(many_lesions, MILLIMETRE, Rater("perfect"), np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, many_lesions > 0)


@pytest.mark.parametrize("bias_mm", [-1.0, -0.5, 0.5, 1.0])
def test_the_outline_lies_as_far_outside_as_the_bias_says(bias_mm: float) -> None:
    lesion = ball(12)
    rater = Rater("one", bias_mm=bias_mm, boundary_mm=0.6)
    volumes = [draw_mask(lesion, MILLIMETRE, rater, np.random.default_rng(seed)).sum() for seed in range(6)]
    drawn, true = (np.cbrt(volume * 3 / (4 * np.pi)) for volume in (np.mean(volumes), lesion.sum()))
    assert drawn - true == pytest.approx(bias_mm, abs=0.2)


@pytest.mark.parametrize("boundary_mm", [1.0, 2.0])
def test_the_outline_wanders_by_the_boundary_noise(boundary_mm: float) -> None:
    rater = Rater("one", boundary_mm=boundary_mm, correlation_mm=8)
    height = upper_face_mm(draw_mask(slab(), MILLIMETRE, rater, np.random.default_rng(1)))
    # whole voxels add 1/12 of a square millimetre
    assert np.sqrt(height.var() - 1 / 12) == pytest.approx(boundary_mm, rel=0.15)
    assert height.mean() == pytest.approx(0, abs=0.25)


def test_errors_along_the_outline_are_alike_over_the_correlation_length() -> None:
    rater = Rater("one", boundary_mm=1.2, correlation_mm=8)
    heights = [upper_face_mm(draw_mask(slab(), MILLIMETRE, rater, np.random.default_rng(seed))) for seed in range(4)]

    def correlation(step: int) -> float:
        return float(np.mean([np.corrcoef(height[step:].ravel(), height[:-step].ravel())[0, 1] for height in heights]))

    assert correlation(8) == pytest.approx(np.exp(-1), abs=0.15)
    assert correlation(2) > 0.75
    assert abs(correlation(32)) < 0.2


def test_a_rater_who_draws_slice_by_slice_errs_anew_in_each() -> None:
    rater = Rater("one", boundary_mm=2, correlation_mm=8, slice_wise=True)
    height = upper_face_mm(draw_mask(slab(), MILLIMETRE, rater, np.random.default_rng(3)))
    within, between = (np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in ((height[1:], height[:-1]), (height[:, 1:], height[:, :-1])))
    assert within > 0.9
    assert abs(between) < 0.1


def test_the_share_missed_falls_with_the_volume_as_the_rater_says() -> None:
    cubes = {2: 8, 3: 27, 4: 64, 6: 216}
    rater = Rater("one", miss_at_ml=0.027)
    for side, volume in cubes.items():
        grid = np.zeros((80, 80, 80), np.int16)
        number = 0
        for x in range(0, 80, 8):
            for y in range(0, 80, 8):
                for z in range(0, 80, 16):
                    number += 1
                    grid[x : x + side, y : y + side, z : z + side] = number
        drawn = draw_mask(grid, MILLIMETRE, rater, np.random.default_rng(side))
        missed = 1 - len(np.unique(grid[drawn > 0])) / number
        # 500 lesions: three standard errors are at most 0.067
        assert missed == pytest.approx(rater.chance_to_miss(volume / 1000), abs=0.067)
    assert rater.chance_to_miss(0.027) == 0.5


def test_as_many_false_lesions_as_the_rater_says_where_they_may_be() -> None:
    lesion = ball(5)
    places = np.zeros(lesion.shape, bool)
    places[:8] = True
    rater = Rater("one", false_per_scan=4.0)
    volumes, beside = [], 0
    for seed in range(200):
        drawn = draw_mask(lesion, MILLIMETRE, rater, np.random.default_rng(seed), places)
        false = (drawn > 0) & (lesion == 0)
        volumes.append(false.sum())
        beside += int(false[16:].sum())
    # mean volume of an ellipsoid with log-normal radii, less what the image's border and overlaps take away
    one = 4 / 3 * np.pi * (FALSE_RADIUS_MM[0] * np.exp(FALSE_RADIUS_MM[1] ** 2 / 2)) ** 3
    assert np.mean(volumes) == pytest.approx(4 * one, rel=0.15)
    assert np.mean([volume == 0 for volume in volumes]) == pytest.approx(np.exp(-4), abs=0.035)
    assert beside == 0


def test_false_lesions_need_a_place() -> None:
    with pytest.raises(ValueError, match="places"):
        draw_mask(ball(5), MILLIMETRE, EXPERT, np.random.default_rng(0))


def test_the_same_stream_draws_the_same_mask(many_lesions: NDArray[np.int16]) -> None:
    one, again, other = (
        draw_mask(many_lesions, MILLIMETRE, VOLUNTEER, np.random.default_rng(seed), many_lesions == 0) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_two_experts_agree_as_experts_do(many_lesions: NDArray[np.int16]) -> None:
    one, other = (draw_mask(many_lesions, MILLIMETRE, EXPERT, np.random.default_rng(seed), many_lesions == 0) for seed in (1, 2))
    assert 0.6 <= dice(one, other) <= 0.75


def test_the_presets_differ_in_skill(many_lesions: NDArray[np.int16]) -> None:
    found = {
        name: dice(draw_mask(many_lesions, MILLIMETRE, rater, np.random.default_rng(4), many_lesions == 0), many_lesions)
        for name, rater in RATERS.items()
    }
    assert found[EXPERT.name] > found[VOLUNTEER.name] + 0.05 > found[CARELESS.name] + 0.1


def test_the_vote_of_many_unbiased_raters_beats_each_of_them(many_lesions: NDArray[np.int16]) -> None:
    rater = replace(EXPERT, name="unbiased", boundary_mm=1.0, miss_at_ml=0.01)
    masks = [draw_mask(many_lesions, MILLIMETRE, rater, np.random.default_rng(seed), many_lesions == 0) for seed in range(9)]
    vote = np.sum(masks, axis=0) > len(masks) / 2
    assert dice(vote, many_lesions) > max(dice(mask, many_lesions) for mask in masks) + 0.05


def write_truth(folder: Path) -> Path:
    """One scan of a simulated cohort: a lesion and a label map."""
    from dawson.simulation.visits import write_image

    numbers = {name: number for number, name in LABELS.items()}
    labels = np.zeros((40, 40, 20), np.uint8)
    labels[5:35, 5:35, 3:17] = numbers["cortex"]
    labels[8:32, 8:32, 4:16] = numbers["white matter"]
    labels[18:22, 14:26, 8:12] = numbers["lateral ventricle"]
    lesions = np.zeros(labels.shape, np.int16)
    lesions[12:16, 12:16, 8:12] = 1
    anat = folder / "derivatives" / "dawson" / "sub-01" / "ses-01" / "anat"
    start = "sub-01_ses-01_space-T1w"
    write_image(anat / f"{start}_label-lesion_desc-sim_dseg.nii.gz", lesions, np.diag([1.0, 1, 2, 1]), {"SimulatedData": True})
    write_image(anat / f"{start}_desc-sim_dseg.nii.gz", labels, np.diag([1.0, 1, 2, 1]), {"SimulatedData": True})
    return anat / f"{start}_label-lesion_desc-rater1_mask.nii.gz"


def test_masks_of_a_cohort_lie_beside_the_truth_and_say_who_drew_them(tmp_path: Path) -> None:
    import nibabel as nib

    from dawson.files import read_json, sidecar_path
    from dawson.simulation.rater_masks import simulate_raters

    first = write_truth(tmp_path)
    simulate_raters(tmp_path, {"1": EXPERT, "2": EXPERT}, seed=3)
    second = first.with_name(first.name.replace("rater1", "rater2"))
    said = read_json(sidecar_path(first))
    assert said["SimulatedData"] is True
    assert said["Parameters"]["rater"]["boundary_mm"] == EXPERT.boundary_mm
    one, other = (np.asarray(nib.load(path).dataobj) for path in (first, second))
    assert one.shape == (40, 40, 20)
    assert (one != other).any()

    second.unlink()
    before = first.read_bytes(), first.stat().st_mtime_ns
    simulate_raters(tmp_path, {"1": EXPERT, "2": EXPERT}, seed=3)
    np.testing.assert_array_equal(np.asarray(nib.load(second).dataobj), other)
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before


def test_masks_of_another_rater_are_not_taken_for_ones_own(tmp_path: Path) -> None:
    from dawson.simulation.rater_masks import simulate_raters

    write_truth(tmp_path)
    simulate_raters(tmp_path, {"1": EXPERT}, seed=3)
    with pytest.raises(CohortError, match="another rater"):
        simulate_raters(tmp_path, {"1": CARELESS}, seed=3)


def test_labels_that_no_file_name_can_hold_are_refused(tmp_path: Path) -> None:
    from dawson.simulation.rater_masks import simulate_raters

    with pytest.raises(ConfigError, match="label"):
        simulate_raters(tmp_path, {"the first": EXPERT}, seed=0)


def test_false_lesions_lie_at_the_ventricles_and_under_the_cortex() -> None:
    from dawson.simulation.rater_masks import false_lesion_places

    numbers = {name: number for number, name in LABELS.items()}
    labels = np.full((60, 60, 60), numbers["white matter"], np.uint8)
    labels[:5] = numbers["cortex"]
    labels[40:44] = numbers["lateral ventricle"]
    along = false_lesion_places(labels, MILLIMETRE)[:, 30, 30]
    assert along[5:8].all()
    assert along[45:47].all()
    assert not along[12:36].any()
    assert not along[:5].any()

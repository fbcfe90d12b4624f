"""Measures of image quality against answers worked out by hand and closed forms."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from dawson.imaging import image_quality as quality
from dawson.imaging.image_quality_background import air_streaks, air_structure, artefact_mask, head_mask, otsu, robust_sd, surroundings
from dawson.imaging.image_quality_geometry import brain_cut, head_position
from dawson.imaging.image_quality_scan import TissuePoints, measure_contrast, points_at
from dawson.imaging.image_quality_tissue import tissue_measures, tissue_posteriors


def _head(noise: float = 5.0, shape: tuple[int, int, int] = (64, 64, 64), seed: int = 3) -> np.ndarray:
    """A ball of 100 with Rician noise, voxels of 3 mm."""
    rng = np.random.default_rng(seed)
    x, y, z = np.indices(shape) - (np.asarray(shape)[:, None, None, None] - 1) / 2
    ball = np.where(x**2 + y**2 + z**2 < 22**2, 100.0, 0.0)
    return np.hypot(ball + rng.normal(0, noise, shape), rng.normal(0, noise, shape)).astype(np.float32)


def _ramp() -> np.ndarray:
    """Brightness that rises along every axis, so that neighbours are alike."""
    return (1.0 + 0.004 * np.indices((64, 64, 64)).sum(axis=0)).astype(np.float32)


def test_snr_of_two_values() -> None:
    # median 3, population standard deviation 1, times sqrt(2 / 1)
    assert quality.snr(np.array([2.0, 4.0])) == pytest.approx(3 / np.sqrt(2))
    assert np.isnan(quality.snr(np.array([4.0, 4.0])))


def test_dietrich_snr_recovers_the_channels_noise() -> None:
    rng = np.random.default_rng(0)
    air = np.hypot(rng.normal(0, 2.0, 200_000), rng.normal(0, 2.0, 200_000))
    sd = float(air.std())
    assert quality.DIETRICH * 100 / sd == pytest.approx(100 / 2.0, rel=0.01)
    # the MAD of a Rayleigh variable is 0.4485 sigma, not the normal's 0.6745 sd of it
    assert quality.snr_dietrich(100.0, air) == pytest.approx(quality.DIETRICH * 100 / (1.4826 * 0.4485 * 2.0), rel=0.01)


def test_cnr_cjv_and_wm2max_by_hand() -> None:
    wm, gm = np.array([9.0, 10.0, 11.0]), np.array([5.0, 6.0, 7.0])
    assert quality.cnr(wm, gm, air_sd=1.0) == pytest.approx(4 / np.sqrt(1 + 2 / 3 + 2 / 3))
    assert quality.cjv(wm, gm) == pytest.approx(2 * 1.4826 / 4)
    assert quality.wm2max(10.0, np.full(100, 20.0)) == 0.5


@pytest.mark.parametrize(("image", "expected"), [(np.full(64, 7.0), 1.0), (np.eye(8).ravel() * 0 + np.eye(1, 64).ravel(), 0.0)])
def test_efc_of_a_flat_image_is_one_and_of_one_voxel_zero(image: np.ndarray, expected: float) -> None:
    assert quality.efc(image) == pytest.approx(expected, abs=1e-12)


def test_efc_does_not_depend_on_scale_or_copies_of_the_image() -> None:
    image = np.random.default_rng(1).uniform(0, 1, 1000)
    assert quality.efc(3 * image) == pytest.approx(quality.efc(image))


def test_fber_is_the_ratio_of_median_energies() -> None:
    assert quality.fber(np.array([4.0, 4.0, 100.0]), np.array([2.0, 2.0, 50.0])) == 4.0
    assert np.isnan(quality.fber(np.array([4.0]), np.zeros(3)))


def test_inu_of_a_linear_field() -> None:
    field = np.linspace(0.8, 1.2, 1001)
    found = quality.inu(field)
    assert found["inu_med"] == pytest.approx(1.0)
    assert found["inu_range"] == pytest.approx(0.9 * 0.4)


@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_fwhm_of_smoothed_noise_is_that_of_the_kernel(sigma: float) -> None:
    # smoothing white noise by sigma gives an autocorrelation of the form whose FWHM is sigma sqrt(8 ln 2)
    image = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(80, 80, 80)), sigma, mode="wrap")
    found = quality.fwhm(image, np.ones(image.shape, bool))
    assert found["fwhm_avg"] == pytest.approx(sigma * np.sqrt(8 * np.log(2)), rel=0.03)


def test_volume_fractions_and_summary() -> None:
    shares = quality.icvs(np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]))
    assert shares == {"icvs_csf": 0.5, "icvs_gm": 0.25, "icvs_wm": 0.25}
    found = quality.summary(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), "wm")
    assert (found["summary_wm_mean"], found["summary_wm_median"], found["summary_wm_n"]) == (3.0, 3.0, 5.0)
    assert found["summary_wm_mad"] == pytest.approx(1.4826)
    assert found["summary_wm_k"] == pytest.approx(1.7 - 3.0)


def test_otsu_separates_two_classes() -> None:
    threshold = otsu(np.r_[np.full(50, 10.0), np.full(20, 90.0)].astype(np.float32))
    assert 10.0 < threshold < 90.0


def test_robust_sd_of_a_normal_sample() -> None:
    assert robust_sd(np.random.default_rng(5).normal(0, 3, 100_000)) == pytest.approx(3.0, rel=0.02)


def test_head_is_found_with_a_dark_skull_between_brain_and_scalp() -> None:
    x, y, z = np.indices((64, 64, 64)) - 31.5
    radius = np.sqrt(x**2 + y**2 + z**2)
    image = np.where(radius < 18, 80.0, np.where((radius > 21) & (radius < 24), 100.0, 2.0)).astype(np.float32)
    mask = head_mask(image, (3.0, 3.0, 3.0))
    assert mask[radius < 23].all()
    assert not mask[radius > 28].any()


def test_air_is_noise_and_leaves_out_what_software_filled() -> None:
    image = _head()
    whole = surroundings(image, (3.0, 3.0, 3.0))
    assert whole.has_air and whole.filled_share < 0.01
    image[:, 40:, :20] = 0.0
    defaced = surroundings(image, (3.0, 3.0, 3.0))
    assert not defaced.air[:, 42:, :18].any()
    assert 0.05 < defaced.filled_share < 0.5 and defaced.has_air
    cut = surroundings(np.where(image < 40, 0, image).astype(np.float32), (3.0, 3.0, 3.0))
    assert not cut.has_air and cut.filled_share > 0.95


def test_a_constant_background_is_no_air() -> None:
    image = _head()
    image[image < 30] = 12.0
    assert not surroundings(image, (3.0, 3.0, 3.0)).has_air


def test_a_block_in_the_air_is_an_artefact_and_lone_bright_voxels_are_not() -> None:
    image = _head()
    air = surroundings(image, (3.0, 3.0, 3.0)).air
    assert quality.qi_1(air, artefact_mask(image, air)) == 0.0
    image[2:6, 2:6, 2:6] = 200.0
    image[10, 2, 2] = 200.0
    found = artefact_mask(image, air)
    assert found[3:5, 3:5, 3:5].all() and not found[10, 2, 2]
    assert quality.qi_1(air, found) == pytest.approx(found.sum() / air.sum())


def test_a_ghost_far_below_one_voxels_noise_is_seen_in_blocks() -> None:
    image = _head(noise=5.0, shape=(96, 96, 96))
    around = surroundings(image, (1.5, 1.5, 1.5))
    clean = air_structure(image, around)
    # for pure noise the 95th percentile of means over 27 voxels
    assert clean == pytest.approx(1.645 / np.sqrt(27), rel=0.25)
    ghost = image.copy()
    ghost[:30] += 3.0
    assert air_structure(ghost, around) > 2 * clean


def test_signal_smeared_along_one_axis_is_told_from_noise_and_by_its_axis() -> None:
    image = _head(noise=5.0, shape=(72, 72, 72))
    clean = air_streaks(image, surroundings(image, (2.0, 2.0, 2.0)))
    assert set(clean) == {"air_streak_x", "air_streak_y", "air_streak_z"}
    assert max(abs(value) for value in clean.values()) < 0.03
    # a tenth of the head's own signal, spread along y as motion spreads it along the direction of phase encoding
    smeared = image + 0.02 * image.sum(axis=1, keepdims=True) / 10
    found = air_streaks(smeared.astype(np.float32), surroundings(smeared.astype(np.float32), (2.0, 2.0, 2.0)))
    assert found["air_streak_y"] > 0.3
    assert found["air_streak_y"] > 2 * max(found["air_streak_x"], found["air_streak_z"])


def test_air_that_software_filled_has_no_streaks() -> None:
    image = _head(noise=5.0)
    image[image < 30] = 0
    assert air_streaks(image, surroundings(image, (3.0, 3.0, 3.0))) == {}


def test_tissues_keep_their_names_when_the_contrast_is_the_other_way_round() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 30_000)
    priors = np.where(np.eye(3)[label] > 0, 0.6, 0.2)
    for brightness in ([20.0, 60.0, 100.0], [20.0, 100.0, 60.0]):
        values = np.asarray(brightness)[label] + rng.normal(0, 5, label.size)
        posterior = tissue_posteriors(values, priors)
        assert (posterior.argmax(axis=1) == label).mean() > 0.99
        found = tissue_measures(values, posterior)
        assert found["gm_nawm_contrast"] == pytest.approx(1 - brightness[1] / brightness[2], abs=0.01)
        assert found["csf_nawm_ratio"] == pytest.approx(20.0 / brightness[2], abs=0.01)


def test_lesions_enter_no_tissue() -> None:
    values = np.r_[np.full(200, 20.0), np.full(200, 60.0), np.full(200, 100.0), np.full(100, 150.0)]
    posterior = np.repeat(np.eye(3)[[0, 1, 2, 2]], [200, 200, 200, 100], axis=0)
    lesion = np.arange(700) >= 600
    found = tissue_measures(values, posterior, lesion)
    assert found["summary_wm_n"] == 200 and found["summary_wm_mean"] == 100.0
    assert found["nawm_lesion_contrast"] == pytest.approx(0.5)
    assert "nawm_lesion_contrast" not in tissue_measures(values, posterior)


def test_position_is_the_brains_middle_in_the_scanner() -> None:
    mask = np.zeros((10, 10, 10), np.uint8)
    mask[4:7, 4:7, 8:9] = 1
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-10, -10, -4)
    assert head_position(nib.Nifti1Image(mask, affine)) == {"position_x_mm": 0.0, "position_y_mm": 0.0, "position_z_mm": 12.0}


def test_cut_is_the_touching_area_over_the_largest_section() -> None:
    mask = np.zeros((10, 10, 10), bool)
    mask[2:8, 2:8, 3:8] = True
    assert brain_cut(mask) == {"cut_top": 0.0, "cut_bottom": 0.0, "cut_side": 0.0}
    mask[2:5, 2:8, 8:] = True
    assert brain_cut(mask)["cut_top"] == pytest.approx(0.5)
    assert brain_cut(mask)["cut_bottom"] == 0.0


def test_points_take_the_nearest_voxel_once() -> None:
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    points = np.array([[0.2, 0.0, 0.0], [-0.3, 0.0, 0.0], [6.0, 6.0, 6.0], [50.0, 0.0, 0.0]])
    found = points_at(image, points, np.eye(3)[[0, 1, 2, 0]])
    assert found.index.tolist() == [0, 63]
    assert found.priors.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def test_an_image_without_its_head_says_what_is_absent() -> None:
    values = _head() * _ramp()
    image = nib.Nifti1Image(np.where(values > 50, values, 0).astype(np.float32), np.diag([3.0, 3.0, 3.0, 1.0]))
    measures, absent = measure_contrast(image, raw=False)
    assert {"fwhm_avg", "brain_ml"} <= set(measures)
    assert not {"efc", "fber", "qi_1", "inu_range", "position_z_mm", "snrd_wm"} & set(measures)
    assert {"air", "inu", "position", "tissue"} <= set(absent)


def test_every_measure_of_a_raw_image_is_finite() -> None:
    values = _head() * _ramp()
    image = nib.Nifti1Image(values, np.diag([3.0, 3.0, 3.0, 1.0]))
    inside = values > 50
    brain = nib.Nifti1Image(inside.astype(np.uint8), image.affine)
    index = np.flatnonzero(inside)
    tissue = TissuePoints(index, np.full((index.size, 3), 1 / 3, np.float32))
    measures, _ = measure_contrast(image, brain, image, tissue)
    assert np.isfinite(list(measures.values())).all()
    assert {"efc", "fber", "qi_1", "air_structure", "inu_range", "fwhm_avg", "position_z_mm", "cut_top"} <= set(measures)
    assert measures["inu_range"] == 0.0


def test_quick_quality_of_a_raw_head() -> None:
    found = quality.quick_quality(nib.Nifti1Image(_head(), np.diag([3.0, 3.0, 3.0, 1.0])))
    assert found["coverage_mm"] == pytest.approx(192.0)
    assert found["head_mm"] == pytest.approx(132.0, abs=13.0)
    assert found["snr_background"] == pytest.approx(100 / 5.0, rel=0.2)
    assert 0 < found["efc"] < 1 and found["qi_1"] == 0.0

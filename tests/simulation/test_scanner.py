"""Signals by physics, sites, and faults that can be replayed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dawson.errors import ConfigError
from dawson.simulation import artefacts, k_space
from dawson.simulation.scanner import (
    CONTRASTS,
    SITES,
    Contrast,
    Protocol,
    Tissue,
    draw_scanner,
    relative_signals,
    signal,
    tissues_at,
    with_thickness,
)
from dawson.simulation.template_space import template_scan

FAULTS = {"noise", "bias", "motion", "ghosting", "distortion", "gibbs", "partial_volume", "cropped"}


def test_flair_signal_by_hand() -> None:
    tissue = Tissue(t1=1000.0, t2=100.0, t2_star=50.0, pd=0.5)
    flair = Protocol("FLAIR", tr=10_000, te=100, ti=1000 * np.log(2))
    # The inversion has just come back to nothing, but for what the repetition leaves.
    assert signal(tissue, flair) == pytest.approx(0.5 * np.exp(-10) * np.exp(-1))


def test_gradient_echo_signal_by_hand() -> None:
    tissue = Tissue(t1=1000.0, t2=100.0, t2_star=50.0, pd=0.8)
    assert signal(tissue, Protocol("SPGR", tr=1e6, te=50, flip=90)) == pytest.approx(0.8 * np.exp(-1))
    e1 = np.exp(-0.01)
    expected = 0.8 * 0.5 * (1 - e1) / (1 - e1 * np.cos(np.pi / 6))
    assert signal(tissue, Protocol("SPGR", tr=10, te=0, flip=30)) == pytest.approx(expected)


def test_mprage_is_the_steady_state_of_its_pulses() -> None:
    """The closed form against magnetisation followed pulse by pulse over ten trains."""
    tissue = Tissue(t1=1100.0, t2=70.0, t2_star=50.0, pd=1.0)
    protocol = Protocol("MPRAGE", tr=2300, te=0, ti=1000, flip=9, echo_spacing=7.5, pulses=176)
    angle, magnetisation, middle = np.deg2rad(9), 1.0, 0.0
    before = protocol.ti - 88 * 7.5

    def relax(m: float, time: float) -> float:
        return 1 - (1 - m) * float(np.exp(-time / tissue.t1))

    for _ in range(10):
        magnetisation = relax(-magnetisation, before)
        for pulse in range(176):
            if pulse == 88:
                middle = magnetisation
            magnetisation = relax(magnetisation * float(np.cos(angle)), 7.5)
        magnetisation = relax(magnetisation, protocol.tr - before - 176 * 7.5)
    assert signal(tissue, protocol) == pytest.approx(float(np.sin(angle)) * middle, rel=1e-6)


def test_no_such_sequence() -> None:
    with pytest.raises(ConfigError, match="SPIRAL"):
        signal(tissues_at(3.0)["wm"], Protocol("SPIRAL", tr=10, te=1))


@pytest.mark.parametrize("name", SITES)
def test_contrast_of_every_site_is_that_of_its_sequences(name: str) -> None:
    site = SITES[name]
    tissues = tissues_at(site.field_tesla)
    flair = relative_signals(tissues, site.flair)
    assert 1.1 < flair["gm"] < 1.32 and flair["csf"] < 0.35 and 1.8 < flair["lesion"] < 2.8
    t1w = relative_signals(tissues, site.t1w)
    assert 1.0 > t1w["deep_grey"] > t1w["gm"] > t1w["csf"] and t1w["gm"] < 0.85
    assert t1w["bone"] < 0.05 and flair["bone"] < 0.05 and t1w["vitreous"] < 0.5


@pytest.mark.parametrize("field", [1.5, 3.0])
def test_every_tissue_names_its_source(field: float) -> None:
    assert all(len(tissue.source) > 10 for tissue in tissues_at(field).values())


def test_older_data_sets_keep_their_sites_and_c_has_thick_slices() -> None:
    assert {"A", "B", "C"} <= set(SITES)
    assert (SITES["A"].field_tesla, SITES["B"].field_tesla, SITES["C"].field_tesla) == (3.0, 3.0, 1.5)
    assert SITES["C"].flair.voxel[2] > SITES["B"].flair.voxel[2] > SITES["A"].flair.voxel[2]


def test_an_unknown_site_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'Z'.*A, B, C, old"):
        draw_scanner("Z", 0, "sub-001", "ses-01")


def test_a_scanner_is_the_same_for_the_same_scan_and_differs_a_little_between_days() -> None:
    first, again, later = (draw_scanner("A", 3, "sub-001", session) for session in ("ses-01", "ses-01", "ses-02"))
    assert first == again
    difference = abs(first.signals["T1w"].gm - later.signals["T1w"].gm)
    assert 0 < difference < 0.1


def test_severity_of_every_fault_is_known_for_both_images() -> None:
    state = draw_scanner("old", 0, "sub-001", "ses-01")
    assert set(state.artefacts) == {f"{contrast}_{fault}" for contrast in CONTRASTS for fault in FAULTS}
    assert state.severity("FLAIR", "partial_volume") == SITES["old"].flair.voxel[2]
    assert with_thickness(state, 2.0).severity("FLAIR", "partial_volume") == 2.0
    assert with_thickness(state, 2.0).severity("T1w", "partial_volume") == state.severity("T1w", "partial_volume")


def test_motion_is_as_frequent_as_the_site_says() -> None:
    moved = [draw_scanner("moving", 1, f"sub-{number:03d}", "ses-01").severity("FLAIR", "motion") > 0 for number in range(200)]
    # 60 of 100; 3.5 standard deviations of a binomial either way.
    assert 96 <= sum(moved) <= 144
    assert draw_scanner("A", 1, "sub-001", "ses-01").severity("FLAIR", "motion") == 0


@pytest.fixture(scope="module")
def block() -> np.ndarray:
    """A bright block in the dark, off the middle."""
    image = np.zeros((32, 40, 24), dtype=np.float32)
    image[8:20, 10:26, 6:18] = 1.0
    return image


def test_strength_0_changes_nothing(block: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    spacing = (1.0, 1.0, 1.0)
    same = [
        artefacts.add_bias(block, artefacts.draw_bias(rng, 0.0)),
        artefacts.add_noise(block, artefacts.draw_noise(rng, 0.0)),
        k_space.move(block, k_space.draw_motion(rng, 0.0, 1), spacing),
        k_space.add_ghosts(block, k_space.draw_ghosting(rng, 0.0, 1)),
        artefacts.distort(block, artefacts.draw_distortion(rng, 0.0, 1, (10.0, 20.0, 10.0)), spacing),
        k_space.truncate(block, 0.0, (0, 1)),
        artefacts.along_slices(block, artefacts.slices(24, 1.0, 0.3)[0]),
        artefacts.crop(block, np.eye(4), 2, 0, 24)[0],
    ]
    for image in same:
        np.testing.assert_array_equal(image, block)


def test_a_fault_can_be_replayed(block: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    noise, bias, motion = artefacts.draw_noise(rng, 0.1), artefacts.draw_bias(rng, 0.2), k_space.draw_motion(rng, 2.0, 0)
    for make in (
        lambda: artefacts.add_noise(block, noise),
        lambda: artefacts.add_bias(block, bias),
        lambda: k_space.move(block, motion, (1.0, 1.0, 2.0)),
    ):
        np.testing.assert_array_equal(make(), make())
        assert np.abs(make() - block).max() > 0.01


def test_noise_is_rician() -> None:
    """Rayleigh with mean sd sqrt(pi / 2) where there is no signal; sqrt(s^2 + sd^2) and sd where there is much."""
    empty = artefacts.add_noise(np.zeros(40_000, dtype=np.float32), artefacts.Noise(0.1, 1))
    assert empty.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.02)
    bright = artefacts.add_noise(np.full(40_000, 2.0, dtype=np.float32), artefacts.Noise(0.1, 1))
    assert bright.std() == pytest.approx(0.1, rel=0.02) and bright.mean() == pytest.approx(np.hypot(2.0, 0.1), rel=0.002)


def test_bias_has_the_spread_it_was_drawn_with() -> None:
    bias = artefacts.draw_bias(np.random.default_rng(2), 0.3)
    field = artefacts.add_bias(np.ones((16, 16, 16), dtype=np.float32), bias)
    assert bias.control.std() == pytest.approx(0.3, rel=1e-4)
    assert np.log(field).min() == pytest.approx(bias.control.min(), abs=1e-5)


def test_ghosts_lie_along_the_phase_axis_only_at_their_height(block: np.ndarray) -> None:
    ghosted = k_space.add_ghosts(block, k_space.Ghosting(0.1, 2.5, 0.7, 1))
    outside = ghosted * (block == 0)
    beside = np.ones(block.shape, dtype=bool)
    beside[8:20, :, 6:18] = False
    assert outside[beside].max() < 1e-5
    assert 0.08 < outside.max() < 0.13


def test_motion_keeps_the_place_and_spoils_the_edges(block: np.ndarray) -> None:
    moved = k_space.move(block, k_space.draw_motion(np.random.default_rng(3), 2.0, 1), (1.0, 1.0, 1.0))
    weights = moved / moved.sum()
    centre = [
        (weights * np.arange(size).reshape([-1 if a == axis else 1 for a in range(3)])).sum() for axis, size in enumerate(block.shape)
    ]
    np.testing.assert_allclose(centre, (13.5, 17.5, 11.5), atol=1.5)
    assert np.abs(moved - block).mean() > 0.01


def test_one_pose_for_all_of_k_space_is_a_rigid_shift(block: np.ndarray) -> None:
    motion = k_space.Motion(((0.0, 0.0, 0.0),), ((3.0, 0.0, 0.0),), (1.0,), 1)
    np.testing.assert_allclose(k_space.move(block, motion, (1.0, 1.0, 1.0))[:-3], block[3:], atol=1e-4)


def test_truncation_rings_beside_an_edge_and_keeps_the_mean(block: np.ndarray) -> None:
    rung = k_space.truncate(block, 0.5, (1,))
    assert rung.max() > 1.05
    assert rung[:, 0:8].max() > 0.01
    smooth = np.cos(2 * np.pi * np.arange(40) / 20)[None, :, None] + np.full(block.shape, 2.0)
    np.testing.assert_allclose(k_space.truncate(smooth.astype(np.float32), 0.5, (1,)), smooth, atol=1e-5)


def test_distortion_moves_by_its_height_at_its_centre_and_nothing_far_away() -> None:
    ramp = np.broadcast_to(np.arange(100, dtype=np.float32)[None, :, None], (60, 100, 60)).copy()
    distorted = artefacts.distort(ramp, artefacts.Distortion(3.0, 20.0, 1, (30.0, 60.0, 30.0)), (1.0, 1.0, 1.0))
    assert distorted[30, 60, 30] == pytest.approx(63.0, abs=0.5)
    np.testing.assert_array_equal(distorted[:, :15], ramp[:, :15])


def test_thick_slices_are_means_of_planes_and_nothing_is_lost(block: np.ndarray) -> None:
    down, up = artefacts.slices(24, 3.0, 0.0)
    assert np.allclose(down.sum(axis=0), 1) and np.allclose(up.sum(axis=0), 1)
    # The first slice lies over planes 0 to 2, the third over 6 to 8, the first plane of which is the block's first.
    np.testing.assert_allclose(down[:3, 0], 1 / 3, atol=1e-6)
    thick = artefacts.along_slices(block, down)
    assert thick[12, 15, 2] == pytest.approx(1.0) and thick[12, 15, 1] == 0.0
    assert artefacts.along_slices(thick, up)[12, 15, 5] == pytest.approx(1 / 3)


def test_cropping_keeps_voxels_where_they_are(block: np.ndarray) -> None:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    cut, moved = artefacts.crop(block, affine, 2, 5, 20)
    assert cut.shape == (32, 40, 15)
    np.testing.assert_allclose(moved @ [1, 1, 0, 1], affine @ [1, 1, 5, 1])


def _scan(site: str, **severities: float) -> dict[Contrast, np.ndarray]:
    """A smooth brain-like ball scanned in template space."""
    axes = np.meshgrid(*(np.arange(48) - 23.5 for _ in range(3)), indexing="ij")
    mask = sum(axis**2 for axis in axes) < 20**2
    signal_ = (mask * (1 + 0.3 * np.sin(axes[2]))).astype(np.float32)
    scene = SimpleNamespace(images={"T1w": signal_, "FLAIR": signal_}, brain_mask=mask)
    brain = SimpleNamespace(box=(slice(0, 48),) * 3, grid_shape=(48, 48, 48))
    state = draw_scanner(site, 0, "sub-001", "ses-01")
    state.artefacts.update(severities)
    return template_scan(scene, brain, state, np.random.default_rng(0))  # type: ignore[arg-type]


def test_template_scan_blurs_along_thick_slices_only() -> None:
    none = {f"FLAIR_{fault}": 0.0 for fault in FAULTS - {"partial_volume"}}
    thin, thick = (_scan("A", **none, FLAIR_partial_volume=mm)["FLAIR"][20:28, 20:28, 14:34].astype(float) for mm in (1.0, 5.0))
    assert thick.mean() == pytest.approx(thin.mean(), rel=0.03)
    assert thick.mean(axis=(0, 1)).std() < 0.4 * thin.mean(axis=(0, 1)).std()
    assert thick.std(axis=0).max() < 1.0


def test_template_scan_is_dark_outside_the_brain_and_where_the_field_of_view_ends() -> None:
    image = _scan("A")["FLAIR"]
    cut = _scan("A", FLAIR_cropped=24.0)["FLAIR"]
    assert image[0, 0, 0] == 0 and image[24, 24, 40] > 0
    # The ball ends at plane 44; 14 mm of the 24 were scalp and skull.
    assert cut[:, :, 34:].max() == 0 and cut[24, 24, 33] > 0

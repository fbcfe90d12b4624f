from __future__ import annotations

import numpy as np
import pytest

from dawson.imaging.brain_regions import where
from dawson.imaging.brain_volumes import brain_volumes, head_scaling, jacobian_map
from dawson.imaging.region_atlas import region_atlas
from dawson.imaging.transforms import Affine, Warp

from .brain_phantom import phantom


def test_volumes_of_a_known_brain() -> None:
    brain = phantom(lesions=False)
    found = brain_volumes(brain.t1w, brain.brain)
    csf, gm, wm = brain.shares.sum(axis=1) * brain.voxel_ml
    assert found.brain_ml == pytest.approx(gm + wm, rel=0.02)
    assert found.gm_ml == pytest.approx(gm, rel=0.04)
    assert found.wm_ml == pytest.approx(wm, rel=0.04)
    assert found.bpf == pytest.approx((gm + wm) / (csf + gm + wm), abs=0.015)
    assert found.csf_ml + found.brain_ml == pytest.approx(brain.brain.sum() * brain.voxel_ml, rel=1e-4)


def test_ventricles_and_thalamus_of_the_template() -> None:
    brain, labels = phantom(lesions=False), region_atlas().labels
    found = brain_volumes(brain.t1w, brain.brain)
    assert found.ventricles_ml == pytest.approx(
        where(labels, "lateral ventricle", "third ventricle", "fourth ventricle").sum() / 1000, rel=0.15
    )
    assert found.thalamus_ml == pytest.approx(where(labels, "thalamus").sum() / 1000, rel=0.05)


def test_filling_gives_the_lesions_back_to_white_matter() -> None:
    sick, healthy = phantom(), phantom(lesions=False)
    truth = brain_volumes(healthy.t1w, healthy.brain).wm_ml
    plain, filled = (brain_volumes(sick.t1w, sick.brain, lesions).wm_ml for lesions in (None, sick.lesions))
    assert abs(filled - truth) < 0.3 * abs(plain - truth)


def test_volumes_are_those_of_the_persons_own_head() -> None:
    brain = phantom(lesions=False)
    small = brain_volumes(brain.t1w, brain.brain)
    twice = brain_volumes(brain.t1w, brain.brain, jacobian=np.full(brain.brain.shape, 2, dtype=np.float32))
    assert twice.gm_ml == pytest.approx(2 * small.gm_ml, rel=1e-5)
    assert twice.ventricles_ml == pytest.approx(2 * small.ventricles_ml, rel=1e-5)
    assert twice.bpf == pytest.approx(small.bpf)


def test_jacobian_of_stretching_along_one_axis_and_of_an_affine() -> None:
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    displacement = np.zeros((20, 21, 22, 3), dtype=np.float32)
    displacement[..., 0] = 0.1 * 2.0 * np.arange(20)[:, None, None]
    linear = Affine(np.diag([1.2, 1.0, 1.0, 1.0]))
    found = jacobian_map((30, 30, 30), np.diag([1.0, 1.0, 1.0, 1.0]), Warp(displacement, grid), linear)
    assert found == pytest.approx(np.full((30, 30, 30), 1.1 * 1.2), rel=1e-4)
    assert jacobian_map((2, 2, 2), np.eye(4), None, linear) == pytest.approx(np.full((2, 2, 2), 1.2))
    assert jacobian_map((2, 2, 2), np.eye(4), None, None) == pytest.approx(np.ones((2, 2, 2)))


def test_a_large_head_is_scaled_down() -> None:
    assert head_scaling(Affine(np.diag([1.1, 1.1, 1.1, 1.0]))) == pytest.approx(1 / 1.331)
    assert head_scaling(None) == 1.0

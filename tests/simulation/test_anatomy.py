from __future__ import annotations

import numpy as np
import pytest

from dawson.simulation.anatomy import atlas
from dawson.simulation.deformation import (
    draw_displacement,
    exponential,
    jacobian_determinant,
    pull_back,
    rigid_displacement,
    sample,
    upsample,
)


def test_tissues_add_up_to_the_brain() -> None:
    brain = atlas()
    np.testing.assert_allclose(brain.csf + brain.gm + brain.wm, brain.mask, atol=1e-2)


def test_ventricles_lie_where_anatomy_puts_them() -> None:
    brain = atlas()
    centres = {}
    for name in ("lateral", "third", "fourth"):
        places = np.argwhere(brain.distance[name] == 0) + brain.origin_mm
        centres[name] = places.mean(axis=0)
        assert abs(centres[name][0]) < 1.5
    assert centres["lateral"][2] > centres["third"][2] > centres["fourth"][2]
    assert centres["fourth"][1] < centres["third"][1]
    assert 10_000 < (brain.distance["lateral"] == 0).sum() < 30_000


def test_every_region_has_places_on_both_sides() -> None:
    brain = atlas()
    for name, voxels in brain.regions.items():
        x = voxels[:, 0] + brain.origin_mm[0]
        assert len(voxels) > 100, name
        assert 0.3 < (x > 0).mean() < 0.7, name


@pytest.mark.parametrize("seed", range(4))
def test_no_deformation_folds(seed: int) -> None:
    brain = atlas()
    coarse = draw_displacement(np.random.default_rng(seed), brain.outward, ventricle_mm=3.0)
    assert jacobian_determinant(coarse, 4.0).min() > 0
    if seed == 0:
        assert jacobian_determinant(upsample(coarse), 1.0).min() > 0


def test_widening_makes_the_ventricles_larger() -> None:
    brain = atlas()
    lateral = (brain.distance["lateral"] == 0).astype(np.float32)
    volumes = []
    for ventricle_mm in (-1.0, 2.0):
        field = draw_displacement(np.random.default_rng(0), brain.outward, ventricle_mm)
        volumes.append(pull_back([lateral], upsample(field))[0].sum())
    assert volumes[1] > 1.2 * volumes[0]


def test_the_exponential_of_a_uniform_velocity_is_a_shift() -> None:
    velocity = np.zeros((3, 12, 12, 12), dtype=np.float32)
    velocity[1] = 1.5
    np.testing.assert_allclose(exponential(velocity), velocity, atol=1e-5)


def test_pulling_back_by_a_shift_moves_the_image_against_it() -> None:
    image = np.zeros((8, 9, 10), dtype=np.float32)
    image[4, 5, 6] = 1
    shift = np.zeros((3, 8, 9, 10), dtype=np.float32)
    shift[0], shift[2] = 1, -2
    moved = pull_back([image], shift)[0]
    assert np.argwhere(moved > 0.99).tolist() == [[3, 5, 8]]


def test_sampling_follows_the_affine() -> None:
    image = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
    to_voxel = np.array([[0, 1, 0, 1], [1, 0, 0, 2], [0, 0, -1, 9], [0, 0, 0, 1]], dtype=float)
    moved = sample([image], to_voxel, (5, 6, 7))[0]
    assert moved[3, 2, 4] == pytest.approx(image[3, 5, 5], abs=1e-4)


def test_a_rotation_leaves_the_centre_in_place() -> None:
    field = rigid_displacement((5, 5, 5), np.array([[10.0, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(field[:, 2, 2, 2], 0, atol=1e-6)
    np.testing.assert_allclose(field[0], 0, atol=1e-6)

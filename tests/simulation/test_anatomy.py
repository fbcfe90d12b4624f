from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dawson.imaging.brain_regions import GROUPS, LABELS, NUMBERS, where
from dawson.simulation.anatomy import COARSE, Atlas, atlas, coarsen
from dawson.simulation.deformation import (
    Warp,
    displacement_of,
    draw_shape,
    exponential,
    jacobian_determinant,
    pull_back,
    rigid_displacement,
    share_volume,
    upsample,
)
from dawson.simulation.resampling import resample


@pytest.fixture(scope="module")
def brain() -> Atlas:
    return atlas()


def label_at(brain: Atlas, *point_mm: float) -> str:
    voxel = np.rint(np.array(point_mm) - brain.origin_mm).astype(int)
    return LABELS[int(brain.labels[tuple(voxel)])]


def test_tissues_add_up_to_the_brain(brain: Atlas) -> None:
    np.testing.assert_allclose(brain.csf + brain.gm + brain.wm, brain.mask, atol=1e-2)


def test_every_voxel_of_the_brain_has_a_label_and_every_label_a_voxel(brain: Atlas) -> None:
    np.testing.assert_array_equal(brain.labels > 0, brain.csf + brain.gm + brain.wm > 0.5)
    assert set(np.unique(brain.labels)) == {0, *LABELS}


def test_the_box_reaches_the_lower_edge_of_the_medulla(brain: Atlas) -> None:
    assert brain.origin_mm[2] == -72
    assert where(brain.labels, "brainstem")[:, :, 1].any()


def test_labels_are_alike_on_both_sides(brain: Atlas) -> None:
    x = np.arange(brain.shape[0]) + brain.origin_mm[0]
    right, left = np.flatnonzero(x > 0), np.flatnonzero((x < 0) & (-x <= x.max()))
    np.testing.assert_array_equal(brain.labels[right], brain.labels[left[::-1]])


@pytest.mark.parametrize(
    ("names", "low", "high"),
    [
        # mL, both sides: usual ranges of adults, ours, wide upwards as the template is larger than the mean brain and downwards where
        # the ependyma takes the rim; the periaqueductal grey's by the cylinder of Satpute 2013, up to twice as large.
        (("lateral ventricle",), 10, 25),
        (("third ventricle",), 0.5, 2),
        (("fourth ventricle",), 1, 3),
        (("caudate",), 5, 10),
        (("putamen",), 7, 12),
        (("pallidum",), 2.2, 4.5),
        (("thalamus",), 10, 17),
        (("hypothalamus",), 0.7, 1.7),
        (("corpus callosum",), 8, 20),
        (("brainstem", "periaqueductal grey", "area postrema"), 20, 40),
        (("cerebellum",), 110, 190),
        (("periaqueductal grey",), 0.2, 0.6),
        (("area postrema",), 0.05, 0.3),
        (("temporal lobe",), 150, 260),
    ],
)
def test_volumes_are_those_of_a_brain(brain: Atlas, names: tuple[str, ...], low: float, high: float) -> None:
    assert low < where(brain.labels, *names).sum() / 1000 < high


@pytest.mark.parametrize(
    ("point", "label"),
    [
        ((12, 12, 8), "caudate"),
        ((27, 2, 4), "putamen"),
        ((19, -4, 0), "pallidum"),
        ((11, -18, 7), "thalamus"),
        ((0, -34, 12), "corpus callosum"),
        ((0, 28, 8), "corpus callosum"),
        ((0, 0, 27), "corpus callosum"),
        ((22, -15, 8), "corticospinal tract"),
        ((14, -18, -12), "corticospinal tract"),
        ((6, -22, -34), "corticospinal tract"),
        ((4, -34, -58), "corticospinal tract"),
        ((28, -22, 44), "corticospinal tract"),
        ((39, -30, -8), "optic radiation"),
        ((36, -50, 2), "optic radiation"),
        ((0, -31, -8), "aqueduct"),
        ((2, -34, -9), "periaqueductal grey"),
        ((0, -46, -57), "area postrema"),
        ((5, -4, -10), "hypothalamus"),
        ((0, -25, -33), "brainstem"),
        ((28, -62, -36), "cerebellar white matter"),
        ((40, -30, -18), "temporal white matter"),
        ((60, -20, -8), "temporal cortex"),
        ((28, 30, 12), "white matter"),
        ((14, -20, 22), "lateral ventricle"),
    ],
)
def test_places_known_to_anatomists_have_their_names(brain: Atlas, point: tuple[float, float, float], label: str) -> None:
    assert label_at(brain, *point) == label


def test_the_callosum_is_one_arch_on_the_midline(brain: Atlas) -> None:
    middle = where(brain.labels, "corpus callosum")[int(-brain.origin_mm[0])]
    _, count = ndimage.label(middle)
    assert count == 1
    # 6 to 7 square centimetres in adults.
    assert 450 < middle.sum() < 900
    places = np.argwhere(middle) + brain.origin_mm[1:]
    assert places[:, 0].max() - places[:, 0].min() > 65
    # Its lower side is hollow: under the body, between splenium and genu, there is no callosum.
    assert not ((places[:, 0] > -25) & (places[:, 0] < 12) & (places[:, 1] < 15)).any()


@pytest.mark.parametrize("name", ["corticospinal tract", "optic radiation", "lateral ventricle", "thalamus"])
def test_a_structure_has_one_part_on_each_side(brain: Atlas, name: str) -> None:
    # The ependyma covers rims and other labels cross the tracts, so a part may lose splinters.
    right = where(brain.labels, name)[int(-brain.origin_mm[0]) + 1 :]
    parts, _ = ndimage.label(right, np.ones((3, 3, 3)))
    assert np.bincount(parts.ravel())[1:].max() > 0.85 * right.sum()


def test_the_ependyma_lines_the_ventricles(brain: Atlas) -> None:
    nearest = np.min([brain.distance[name] for name in ("lateral", "third", "aqueduct", "fourth")], axis=0)
    lining = where(brain.labels, "ependyma")
    assert nearest[lining].max() <= 1.5
    assert lining[(nearest > 0) & (nearest <= 1.5) & (brain.csf < 0.5) & (brain.mask > 0)].mean() > 0.8


def test_groups_are_made_of_labels() -> None:
    assert {name for names in GROUPS.values() for name in names} <= set(NUMBERS)


def test_an_unknown_label_is_refused(brain: Atlas) -> None:
    with pytest.raises(KeyError):
        where(brain.labels, "pineal gland")


def test_ventricles_lie_where_anatomy_puts_them(brain: Atlas) -> None:
    centres = {}
    for name in ("lateral", "third", "aqueduct", "fourth"):
        places = np.argwhere(brain.distance[name] == 0) + brain.origin_mm
        centres[name] = places.mean(axis=0)
        assert abs(centres[name][0]) < 0.5
    heights = [centres[name][2] for name in ("lateral", "third", "aqueduct", "fourth")]
    assert heights == sorted(heights, reverse=True)


def test_distances_to_small_ventricles_end_at_forty_millimetres(brain: Atlas) -> None:
    for name in ("third", "aqueduct", "fourth"):
        assert brain.distance[name].max() == 40
        assert (brain.distance[name] == 0).any()


def test_every_region_has_places_on_both_sides(brain: Atlas) -> None:
    for name, voxels in brain.regions.items():
        x = voxels[:, 0] + brain.origin_mm[0]
        assert len(voxels) > 50, name
        assert 0.3 < (x > 0).mean() < 0.7, name


def test_the_contraction_flows_out_of_deep_grey_matter_only(brain: Atlas) -> None:
    outflow = sum(np.gradient(part, 4.0, axis=axis) for axis, part in enumerate(brain.contraction))
    assert outflow[brain.deep_grey_share > 0.9].mean() > 0.6
    assert abs(outflow[(brain.deep_grey_share == 0) & (brain.coarse_mask > 0)]).mean() < 0.02


def test_random_shapes_differ_between_people_at_every_scale(brain: Atlas) -> None:
    fields = [draw_shape(np.random.default_rng(seed), brain.outward) for seed in (0, 1)]
    for sigma in (0, 2, 5):
        one, other = (ndimage.gaussian_filter(field, (0, sigma, sigma, sigma)) for field in fields)
        assert np.abs(one - other).mean() > 0.3


def test_right_front_and_left_back_stand_out(brain: Atlas) -> None:
    fields = [displacement_of(draw_shape(np.random.default_rng(seed), brain.outward))[1] for seed in range(12)]
    forward = -np.mean(fields, axis=0)
    half = forward.shape[0] // 2
    assert forward[half + 3 :].mean() > 0.5
    assert forward[: half - 3].mean() < -0.5


def test_the_left_ventricle_is_more_often_the_larger(brain: Atlas) -> None:
    lateral = coarsen((brain.distance["lateral"] == 0).astype(np.float32))
    differences = []
    for seed in range(30):
        moved = pull_back([lateral], displacement_of(draw_shape(np.random.default_rng(seed), brain.outward)) / COARSE)[0]
        half = len(moved) // 2
        differences.append((moved[:half].sum() - moved[half:].sum()) / moved.sum())
    assert np.mean(differences) > 0
    assert np.std(differences) > 0.02


def test_widening_moves_the_walls_by_so_much(brain: Atlas) -> None:
    lateral = (brain.distance["lateral"] == 0).astype(np.float32)
    before, after = (Warp(displacement_of(-mm * brain.outward), 4).pull([lateral])[0].sum() for mm in (0.0, 1.0))
    area = ((brain.distance["lateral"] > 0) & (brain.distance["lateral"] <= 1)).sum()
    assert (after - before) / area == pytest.approx(1.0, abs=0.4)


def test_the_volume_of_a_region_after_no_deformation_is_its_own(brain: Atlas) -> None:
    share = brain.deep_grey_share
    assert share_volume(share, np.zeros((3, *share.shape), dtype=np.float32)) == pytest.approx(share.sum(), rel=1e-4)


def test_the_exponential_of_a_uniform_velocity_is_a_shift() -> None:
    velocity = np.zeros((3, 12, 12, 12), dtype=np.float32)
    velocity[1] = 1.5
    np.testing.assert_allclose(exponential(velocity), velocity, atol=1e-5)


def test_the_exponential_of_minus_a_velocity_is_the_inverse() -> None:
    velocity = np.zeros((3, 16, 16, 16), dtype=np.float32)
    velocity[0] = np.sin(np.arange(16) * 2 * np.pi / 15, dtype=np.float32)[:, None, None]
    there, back = exponential(velocity), exponential(-velocity)
    np.testing.assert_allclose(there + np.stack(pull_back(list(back), there)), 0, atol=0.05)


def test_pulling_back_by_a_shift_moves_the_image_against_it() -> None:
    image = np.zeros((8, 9, 10), dtype=np.float32)
    image[4, 5, 6] = 1
    shift = np.zeros((3, 8, 9, 10), dtype=np.float32)
    shift[0], shift[2] = 1, -2
    moved = pull_back([image], shift)[0]
    assert np.argwhere(moved > 0.99).tolist() == [[3, 5, 8]]


def test_a_coarse_warp_is_the_fine_one_of_its_upsampled_field() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((16, 20, 24)).astype(np.float32)
    field = rng.normal(0, 0.5, (3, 4, 5, 6)).astype(np.float32)
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(Warp(field, 4).pull([image])[0][inner], pull_back([image], upsample(field))[0][inner], atol=1e-3)


def test_no_displacement_changes_nothing() -> None:
    image = np.random.default_rng(0).random((16, 20, 24)).astype(np.float32)
    np.testing.assert_allclose(Warp(np.zeros((3, 4, 5, 6), dtype=np.float32), 4).pull([image])[0], image, atol=1e-4)


def test_the_nearest_voxel_keeps_labels_whole() -> None:
    labels = np.random.default_rng(0).integers(0, 500, (16, 20, 24)).astype(np.float32)
    field = np.full((3, 4, 5, 6), 0.4, dtype=np.float32)
    np.testing.assert_array_equal(Warp(field, 4).pull([labels], nearest=True)[0], labels)


def test_outside_the_wanted_cells_there_is_nothing() -> None:
    image = np.ones((16, 20, 24), dtype=np.float32)
    wanted = np.zeros((4, 5, 6), dtype=bool)
    wanted[1, 2, 3] = True
    moved = Warp(np.zeros((3, 4, 5, 6), dtype=np.float32), 4, wanted).pull([image])[0]
    np.testing.assert_array_equal(np.argwhere(moved > 0.5) // 4, np.tile([1, 2, 3], (64, 1)))


def test_upsampling_keeps_a_slope() -> None:
    slope = np.arange(5, dtype=np.float32)[None, :, None, None] * np.ones((1, 5, 3, 3), dtype=np.float32)
    fine = upsample(slope, 4)[0, :, 0, 0]
    np.testing.assert_allclose(fine[2:-2], (np.arange(20) + 0.5)[2:-2] / 4 - 0.5, atol=1e-5)


def test_sampling_follows_the_affine() -> None:
    image = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
    to_voxel = np.array([[0, 1, 0, 1], [1, 0, 0, 2], [0, 0, -1, 9], [0, 0, 0, 1]], dtype=float)
    moved = resample([image], to_voxel, (5, 6, 7))[0]
    assert moved[3, 2, 4] == pytest.approx(image[3, 5, 5], abs=1e-4)


def test_a_rotation_leaves_the_centre_in_place() -> None:
    field = rigid_displacement((5, 5, 5), np.array([[10.0, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(field[:, 2, 2, 2], 0, atol=1e-6)
    np.testing.assert_allclose(field[0], 0, atol=1e-6)


def test_the_determinant_of_a_stretch_is_its_factor() -> None:
    stretch = np.zeros((3, 6, 6, 6), dtype=np.float32)
    stretch[0] = 0.5 * np.arange(6)[:, None, None]
    np.testing.assert_allclose(jacobian_determinant(stretch, 1.0), 1.5, atol=1e-5)

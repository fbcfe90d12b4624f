from __future__ import annotations

import math
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from dawson.files import read_tsv, write_tsv
from dawson.imaging.brain_regions import LABELS
from dawson.imaging.lesion_features import LesionFeatures, measure_lesions
from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.lesion_summary import FLAGS, REGIONS, features_of_table, features_table, summary_of
from dawson.imaging.region_atlas import region_atlas
from dawson.imaging.template import template_image

Point = tuple[float, float, float]


def oval(centre: Point, axis: Point, radii: tuple[float, float], step_mm: Point = (1.0, 1.0, 1.0)) -> nib.Nifti1Image:
    """An ellipsoid of revolution (radius along the axis and across it), on the part of a grid over the template that holds it."""
    step, reach = np.array(step_mm), max(radii) + 2 * max(step_mm)
    origin = template_image(1.0).affine[:3, 3] + (step - 1) / 2
    first = np.floor((np.array(centre) - reach - origin) / step)
    affine = np.diag([*step_mm, 1.0])
    affine[:3, 3] = origin + first * step
    counts = np.ceil(2 * reach / step).astype(int) + 1
    points = np.stack(np.meshgrid(*(np.arange(count) for count in counts), indexing="ij"), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    offsets = points - np.array(centre)
    along = offsets @ (np.array(axis) / np.linalg.norm(axis))
    across = (offsets**2).sum(axis=-1) - along**2
    return nib.Nifti1Image(((along / radii[0]) ** 2 + across / radii[1] ** 2 <= 1).astype(np.uint8), affine)


def only(mask: nib.Nifti1Image) -> LesionFeatures:
    (lesion,) = measure_lesions(mask)
    return lesion


# Beside the body of the right lateral ventricle, whose outer wall is at x = 18 there.
FINGER: tuple[Point, Point, tuple[float, float]] = ((26, -20, 24), (1, 0, 0), (7, 3))


def test_an_oval_at_right_angles_to_the_ventricle_is_a_dawson_finger() -> None:
    lesion = only(oval(*FINGER))
    assert lesion.dawson_finger
    assert lesion.at_lateral_body
    assert lesion.wall_angle_deg < 30
    assert lesion.elongation == pytest.approx(7 / 3, rel=0.1)


def test_the_same_oval_along_the_wall_is_none() -> None:
    lesion = only(oval((22, -20, 24), (0, 1, 0), (7, 3)))
    assert lesion.periventricular
    assert not lesion.dawson_finger
    assert lesion.wall_angle_deg > 60


def test_a_round_lesion_of_the_deep_white_matter_is_nothing_special() -> None:
    lesion = only(oval((28, -10, 36), (1, 0, 0), (4, 4)))
    assert lesion.region == "white matter"
    assert not any(getattr(lesion, flag) for flag in FLAGS)


def test_left_and_right_are_alike() -> None:
    mirrored = ((-26, -20, 24), *FINGER[1:])
    one, other = only(oval(*FINGER)), only(oval(*mirrored))
    assert one.x_mm == pytest.approx(-other.x_mm)
    assert one.wall_angle_deg == pytest.approx(other.wall_angle_deg, abs=0.1)
    assert [getattr(one, flag) for flag in FLAGS] == [getattr(other, flag) for flag in FLAGS]


@pytest.mark.parametrize("step_mm", [(1.0, 1.0, 3.0), (2.0, 2.0, 2.0), (0.8, 0.8, 0.8)])
def test_voxels_of_other_sizes_tell_the_same(step_mm: Point) -> None:
    plain, other = only(oval(*FINGER)), only(oval(*FINGER, step_mm=step_mm))
    assert other.volume_ml == pytest.approx(plain.volume_ml, rel=0.12)
    assert other.lateral_mm == pytest.approx(plain.lateral_mm, abs=1.5)
    assert other.dawson_finger
    assert (other.x_mm, other.y_mm, other.z_mm) == pytest.approx((26, -20, 24), abs=0.6)


def test_a_thick_slice_touches_with_its_end() -> None:
    brain = region_atlas()
    x, y = 12, -20
    column = brain.distance["lateral"][x - int(brain.origin_mm[0]), y - int(brain.origin_mm[1])]
    # The middle of the slice lies well over the ventricle's roof.
    z = brain.origin_mm[2] + np.flatnonzero(column > 4)[np.flatnonzero(column > 4) > np.flatnonzero(column == 0).max()].min()

    def slice_of(thickness_mm: float) -> LesionFeatures:
        affine = np.diag([1.0, 1.0, thickness_mm, 1.0])
        affine[:3, 3] = (x, y, z)
        return only(nib.Nifti1Image(np.ones((1, 1, 1), dtype=np.uint8), affine))

    thin, thick = slice_of(1.0), slice_of(7.0)
    assert thick.volume_ml == pytest.approx(0.007)
    assert not thin.periventricular
    assert thick.periventricular


def test_a_band_round_the_floor_of_a_sulcus_is_a_u_fibre() -> None:
    brain = region_atlas()
    x, y, z = brain.coordinates()
    ball = (x - 19) ** 2 + (y + 59) ** 2 + (z - 26) ** 2 <= 81
    under = (brain.distance["cortex"] > 0.3) & (brain.distance["cortex"] < 2.8) & (brain.wm > 0.4)
    parts, _ = ndimage.label(ball & under, np.ones((3, 3, 3)))
    band = parts == np.bincount(parts[parts > 0]).argmax()
    lesion = only(nib.Nifti1Image(band.astype(np.uint8), brain.affine))
    assert lesion.u_fibre
    assert lesion.juxtacortical
    # A ball of the same size in the same place touches the cortex too, and is none.
    radius = (3 * lesion.volume_ml * 1000 / (4 * math.pi)) ** (1 / 3)
    plain = only(oval((19, -59, 26), (1, 0, 0), (radius, radius)))
    assert not plain.u_fibre


def test_a_layer_on_the_ventricle_is_a_line_along_the_ependyma() -> None:
    brain = region_atlas()
    x, y, z = brain.coordinates()
    layer = (brain.distance["lateral"] > 0) & (brain.distance["lateral"] <= 2.5) & (x > 8) & (y > -40) & (y < 10) & (z > 15) & (z < 30)
    parts, _ = ndimage.label(layer & (brain.csf < 0.5), np.ones((3, 3, 3)))
    lesion = only(nib.Nifti1Image((parts == np.bincount(parts[parts > 0]).argmax()).astype(np.uint8), brain.affine))
    assert lesion.linear
    assert lesion.linear_lateral
    assert not lesion.dawson_finger
    assert lesion.extensive


@pytest.mark.parametrize(
    ("centre", "flag", "region"),
    [
        ((0, -25, -33), "infratentorial", "brainstem"),
        ((28, -62, -36), "infratentorial", "cerebellar white matter"),
        ((40, -30, -18), "inferior_temporal", "temporal white matter"),
        ((26, 2, 2), "deep_grey", "putamen"),
        ((11, -17, 8), "thalamic", "thalamus"),
        ((0, -46, -57), "area_postrema", "area postrema"),
        ((0, -2, 27), "callosal", "corpus callosum"),
    ],
)
def test_places_known_to_anatomists_have_their_flags(centre: Point, flag: str, region: str) -> None:
    lesion = only(oval(centre, (1, 0, 0), (2.2, 2.2)))
    assert getattr(lesion, flag)
    assert lesion.region == region


def test_lesions_that_share_a_corner_are_one() -> None:
    mask = np.zeros((5, 5, 5))
    mask[1, 1, 1] = mask[2, 2, 2] = mask[4, 4, 4] = 1
    numbers = lesion_instances(mask)
    assert numbers[1, 1, 1] == numbers[2, 2, 2] != numbers[4, 4, 4]


def test_given_instances_divide_what_touches() -> None:
    mask = oval(*FINGER)
    numbers = np.asarray(mask.dataobj).astype(int)
    inside = np.argwhere(numbers)
    numbers[tuple(inside[inside[:, 0] > np.median(inside[:, 0])].T)] = 7
    lesions = measure_lesions(mask, numbers)
    assert [lesion.number for lesion in lesions] == [1, 7]
    assert sum(lesion.volume_ml for lesion in lesions) == pytest.approx(only(mask).volume_ml)


def test_an_empty_mask_has_no_lesions() -> None:
    assert measure_lesions(nib.Nifti1Image(np.zeros((10, 10, 10), np.uint8), np.eye(4))) == ()


def test_a_mask_of_another_space_is_refused() -> None:
    mask = oval(*FINGER)
    moved = mask.affine.copy()
    moved[:3, 3] += 200
    with pytest.raises(ValueError, match="another space"):
        measure_lesions(nib.Nifti1Image(np.asarray(mask.dataobj), moved))


@pytest.fixture(scope="module")
def three() -> tuple[LesionFeatures, ...]:
    places = (FINGER, ((28, -10, 36), (1, 0, 0), (4, 4)), ((40, -30, -18), (0, 1, 0), (5, 3)))
    return tuple(replace(only(oval(*place)), number=number) for number, place in enumerate(places, start=1))


def test_the_summary_counts_and_adds_up(three: tuple[LesionFeatures, ...]) -> None:
    summary = summary_of(three)
    assert (summary["lesions"], summary["n_dawson_finger"], summary["n_inferior_temporal"]) == (3, 1, 1)
    assert summary["total_ml"] == pytest.approx(sum(lesion.volume_ml for lesion in three))
    assert sum(summary[f"n_in_{name}"] for name in REGIONS) == 3
    assert sum(summary[f"ml_in_{name}"] for name in REGIONS) == pytest.approx(summary["total_ml"])
    assert summary["mean_elongation"] == pytest.approx(np.mean([lesion.elongation for lesion in three]))


def test_the_summary_of_no_lesions_has_the_same_names(three: tuple[LesionFeatures, ...]) -> None:
    nothing = summary_of(())
    assert list(nothing) == list(summary_of(three))
    assert nothing["lesions"] == nothing["total_ml"] == 0
    assert math.isnan(nothing["mean_sphericity"])


def test_every_region_of_the_summary_is_one_of_the_labels_and_none_is_counted_twice() -> None:
    named = [label for labels in REGIONS.values() for label in labels]
    assert set(named) <= set(LABELS.values())
    assert len(named) == len(set(named))


def test_a_table_read_back_gives_the_same_lesions(three: tuple[LesionFeatures, ...], tmp_path) -> None:
    write_tsv(tmp_path / "table.tsv", features_table(three))
    assert features_of_table(read_tsv(tmp_path / "table.tsv", text=("region", "regions"))) == three


def test_a_table_of_no_lesions_read_back_is_empty(tmp_path) -> None:
    write_tsv(tmp_path / "table.tsv", features_table(()))
    assert features_of_table(read_tsv(tmp_path / "table.tsv")) == ()


def test_the_atlas_on_the_whole_grid_is_that_of_the_box() -> None:
    brain = region_atlas()
    labels = brain.label_image()
    assert labels.shape == template_image(1.0).shape
    np.testing.assert_array_equal(labels.affine, template_image(1.0).affine)
    np.testing.assert_array_equal(np.asarray(labels.dataobj)[brain.box], brain.labels)
    assert math.isnan(np.asarray(brain.distance_image("lateral").dataobj)[0, 0, 0])


def test_what_is_infratentorial_lies_below_and_what_is_not_above() -> None:
    brain = region_atlas()
    heights = np.argwhere(brain.infratentorial)[:, 2] + brain.origin_mm[2]
    assert heights.max() < 10
    # 10 to 14 % of the brain's volume.
    assert 0.08 < brain.infratentorial.sum() / (brain.labels > 0).sum() < 0.16

"""The face's place in template coordinates, and what is kept around a brain."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.imaging.face import (
    BRAIN_MARGIN_MM,
    FACE_IS_THERE,
    PlacedHead,
    brain_distance,
    carried_brain,
    core_mask,
    face_share,
    removal_mask,
    spacing_mm,
)
from dawson.imaging.face_region import at_sides, in_core, in_face
from dawson.imaging.resample import grid_points, resample
from dawson.imaging.template import template_image, template_mask
from dawson.imaging.transforms import Affine

SPACING_MM = 3.0
SHAPE = (68, 84, 84)
LANDMARKS = {
    "left eye": (-32, 64, -38),
    "right eye": (32, 64, -38),
    "tip of the nose": (0, 110, -68),
    "nasion": (0, 86, -38),
    "mouth": (0, 90, -97),
    "teeth": (0, 76, -95),
    "chin": (0, 92, -125),
    "angle of the jaw": (47, 0, -100),
    "cheekbone": (50, 55, -58),
    "brow": (20, 87, -20),
    "right ear": (82, -26, -40),
    "lobe of the left ear": (-80, -26, -74),
}
KEPT = {
    "crown": (0, -20, 95),
    "forehead": (0, 82, 25),
    "back of the head": (0, -120, 0),
    "brainstem": (0, -30, -50),
    "spinal cord": (0, -42, -110),
    "cerebellum": (30, -60, -45),
}


def _grid() -> np.ndarray:
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = [-100.5, -130.0, -150.0]
    return affine


def _head(values: np.ndarray, to_scan: Affine, affine: np.ndarray) -> PlacedHead:
    """A head on any grid whose brain is the template's."""
    template = nib.Nifti1Image(template_mask().astype(np.float32), template_image().affine)
    brain = resample(template, values.shape, affine, [to_scan.inverse()], 0)
    return PlacedHead(
        nib.Nifti1Image(values, affine), nib.Nifti1Image((np.asarray(brain.dataobj) > 0.5).astype(np.uint8), affine), to_scan, 1.0
    )


@pytest.fixture(scope="module")
def head() -> PlacedHead:
    """Tissue within 20 mm of the brain and in the face."""
    affine = _grid()
    empty = _head(np.zeros(SHAPE, dtype=np.float32), Affine(np.eye(4)), affine)
    brain = np.asarray(empty.brain.dataobj) > 0
    shell = brain_distance(brain, spacing_mm(affine), 20.0) < 20.0
    x, y, z = (grid_points(SHAPE, affine).T.reshape(3, *SHAPE)).astype(np.float32)
    face = (np.abs(x) < 60) & (y > 0) & (y < 90) & (z < -20) & (z > -130)
    return PlacedHead(nib.Nifti1Image(100.0 * (shell | face).astype(np.float32), affine), empty.brain, empty.to_scan, 1.0)


def _at(mask: np.ndarray, affine: np.ndarray, point: tuple[float, float, float]) -> bool:
    index = np.rint(np.linalg.inv(affine)[:3] @ [*point, 1.0]).astype(int)
    return bool(mask[tuple(index)])


@pytest.mark.parametrize("name", LANDMARKS)
def test_every_part_of_a_face_is_in_the_region(name: str) -> None:
    point = [np.float32(value) for value in LANDMARKS[name]]
    assert in_face(*point) or at_sides(*point)


@pytest.mark.parametrize("name", KEPT)
def test_what_lies_behind_and_above_is_not(name: str) -> None:
    point = [np.float32(value) for value in KEPT[name]]
    assert not in_face(*point) and not at_sides(*point)


def test_the_region_is_the_same_on_both_sides() -> None:
    x = np.linspace(-100, 100, 21, dtype=np.float32)[:, None, None]
    y = np.linspace(-130, 120, 26, dtype=np.float32)[None, :, None]
    z = np.linspace(-150, 90, 25, dtype=np.float32)[None, None, :]
    for region in (in_face, at_sides, in_core):
        found = region(x, y, z)
        np.testing.assert_array_equal(found, found[::-1])


def test_nothing_near_the_brain_is_removed_and_every_landmark_is(head: PlacedHead) -> None:
    removed = removal_mask(head)
    near = brain_distance(np.asarray(head.brain.dataobj) > 0, spacing_mm(head.image.affine), 10.0) <= BRAIN_MARGIN_MM
    assert not (removed & near).any()
    assert all(_at(removed, head.image.affine, point) for point in LANDMARKS.values())
    assert not any(_at(removed, head.image.affine, point) for point in KEPT.values())


def test_a_brain_that_another_scan_saw_is_kept_too(head: PlacedHead) -> None:
    nose = np.zeros(head.image.shape, dtype=bool)
    index = tuple(np.rint(np.linalg.inv(head.image.affine)[:3] @ [0, 100, -68, 1.0]).astype(int))
    nose[index] = True
    assert removal_mask(head)[index] and not removal_mask(head, nose)[index]


def test_the_mask_follows_the_head_whatever_the_grid() -> None:
    """An oblique grid of thick slices with axes in another order finds the same landmarks in a turned head."""
    turn = np.eye(4)
    turn[:3, :3] = [[0.98, 0.19899749, 0], [-0.19899749, 0.98, 0], [0, 0, 1]]
    turn[:3, 3] = [12.0, -7.0, 20.0]
    to_scan = Affine(turn)
    # axes: left, superior (5 mm), anterior
    affine = np.array([[-2.0, 0, 0, 150], [0, 0.2, 2.5, -170], [0, 5.0, -0.1, -160], [0, 0, 0, 1.0]])
    head = _head(np.zeros((150, 60, 130), dtype=np.float32), to_scan, affine)
    removed = removal_mask(head)
    for name, point in LANDMARKS.items():
        assert _at(removed, affine, tuple(to_scan.apply(np.array([point], dtype=float))[0])), name
    for name, point in KEPT.items():
        assert not _at(removed, affine, tuple(to_scan.apply(np.array([point], dtype=float))[0])), name


def test_distance_is_counted_in_millimetres() -> None:
    brain = np.zeros((9, 9, 9), dtype=bool)
    brain[4, 4, 4] = True
    distance = brain_distance(brain, np.array([1.0, 2.0, 5.0]), 6.0)
    assert distance[4, 4, 4] == 0 and distance[6, 4, 4] == 2 and distance[4, 6, 4] == 4 and distance[4, 4, 5] == 5
    assert distance[5, 5, 4] == pytest.approx(np.sqrt(5))
    assert np.isinf(brain_distance(np.zeros((3, 3, 3), dtype=bool), np.ones(3), 2.0)).all()


def test_a_carried_brain_moves_with_the_head() -> None:
    values = np.zeros((20, 20, 20), dtype=np.uint8)
    values[8:12, 8:12, 8:12] = 1
    mask = nib.Nifti1Image(values, np.eye(4))
    shift = np.eye(4)
    shift[:3, 3] = [3, 0, -2]
    found = carried_brain(mask, nib.Nifti1Image(np.zeros((20, 20, 20), dtype=np.float32), np.eye(4)), Affine(shift))
    np.testing.assert_array_equal(found, np.roll(values, (3, 0, -2), axis=(0, 1, 2)) > 0)


def test_a_head_has_a_face_until_it_is_removed(head: PlacedHead) -> None:
    values = np.asarray(head.image.dataobj)
    assert face_share(head) > 0.9
    without = nib.Nifti1Image(np.where(removal_mask(head), np.float32(1), values), head.image.affine)
    assert face_share(PlacedHead(without, head.brain, head.to_scan, 1.0)) < 0.5 * FACE_IS_THERE
    stripped = nib.Nifti1Image(values * np.asarray(head.brain.dataobj), head.image.affine)
    assert face_share(PlacedHead(stripped, head.brain, head.to_scan, 1.0)) == 0


def test_a_field_of_view_without_a_face_has_none(head: PlacedHead) -> None:
    """Slices from above the eyes on: no voxel of the face's middle is in view."""
    affine = head.image.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 45.0], [0, 0, 0, 1]])
    cut = PlacedHead(
        nib.Nifti1Image(np.asarray(head.image.dataobj)[..., 45:], affine),
        nib.Nifti1Image(np.asarray(head.brain.dataobj)[..., 45:], affine),
        head.to_scan,
        1.0,
    )
    assert core_mask(head).any() and face_share(cut) == 0

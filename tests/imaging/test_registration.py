"""Registration finds what was done to the template brain."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dawson.errors import ConfigError, MissingDependencyError
from dawson.imaging.registration import (
    overlap_dice,
    register_rigid,
    register_to_template,
    registration_named,
    shared_information,
    starting_transform,
)
from dawson.imaging.resample import grid_points, isotropic, resample
from dawson.imaging.template import template_image, template_mask
from dawson.imaging.tissue import flair_template, template_correlation
from dawson.imaging.transforms import Affine, Warp


def _rigid(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> Affine:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return Affine(matrix)


def _mask(spacing: float) -> nib.Nifti1Image:
    return nib.Nifti1Image(template_mask(spacing).astype(np.uint8), template_image(spacing).affine)


def _error_mm(found: Affine, truth: Affine) -> float:
    mask = _mask(4.0)
    points = grid_points(mask.shape, mask.affine, mask.get_fdata() > 0)
    return float(np.linalg.norm(found.apply(points) - truth.apply(points), axis=1).mean())


def _moved(image: nib.Nifti1Image, truth: Affine) -> nib.Nifti1Image:
    """A thick-slice scan of a head that lies elsewhere: values at truth(x) are those of the image at x."""
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    affine[:3, 3] = truth.apply(np.array([[0.0, -17, 5]]))[0] - [130, 130, 120]
    return resample(image, (131, 131, 61), affine, [truth.inverse()])


def test_a_known_rigid_motion_is_recovered_across_contrasts() -> None:
    truth = _rigid((8, -5, 12), (15, -9, 22))
    found = register_rigid(template_image(2.0), _moved(flair_template(2.0), truth), spacing_mm=3.0, threads=2)
    assert _error_mm(found, truth) < 0.7
    np.testing.assert_allclose(found.matrix[:3, :3] @ found.matrix[:3, :3].T, np.eye(3), atol=1e-6)


def test_an_outline_that_differs_between_the_contrasts_does_not_move_the_brain() -> None:
    """A brain mask that takes 6 mm off the top, as of a scan whose top slices are dark: outlines then disagree, the inside does not."""
    truth = _rigid((2, -1.5, 1), (1, -2, 1.5))
    flair = flair_template(2.0)
    brain = np.asarray(flair.dataobj) > 0
    values = np.where(np.roll(brain, -3, axis=2), np.asarray(flair.dataobj), np.float32(0))
    moving = _moved(nib.Nifti1Image(values, flair.affine), truth)
    found = register_rigid(template_image(2.0), moving)
    assert _error_mm(found, truth) < 0.5
    again = register_rigid(template_image(2.0), moving)
    np.testing.assert_array_equal(found.matrix, again.matrix)


def test_a_strongly_turned_head_is_started_near_its_place() -> None:
    truth = _rigid((-38, 5, 25), (40, 60, -80))
    assert _error_mm(starting_transform(template_image(3.0), _moved(template_image(2.0), truth)), truth) < 12


def test_a_deformed_brain_comes_back_to_the_template_without_folds() -> None:
    template = template_image(3.0)
    points = grid_points(template.shape, template.affine)
    bend = np.stack([3 * np.sin(points[:, 1] / 25), 3 * np.cos(points[:, 2] / 22), 2 * np.sin(points[:, 0] / 20)], axis=1)
    warp = Warp(bend.reshape(*template.shape, 3).astype(np.float32), template.affine)
    scan = resample(template_image(2.0), template.shape, template.affine, [_rigid((5, 3, -4), (3, 8, -6)), warp])
    found = register_to_template(template, _mask(3.0), scan, spacing_mm=3.0, threads=2)
    back = resample(scan, template.shape, template.affine, found.transforms)
    alone = resample(scan, template.shape, template.affine, [found.affine])
    assert found.min_jacobian > 0
    assert template_correlation(back, 3.0) > 0.9
    assert template_correlation(back, 3.0) > template_correlation(alone, 3.0)


def test_a_brain_comes_to_the_template_by_the_same_way_every_time() -> None:
    """The program adds noise before it compares; with one thread and one seed the result is the same to the bit."""
    template = template_image(4.0)
    scan = resample(template_image(2.0), template.shape, template.affine, [_rigid((4, 2, -3), (2, 5, -4))])
    first, second = (register_to_template(template, _mask(4.0), scan, spacing_mm=4.0) for _ in range(2))
    np.testing.assert_array_equal(first.affine.matrix, second.affine.matrix)
    np.testing.assert_array_equal(first.warp.displacement, second.warp.displacement)


def test_an_affine_alignment_of_the_inside_does_not_follow_the_outline() -> None:
    """A brain extraction that takes 4 mm too much all around, as it may of a head that lost its face."""
    template, truth = template_image(4.0), _rigid((3, -2, 4), (2, -4, 3))
    whole = np.asarray(template.dataobj, dtype=np.float32)
    larger = np.where(ndimage.binary_dilation(whole > 0) & (whole == 0), np.float32(0.5 * whole.max()), whole)
    scan = isotropic(_moved(nib.Nifti1Image(larger, template.affine), truth), 4.0)
    depth = ndimage.distance_transform_edt(whole > 0, sampling=4.0)
    deep = nib.Nifti1Image((depth > 12).astype(np.float32), template.affine)
    greedy = registration_named("greedy")
    by_all, by_inside = (greedy.linear(template, scan, truth, 12, 1, within) for within in (None, deep))
    assert _error_mm(by_inside, truth) < 0.6 * _error_mm(by_all, truth)


def test_overlap_counts_only_what_both_scans_see() -> None:
    mask = _mask(3.0)
    half = nib.Nifti1Image(np.asarray(mask.dataobj)[:, :, :30], mask.affine)
    assert overlap_dice(mask, half, Affine(np.eye(4))) == pytest.approx(1.0, abs=0.02)
    assert overlap_dice(mask, mask, _rigid((0, 0, 0), (40, 0, 0))) < 0.8


def test_two_contrasts_of_one_brain_share_more_than_two_brains() -> None:
    template, flair = template_image(2.0), flair_template(2.0)
    mirrored = nib.Nifti1Image(np.asarray(flair.dataobj)[:, ::-1], flair.affine)
    same = shared_information(template, flair, Affine(np.eye(4)))
    assert same > 2 * shared_information(template, mirrored, Affine(np.eye(4)))
    assert same > 0.2
    assert shared_information(template, flair, _rigid((0, 0, 0), (500, 0, 0))) == 0.0


def test_an_unknown_or_missing_method_is_named() -> None:
    with pytest.raises(ConfigError, match="'elastix'"):
        registration_named("elastix")
    try:
        import ants  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match="pip install antspyx"):
            registration_named("ants")


def test_nothing_is_written_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    small = template_image(4.0)
    registration_named("greedy").linear(small, small, Affine(np.eye(4)), 6, 1)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""

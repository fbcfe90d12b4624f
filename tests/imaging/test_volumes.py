"""Reading volumes: what is accepted, what is refused and why."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.errors import ImageError
from dawson.imaging.volumes import content_hash, read_volume, volume_problems


def test_a_sound_file_has_no_problem_and_keeps_its_values(saved: Path, volume: nib.Nifti1Image) -> None:
    assert volume_problems(saved) == []
    np.testing.assert_array_equal(read_volume(saved).get_fdata(), volume.get_fdata())


def test_axes_come_in_ras_order(saved: Path, volume: nib.Nifti1Image) -> None:
    turned = volume.as_reoriented(nib.orientations.axcodes2ornt("SLP"))
    path = saved.with_name("turned.nii.gz")
    nib.save(turned, path)
    found = read_volume(path)
    assert nib.aff2axcodes(found.affine) == ("R", "A", "S")
    np.testing.assert_array_equal(found.get_fdata(), volume.get_fdata())
    np.testing.assert_allclose(found.affine, volume.affine)


def test_a_fourth_axis_of_one_is_dropped(saved: Path, volume: nib.Nifti1Image) -> None:
    nib.save(nib.Nifti1Image(volume.get_fdata()[..., None], volume.affine), saved)
    assert read_volume(saved).shape == volume.shape


def test_scaled_integers_are_read_by_their_scale(saved: Path, volume: nib.Nifti1Image) -> None:
    stored = nib.Nifti1Image(np.arange(np.prod(volume.shape)).reshape(volume.shape) % 100 + 1.0, volume.affine)
    stored.set_data_dtype(np.int16)
    stored.header.set_slope_inter(0.5, 10)
    nib.save(stored, saved)
    np.testing.assert_allclose(read_volume(saved).get_fdata(), 10 + 0.5 * stored.get_fdata(), rtol=1e-6)


def _broken(kind: str, path: Path, volume: nib.Nifti1Image) -> None:
    values, affine = volume.get_fdata().astype(np.float32), volume.affine
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:20_000])
    elif kind == "empty file":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("not an image")
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "NaN":
        values[3, 3, 3] = np.nan
        nib.save(nib.Nifti1Image(values, affine), path)
    elif kind == "zeros":
        nib.save(nib.Nifti1Image(values * 0, affine), path)
    elif kind == "4D":
        nib.save(nib.Nifti1Image(np.stack([values, values], axis=-1), affine), path)
    elif kind == "micrometres":
        nib.save(nib.Nifti1Image(values, affine @ np.diag([1000, 1000, 1000, 1])), path)
    elif kind == "half a head":
        nib.save(nib.Nifti1Image(values[:, :, :10], affine), path)
    elif kind == "no orientation":
        image = nib.Nifti1Image(values, None)
        image.header.set_zooms((4, 4, 4))
        nib.save(image, path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "does not exist"),
        ("truncated", "truncated"),
        ("empty file", "0 bytes"),
        ("text", "no image file"),
        ("folder", "is a folder"),
        ("NaN", "NaN"),
        ("zeros", "every voxel is zero"),
        ("4D", "4 dimensions"),
        ("micrometres", "voxels of 4e"),
        ("half a head", "field of view"),
        ("no orientation", "no orientation"),
    ],
)
def test_each_fault_is_named_with_the_file(kind: str, message: str, saved: Path, volume: nib.Nifti1Image) -> None:
    _broken(kind, saved, volume)
    with pytest.raises(ImageError, match=message) as caught:
        read_volume(saved)
    assert str(saved) in str(caught.value)
    assert volume_problems(saved)


def test_all_problems_are_listed_not_only_the_first(saved: Path, volume: nib.Nifti1Image) -> None:
    nib.save(nib.Nifti1Image(volume.get_fdata() * 0, volume.affine @ np.diag([100, 100, 100, 1])), saved)
    assert len(volume_problems(saved)) == 3


def test_a_recompressed_reoriented_copy_has_the_same_content(saved: Path, volume: nib.Nifti1Image) -> None:
    copy = saved.with_name("copy.nii")
    nib.save(volume.as_reoriented(nib.orientations.axcodes2ornt("LPS")), copy)
    assert content_hash(copy) == content_hash(saved)


def test_one_changed_voxel_changes_the_content(saved: Path, volume: nib.Nifti1Image) -> None:
    before = content_hash(saved)
    values = volume.get_fdata().copy()
    values[0, 0, 0] += 1
    nib.save(nib.Nifti1Image(values.astype(np.float32), volume.affine), saved)
    assert content_hash(saved) != before

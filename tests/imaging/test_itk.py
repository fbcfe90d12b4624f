"""nibabel's world and ITK's are the same world."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from dawson.errors import PreprocessingError
from dawson.imaging.itk import euler_transform, from_itk, point_transform, read_itk_affine, to_itk, write_itk_affine


def _oblique(volume: nib.Nifti1Image) -> nib.Nifti1Image:
    from scipy.spatial.transform import Rotation

    affine = volume.affine.copy()
    affine[:3, :3] = Rotation.from_euler("xyz", [12, -7, 20], degrees=True).as_matrix() @ np.diag([1.0, -2.0, 3.5])
    return nib.Nifti1Image(volume.get_fdata(), affine)


def test_there_and_back_changes_nothing(volume: nib.Nifti1Image) -> None:
    oblique = _oblique(volume)
    back = from_itk(to_itk(oblique))
    np.testing.assert_allclose(back.affine, oblique.affine, atol=1e-9)
    np.testing.assert_allclose(back.get_fdata(), oblique.get_fdata(), rtol=1e-6)


def test_itk_reads_the_same_place_from_the_same_file(volume: nib.Nifti1Image, tmp_path: Path) -> None:
    oblique = _oblique(volume)
    nib.save(oblique, tmp_path / "x.nii.gz")
    read, made = SimpleITK.ReadImage(str(tmp_path / "x.nii.gz")), to_itk(oblique)
    for index in ((0, 0, 0), (5, 7, 30)):
        np.testing.assert_allclose(read.TransformIndexToPhysicalPoint(index), made.TransformIndexToPhysicalPoint(index), atol=1e-3)
        assert read[index] == pytest.approx(made[index], rel=1e-5)


def test_an_affine_file_means_to_itk_what_it_means_here(tmp_path: Path) -> None:
    matrix = np.array([[0.9, 0.1, 0, 5], [-0.1, 1.1, 0.05, -3], [0, 0.02, 1, 7], [0, 0, 0, 1.0]])
    write_itk_affine(tmp_path / "x.txt", matrix)
    np.testing.assert_allclose(read_itk_affine(tmp_path / "x.txt"), matrix, atol=1e-12)
    lps = SimpleITK.ReadTransform(str(tmp_path / "x.txt")).TransformPoint((-10.0, -20.0, 30.0))
    expected = matrix @ [10.0, 20.0, 30.0, 1.0]
    np.testing.assert_allclose(np.array(lps) * [-1, -1, 1], expected[:3], atol=1e-9)


def test_a_centre_of_rotation_is_respected(tmp_path: Path) -> None:
    transform = SimpleITK.Euler3DTransform((3.0, -4.0, 5.0), 0.1, 0.2, -0.3, (1.0, 2.0, 3.0))
    affine = SimpleITK.AffineTransform(3)
    affine.SetMatrix(transform.GetMatrix())
    affine.SetCenter(transform.GetCenter())
    affine.SetTranslation(transform.GetTranslation())
    SimpleITK.WriteTransform(affine, str(tmp_path / "x.txt"))
    found = read_itk_affine(tmp_path / "x.txt") @ [10.0, 20.0, 30.0, 1.0]
    np.testing.assert_allclose(found[:3], np.array(transform.TransformPoint((-10.0, -20.0, 30.0))) * [-1, -1, 1], atol=1e-9)


def test_a_rigid_transform_goes_to_itk_and_back_whatever_its_centre() -> None:
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", [25, -11, 40], degrees=True).as_matrix()
    matrix[:3, 3] = [12, -30, 7]
    transform = euler_transform(matrix, np.array([10.0, 20.0, -35.0]))
    np.testing.assert_allclose(point_transform(transform), matrix, atol=1e-9)
    lps = np.array(transform.TransformPoint((-10.0, -20.0, 30.0)))
    np.testing.assert_allclose(lps * [-1, -1, 1], (matrix @ [10.0, 20.0, 30.0, 1.0])[:3], atol=1e-9)


def test_a_sheared_grid_is_refused(volume: nib.Nifti1Image) -> None:
    affine = volume.affine.copy()
    affine[0, 1] = 1.0
    with pytest.raises(PreprocessingError, match="right angles"):
        to_itk(nib.Nifti1Image(volume.get_fdata(), affine))

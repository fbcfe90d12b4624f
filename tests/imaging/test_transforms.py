"""Transforms: files, order, folds."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from dawson.imaging.transforms import Affine, Warp, jacobian_minimum


def _warp(amplitude: float) -> Warp:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-30, -20, -10]
    x = np.arange(30) * 2.0 - 30
    displacement = np.zeros((30, 20, 20, 3), dtype=np.float32)
    displacement[..., 0] = (amplitude * np.sin(x / 5))[:, None, None]
    displacement[..., 1] = 1.5
    return Warp(displacement, affine)


def _mask(warp: Warp) -> nib.Nifti1Image:
    mask = np.zeros(warp.displacement.shape[:3], dtype=np.uint8)
    mask[3:-3, 3:-3, 3:-3] = 1
    return nib.Nifti1Image(mask, warp.affine)


def test_a_saved_warp_is_the_same_to_itk(tmp_path: Path) -> None:
    warp = _warp(3.0)
    warp.save(tmp_path / "w.nii.gz")
    point = np.array([[-11.0, 3.0, 4.0]])
    np.testing.assert_allclose(Warp.load(tmp_path / "w.nii.gz").apply(point), warp.apply(point), atol=1e-6)
    field = SimpleITK.ReadImage(str(tmp_path / "w.nii.gz"), SimpleITK.sitkVectorFloat64)
    moved = SimpleITK.DisplacementFieldTransform(field).TransformPoint((11.0, -3.0, 4.0))
    np.testing.assert_allclose(np.array(moved) * [-1, -1, 1], warp.apply(point)[0], atol=1e-4)


def test_an_affine_and_its_inverse_cancel() -> None:
    affine = Affine(np.array([[0.9, 0.1, 0, 5], [-0.1, 1.1, 0.05, -3], [0, 0.02, 1, 7], [0, 0, 0, 1.0]]))
    points = np.random.default_rng(0).normal(size=(10, 3)) * 50
    np.testing.assert_allclose(affine.inverse().apply(affine.apply(points)), points, atol=1e-9)


def test_the_jacobian_of_an_affine_is_its_determinant() -> None:
    warp = _warp(0.0)
    assert jacobian_minimum((warp, Affine(np.diag([1.2, 0.9, 1.1, 1.0]))), _mask(warp)) == pytest.approx(1.188, rel=1e-5)


def test_a_warp_that_folds_has_a_negative_jacobian() -> None:
    # d/dx (x + a sin(x/5)) = 1 + a/5 cos(x/5): smallest at x = 15.7, below 0 for a > 5
    assert jacobian_minimum((_warp(4.0),), _mask(_warp(4.0))) == pytest.approx(0.2, abs=0.03)
    assert jacobian_minimum((_warp(7.0),), _mask(_warp(7.0))) < 0


def test_a_fold_of_one_voxel_is_not_stepped_over() -> None:
    warp = _warp(0.0)
    warp.displacement[15, 10, 10, 0] = 3.0  # beyond its neighbour 2 mm away; central differences there are 1
    assert jacobian_minimum((warp,), _mask(warp)) < 0

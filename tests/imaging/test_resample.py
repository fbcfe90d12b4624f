"""Values at places of the world."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.imaging.resample import isotropic, resample, sample
from dawson.imaging.transforms import Affine


@pytest.mark.parametrize("order", [0, 1, 3])
def test_voxel_centres_give_their_values(order: int, volume: nib.Nifti1Image) -> None:
    np.testing.assert_allclose(
        np.asarray(resample(volume, volume.shape, volume.affine, order=order).dataobj), volume.get_fdata(), rtol=1e-3
    )


def test_half_way_is_the_mean_and_outside_is_zero() -> None:
    image = nib.Nifti1Image(np.array([2.0, 4.0]).reshape(2, 1, 1), np.eye(4))
    points = np.array([[0.5, 0, 0], [-0.4, 0, 0], [-0.6, 0, 0], [1.4, 0, 0], [0, 0.6, 0]])
    np.testing.assert_allclose(sample(image, points), [3, 2, 0, 4, 0])


def test_the_spline_stays_within_the_image() -> None:
    image = nib.Nifti1Image(np.repeat([0.0, 0, 100, 100], 25).reshape(4, 5, 5), np.eye(4))
    values = sample(image, np.stack([np.linspace(0, 3, 50), np.full(50, 2.0), np.full(50, 2.0)], axis=1), order=3)
    assert values.min() >= 0
    assert values.max() <= 100


def test_transforms_act_in_their_order(volume: nib.Nifti1Image) -> None:
    move, stretch = np.eye(4), np.diag([2.0, 2.0, 2.0, 1.0])
    move[:3, 3] = [6.0, 0, 0]
    found = sample(volume, np.array([[-20.0, -11, -9]]), [Affine(stretch), Affine(move)], order=0)
    voxel = np.round((np.array([-34.0, -22, -18]) - volume.affine[:3, 3]) / 4).astype(int)
    assert found[0] == pytest.approx(volume.get_fdata()[tuple(voxel)])


def test_cubes_cover_an_oblique_volume_and_keep_its_content() -> None:
    from scipy.ndimage import gaussian_filter
    from scipy.spatial.transform import Rotation

    blob = np.zeros((40, 40, 12), dtype=np.float32)
    blob[25, 15, 6] = 1000
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("x", 25, degrees=True).as_matrix() @ np.diag([1.0, 1.0, 4.0])
    image = nib.Nifti1Image(gaussian_filter(blob, [4, 4, 1]), affine)
    found = isotropic(image, 2.0)
    assert nib.aff2axcodes(found.affine) == ("R", "A", "S")

    def centre(of: nib.Nifti1Image) -> np.ndarray:
        values = np.asarray(of.dataobj)
        index = np.array([np.average(axis, weights=values) for axis in np.indices(values.shape)])
        return of.affine[:3, :3] @ index + of.affine[:3, 3]

    np.testing.assert_allclose(centre(found), centre(image), atol=0.2)

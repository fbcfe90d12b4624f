"""The space in the middle: symmetric, and both scans equally far from it."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dawson.errors import PreprocessingError
from dawson.imaging.halfway import InverseWarp, distance_mm, grid_around, mean_space, register_sessions, rigid_mean
from dawson.imaging.resample import grid_points, resample
from dawson.imaging.transforms import Affine, Warp


def rigid(degrees: tuple[float, float, float], shift: tuple[float, float, float]) -> Affine:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return Affine(matrix)


MOVED = rigid((7.0, -4.0, 9.0), (5.0, -8.0, 3.0))


def test_two_halves_make_the_whole() -> None:
    to_first, to_second = mean_space([Affine(np.eye(4)), MOVED])
    whole = to_second.matrix @ to_first.inverse().matrix
    np.testing.assert_allclose(whole, MOVED.matrix, atol=1e-10)


def test_both_sessions_are_moved_equally_far() -> None:
    to_first, to_second = mean_space([Affine(np.eye(4)), MOVED])
    np.testing.assert_allclose(to_first.inverse().matrix, to_second.matrix, atol=1e-10)


def test_half_a_turn_is_a_turn_by_half_the_angle() -> None:
    _, to_second = mean_space([Affine(np.eye(4)), rigid((0, 0, 20), (0, 0, 6))])
    np.testing.assert_allclose(to_second.matrix, rigid((0, 0, 10), (0, 0, 3)).matrix, atol=1e-12)


def test_exchanging_two_sessions_leaves_the_middle_where_it_is() -> None:
    to_first, to_second = mean_space([Affine(np.eye(4)), MOVED])
    swapped_second, swapped_first = mean_space([Affine(np.eye(4)), MOVED.inverse()])
    np.testing.assert_allclose(swapped_first.matrix, to_first.matrix, atol=1e-10)
    np.testing.assert_allclose(swapped_second.matrix, to_second.matrix, atol=1e-10)


def test_mean_of_shifts_is_their_mean_and_the_sessions_stay_consistent() -> None:
    shifts = [Affine(np.eye(4)), rigid((0, 0, 0), (3, 0, 0)), rigid((0, 0, 0), (0, 6, 0))]
    transforms = mean_space(shifts)
    np.testing.assert_allclose(np.mean([transform.matrix[:3, 3] for transform in transforms], axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((transforms[2].matrix @ transforms[0].inverse().matrix), shifts[2].matrix, atol=1e-12)


def test_mean_of_a_transform_and_itself() -> None:
    np.testing.assert_allclose(rigid_mean([MOVED, MOVED]).matrix, MOVED.matrix, atol=1e-12)


def test_grid_holds_both_brains_and_lies_on_whole_millimetres() -> None:
    box = np.zeros((20, 20, 20), dtype=np.uint8)
    box[5:15, 5:15, 5:15] = 1
    brains = [nib.Nifti1Image(box, np.diag([2.0, 2, 2, 1])) for _ in range(2)]
    transforms = mean_space([Affine(np.eye(4)), MOVED])
    shape, affine = grid_around(brains, transforms)
    assert np.array_equal(affine[:3, 3], np.round(affine[:3, 3]))
    for brain, transform in zip(brains, transforms, strict=True):
        points = transform.inverse().apply(grid_points(box.shape, brain.affine, box > 0))
        voxels = points - affine[:3, 3]
        assert (voxels >= 0).all() and (voxels <= np.array(shape) - 1).all()


def test_inverse_warp_undoes_a_warp() -> None:
    rng = np.random.default_rng(0)
    field = np.stack([ndimage.gaussian_filter(rng.standard_normal((16, 16, 16)), 3) for _ in range(3)], axis=-1)
    warp = Warp((4 * field / np.abs(field).max()).astype(np.float32), np.diag([4.0, 4, 4, 1]))
    points = rng.uniform(8, 52, (500, 3))
    np.testing.assert_allclose(warp.apply(InverseWarp(warp).apply(points)), points, atol=0.02)


def _head(rng: np.random.Generator) -> nib.Nifti1Image:
    """A brain-like ellipsoid with structure of centimetres, on a grid of 2.5 mm."""
    shape = (60, 72, 60)
    axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    inside = sum((axis / 0.8) ** 2 for axis in axes) < 1
    texture = ndimage.gaussian_filter(rng.standard_normal(shape), 2.5)
    values = np.where(inside, 100 + 20 * texture / texture.std(), 0)
    affine = np.diag([2.5, 2.5, 2.5, 1])
    affine[:3, 3] = [-74, -89, -74]
    return nib.Nifti1Image(values.astype(np.float32), affine)


@pytest.mark.slow
def test_a_turned_copy_is_undone_at_the_halfway_space_and_either_order_gives_the_same() -> None:
    first = _head(np.random.default_rng(1))
    second = resample(first, first.shape, first.affine, [MOVED.inverse()], 3)
    found = register_sessions(first, second, spacing_mm=2.5)
    points = grid_points(first.shape, first.affine, np.asarray(first.dataobj) > 0)
    to_first, to_second = mean_space([Affine(np.eye(4)), found.transform])
    true_first, true_second = mean_space([Affine(np.eye(4)), MOVED])
    # what counts at the halfway space is where the second scan lies for a point of the first
    seen = Affine(true_second.matrix @ true_first.inverse().matrix @ to_first.matrix)
    assert distance_mm(seen, to_second, true_first.inverse().apply(points)) < 0.15
    back = register_sessions(second, first, spacing_mm=2.5)
    np.testing.assert_allclose(back.transform.matrix, found.transform.inverse().matrix, atol=1e-9)


def test_two_different_brains_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import dawson.imaging.halfway as halfway

    answers = iter([rigid((0, 0, 0), (5, 0, 0)), rigid((0, 0, 0), (5, 0, 0))])
    monkeypatch.setattr(halfway, "register_rigid", lambda *_: next(answers))
    head = _head(np.random.default_rng(2))
    with pytest.raises(PreprocessingError, match=r"10\.0 mm apart"):
        register_sessions(head, head)

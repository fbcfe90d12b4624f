from __future__ import annotations

import numpy as np
import pytest

from dawson.imaging.lesion_shape import lesion_shape


def ellipsoid(radii_mm: tuple[float, float, float], affine: np.ndarray, size: int = 60) -> np.ndarray:
    """Voxels of an ellipsoid about the world's origin, its axes those of the world."""
    voxels = np.argwhere(np.ones((size, size, size), dtype=bool))
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    return voxels[((points / radii_mm) ** 2).sum(axis=1) <= 1]


def grid(spacing: tuple[float, float, float], size: int = 60) -> np.ndarray:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.array(spacing) * (size - 1) / 2
    return affine


def test_axes_of_an_ellipsoid_are_its_own() -> None:
    shape = lesion_shape(ellipsoid((12, 6, 4), grid((0.5, 0.5, 0.5))), grid((0.5, 0.5, 0.5)))
    np.testing.assert_allclose(shape.lengths_mm, (24, 12, 8), rtol=0.02)
    np.testing.assert_allclose(np.abs(shape.axes), np.eye(3), atol=0.02)
    assert shape.volume_mm3 == pytest.approx(4 / 3 * np.pi * 12 * 6 * 4, rel=0.02)


def test_voxels_of_any_shape_give_the_same_lesion() -> None:
    thick, fine = grid((1, 1, 3)), grid((0.5, 0.5, 0.5))
    one, other = (lesion_shape(ellipsoid((12, 9, 6), affine), affine) for affine in (thick, fine))
    assert one.volume_mm3 == pytest.approx(other.volume_mm3, rel=0.05)
    # Half a thick slice at most.
    np.testing.assert_allclose(one.lengths_mm, other.lengths_mm, atol=1.5)
    np.testing.assert_allclose(one.centre_mm, 0, atol=1e-9)


def test_an_oblique_grid_turns_the_axes_with_it() -> None:
    affine = grid((1, 1, 1))
    voxels = ellipsoid((12, 6, 4), affine)
    angle = np.deg2rad(30)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    shape = lesion_shape(voxels, turned @ affine)
    assert abs(shape.axes[0] @ (np.cos(angle), np.sin(angle), 0)) == pytest.approx(1, abs=1e-3)


def test_surface_of_a_ball() -> None:
    shape = lesion_shape(ellipsoid((12, 12, 12), grid((0.5, 0.5, 0.5))), grid((0.5, 0.5, 0.5)))
    assert shape.surface_mm2 == pytest.approx(4 * np.pi * 144, rel=0.03)
    assert shape.sphericity == pytest.approx(1, abs=0.03)


def test_a_single_voxel_is_a_box() -> None:
    shape = lesion_shape(np.array([[3, 4, 5]]), np.diag([1.0, 2.0, 3.0, 1.0]))
    assert shape.volume_mm3 == 6
    assert shape.solidity == pytest.approx(1)
    np.testing.assert_allclose(shape.centre_mm, (3, 8, 15))
    # Six faces of 2, 3 and 6 square millimetres, two thirds of them.
    assert shape.surface_mm2 == pytest.approx(2 / 3 * 22)


def test_a_bent_band_fills_little_of_its_hull() -> None:
    x, y, z = np.meshgrid(*[np.arange(40)] * 3, indexing="ij")
    away = np.hypot(x - 20, y - 20)
    half_ring = np.argwhere((away > 12) & (away < 15) & (y >= 20) & (abs(z - 20) < 3))
    straight = np.argwhere((abs(y - 20) < 2) & (abs(z - 20) < 3))
    assert lesion_shape(half_ring, np.eye(4)).solidity < 0.4
    assert lesion_shape(straight, np.eye(4)).solidity == pytest.approx(1)

"""What stands where a face was: the scan's own air, of the scan's own type."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.imaging.deface_fill import air_values, fill, head_mask

SPACING = np.array([4.0, 4.0, 4.0])


@pytest.fixture
def scan() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bright ball with a dark hole in noisy air, its middle as brain, and a part of ball and air to be removed."""
    rng = np.random.default_rng(0)
    i, j, k = np.meshgrid(*[np.arange(40)] * 3, indexing="ij")
    radius = np.sqrt((i - 20) ** 2 + (j - 20) ** 2 + (k - 20) ** 2)
    values = np.where(radius < 12, 400, np.abs(rng.normal(0, 10, radius.shape)))
    values[20, 28, 20] = 0
    return values.astype(np.uint16), radius < 8, j > 28


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float32, ">i2"])
def test_every_removed_voxel_holds_air_and_the_type_stays(scan: tuple[np.ndarray, ...], kind: object) -> None:
    values, brain, removed = scan
    stored = np.minimum(values, 250).astype(kind)
    air = air_values(stored, head_mask(stored.astype(np.float32), brain, SPACING), removed, SPACING)
    filled = fill(stored, removed, air, np.random.default_rng(1))
    assert filled.dtype == stored.dtype
    assert np.isin(filled[removed], air).all() and filled[removed].max() < 100
    np.testing.assert_array_equal(filled[~removed], stored[~removed])


def test_the_fill_looks_like_the_air_and_tells_nothing_of_what_was_there(scan: tuple[np.ndarray, ...]) -> None:
    values, brain, removed = scan
    head = head_mask(values.astype(np.float32), brain, SPACING)
    air = air_values(values, head, removed, SPACING)
    filled = fill(values, removed, air, np.random.default_rng(1)).astype(float)
    assert filled[removed].mean() == pytest.approx(air.mean(), rel=0.03)
    assert filled[removed].std() == pytest.approx(air.std(), rel=0.05)
    assert abs(filled[removed & head].mean() - filled[removed & ~head].mean()) < 1.0
    other = np.where(removed, np.uint16(300), values)
    np.testing.assert_array_equal(fill(other, removed, air, np.random.default_rng(1))[removed], filled[removed])


def test_holes_belong_to_the_head_and_air_does_not(scan: tuple[np.ndarray, ...]) -> None:
    values, brain, _ = scan
    head = head_mask(values.astype(np.float32), brain, SPACING)
    assert head[20, 28, 20] and head[20, 20, 20] and not head[0].any()


def test_a_scan_without_air_is_filled_with_its_darkest_values(scan: tuple[np.ndarray, ...]) -> None:
    values, _, removed = scan
    air = air_values(values, np.ones_like(removed), removed, SPACING)
    assert air.size and air.max() <= np.percentile(values[~removed], 1.0)

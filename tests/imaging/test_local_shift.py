"""Shifts between two images of one brain, against known ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dawson.imaging.local_shift import block_shifts, local_shifts


def test_a_shifted_piece_is_found_whatever_the_contrast() -> None:
    rng = np.random.default_rng(4)
    first = 100 + 400 * ndimage.gaussian_filter(rng.normal(size=(60, 60, 60)), 3.0)
    mask = np.zeros(first.shape, bool)
    mask[6:-6, 6:-6, 6:-6] = True
    second = 300 - first
    aligned = local_shifts(first, second, mask)
    assert np.percentile(np.linalg.norm(aligned, axis=1), 99) < 0.15
    bump = np.exp(-((np.indices(first.shape) - 30.0) ** 2).sum(axis=0) / (2 * 8.0**2))
    where = np.indices(first.shape).astype(float)
    where[0] += 1.0 * bump
    bent = ndimage.map_coordinates(second, where, order=1, mode="nearest")
    found = np.zeros((*first.shape, 3))
    found[mask] = local_shifts(first, bent, mask)
    assert 0.3 < np.linalg.norm(found[30, 30, 30]) < 1.2
    assert np.linalg.norm(found[10, 10, 10]) < 0.2


def test_a_part_of_a_shift_is_found_in_its_direction() -> None:
    rng = np.random.default_rng(5)
    first = 100 + 400 * ndimage.gaussian_filter(rng.normal(size=(60, 60, 60)), 2.0)
    mask = np.zeros(first.shape, bool)
    mask[6:-6, 6:-6, 6:-6] = True
    bump = np.exp(-((np.indices(first.shape) - 30.0) ** 2).sum(axis=0) / (2 * 9.0**2))
    where = np.indices(first.shape).astype(float)
    where[1] -= 1.5 * bump
    bent = ndimage.map_coordinates(300 - first, where, order=1, mode="nearest")
    found = np.zeros((*first.shape, 3))
    found[mask] = local_shifts(first, bent, mask)
    assert 0.3 < found[30, 30, 30, 1] < 1.5
    assert found[30, 30, 30, [0, 2]] == pytest.approx([0, 0], abs=0.1)


def test_images_without_edges_and_small_masks_say_nothing() -> None:
    flat = np.ones((20, 20, 20))
    assert local_shifts(flat, flat, flat > 0).shape == (0, 3)
    assert local_shifts(flat, flat, np.zeros(flat.shape, bool)).shape == (0, 3)


def test_blocks_are_means_near_the_surface() -> None:
    mask = np.zeros((4, 4, 6), bool)
    mask[:2, :2] = True
    mask[2, 2, 0] = True
    depth = np.zeros(mask.shape, np.float32)
    depth[0] = 5.0
    shifts = np.zeros((int(mask.sum()), 3), np.float32)
    at = np.nonzero(mask)
    shifts[:, 0] = np.where(at[0] == 0, 100.0, at[2])
    blocks = block_shifts(shifts, mask, depth, side=2, deepest=4.0)
    assert blocks.shape == (2 * 2 * 3, 3)
    # the planes z = 0, 1 have the mean 0.5, the next 2.5; what lies deeper (100) does not count
    assert blocks[:3, 0].tolist() == [0.5, 2.5, 4.5]
    # one voxel of eight is too little
    assert np.isnan(blocks[3:]).all()

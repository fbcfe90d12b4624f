"""Displacements near air, against known ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from dawson.imaging.air_bend import AIR_PLACES, bends
from dawson.imaging.template import template_image, template_mask

GRID = template_image(2.0)
POINTS = np.moveaxis(np.indices(GRID.shape), 0, -1) @ GRID.affine[:3, :3].T + GRID.affine[:3, 3]


@pytest.fixture(scope="module")
def pair():
    """The template with its fine structure, and another contrast of it."""
    rng = np.random.default_rng(4)
    first = np.asarray(GRID.dataobj, np.float32)
    first = first / first.max() + 0.2 * ndimage.gaussian_filter(rng.normal(size=GRID.shape), 1.5) * (first > 0)
    return first, 1.5 - np.sqrt(np.clip(first, 0, None)), template_mask(2.0)


def bent(image, place, mm, width=22.0):
    """What lay at x - d(x) is seen at x, d being a bump of displacement beside a place of air."""
    away = np.square(POINTS - AIR_PLACES[place].mm).sum(axis=-1)
    bump = np.exp(-1.5 * away / width**2)
    where = np.indices(image.shape) - np.moveaxis(bump[..., None] * mm / 2.0, -1, 0)
    return ndimage.map_coordinates(image, where, order=1, mode="nearest")


def test_images_that_lie_on_each_other_are_not_bent(pair):
    first, second, mask = pair
    found = bends(first, second, mask, GRID.affine)
    assert found.keys() == AIR_PLACES.keys()
    assert max(np.abs(bend).max() for bend in found.values()) < 0.1


@pytest.mark.parametrize("mm", [(0.0, 3.0, 0.0), (0.0, -1.0, 2.0), (2.0, 0.0, 0.0)])
def test_a_bend_is_found_at_its_place_whatever_the_contrast(pair, mm):
    first, second, mask = pair
    found = bends(first, bent(second, "frontal", mm), mask, GRID.affine)
    # it is told what has to be undone
    assert found["frontal"] == pytest.approx(mm, abs=1.3)
    assert np.linalg.norm(found["left_ear"]) < 0.4 and np.linalg.norm(found["right_ear"]) < 0.4


def test_what_alignment_left_is_hardly_taken_for_a_bend(pair):
    """Up to two millimetres and one per cent, of which less than two remain: a bend of four is told from it."""
    first, second, mask = pair
    moved = ndimage.affine_transform(second, np.diag([1.01, 0.99, 1.0]), offset=(0.7, -0.5, 0.3), order=1)
    found = bends(first, moved, mask & (moved > 0), GRID.affine)
    assert max(np.abs(bend).max() for bend in found.values()) < 2.0


def test_a_place_without_brain_is_left_out_and_images_without_edges_say_nothing(pair):
    first, second, mask = pair
    cut = mask & (POINTS[..., 1] < 30)
    assert bends(first, second, cut, GRID.affine).keys() == {"left_ear", "right_ear"}
    flat = np.ones(GRID.shape, np.float32)
    assert all(np.abs(bend).max() < 1e-6 for bend in bends(flat, flat, mask, GRID.affine).values())
    assert bends(first, second, np.zeros(GRID.shape, bool), GRID.affine) == {}

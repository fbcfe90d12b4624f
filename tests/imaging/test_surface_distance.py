"""Outlines apart: known distances, known bias."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.imaging.boxes import union_box
from dawson.imaging.surface_distance import outline_bias, surface, surface_distances


def ball(radius: float, shape: tuple[int, int, int] = (41, 41, 41), centre: float = 20) -> np.ndarray:
    x, y, z = np.indices(shape) - centre
    return x**2 + y**2 + z**2 <= radius**2


@pytest.mark.parametrize("wider_mm", [-3.0, -1.0, 1.0, 3.0])
def test_the_bias_of_a_ball_is_the_difference_of_radii(wider_mm: float) -> None:
    assert outline_bias(ball(10 + wider_mm), ball(10), (1.0, 1.0, 1.0)) == pytest.approx(wider_mm, abs=0.25)


def test_the_bias_counts_millimetres_and_changes_its_sign_with_the_sides() -> None:
    wide, tight = ball(9.5), ball(7.5)
    assert outline_bias(wide, tight, (0.5, 0.5, 0.5)) == pytest.approx(0.5 * outline_bias(wide, tight, (1.0, 1.0, 1.0)))
    assert outline_bias(tight, wide, (1.0, 1.0, 2.0)) == pytest.approx(-outline_bias(wide, tight, (1.0, 1.0, 2.0)))


def test_a_lesion_that_one_mask_lacks_says_nothing_of_the_outline() -> None:
    reference = ball(5, centre=12)
    extra = ball(4, centre=32)
    alone = outline_bias(ball(6, centre=12), reference, (1.0, 1.0, 1.0))
    assert outline_bias(ball(6, centre=12) | extra, reference, (1.0, 1.0, 1.0)) == alone
    assert outline_bias(ball(6, centre=12), reference | extra, (1.0, 1.0, 1.0)) == alone
    assert np.isnan(outline_bias(extra, reference, (1.0, 1.0, 1.0)))


def test_an_outline_that_wanders_evenly_has_no_bias() -> None:
    plate = np.zeros((40, 40, 40), dtype=bool)
    plate[10:30, 10:30, 10:30] = True
    drawn = plate.copy()
    drawn[30, 10:30, 10:20], drawn[29, 10:30, 20:30] = True, False
    assert outline_bias(drawn, plate, (1.0, 1.0, 1.0)) == pytest.approx(0.0, abs=0.01)


def test_voxels_at_the_border_of_the_image_are_surface() -> None:
    full = np.ones((4, 4, 4), dtype=bool)
    assert surface(full).sum() == 64 - 8


def test_an_empty_mask_has_no_distances() -> None:
    with pytest.raises(ValueError, match="empty"):
        surface_distances(ball(3), np.zeros((41, 41, 41), dtype=bool), (1.0, 1.0, 1.0))


def test_the_box_holds_both_masks_and_ends_with_the_image() -> None:
    one, other = np.zeros((2, 10, 10, 10), dtype=bool)
    one[2, 3, 9], other[5, 4, 0] = True, True
    assert union_box(one, other) == (slice(2, 6), slice(3, 5), slice(0, 10))
    assert union_box(one, other, margin=3) == (slice(0, 9), slice(0, 8), slice(0, 10))
    assert union_box(np.zeros((3, 3, 3), dtype=bool)) == (slice(0, 0),) * 3

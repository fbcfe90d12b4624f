"""Views of a head from outside."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.imaging.face_surface import depth_map, shaded, solid_head, surface


@pytest.fixture
def box() -> np.ndarray:
    """A block with a rod (nose) on its anterior face, left of the middle, and a rod (ear) on its right side."""
    solid = np.zeros((20, 24, 22), dtype=bool)
    solid[5:15, 6:16, 4:18] = True
    solid[7:9, 16:20, 10:12] = True
    solid[15:17, 10:12, 14:16] = True
    return solid


def test_depth_is_counted_from_the_eye_that_looks(box: np.ndarray) -> None:
    front = depth_map(box, "front")
    # rows from above, columns from the patient's right (the highest index)
    assert front.shape == (22, 20)
    assert front[21 - 10, 19 - 7] == 24 - 20
    assert front[21 - 10, 19 - 13] == 24 - 16
    assert np.isnan(front[0]).all()
    assert depth_map(box, "right")[21 - 14, 10] == 20 - 17
    assert depth_map(box, "left")[21 - 14, 23 - 10] == 5


def test_the_nose_points_away_from_the_back_in_both_side_views(box: np.ndarray) -> None:
    left, right = depth_map(box, "left"), depth_map(box, "right")
    assert np.flatnonzero(np.isfinite(left).any(axis=0))[0] == 23 - 19
    assert np.flatnonzero(np.isfinite(right).any(axis=0))[-1] == 19


def test_a_flat_wall_is_evenly_lit_and_nothing_is_black() -> None:
    depth = np.full((30, 30), 5.0, dtype=np.float32)
    depth[:, :10] = np.nan
    picture = shaded(depth)
    assert (picture[:, :10] == 0).all()
    assert np.ptp(picture[5:-5, 18:]) < 1e-5 and picture[15, 25] > 0.5


def test_a_head_is_the_largest_body_on_a_straight_grid() -> None:
    values = np.zeros((20, 20, 10), dtype=np.float32)
    values[4:14, 4:14, 2:8] = 100
    values[17:19, 17:19, 8:] = 100
    solid = solid_head(nib.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])), 50.0)
    assert solid.shape == (20, 20, 30)
    assert solid[9, 9, 15] and not solid[18, 18].any()
    assert surface(solid, "front").max() > 0.5

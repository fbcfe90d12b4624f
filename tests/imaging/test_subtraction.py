"""The subtraction of two scans: blind to brightness and bias, awake to lesions, the same in either direction."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import PreprocessingError
from dawson.imaging.subtraction import subtract

SHAPE = (56, 60, 52)
CENTRE = (34, 30, 26)


def ball(centre: tuple[int, int, int], radius: float) -> NDArray[np.bool_]:
    steps = np.ogrid[tuple(slice(0, size) for size in SHAPE)]
    return np.asarray(sum((step - middle) ** 2 for step, middle in zip(steps, centre, strict=True)) <= radius**2)


BRAIN = ball((28, 30, 26), 23)
TISSUE = 100 + 8 * ndimage.gaussian_filter(np.random.default_rng(9).standard_normal(SHAPE), 2) / 0.06
TISSUE[ball((28, 30, 26), 6)] = 30


def scan(seed: int, lesion: NDArray[np.bool_] | None = None, gain: float = 1.0) -> NDArray[np.float32]:
    values = TISSUE + 3 * np.random.default_rng(seed).standard_normal(SHAPE)
    if lesion is not None:
        values = values + 45 * lesion
    return np.where(BRAIN, gain * values, 0).astype(np.float32)


def test_a_scan_less_itself_is_nothing() -> None:
    one = scan(1)
    result = subtract(one, one, BRAIN, 1.0)
    assert np.abs(result.difference).max() == 0
    assert np.abs(result.z).max() == 0


def test_without_change_z_is_standard_normal() -> None:
    result = subtract(scan(1), scan(2), BRAIN, 1.0)
    inner = ndimage.binary_erosion(BRAIN, iterations=3)
    assert result.z[inner].std() == pytest.approx(1, abs=0.12)
    assert np.abs(result.z[inner]).max() < 6


def test_a_planted_lesion_stands_out_and_only_it() -> None:
    lesion = ball(CENTRE, 3)
    result = subtract(scan(1), scan(2, lesion), BRAIN, 1.0)
    assert result.z[lesion].mean() > 6
    away = ndimage.binary_erosion(BRAIN, iterations=3) & ~ndimage.binary_dilation(lesion, iterations=4)
    assert np.abs(result.z[away]).max() < 6


def test_exchanging_the_scans_changes_the_sign_only() -> None:
    one, other = scan(1), scan(2, ball(CENTRE, 3))
    there, back = subtract(one, other, BRAIN, 1.0), subtract(other, one, BRAIN, 1.0)
    assert np.array_equal(there.z, -back.z)
    assert np.array_equal(there.first, back.second)
    assert there.noise == back.noise and there.edge_mm == back.edge_mm


def test_another_gain_changes_nothing() -> None:
    plain, louder = (subtract(scan(1), scan(2, gain=gain), BRAIN, 1.0) for gain in (1.0, 7.0))
    np.testing.assert_allclose(louder.z, plain.z, atol=0.02)


def test_most_of_a_smooth_bias_between_the_scans_is_removed() -> None:
    slope = np.linspace(-0.1, 0.1, SHAPE[1], dtype=np.float32)[None, :, None]
    # with voxels of 3 mm the ball is as large as a brain, which the width of the smoothing is made for
    plain = subtract(scan(1), scan(2), BRAIN, 3.0)
    biased = subtract(scan(1), (scan(2) * np.exp(slope)).astype(np.float32), BRAIN, 3.0)
    inner = ndimage.binary_erosion(BRAIN, iterations=4)
    # what the bias alone does to the difference, in the units of the result
    spread = 1.4826 * np.median(np.abs(scan(1)[inner] - np.median(scan(1)[inner])))
    alone = np.abs(np.broadcast_to(100 * slope, SHAPE)[inner]).mean() / spread
    assert np.abs(biased.difference - plain.difference)[inner].mean() < 0.5 * alone


def test_misaligned_edges_weigh_less_than_in_an_aligned_pair() -> None:
    aligned = subtract(scan(1), scan(2), BRAIN, 1.0)
    shifted = subtract(scan(1), np.where(BRAIN, np.roll(scan(2), 1, axis=0), 0).astype(np.float32), BRAIN, 1.0)
    assert shifted.edge_mm > aligned.edge_mm + 0.2


def test_too_little_brain_in_common_is_refused() -> None:
    with pytest.raises(PreprocessingError, match="too little brain"):
        subtract(scan(1), scan(2), ball(CENTRE, 3), 1.0)

"""Z-score inside the brain."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.errors import PreprocessingError
from dawson.imaging.intensity import normalise


def _scan() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    brain = np.zeros((30, 30, 30), dtype=bool)
    brain[5:25, 5:25, 5:25] = True
    return random.normal(300, 40, brain.shape).astype(np.float32), brain


def test_mean_0_and_deviation_1_inside_and_0_outside() -> None:
    values, brain = _scan()
    result = normalise(values, brain)
    assert result[brain].mean() == pytest.approx(0, abs=1e-5)
    assert result[brain].std() == pytest.approx(1, abs=1e-5)
    assert not result[~brain].any()
    assert result.dtype == np.float32


def test_scale_and_offset_of_the_scanner_do_not_matter() -> None:
    values, brain = _scan()
    np.testing.assert_allclose(normalise(values * 7 + 100, brain), normalise(values, brain), atol=1e-4)


def test_one_spike_hardly_matters() -> None:
    values, brain = _scan()
    spiked = values.copy()
    spiked[10, 10, 10] = 1e6
    others = brain.copy()
    others[10, 10, 10] = False
    np.testing.assert_allclose(normalise(spiked, brain)[others], normalise(values, brain)[others], atol=0.1)


def test_a_flat_or_missing_brain_is_an_error() -> None:
    values, brain = _scan()
    with pytest.raises(PreprocessingError, match="one brightness"):
        normalise(np.full_like(values, 7), brain)
    with pytest.raises(PreprocessingError, match="no brain voxel"):
        normalise(values, np.zeros_like(brain))

from __future__ import annotations

import numpy as np
import pytest

from dawson.errors import PreprocessingError
from dawson.imaging.lesion_filling import fill_lesions

from .brain_phantom import T1W, phantom


def _white() -> np.ndarray:
    brain = phantom()
    white = np.zeros(brain.brain.shape, dtype=np.float32)
    white[brain.brain] = brain.shares[2]
    return white


def test_only_lesions_change() -> None:
    brain = phantom()
    values = np.asarray(brain.t1w.dataobj)
    filled = fill_lesions(values, brain.lesions, _white(), 2.0)
    assert np.array_equal(filled[~brain.lesions], values[~brain.lesions].astype(np.float32))


def test_lesions_get_the_level_and_the_grain_of_white_matter() -> None:
    brain = phantom()
    filled = fill_lesions(np.asarray(brain.t1w.dataobj), brain.lesions, _white(), 2.0)
    assert filled[brain.lesions].mean() == pytest.approx(T1W[2], rel=0.05)
    assert 1.0 < filled[brain.lesions].std() < 12.0


def test_the_fill_follows_a_brightness_that_differs_between_places() -> None:
    values = np.tile(np.linspace(100, 200, 80, dtype=np.float32)[:, None, None], (1, 20, 20))
    lesions = np.zeros(values.shape, dtype=bool)
    lesions[10:13, 8:12, 8:12] = lesions[66:69, 8:12, 8:12] = True
    filled = fill_lesions(np.where(lesions, 50, values), lesions, np.ones_like(values))
    assert filled[10:13][lesions[10:13]].mean() == pytest.approx(values[11, 0, 0], abs=6)
    assert filled[66:69][lesions[66:69]].mean() == pytest.approx(values[67, 0, 0], abs=6)


def test_the_same_seed_gives_the_same_image() -> None:
    brain = phantom()
    both = [fill_lesions(np.asarray(brain.t1w.dataobj), brain.lesions, _white(), 2.0, seed=3) for _ in range(2)]
    assert np.array_equal(*both)


def test_without_lesions_nothing_happens_and_without_white_matter_it_is_refused() -> None:
    brain = phantom()
    values, none = np.asarray(brain.t1w.dataobj), np.zeros(brain.brain.shape, dtype=np.float32)
    assert np.array_equal(fill_lesions(values, none > 0, none), values.astype(np.float32))
    with pytest.raises(PreprocessingError, match="no normal-appearing white matter"):
        fill_lesions(values, brain.lesions, none)

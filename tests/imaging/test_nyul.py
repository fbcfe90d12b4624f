"""Nyul's landmarks on arrays whose histograms are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import interp1d

from dawson.errors import PreprocessingError
from dawson.imaging.nyul import PERCENTILES, apply_nyul, fit_nyul

BRAIN = np.ones((10, 10, 10), dtype=bool)


def brains(seed: int = 0, count: int = 5) -> list[np.ndarray]:
    """Mixtures of two tissues, each image with its own gain, offset and bend."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        tissue = np.where(rng.random((10, 10, 10)) < 0.5, rng.normal(2, 0.3, (10, 10, 10)), rng.normal(4, 0.4, (10, 10, 10)))
        made.append(rng.uniform(50, 200) * np.clip(tissue, 0.1, None) ** rng.uniform(0.8, 1.2) + rng.uniform(0, 30))
    return made


def test_as_the_published_definition_has_it() -> None:
    images = brains()
    stretched = []
    for image in images:
        marks = np.percentile(image, PERCENTILES)
        stretched.append(interp1d([marks[0], marks[-1]], [1.0, 100.0])(marks))
    standard = np.mean(stretched, axis=0)
    scale = fit_nyul(images, [BRAIN] * len(images))
    assert np.allclose(scale.landmarks, standard)
    expected = interp1d(np.percentile(images[0], PERCENTILES), standard, fill_value="extrapolate")(images[0])
    assert np.allclose(apply_nyul(scale, images[0], BRAIN), expected, atol=1e-4)


def test_landmarks_of_every_image_become_the_standard_ones() -> None:
    images = brains()
    scale = fit_nyul(images[:3], [BRAIN] * 3)
    for image in images:
        found = np.percentile(apply_nyul(scale, image, BRAIN), PERCENTILES)
        assert np.abs(found - scale.landmarks).max() < 0.5


def test_gain_and_offset_of_a_scanner_do_not_matter() -> None:
    images = brains()
    scale = fit_nyul(images, [BRAIN] * len(images))
    assert np.allclose(apply_nyul(scale, images[0], BRAIN), apply_nyul(scale, 3 * images[0] + 7, BRAIN), atol=1e-3)


def test_order_is_kept_and_outside_the_brain_is_0() -> None:
    images = brains()
    brain = BRAIN.copy()
    brain[:2] = False
    done = apply_nyul(fit_nyul(images, [BRAIN] * len(images)), images[0], brain)
    assert (done[:2] == 0).all()
    assert (np.diff(done[brain][np.argsort(images[0][brain])]) >= 0).all()


def test_own_unit_is_kept_where_no_ends_are_given() -> None:
    images = brains()
    scale = fit_nyul(images, [BRAIN] * len(images), ends=None)
    marks = np.stack([np.percentile(image, (1, 99)) for image in images]).mean(axis=0)
    assert np.allclose([scale.landmarks[0], scale.landmarks[-1]], marks)


def test_a_spike_in_the_histogram_keeps_the_map_defined() -> None:
    images = brains()
    spiked = images[0].copy()
    spiked[:5] = 300.0
    done = apply_nyul(fit_nyul(images, [BRAIN] * len(images)), spiked, BRAIN)
    assert np.isfinite(done).all() and (np.diff(done.ravel()[np.argsort(spiked.ravel())]) >= 0).all()


def test_no_image_no_brain_and_one_brightness_are_refused() -> None:
    with pytest.raises(PreprocessingError, match="no image"):
        fit_nyul([], [])
    with pytest.raises(PreprocessingError, match="no brain voxel"):
        fit_nyul(brains(), [np.zeros_like(BRAIN)] * 5)
    with pytest.raises(PreprocessingError, match="one brightness"):
        fit_nyul([np.ones((10, 10, 10))], [BRAIN])
    with pytest.raises(ValueError, match="must increase"):
        fit_nyul(brains(), [BRAIN] * 5, percentiles=(50, 50))

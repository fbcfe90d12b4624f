"""Figures of fit."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.errors import PreprocessingError
from dawson.imaging.template import template_image
from dawson.imaging.tissue import (
    dice,
    flair_template,
    mutual_information,
    template_correlation,
    template_mutual_information,
    wm_dice,
)


def test_dice_by_hand() -> None:
    assert dice(np.array([1, 1, 0, 0], dtype=bool), np.array([1, 0, 1, 0], dtype=bool)) == 0.5
    assert dice(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool)) == 1.0


def test_mutual_information_of_a_value_with_itself_is_1_and_of_strangers_0() -> None:
    random = np.random.default_rng(0)
    first, second = random.uniform(size=(2, 100_000)).astype(np.float32)
    assert mutual_information(first, -3 * first + 2) == pytest.approx(1.0, abs=0.02)
    assert mutual_information(first, second) < 0.01
    assert mutual_information(first, np.ones_like(first)) == 0.0


def test_the_template_fits_itself_and_a_shift_is_seen() -> None:
    template = template_image(2.0)
    shifted = nib.Nifti1Image(np.roll(np.asarray(template.dataobj), 4, axis=1), template.affine)
    assert template_correlation(template, 2.0) == pytest.approx(1.0)
    assert wm_dice(template, 2.0) > 0.75
    assert wm_dice(shifted, 2.0) < 0.7
    assert template_correlation(shifted, 2.0) < 0.7


def test_flair_is_judged_by_mutual_information_as_its_contrast_is_reversed() -> None:
    flair = flair_template(2.0)
    shifted = nib.Nifti1Image(np.roll(np.asarray(flair.dataobj), 4, axis=0), flair.affine)
    assert template_mutual_information(flair, 2.0) > 2 * template_mutual_information(shifted, 2.0)


def test_another_grid_is_refused() -> None:
    with pytest.raises(PreprocessingError, match="grid"):
        template_correlation(template_image(3.0), 2.0)

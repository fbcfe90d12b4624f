"""N4 takes a known bias field out."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.errors import PreprocessingError
from dawson.imaging.bias import correct_bias
from dawson.imaging.template import template_image, template_mask

SPACING_MM = 5.0


def _corrected(bias: np.ndarray, shear: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Brain voxels of the template, times a bias and corrected, and of the field that was found."""
    template, brain = template_image(SPACING_MM), template_mask(SPACING_MM)
    values = np.where(brain, 100 * np.asarray(template.dataobj) + 20, 0) * bias
    affine = template.affine.copy()
    affine[0, 1] = shear
    mask = nib.Nifti1Image(brain.astype(np.uint8), affine)
    corrected, field = correct_bias(nib.Nifti1Image(values.astype(np.float32), affine), mask, threads=2)
    return np.asarray(corrected.dataobj)[brain], np.asarray(field.dataobj)[brain]


def test_a_known_bias_is_flattened_on_straight_and_sheared_grids() -> None:
    brain = template_mask(SPACING_MM)
    bias = np.broadcast_to(1 + 0.4 * np.linspace(-1, 1, brain.shape[1])[None, :, None], brain.shape)
    # against the correction of the clean image, since the template's own brightness is not flat either
    clean, field = _corrected(np.ones(brain.shape))
    assert float(field.mean()) == pytest.approx(1.0, abs=1e-4)
    before = bias[brain].std() / bias[brain].mean()
    for shear in (0.0, 0.3):
        ratio = _corrected(bias, shear)[0] / clean
        assert ratio.std() / ratio.mean() < 0.3 * before


def test_an_empty_mask_is_an_error() -> None:
    empty = nib.Nifti1Image(np.zeros((9, 9, 9), dtype=np.uint8), np.eye(4))
    with pytest.raises(PreprocessingError, match="empty"):
        correct_bias(empty, empty)

"""N4 takes a known bias field out."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.imaging.bias import correct_bias
from dawson.imaging.template import template_image, template_mask


@pytest.mark.parametrize("shear", [0.0, 0.3])
def test_a_known_bias_is_flattened_on_any_grid(shear: float) -> None:
    template = template_image(3.0)
    brain = template_mask(3.0)
    clean = np.where(brain, 100 * np.asarray(template.dataobj) + 20, 0).astype(np.float32)
    y = np.linspace(-1, 1, brain.shape[1])[None, :, None]
    biased = clean * (1 + 0.4 * y)
    affine = template.affine.copy()
    affine[0, 1] = shear
    mask = nib.Nifti1Image(brain.astype(np.uint8), affine)
    corrected, field = correct_bias(nib.Nifti1Image(biased.astype(np.float32), affine), mask)

    def unevenness(values: np.ndarray) -> float:
        ratio = values[brain] / clean[brain]
        return float(ratio.std() / ratio.mean())

    assert unevenness(np.asarray(corrected.dataobj)) < 0.35 * unevenness(biased)
    assert float(np.asarray(field.dataobj)[brain].mean()) == pytest.approx(1.0, abs=1e-4)

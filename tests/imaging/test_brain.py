"""Brain extraction on a head of shells around the template brain."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from dawson.errors import ConfigError, MissingDependencyError, PreprocessingError
from dawson.imaging.brain import brain_mask, extractor_named
from dawson.imaging.resample import resample
from dawson.imaging.template import template_image, template_mask
from dawson.imaging.tissue import dice, flair_template


def _head(contrast: str) -> nib.Nifti1Image:
    """Fluid, dark skull and bright scalp around the template brain, 2 mm."""
    template = template_image(2.0) if contrast == "T1w" else flair_template(2.0)
    room = 12
    values = np.pad(np.asarray(template.dataobj, dtype=np.float32), room)
    brain = np.pad(template_mask(2.0), room)
    distance = ndimage.distance_transform_edt(~brain, sampling=2.0)
    fluid = 0.25 if contrast == "T1w" else 0.2
    values = np.where(brain, values, np.select([distance <= 3, distance <= 9, distance <= 15], [fluid, 0.05, 1.0], 0.0))
    affine = template.affine.copy()
    affine[:3, 3] -= 2.0 * room
    noise = np.random.default_rng(0).normal(0, 0.02, values.shape)
    return nib.Nifti1Image(np.maximum(300 * (values + noise), 0).astype(np.float32), affine)


@pytest.mark.parametrize("contrast", ["T1w", "FLAIR"])
def test_deepbet_finds_the_brain_in_thick_slices(contrast: str) -> None:
    head = _head(contrast)
    thick = np.diag([2.0, 2.0, 4.0, 1.0])
    thick[:3, 3] = head.affine[:3, 3]
    shape = (*head.shape[:2], head.shape[2] // 2)
    found = brain_mask(resample(head, shape, thick), "deepbet", threads=2)
    truth = nib.Nifti1Image(template_mask(2.0).astype(np.uint8), template_image(2.0).affine)
    expected = np.asarray(resample(truth, shape, thick, order=0).dataobj) > 0.5
    assert dice(np.asarray(found.dataobj) > 0, expected) > 0.93


def test_a_brain_of_an_impossible_size_is_refused() -> None:
    head = _head("T1w")
    with pytest.raises(PreprocessingError, match=r"brain of 2\d\d mL"):
        brain_mask(nib.Nifti1Image(np.asarray(head.dataobj), head.affine @ np.diag([0.5, 0.5, 0.5, 1.0])), threads=2)


def test_an_empty_image_has_no_brain() -> None:
    with pytest.raises(PreprocessingError, match="brain"):
        brain_mask(nib.Nifti1Image(np.zeros((50, 50, 50), dtype=np.float32), np.diag([4.0, 4.0, 4.0, 1.0])))


@pytest.mark.parametrize(("name", "hint"), [("synthstrip", "FreeSurfer"), ("hd-bet", "pip install hd-bet")])
def test_an_extractor_that_is_not_installed_says_how_to_get_it(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match=hint):
        brain_mask(template_image(4.0), name)


def test_an_unknown_extractor_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'bet2'.*deepbet, hd-bet, synthstrip"):
        extractor_named("bet2")

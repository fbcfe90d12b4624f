from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture(scope="module")
def images(native_cohort: Path) -> dict[str, nib.Nifti1Image]:
    raw = native_cohort / "sub-001" / "ses-01" / "anat"
    truth = native_cohort / "derivatives" / "dawson" / "sub-001" / "ses-01" / "anat"
    return {
        "T1w": nib.load(raw / "sub-001_ses-01_T1w.nii.gz"),
        "FLAIR": nib.load(raw / "sub-001_ses-01_FLAIR.nii.gz"),
        "lesion": nib.load(truth / "sub-001_ses-01_space-T1w_label-lesion_desc-sim_mask.nii.gz"),
        "brain": nib.load(truth / "sub-001_ses-01_space-T1w_label-brain_desc-sim_mask.nii.gz"),
        "tissues": nib.load(truth / "sub-001_ses-01_space-T1w_desc-sim_dseg.nii.gz"),
    }


def test_each_contrast_has_its_own_grid(images: dict[str, nib.Nifti1Image], native_cohort: Path) -> None:
    assert images["T1w"].shape != images["FLAIR"].shape
    assert not np.allclose(images["T1w"].affine, images["FLAIR"].affine)
    np.testing.assert_allclose(images["FLAIR"].header.get_zooms(), (0.9375, 0.9375, 4.0), atol=1e-4)
    turned = images["FLAIR"].affine[:3, :3] / images["FLAIR"].header.get_zooms()
    assert np.abs(turned - np.eye(3)).max() > 0.005
    sidecar = native_cohort / "sub-001" / "ses-01" / "anat" / "sub-001_ses-01_FLAIR.json"
    assert json.loads(sidecar.read_text()) == {"SimulatedData": True, "SliceThickness": 4.0}


def test_truth_lies_on_the_grid_of_t1w(images: dict[str, nib.Nifti1Image]) -> None:
    for name in ("lesion", "brain", "tissues"):
        assert images[name].shape == images["T1w"].shape
        np.testing.assert_allclose(images[name].affine, images["T1w"].affine)
    brain, lesion = (np.asarray(images[name].dataobj) > 0 for name in ("brain", "lesion"))
    assert 1.3e6 < brain.sum() < 2.6e6
    assert lesion.any() and not (lesion & ~brain).any()


def test_tissues_have_the_contrast_of_t1w(images: dict[str, nib.Nifti1Image]) -> None:
    values, tissues = (np.asarray(images[name].dataobj) for name in ("T1w", "tissues"))
    fluid, grey, white = (np.median(values[tissues == label]) for label in (1, 2, 3))
    assert fluid < grey < white


def test_a_head_surrounds_the_brain_and_fits_the_image(images: dict[str, nib.Nifti1Image]) -> None:
    values = np.asarray(images["T1w"].dataobj).astype(float)
    brain = np.asarray(images["brain"].dataobj) > 0
    white = np.median(values[np.asarray(images["tissues"].dataobj) == 3])
    scalp = (values > 0.8 * white) & ~brain
    assert scalp.sum() > 150_000
    for axis in range(3):
        for end in (0, -1):
            assert np.take(scalp, end, axis=axis).mean() < 0.01


def test_both_contrasts_show_the_same_head(images: dict[str, nib.Nifti1Image]) -> None:
    """The true brain, carried to FLAIR by the headers, covers what is bright there; patients move by millimetres."""
    from scipy.ndimage import affine_transform

    brain = np.asarray(images["brain"].dataobj).astype(np.float32)
    to_t1w = np.linalg.inv(images["T1w"].affine) @ images["FLAIR"].affine
    there = affine_transform(brain, to_t1w[:3, :3], to_t1w[:3, 3], output_shape=images["FLAIR"].shape, order=1) > 0.5
    values = np.asarray(images["FLAIR"].dataobj).astype(float)
    from scipy.ndimage import binary_dilation

    skull = binary_dilation(there, iterations=6) & ~binary_dilation(there, iterations=4)
    assert np.median(values[there]) > 3 * np.median(values[skull])


@pytest.mark.slow
def test_brain_extraction_finds_the_brain(native_cohort: Path, images: dict[str, nib.Nifti1Image], tmp_path: Path) -> None:
    from deepbet import run_bet

    raw = native_cohort / "sub-001" / "ses-01" / "anat" / "sub-001_ses-01_T1w.nii.gz"
    run_bet([str(raw)], [str(tmp_path / "b.nii.gz")], [str(tmp_path / "m.nii.gz")], no_gpu=True)
    found = np.asarray(nib.load(tmp_path / "m.nii.gz").dataobj) > 0
    truth = np.asarray(images["brain"].dataobj) > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) >= 0.95

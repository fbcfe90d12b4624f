"""Real scans: a brain mask that is known to be wrong is caught, sound sessions are accepted."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cohort.dataset import read_cohort
from dawson.config import PreprocessSection, StudyConfig
from dawson.imaging.image_quality_scan import measure_contrast
from dawson.imaging.resample import resample
from dawson.imaging.transforms import Affine
from dawson.imaging.volumes import read_volume
from dawson.preprocess.batch import preprocess_cohort
from dawson.quality.plausibility import implausible
from dawson.quality.study import run_quality


@pytest.mark.data
def test_the_wrong_brain_mask_of_long19_is_caught(reference_data: Path) -> None:
    study = reference_data / "ljubljana-ms"
    expert = study / "derivatives" / "expert" / "sub-long19"
    mask = nib.load(expert / "sub-long19_space-common_desc-brain_mask.nii.gz")
    flair = read_volume(study / "sub-long19" / "ses-01" / "anat" / "sub-long19_ses-01_FLAIR.nii.gz")
    to_flair = Affine.load(expert / "ses-01" / "sub-long19_ses-01_from-FLAIR_to-common_xfm.txt")
    image = resample(flair, mask.shape, mask.affine, [to_flair])
    measures, _ = measure_contrast(image, nib.Nifti1Image((np.asarray(mask.dataobj) > 0).astype(np.uint8), mask.affine))
    found = implausible({f"FLAIR_{name}": value for name, value in measures.items()}, {})
    assert found[0].grade == "reject"
    assert "2431 mL" in found[0].text


@pytest.mark.data
@pytest.mark.slow
def test_every_real_session_is_accepted(reference_data: Path, tmp_path: Path) -> None:
    cohort = read_cohort(reference_data / "ljubljana-ms")
    preprocess_cohort(cohort.scans, cohort.root, tmp_path, PreprocessSection(), jobs=1)
    table = run_quality(cohort, cohort.scans, tmp_path, StudyConfig())
    assert len(table) == 7
    assert dict(zip(table["participant_id"] + table["session_id"], table["decision"], strict=True)) == {
        scan.participant_id + scan.session_id: "accept" for scan in cohort.scans
    }, table["reason"].tolist()

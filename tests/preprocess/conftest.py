"""Scans that can be preprocessed."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cohort.scan import Scan
from dawson.imaging.template import TEMPLATE_SPACE, template_image
from dawson.imaging.tissue import flair_template


def template_scan(root: Path, participant: str, **sidecar: object) -> Scan:
    """A brain-extracted FLAIR in template space, as simulated template cohorts have it."""
    folder = root / participant / "anat"
    folder.mkdir(parents=True)
    flair = folder / f"{participant}_FLAIR.nii.gz"
    template = template_image(2.0)
    nib.save(nib.Nifti1Image(300 * np.asarray(flair_template(2.0).dataobj), template.affine), flair)
    (folder / f"{participant}_FLAIR.json").write_text(json.dumps({"SkullStripped": True, "Space": TEMPLATE_SPACE} | sidecar))
    return Scan(participant, "", None, flair)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    root = tmp_path / "a study with spaces"
    root.mkdir()
    return root


@pytest.fixture
def scans(study: Path) -> list[Scan]:
    return [template_scan(study, f"sub-{number:02d}") for number in (1, 2)]

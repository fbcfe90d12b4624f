"""Small synthetic volumes."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture
def volume() -> nib.Nifti1Image:
    """Random numbers on a grid of 4 mm that a head would need."""
    values = np.random.default_rng(0).uniform(1, 100, (40, 45, 38)).astype(np.float32)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-78, -110, -70]
    return nib.Nifti1Image(values, affine)


@pytest.fixture
def saved(volume: nib.Nifti1Image, tmp_path: Path) -> Path:
    path = tmp_path / "a folder with spaces" / "scan one.nii.gz"
    path.parent.mkdir()
    nib.save(volume, path)
    return path

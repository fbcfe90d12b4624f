"""A study of raw simulated balls: enough for tables, groups and files, without preprocessing."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


def write_ball(path: Path, seed: int, noise: float = 4.0, **sidecar: object) -> None:
    """A ball of brightness 100 in Rician noise, on voxels of 4 mm."""
    rng = np.random.default_rng(seed)
    x, y, z = np.indices((44, 44, 44)) - 21.5
    ball = np.where(x**2 + y**2 + z**2 < 15**2, 100.0, 0.0)
    values = np.hypot(ball + rng.normal(0, noise, ball.shape), rng.normal(0, noise, ball.shape))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(np.float32), np.diag([4.0, 4.0, 4.0, 1.0])), path)
    Path(str(path).replace(".nii.gz", ".json")).write_text(json.dumps({"SimulatedData": True} | sidecar))


@pytest.fixture(scope="session")
def ball_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine people of one site, one of whom has four times the noise."""
    root = tmp_path_factory.mktemp("quality") / "a study"
    people = [f"sub-{number:02d}" for number in range(1, 10)]
    for number, person in enumerate(people):
        flair = root / person / "ses-01" / "anat" / f"{person}_ses-01_FLAIR.nii.gz"
        write_ball(flair, number, 16.0 if person == "sub-09" else 4.0, MagneticFieldStrength=1.0 if person == "sub-01" else 3.0)
    rows = "".join(f"{person}\tMS\tone\n" for person in people)
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\tsite\n" + rows)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Balls", "BIDSVersion": "1.9.0"}))
    return root

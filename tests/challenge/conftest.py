"""A small challenge with hidden truth, made by hand: cubes of 16 voxels, four open and four final cases."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dawson.challenge.settings import ChallengeSettings, write_challenge
from dawson.files import write_tsv
from dawson.imaging.template import TEMPLATE_SPACE

SHAPE = (16, 16, 16)
AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])
OPENS, CLOSES = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"
CASES = tuple(f"sub-{number:04d}_ses-01" for number in range(1, 9))


def settings_of(task: str, *, targets: tuple[str, ...] = (), **ranking: Any) -> ChallengeSettings:
    about: dict[str, Any] = {"title": "A test", "task": task, "targets": targets, "organiser": "Nobody", "licence": "CC-BY-4.0"}
    about |= {"data_statement": "Made up.", "simulated": True}
    phases = [
        {"name": "open", "opens": OPENS, "closes": CLOSES, "quota": 3, "quota_per_day": 2},
        {"name": "final", "opens": OPENS, "closes": CLOSES, "cases": "final", "quota": 1},
    ]
    return ChallengeSettings.model_validate({"challenge": about, "phases": phases, "ranking": {"bootstraps": 20, **ranking}})


def truth_of(case: str) -> np.ndarray:
    """Two lesions; none in the last open case."""
    number = int(case[4:8])
    mask = np.zeros(SHAPE, bool)
    if number != 4:
        mask[2:5, 2:5, 2 : 4 + number % 3] = True
        mask[10:13, 9:12, 9:12] = True
    return mask


@pytest.fixture
def mask_challenge(tmp_path: Path) -> tuple[Path, ChallengeSettings]:
    """Lesion segmentation on eight cases of eight people."""
    settings = settings_of("lesion-segmentation", metrics=("dice", "lesion_f1"), subgroups=("site",))
    return make_mask_challenge(tmp_path / "challenge", settings), settings


def make_mask_challenge(folder: Path, settings: ChallengeSettings) -> Path:
    """The folder of the challenge."""
    write_challenge(folder, settings)
    for case in CASES:
        person, session = case.split("_")
        flair = folder / "public" / "test" / person / session / "anat" / f"{case}_space-{TEMPLATE_SPACE}_FLAIR.nii.gz"
        truth = folder / "hidden" / "truth" / f"{case}.nii.gz"
        for path, voxels in ((flair, np.ones(SHAPE, np.float32)), (truth, truth_of(case).astype(np.uint8))):
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(voxels, AFFINE), path)
    _hidden(folder, {})
    return folder


@pytest.fixture
def table_challenge(tmp_path: Path) -> Callable[..., tuple[Path, ChallengeSettings]]:
    """A challenge of tables with given true values, case by case."""

    def make(task: str, truth: Mapping[str, list[Any]], targets: tuple[str, ...], **ranking: Any) -> tuple[Path, ChallengeSettings]:
        folder = tmp_path / "challenge"
        settings = settings_of(task, targets=targets, **ranking)
        write_challenge(folder, settings)
        _hidden(folder, truth)
        return folder, settings

    return make


def _hidden(folder: Path, truth: Mapping[str, list[Any]]) -> None:
    table = {
        "case": CASES,
        "part": ["open"] * 4 + ["final"] * 4,
        "person": [str(number) for number in range(8)],
        "site": ["A", "A", "A", "B"] * 2,
        **truth,
    }
    write_tsv(folder / "hidden" / "cases.tsv", pd.DataFrame(table))


def packed(mask: np.ndarray, affine: np.ndarray = AFFINE, dtype: type = np.uint8) -> bytes:
    return gzip.compress(nib.Nifti1Image(mask.astype(dtype), affine).to_bytes(), 1)


def answer_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def true_answer(path: Path, cases: tuple[str, ...] = CASES[:4]) -> Path:
    return answer_zip(path, {f"{case}.nii.gz": packed(truth_of(case)) for case in cases})


@pytest.fixture
def material() -> SimpleNamespace:
    """What tests build answers from."""
    return SimpleNamespace(
        AFFINE=AFFINE, CASES=CASES, SHAPE=SHAPE, answer_zip=answer_zip, packed=packed, settings_of=settings_of, true_answer=true_answer,
        truth_of=truth_of,
    )  # fmt: skip

"""A small BIDS dataset, built anew for each test that changes it, and tables of images for splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dawson.cohort.bids import (
    write_bidsignore,
    write_dataset_description,
    write_participants,
    write_readme,
    write_sessions,
)

# person: diagnosis, sex, age, days of the sessions (the two classes)
PEOPLE = {
    "sub-01": ("MS", "F", 30, (0,)),
    "sub-02": ("MS", "M", 41, (0, 210)),
    "sub-03": ("NMOSD", "F", 52, (0,)),
    "sub-04": ("NMOSD", "F", 38, (0, 365)),
}
SPACING_MM = 8.0


def _write_head(path: Path, seed: int, shape: tuple[int, ...] = (26, 26, 22), spacing: float = SPACING_MM) -> Path:
    """A tiny volume; values differ by seed."""
    rng = np.random.default_rng(seed)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    image = nib.Nifti1Image(rng.integers(1, 500, shape).astype(np.int16), affine)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def _anat(root: Path, person: str, session: str, contrast: str, suffix: str = ".nii.gz", extra: str = "") -> Path:
    name = "_".join(part for part in (person, session, extra, contrast) if part)
    return root / person / session / "anat" / (name + suffix)


def _make_dataset(root: Path, people: dict = PEOPLE, with_sessions: bool = True) -> Path:
    write_dataset_description(root, "Tiny")
    write_readme(root, "A tiny dataset for tests; its images are noise.")
    write_bidsignore(root)
    table = pd.DataFrame(
        [(person, dx, sex, age, "A" if int(person[-1]) % 2 else "B") for person, (dx, sex, age, _) in people.items()],
        columns=["participant_id", "diagnosis", "sex", "age", "site"],
    )
    levels = {dx: dx for dx in sorted(set(table["diagnosis"]))}
    write_participants(
        root,
        table,
        {
            "diagnosis": {"Description": "Diagnosis", "Levels": levels},
            "site": {"Description": "Site", "Levels": {"A": "first", "B": "second"}},
        },
    )
    seed = 0
    for person, (_, _, _, days) in people.items():
        names = [f"ses-{number + 1:02d}" for number in range(len(days))] if with_sessions else [""]
        if with_sessions:
            write_sessions(root, person, pd.DataFrame({"session_id": names, "days_from_baseline": days}))
        for session in names:
            for contrast in ("T1w", "FLAIR"):
                seed += 1
                _write_head(_anat(root, person, session, contrast), seed)
    return root


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return _make_dataset(tmp_path / "study of tests")


@pytest.fixture
def images_of() -> Callable[..., pd.DataFrame]:
    """Images of people by class: images_of(MS=[1, 1, 3]) has three people with 1, 1 and 3 scans."""

    def build(site: str = "", **classes: Sequence[int]) -> pd.DataFrame:
        rows = [
            (f"sub-{label}{number:03d}", f"ses-{scan + 1}", label, 180.0 * scan)
            for label, counts in classes.items()
            for number, count in enumerate(counts)
            for scan in range(count)
        ]
        table = pd.DataFrame(rows, columns=["participant_id", "session_id", "label", "days_from_baseline"])
        if site:
            number = table["participant_id"].str[-3:].astype(int)
            table["site"] = [site[value % len(site)] for value in number]
        return table

    return build


@pytest.fixture
def write_head() -> Callable[..., Path]:
    return _write_head


@pytest.fixture
def anat() -> Callable[..., Path]:
    """Path of an image: anat(root, person, session, contrast)."""
    return _anat


@pytest.fixture
def make_dataset() -> Callable[..., Path]:
    return _make_dataset

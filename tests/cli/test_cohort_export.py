"""`dawson cohort export` as a data manager types it."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dawson.cohort.bids import write_bidsignore, write_dataset_description, write_participants, write_readme
from dawson.cohort.checksums import check_checksums
from dawson.files import read_tsv

WORDS = ("--purpose", "disease-research", "--licence", "CC-BY-NC-4.0")


def write_study(root: Path, maker: str | None) -> Path:
    write_dataset_description(root, "Tiny", maker)
    write_readme(root, "Noise for tests.")
    write_bidsignore(root)
    people = pd.DataFrame({"participant_id": ["sub-01", "sub-02"], "diagnosis": ["MS", "NMOSD"], "sex": ["F", "M"], "age": [30, 41]})
    write_participants(root, people)
    for number, person in enumerate(people["participant_id"]):
        anat = root / person / "anat"
        anat.mkdir(parents=True)
        for contrast in ("T1w", "FLAIR"):
            values = np.random.default_rng(number).integers(1, 9, (4, 4, 4)).astype(np.int16)
            nib.save(nib.Nifti1Image(values, np.eye(4)), anat / f"{person}_{contrast}.nii.gz")
    return root


@pytest.fixture
def simulated(tmp_path):
    return write_study(tmp_path / "my study", "dawson simulate")


def test_an_export_without_session_folders_is_whole_and_is_told(dawson, simulated, tmp_path):
    out = tmp_path / "for far"
    done = dawson("cohort", "export", simulated, out, *WORDS, "--recipient", "Dr Far", "--where", "sex == 'F'")
    assert done.returncode == 0, done.stderr
    assert "1 people" in done.stdout and "(simulated)" in done.stdout and "nobody's consent was checked" in done.stdout
    assert check_checksums(out) == []
    assert read_tsv(out / "participants.tsv")["participant_id"].tolist() == ["sub-01"]
    assert "Dr Far" in (simulated / "governance" / "exports.jsonl").read_text()


def test_a_dry_run_writes_nothing(dawson, simulated, tmp_path):
    done = dawson("cohort", "export", simulated, tmp_path / "out", *WORDS, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["people"] == ["sub-01", "sub-02"] and told["simulated"] is True and len(told["files"]) == 4
    assert not (tmp_path / "out").exists() and not (simulated / "governance").exists()


def test_faces_of_real_people_do_not_leave(dawson, tmp_path):
    study = write_study(tmp_path / "real", None)
    done = dawson("cohort", "export", study, tmp_path / "out", *WORDS)
    assert done.returncode == 1
    assert "Nothing says that the face is gone" in done.stderr and "--faces-removed-elsewhere" in done.stderr
    assert not (tmp_path / "out").exists()


def test_purpose_and_licence_must_be_said(dawson, simulated, tmp_path):
    assert dawson("cohort", "export", simulated, tmp_path / "out", "--licence", "CC0-1.0").returncode == 2
    done = dawson("cohort", "export", simulated, tmp_path / "out", "--purpose", "disease-research", "--licence", "mine")
    assert done.returncode == 1 and "CC-BY-NC-4.0" in done.stderr

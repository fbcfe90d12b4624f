"""What goes wrong, and what must happen: a row or a clear message, and the rest goes on."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.files import read_tsv

DAMAGES = {
    "sub-001": "missing FLAIR",
    "sub-002": "truncated",
    "sub-003": "zeros",
    "sub-004": "text",
    "sub-005": "twin of sub-006",
}


def flair_of(study: Path, person: str) -> Path:
    return min((study / person).rglob("*_FLAIR.nii.gz"))


@pytest.fixture(scope="module")
def damaged(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = tmp_path_factory.mktemp("damaged") / "study"
    shutil.copytree(cohort, study)
    flair_of(study, "sub-001").unlink()
    path = flair_of(study, "sub-002")
    path.write_bytes(path.read_bytes()[:20_000])
    path = flair_of(study, "sub-003")
    image = nib.load(path)
    nib.save(nib.Nifti1Image(np.zeros(image.shape, np.int16), image.affine), path)
    flair_of(study, "sub-004").write_text("this is no image")
    with gzip.open(flair_of(study, "sub-005"), "wb") as stream:
        stream.write(gzip.decompress(flair_of(study, "sub-006").read_bytes()))
    return study


def test_validation_finds_every_damage_and_names_the_person(damaged: Path, dawson) -> None:
    done = dawson("cohort", "validate", damaged, "--json")
    assert done.returncode == 1
    problems = json.loads(done.stdout)
    for person in DAMAGES:
        assert any(person in problem["where"] + problem["problem"] for problem in problems if problem["severity"] == "error"), person
    assert all(problem["fix"] for problem in problems)


def test_bad_scans_become_rows_and_the_rest_is_done(damaged: Path, dawson, tmp_path: Path) -> None:
    done = dawson("preprocess", damaged, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = (
        read_tsv(tmp_path / "derivatives" / "dawson" / "preprocess.tsv")
        .sort_values("session_id")
        .drop_duplicates("participant_id")
        .set_index("participant_id")
    )
    assert (rows.loc[["sub-001", "sub-002", "sub-003", "sub-004"], "status"] == "failed").all()
    assert rows.loc[["sub-001", "sub-002", "sub-003", "sub-004"], "reason"].str.len().min() > 10
    assert (rows.loc[["sub-006", "sub-007"], "status"] == "done").all()


def test_two_people_with_one_image_stop_the_study_by_name(damaged: Path, dawson, tmp_path: Path) -> None:
    done = dawson("study", "run", damaged, "--out", tmp_path, "--repeats", 1, "--folds", 2, "--test-per-class", 1, "--epochs", 1,
                  "--scheme", "nested-k-fold")  # fmt: skip
    assert done.returncode == 1
    assert "sub-005" in done.stderr and "sub-006" in done.stderr


def test_a_class_too_small_says_how_many_there_are(cohort: Path, dawson, tmp_path: Path) -> None:
    done = dawson("study", "run", cohort, "--out", tmp_path, "--folds", 2)
    assert done.returncode == 1
    assert "--test-per-class" in done.stderr and "15" in done.stderr


def test_an_unknown_diagnosis_is_reported(cohort: Path, dawson, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(cohort, study)
    table = study / "participants.tsv"
    table.write_text(table.read_text().replace("\tMS\t", "\tM.S.\t"))
    done = dawson("cohort", "validate", study, "--no-voxels")
    assert done.returncode == 1 and "M.S." in done.stdout


def test_a_managed_study_is_not_run_without_consent_records(cohort: Path, dawson, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("[governance]\nmanaged = true\n")
    done = dawson("study", "run", cohort, "--out", tmp_path)
    assert done.returncode == 1 and "consent" in done.stderr

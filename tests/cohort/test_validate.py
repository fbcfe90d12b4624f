from __future__ import annotations

import gzip
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dawson.cohort.bids import write_sessions
from dawson.cohort.dataset import read_cohort
from dawson.cohort.problem import problem_table
from dawson.cohort.validate import validate_cohort
from dawson.config import StudyConfig
from dawson.files import read_json, read_tsv, write_json, write_tsv

CONFIG = StudyConfig().updated(split={"scheme": "nested-k-fold", "folds": 2})


def validated(root, voxels=True, config=CONFIG, jobs=1):
    return validate_cohort(read_cohort(root), config, voxels=voxels, jobs=jobs)


def edit(root, **columns):
    table = read_tsv(root / "participants.tsv")
    write_tsv(root / "participants.tsv", table.assign(**columns))


def has(problems, where, text, severity="error"):
    return any(item.where == where and text in item.problem and item.severity == severity for item in problems)


@pytest.fixture
def large(tmp_path, make_dataset):
    """Enough people that nested folds can be made of what a fault leaves."""
    people = {f"sub-0{n}": (("MS", "NMOSD")[n % 2], "F", 30 + n, (0, 100) if n < 4 else (0,)) for n in range(1, 9)}
    return make_dataset(tmp_path / "larger", people)


def test_sound_dataset_has_no_problem(large):
    assert validated(large) == []
    assert validated(large, voxels=False) == []
    assert validated(large, jobs=2) == []


def test_missing_scans(large, anat):
    anat(large, "sub-01", "ses-02", "FLAIR").unlink()
    anat(large, "sub-02", "ses-01", "T1w").unlink()
    shutil.rmtree(large / "sub-03" / "ses-01" / "anat")
    problems = validated(large)
    assert has(problems, "sub-01/ses-02", "without a FLAIR")
    assert has(problems, "sub-02/ses-01", "without a T1w", "warning")
    assert has(problems, "sub-03/ses-01", "neither FLAIR nor T1w")
    assert len(problems) == 3
    assert [item.severity for item in problems] == ["error", "error", "warning"]
    assert all(item.fix for item in problems)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def text_file(path):
    path.write_text("this is no image\n" * 20)


def rewrite(change):
    def spoil(path):
        image = nib.load(path)
        data, affine = change(np.asarray(image.dataobj, np.float32), image.affine.copy())
        nib.save(nib.Nifti1Image(data, affine), path)

    return spoil


def with_nan(data, affine):
    data[3, 3, 3] = np.nan
    return data, affine


FAULTS = {
    "truncated": (truncate, "truncated", False),
    "text": (text_file, "no image file", True),
    "no bytes": (lambda path: path.write_bytes(b""), "", True),
    "zeros": (rewrite(lambda data, affine: (data * 0, affine)), "empty", False),
    "NaN": (rewrite(with_nan), "NaN", False),
    "4D": (rewrite(lambda data, affine: (np.stack([data, data], -1), affine)), "4 dimensions", True),
    "spacing": (rewrite(lambda data, affine: (data[::2], affine @ np.diag([2, 1, 1, 1]))), "voxels of", True),
    "field of view": (rewrite(lambda data, affine: (data[:, :, :4], affine)), "field of view", True),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_images(dataset, fault, anat):
    spoil, text, in_header = FAULTS[fault]
    path = anat(dataset, "sub-02", "ses-02", "FLAIR")
    spoil(path)
    where = "sub-02/ses-02/anat/sub-02_ses-02_FLAIR.nii.gz"
    assert has(validated(dataset), where, text)
    assert has(validated(dataset, voxels=False), where, text) == in_header


def test_duplicate_of_somebody_else_is_found_though_recompressed(dataset, anat):
    source, copy = anat(dataset, "sub-01", "ses-01", "FLAIR"), anat(dataset, "sub-04", "ses-02", "FLAIR")
    copy.write_bytes(gzip.compress(gzip.decompress(source.read_bytes()), compresslevel=1))
    assert copy.read_bytes() != source.read_bytes()
    problems = [item for item in validated(dataset) if "same image" in item.problem]
    assert len(problems) == 1
    assert problems[0].severity == "error"
    assert "sub-01, sub-04" in problems[0].problem
    assert "sub-04_ses-02_FLAIR" in problems[0].problem
    assert not any("same image" in item.problem for item in validated(dataset, voxels=False))


def test_duplicates_within_a_person(dataset, anat):
    shutil.copy(anat(dataset, "sub-02", "ses-01", "FLAIR"), anat(dataset, "sub-02", "ses-02", "FLAIR"))
    shutil.copy(anat(dataset, "sub-03", "ses-01", "FLAIR"), anat(dataset, "sub-03", "ses-01", "T1w"))
    problems = [item for item in validated(dataset) if "same image" in item.problem]
    assert {item.participant_id for item in problems} == {"sub-02", "sub-03"}
    assert any("as T1w and as FLAIR" in item.problem for item in problems)


def test_two_empty_images_are_not_called_copies(dataset, anat):
    for person in ("sub-01", "sub-03"):
        rewrite(lambda data, affine: (data * 0, affine))(anat(dataset, person, "ses-01", "FLAIR"))
    assert not any("same image" in item.problem for item in validated(dataset))


def test_labels(large):
    edit(large, diagnosis=["MS", "MOGAD", None, *["MS", "NMOSD"] * 2, "NMOSD"])
    problems = validated(large)
    assert has(problems, "participants.tsv", "diagnosis = 'MOGAD' of sub-02 is not one of the Levels")
    assert has(problems, "sub-03", "has no diagnosis")
    dictionary = read_json(large / "participants.json")
    dictionary["diagnosis"]["Levels"]["MOGAD"] = "MOGAD"
    write_json(large / "participants.json", dictionary)
    assert has(validated(large), "sub-02", "not one of the study's classes", "warning")
    del dictionary["diagnosis"]["Levels"]
    write_json(large / "participants.json", dictionary)
    assert has(validated(large), "sub-02", "unknown diagnosis 'MOGAD'")
    other = CONFIG.updated(study={"classes": ["MS", "NMOSD", "CIS"]})
    assert has(validated(large, config=other), "study.toml", "class 'CIS' has nobody")
    other = CONFIG.updated(study={"diagnosis_column": "dx"})
    assert has(validated(large, config=other), "participants.tsv", "has no column dx")


def test_level_in_other_letters_is_told(large):
    edit(large, sex=["f", *["F"] * 7])
    problem = next(item for item in validated(large) if "sex = 'f'" in item.problem)
    assert "Write 'F'" in problem.fix


def test_dates(large):
    for person, days in {"sub-01": [0, -30], "sub-02": [500, 100], "sub-03": [90, 90]}.items():
        write_sessions(large, person, pd.DataFrame({"session_id": ["ses-01", "ses-02"], "days_from_baseline": days}))
    problems = validated(large)
    assert has(problems, "sub-01/ses-02", "is dated 30 days before the baseline (ses-01)")
    assert has(problems, "sub-02/ses-02", "is dated 400 days before the baseline")
    assert has(problems, "sub-03", "several sessions on day 90 (ses-01, ses-02)", "warning")
    assert has(problems, "sub-03", "no session on day 0", "warning")


def test_ages_and_undeclared_columns(large):
    edit(large, age=[30, -2, 200, 30, 31, 32, 33, 34], shoe_size=42)
    problems = validated(large)
    assert has(problems, "sub-02", "impossible age -2")
    assert has(problems, "participants.tsv", "age = '200' of sub-03 is above the Maximum 120")
    assert has(problems, "participants.tsv", "column shoe_size", "warning")


def test_orphans_and_sessions_not_on_disk_reach_the_list(large):
    shutil.copytree(large / "sub-01", large / "sub-99")
    shutil.rmtree(large / "sub-02" / "ses-02")
    problems = validated(large)
    assert has(problems, "sub-99", "not in participants.tsv")
    assert has(problems, "sub-02/ses-02", "not on disk")
    assert not has(problems, "sub-02/ses-02", "without")


def test_heads_that_do_not_overlap(large):
    write_tsv(
        large / "derivatives" / "dawson" / "preprocess.tsv",
        pd.DataFrame({
            "participant_id": ["sub-01", "sub-02", "sub-03", "sub-04"], "session_id": ["ses-01"] * 4,
            "flair_t1w_overlap": [0.97, 0.61, None, 0.87],
        }),
    )  # fmt: skip
    problems = validated(large)
    assert has(problems, "sub-02/ses-01", "different heads")
    assert has(problems, "sub-04/ses-01", "different heads", "warning")
    assert len(problems) == 2


def test_scans_that_failed_in_preprocessing(large):
    write_tsv(
        large / "derivatives" / "dawson" / "preprocess.tsv",
        pd.DataFrame({
            "participant_id": ["sub-01", "sub-02"], "session_id": ["ses-01"] * 2, "status": ["done", "failed"],
            "reason": [None, "T1w and FLAIR look like different heads."], "flair_t1w_overlap": [0.97, None],
        }),
    )  # fmt: skip
    problems = validated(large)
    assert has(problems, "sub-02/ses-01", "could not be preprocessed: T1w and FLAIR look like different heads")
    assert len(problems) == 1


def test_planned_split_is_tried(dataset):
    problems = validated(dataset, config=StudyConfig())
    assert has(problems, "study.toml", "people with exactly one scan: MS 1 (of 2), NMOSD 1 (of 2)", "warning")


def test_table_of_problems(dataset, anat):
    anat(dataset, "sub-01", "ses-01", "FLAIR").unlink()
    table = problem_table(validated(dataset))
    assert list(table.columns) == ["severity", "participant_id", "where", "problem", "fix"]
    assert table.loc[0, "participant_id"] == "sub-01"
    assert len(problem_table([])) == 0


@pytest.mark.data
def test_real_scans_are_sound(reference_data):
    cohort = read_cohort(reference_data / "ljubljana-ms")
    problems = validate_cohort(cohort, StudyConfig())
    scans = [item for item in problems if item.where.startswith("sub-")]
    assert sorted((item.severity, item.where) for item in scans) == [
        ("warning", "sub-long03/ses-01"), ("warning", "sub-long19/ses-01"),
    ]  # fmt: skip
    assert has(problems, "study.toml", "class 'NMOSD' has nobody")

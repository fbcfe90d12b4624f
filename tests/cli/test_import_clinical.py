"""`dawson cohort import-clinical` as a data manager types it."""

from __future__ import annotations

import json

import pytest

from dawson.cohort.bids import write_dataset_description, write_participants, write_readme, write_sessions
from dawson.files import read_tsv


@pytest.fixture
def study(tmp_path):
    import pandas as pd

    root = tmp_path / "my study"
    write_dataset_description(root, "Tiny")
    write_readme(root, "Tiny.")
    write_participants(root, pd.DataFrame({"participant_id": ["sub-01", "sub-02"], "diagnosis": ["MS", "NMOSD"], "age": [30, 41]}))
    for person in ("sub-01", "sub-02"):
        write_sessions(root, person, pd.DataFrame({"session_id": ["ses-01"], "days_from_baseline": [0]}))
        (root / person / "ses-01" / "anat").mkdir(parents=True)
    return root


def test_a_wrong_cell_is_shown_with_its_fix_and_stops_the_import(dawson, study, tmp_path):
    (tmp_path / "clinic.csv").write_text("Patient,EDSS\n01,2.25\n02,3\n")
    before = (study / "participants.tsv").read_bytes()
    done = dawson("cohort", "import-clinical", study, tmp_path / "clinic.csv")
    assert done.returncode == 1
    assert "2.25" in done.stdout and "steps of 0.5" in done.stdout and "Nothing was written" in done.stdout
    assert (study / "participants.tsv").read_bytes() == before
    done = dawson("cohort", "import-clinical", study, tmp_path / "clinic.csv", "--partial")
    assert done.returncode == 0 and "1 cells to write" in done.stdout
    assert read_tsv(study / "participants.tsv")["edss"].tolist()[1] == 3


def test_a_dry_run_shows_the_cells_and_writes_none(dawson, study, tmp_path):
    (tmp_path / "clinic.csv").write_text("Patient,total,Surname\n01,2,Doe\n02,3,Roe\n")
    before = (study / "participants.tsv").read_bytes()
    words = ("cohort", "import-clinical", study, tmp_path / "clinic.csv", "--map", "total=edss", "--leave-out", "Surname")
    done = dawson(*words, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [change["new"] for change in told["changes"]] == ["2", "3"] and told["written"] == []
    assert "Doe" not in done.stdout
    assert (study / "participants.tsv").read_bytes() == before
    assert dawson(*words).returncode == 0
    assert read_tsv(study / "participants.tsv")["edss"].tolist() == [2, 3]


def test_a_mapping_that_is_none_is_told(dawson, study, tmp_path):
    (tmp_path / "clinic.csv").write_text("Patient,total\n01,2\n")
    done = dawson("cohort", "import-clinical", study, tmp_path / "clinic.csv", "--map", "total")
    assert done.returncode == 1 and "is not HEADER=COLUMN" in done.stderr

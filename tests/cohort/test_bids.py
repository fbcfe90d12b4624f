from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from dawson.cohort.bids import dictionary_for, write_dataset_description, write_participants, write_sessions
from dawson.errors import CohortError
from dawson.files import read_json


def validator() -> str | None:
    beside = Path(sys.executable).with_name("bids-validator-deno")
    return str(beside) if beside.exists() else shutil.which("bids-validator-deno")


@pytest.mark.skipif(validator() is None, reason="bids-validator-deno is not installed")
@pytest.mark.parametrize("with_sessions", [True, False])
def test_written_dataset_is_valid_bids(tmp_path, with_sessions, make_dataset):
    root = make_dataset(tmp_path / "valid", with_sessions=with_sessions)
    (root / "study.toml").write_text("")
    for folder in ("experiments", "models", "governance"):
        (root / folder / "NAME").mkdir(parents=True)
        (root / folder / "NAME" / "x.tsv").write_text("a\n1\n")
    done = subprocess.run([validator(), str(root), "--json"], capture_output=True, text=True, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == []


def test_description(tmp_path):
    path = write_dataset_description(tmp_path, "N", "dawson simulate", Authors=["A"])
    content = read_json(path)
    assert content["GeneratedBy"][0]["Name"] == "dawson simulate"
    assert content["Authors"] == ["A"]
    assert "GeneratedBy" not in read_json(write_dataset_description(tmp_path, "N"))
    assert read_json(write_dataset_description(tmp_path, "N", dataset_type="derivative"))["GeneratedBy"]


def test_sessions_are_described_once_and_together(tmp_path):
    write_sessions(tmp_path, "1", pd.DataFrame({"session_id": ["1"], "days_from_baseline": [0]}))
    table = pd.DataFrame({"session_id": ["ses-1"], "edss": [2.5]})
    write_sessions(tmp_path, "sub-2", table, {"edss": {"Description": "E"}})
    content = read_json(tmp_path / "sessions.json")
    assert list(content) == ["session_id", "days_from_baseline", "edss"]
    assert content["edss"] == {"Description": "E"}
    assert (tmp_path / "sub-1" / "sub-1_sessions.tsv").read_text().splitlines()[1] == "ses-1\t0"


def test_dictionary_has_exactly_the_columns():
    made = dictionary_for(["age", "mood_at_scan"], {"age": {"Description": "mine"}, "other": {}})
    assert made == {"age": {"Description": "mine"}, "mood_at_scan": {"Description": "mood at scan"}}


def test_tables_without_identifiers_are_refused(tmp_path):
    with pytest.raises(CohortError, match="no column participant_id"):
        write_participants(tmp_path, pd.DataFrame({"age": [3]}))
    with pytest.raises(CohortError, match="sub-1 stands twice"):
        write_participants(tmp_path, pd.DataFrame({"participant_id": ["1", "sub-1"]}))

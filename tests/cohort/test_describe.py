from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dawson.cohort.dataset import Cohort
from dawson.cohort.describe import table_one
from dawson.cohort.scan import Scan
from dawson.errors import CohortError
from dawson.files import read_tsv


@pytest.fixture
def cohort() -> Cohort:
    people = 40
    participants = pd.DataFrame(
        {
            "participant_id": [f"sub-{number:02d}" for number in range(people)],
            "diagnosis": ["MS"] * 24 + ["NMOSD"] * 16,
            "age": [*np.linspace(20, 50, 24).round(), *np.linspace(30, 64, 16).round()],
            "sex": (["F"] * 3 + ["M"]) * 10,
            "aqp4": [*["negative"] * 20, *[None] * 4, *["positive"] * 15, "negative"],
            "remark": [f"remark {number}" for number in range(people)],
            "empty": [None] * people,
        }
    )
    rows = [
        (person, f"ses-{scan + 1}", 200.0 * scan, "relapse" if number % 3 else "remission", (number % 7) / 2)
        for number, person in enumerate(participants["participant_id"])
        for scan in range(1 + number % 2)
    ]
    columns = ["participant_id", "session_id", "days_from_baseline", "clinical_status", "edss"]
    sessions = pd.DataFrame(rows, columns=columns)
    scans = tuple(
        Scan(person, session, None, Path("x")) for person, session in zip(sessions["participant_id"], sessions["session_id"], strict=True)
    )
    return Cohort(Path("/nowhere"), participants, sessions, scans, {"age": {"Units": "year"}}, False, "C")


def row(described, variable: str, level: str = "", part: str = "Participants") -> pd.Series:
    table = described.table
    found = table[(table["part"] == part) & (table["variable"] == variable)]
    return (found[found["level"] == level] if level else found).iloc[0]


def test_numbers_and_named_tests(cohort):
    described = table_one(cohort)
    columns = ["part", "variable", "level", "missing", "overall", "MS", "NMOSD", "p", "test"]
    assert list(described.table.columns) == columns
    assert row(described, "n")[["overall", "MS", "NMOSD"]].tolist() == ["40", "24", "16"]
    age = row(described, "age (year)")
    expected = cohort.participants.groupby("diagnosis")["age"].agg(["mean", "std"])
    assert age["MS"] == f"{expected.loc['MS', 'mean']:.1f} ({expected.loc['MS', 'std']:.1f})"
    assert (age["level"], age["test"]) == ("mean (SD)", "Welch's t test")
    assert row(described, "sex", "F")["MS"] == "18 (75.0)"
    # 10 men, 40 % of the people have NMOSD: 4 expected
    assert row(described, "sex")["test"] == "Fisher's exact"
    assert row(described, "follow-up scans")["test"] == "chi-square"
    antibody = row(described, "aqp4", "positive")
    assert (antibody["MS"], antibody["NMOSD"]) == ("0 (0.0)", "15 (93.8)")
    assert row(described, "aqp4")[["missing", "p"]].tolist() == ["4", "<0.001"]
    assert row(described, "follow-up scans", "with follow-up")["overall"] == "20 (50.0)"
    assert not {"remark", "empty"} & set(described.table["variable"])


def test_every_test_is_named_and_reasoned(cohort):
    tests = table_one(cohort).tests
    assert set(tests["variable"]) >= {"age (year)", "sex", "aqp4", "scans per person", "clinical status", "edss"}
    assert tests["test"].str.len().min() > 0
    assert tests["reason"].str.len().min() > 0
    shown = table_one(cohort).table
    for _, test in tests.iterrows():
        cell = shown[(shown["part"] == test["part"]) & (shown["variable"] == test["variable"])].iloc[0]
        assert cell["test"] == test["test"]


def test_scan_level_counts_scans_and_tests_people(cohort):
    described = table_one(cohort)
    assert row(described, "n", part="Scans")["overall"] == "60"
    assert row(described, "scan", "follow-up", "Scans")["overall"] == "20 (33.3)"
    assert row(described, "scan", part="Scans")["test"] == ""
    assert row(described, "clinical status", "relapse", "Scans")["level"] == "relapse"
    # each follow-up repeated ten times: shares change, the test does not
    follow_ups = cohort.sessions[cohort.sessions["days_from_baseline"] > 0]
    copies = pd.concat([cohort.sessions, *[follow_ups] * 9], ignore_index=True)
    scans = tuple(Scan(person, "s", None, Path("x")) for person in copies["participant_id"])
    more = table_one(replace(cohort, sessions=copies, scans=scans))
    assert row(more, "clinical status", part="Scans")["p"] == row(described, "clinical status", part="Scans")["p"]


def test_scans_that_are_not_on_disk_are_not_counted(cohort):
    scans = tuple(replace(scan, flair=None) if scan.session_id == "ses-2" else scan for scan in cohort.scans)
    assert row(table_one(replace(cohort, scans=scans)), "n", part="Scans")["overall"] == "40"


def test_three_classes_and_a_choice_of_classes(cohort):
    labels = cohort.participants["diagnosis"].mask(cohort.participants.index < 10, "MOGAD")
    three = replace(cohort, participants=cohort.participants.assign(diagnosis=labels))
    described = table_one(three)
    assert described.table.columns[5:8].tolist() == ["MOGAD", "MS", "NMOSD"]
    assert row(described, "age (year)")["test"] in ("one-way ANOVA", "Kruskal-Wallis")
    two = table_one(three, classes=["NMOSD", "MS"])
    assert two.table.columns[5:7].tolist() == ["NMOSD", "MS"]
    assert "10 people without one of these diagnoses are left out" in two.note


def test_one_class_has_no_tests(cohort):
    described = table_one(replace(cohort, participants=cohort.participants.assign(diagnosis="MS")))
    assert set(described.table["test"]) == {""}
    assert described.tests.empty


def test_cohort_without_scans(cohort):
    described = table_one(replace(cohort, sessions=cohort.sessions.iloc[:0], scans=()))
    assert row(described, "n", part="Scans")["overall"] == "0"
    assert row(described, "follow-up scans", "no scan")["overall"] == "40 (100.0)"


def test_written_and_printed(cohort, tmp_path):
    described = table_one(replace(cohort, simulated=True))
    described.to_tsv(tmp_path / "table.tsv")
    assert read_tsv(tmp_path / "table.tsv").shape == described.table.shape
    text = described.to_markdown()
    assert "**Participants**" in text
    assert "Mann-Whitney" in text
    assert "SIMULATED" in text
    assert "nan" not in text


def test_no_warning_leaks(cohort):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table_one(cohort)


def test_diagnosis_that_is_not_there(cohort):
    with pytest.raises(CohortError, match="no column dx"):
        table_one(cohort, "dx")
    with pytest.raises(CohortError, match="Nobody"):
        table_one(replace(cohort, participants=cohort.participants.assign(diagnosis=None)))

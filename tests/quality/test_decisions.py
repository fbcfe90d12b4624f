"""Decisions, verdicts, and who is left out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dawson.cohort.dataset import read_cohort
from dawson.config import StudyConfig
from dawson.errors import QualityError
from dawson.files import read_json, write_tsv
from dawson.quality.decisions import decide, excluded, read_quality
from dawson.quality.places import DICTIONARY, MEASURES
from dawson.quality.plausibility import Finding
from dawson.quality.study import run_quality
from dawson.quality.verdicts import Verdict, current, read_many, read_verdicts, record

USUAL = {"FLAIR_fber": 500.0, "FLAIR_position_z_mm": 0.0}


def test_the_gravest_reason_decides() -> None:
    values = {"FLAIR_fber": 90.0, "FLAIR_position_z_mm": 80.0}
    accepted = decide([], {"FLAIR_fber": 3.4}, values, USUAL, 3.5, 7.0)
    assert (accepted.decision, accepted.reasons) == ("accept", ())
    review = decide([], {"FLAIR_fber": 3.6}, values, USUAL, 3.5, 7.0)
    assert review.decision == "review" and "fber 90, usually 500; z 3.6" in review.reasons[0]
    assert decide([], {"FLAIR_fber": 7.0}, values, USUAL, 3.5, 7.0).decision == "reject"
    assert decide([Finding("reject", "x", "brain of 3 L")], {}, values, USUAL, 3.5, 7.0).decision == "reject"


def test_a_measure_that_may_not_reject_goes_no_further_than_review() -> None:
    found = decide([], {"FLAIR_position_z_mm": 40.0}, {"FLAIR_position_z_mm": 80.0}, USUAL, 3.5, 7.0)
    assert found.decision == "review" and found.score < 7.0


def _table(derivatives: Path) -> None:
    rows = [("sub-01", "", "reject", "bad"), ("sub-02", "", "review", "odd"), ("sub-03", "", "accept", "")]
    table = pd.DataFrame(rows, columns=["participant_id", "session_id", "decision", "reason"])
    for name in ("verdict", "verdict_by", "verdict_reason", "verdict_date"):
        table[name] = ""
    write_tsv(derivatives / "quality.tsv", table)


def test_excluded_follows_the_decision_until_a_person_speaks(tmp_path: Path) -> None:
    assert excluded(tmp_path, ("reject",)) == {}
    _table(tmp_path)
    assert excluded(tmp_path, ("reject",)) == {("sub-01", ""): "bad"}
    assert set(excluded(tmp_path, ("reject", "review"))) == {("sub-01", ""), ("sub-02", "")}
    record(
        tmp_path, [Verdict("01", "", "accept", "A. Reader", "only the neck"), Verdict("sub-03", "", "reject", "A. Reader", "other head")]
    )
    assert excluded(tmp_path, ("reject",)) == {("sub-03", ""): "A. Reader: other head"}
    record(tmp_path, [Verdict("sub-03", "", "undo", "A. Reader", "mixed up")])
    assert excluded(tmp_path, ("reject",)) == {}
    assert excluded(tmp_path, ()) == {}


def test_a_verdict_on_a_scan_that_was_never_measured_counts(tmp_path: Path) -> None:
    record(tmp_path, [Verdict("sub-07", "ses-02", "reject", "B", "moved")])
    assert excluded(tmp_path, ("reject",)) == {("sub-07", "ses-02"): "B: moved"}


def test_the_history_of_verdicts_only_grows(tmp_path: Path) -> None:
    for verdict in ("accept", "reject", "undo"):
        record(tmp_path, [Verdict("sub-01", "", verdict, "B", "because")])  # type: ignore[arg-type]
    assert list(read_verdicts(tmp_path)["verdict"]) == ["accept", "reject", "undo"]
    assert current(tmp_path) == {}


@pytest.mark.parametrize(
    ("verdict", "word"),
    [(Verdict("sub-01", "", "accept", " ", "x"), "nobody"), (Verdict("sub-01", "", "accept", "B", ""), "no reason")],
)
def test_a_verdict_needs_a_name_and_a_reason(verdict: Verdict, word: str, tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=word):
        record(tmp_path, [Verdict("sub-02", "", "accept", "B", "fine"), verdict])
    assert read_verdicts(tmp_path).empty


def test_many_verdicts_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    path.write_text("participant_id,session_id,verdict,reason,by\n01,01,reject,blurred,\nsub-02,n/a,accept,fine,C\n")
    assert [(one.participant_id, one.session_id, one.verdict_by) for one in read_many(path, "B")] == [
        ("sub-01", "ses-01", "B"),
        ("sub-02", "", "C"),
    ]
    path.write_text("participant_id,verdict,reason\nsub-01,maybe,x\n")
    with pytest.raises(QualityError, match="line 2"):
        read_many(path)


def test_a_whole_study(ball_study: Path, tmp_path: Path) -> None:
    cohort = read_cohort(ball_study)
    table = run_quality(cohort, cohort.scans, tmp_path, StudyConfig())
    assert len(table) == 9 and table["participant_id"].iloc[0] == "sub-09"
    assert table["decision"].iloc[0] == "reject" and "energy in the air" in table["reason"].iloc[0]
    assert (table["decision"].iloc[1:] == "accept").all()
    assert table["simulated"].all()
    assert "field strength 1 T" in table.set_index("participant_id").loc["sub-01", "protocol"]
    assert set(read_json(tmp_path / DICTIONARY)) == set(table.columns)
    assert list(read_quality(tmp_path)["decision"]) == list(table["decision"])


def test_a_second_run_measures_nothing_again_and_keeps_verdicts(ball_study: Path, tmp_path: Path) -> None:
    cohort = read_cohort(ball_study)
    first = run_quality(cohort, cohort.scans, tmp_path, StudyConfig())
    record(tmp_path, [Verdict("sub-09", "ses-01", "accept", "B", "the coil was changed")])
    kept = {scan: scan.derivative(tmp_path, MEASURES).stat().st_mtime_ns for scan in cohort.scans}
    again = run_quality(cohort, cohort.scans[:2], tmp_path, StudyConfig())
    assert all(scan.derivative(tmp_path, MEASURES).stat().st_mtime_ns == time for scan, time in kept.items())
    assert list(again["score"]) == list(first["score"])
    assert again["verdict_by"].iloc[0] == "B" and excluded(tmp_path, ("reject",)) == {}


def test_one_bad_scan_is_a_row_with_a_reason(ball_study: Path, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "study"
    shutil.copytree(ball_study, root)
    broken = next((root / "sub-02").rglob("*_FLAIR.nii.gz"))
    broken.write_bytes(broken.read_bytes()[:2000])
    cohort = read_cohort(root)
    row = run_quality(cohort, cohort.scans, tmp_path / "out", StudyConfig()).set_index("participant_id").loc["sub-02"]
    assert row["decision"] == "review" and "truncated" in row["reason"]

"""What is taken, held or rejected before anything is done, and how visits are called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from dawson.intake.plan import Plan, make_plan
from dawson.intake.publish import with_person, with_session
from dawson.intake.record import Record
from dawson.intake.series import find_series
from dawson.intake.session_names import day_of, session_name
from dawson.intake.sorting import read_rules
from dawson.intake.sources import open_source

MakeSeries = Callable[..., list[Path]]
SECRET = bytes(range(32))


def _plan(source: Path, study: Path, use_issuer: bool = True, **take: str) -> Plan:
    with open_source(source) as opened:
        found = find_series(opened)
    lines = {code.replace("_", "-"): target for code, target in take.items()}
    return make_plan(found, study, read_rules(take=lines), SECRET, Record(study), use_issuer=use_issuer)


def test_visits_keep_their_names_whatever_comes_first(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "late", StudyDate="20160304", **flair)
    (late,) = _plan(tmp_path / "late", tmp_path / "study").planned
    make_series(tmp_path / "both" / "1", StudyDate="20150304", **flair)
    (tmp_path / "late").rename(tmp_path / "both" / "2")
    early, again = _plan(tmp_path / "both", tmp_path / "study").planned
    assert again.session_id == late.session_id and early.session_id < late.session_id
    days = [day_of(item.session_id) for item in (early, again)]
    assert days[1] - days[0] == (date(2016, 3, 4) - date(2015, 3, 4)).days  # type: ignore[operator]
    assert {item.participant_id for item in (early, again)} == {late.participant_id}


def test_names_of_sessions_sort_by_time() -> None:
    days = [date(1995, 1, 1) + timedelta(days=step) for step in (0, 1, 400, 9000)]
    names = [session_name(day) for day in days]
    assert names == sorted(names) and [day_of(name) for name in names] == [day.toordinal() for day in days]


def test_no_name_date_or_description_stands_in_a_row(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in", **{**flair, "SeriesDescription": "Quixote dark fluid"})
    (item,) = _plan(tmp_path / "in", tmp_path / "study").planned
    said = " ".join(map(str, item.row().cells().values()))
    assert not any(word in said for word in ("Quixote", "dark", "4711", "2015", "1980"))
    assert item.decision == "take" and item.file.name == f"{item.participant_id}_{item.session_id}_FLAIR.nii.gz"


def test_nobodys_undated_and_captured_series_are_held(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    dates = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"))
    for name, values in {
        "anonymous": {"PatientID": "anonymous"},
        "undated": dates,
        "burned in": {"BurnedInAnnotation": "YES"},
        "captured": {"ConversionType": "WSD"},
    }.items():
        make_series(tmp_path / name, **flair, **values)
        (item,) = _plan(tmp_path / name, tmp_path / "study").planned
        assert item.decision == "hold" and item.reason, name


def test_a_line_for_a_series_does_not_open_the_quarantine(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in", BurnedInAnnotation="YES", **flair)
    (item,) = _plan(tmp_path / "in", tmp_path / "study").planned
    (again,) = _plan(tmp_path / "in", tmp_path / "study", **{item.code.replace("-", "_"): "FLAIR"}).planned
    assert again.decision == "hold" and "quarantine" in again.reason


def test_two_people_under_one_number_are_held(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in" / "1", **flair)
    make_series(tmp_path / "in" / "2", PatientBirthDate="19500101", **flair)
    assert [item.decision for item in _plan(tmp_path / "in", tmp_path / "study").planned] == ["hold", "hold"]


def test_a_number_with_and_without_issuer_is_held_until_a_person_says(
    tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]
) -> None:
    make_series(tmp_path / "in" / "1", **flair)
    make_series(tmp_path / "in" / "2", IssuerOfPatientID="CLINIC", StudyDate="20160101", **flair)
    assert {item.decision for item in _plan(tmp_path / "in", tmp_path / "study").planned} == {"hold"}
    joined = _plan(tmp_path / "in", tmp_path / "study", use_issuer=False).planned
    assert {item.decision for item in joined} == {"take"} and len({item.participant_id for item in joined}) == 1


def test_a_sex_that_is_not_that_of_the_table_is_held(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in", **flair)
    study = tmp_path / "study"
    (item,) = _plan(tmp_path / "in", study).planned
    study.mkdir()
    (study / "participants.tsv").write_text(f"participant_id\tsex\n{item.participant_id}\tM\n")
    (again,) = _plan(tmp_path / "in", study).planned
    assert again.decision == "hold" and "sex" in again.reason


def test_the_finest_of_two_images_comes_first_and_the_other_is_numbered(
    tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]
) -> None:
    make_series(tmp_path / "in" / "1", **{**flair, "SeriesNumber": 1})
    make_series(tmp_path / "in" / "2", slices=30, step_mm=5.0, **{**flair, "SeriesNumber": 2})
    fine, coarse = sorted(_plan(tmp_path / "in", tmp_path / "study").planned, key=lambda item: item.series.voxel_mm)
    assert fine.name.endswith(f"{fine.session_id}_FLAIR") and coarse.name.endswith("_run-2_FLAIR") and "image 2" in coarse.reason


def test_a_copy_under_another_series_uid_is_taken_once(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    uids = [f"1.2.3.{number}" for number in range(24)]
    for name in ("1", "2"):
        make_series(tmp_path / "in" / name, SOPInstanceUIDs=uids, **flair)
    assert sorted(item.decision for item in _plan(tmp_path / "in", tmp_path / "study").planned) == ["reject", "take"]


def test_clinical_values_are_never_overwritten() -> None:
    table = pd.DataFrame({"participant_id": ["sub-A"], "sex": ["M"], "age": [40], "edss": [2.0]})
    done = with_person(table, "sub-A", {"sex": "F", "age": "39", "site": "X"}, "41")
    assert done.to_dict("records") == [{"participant_id": "sub-A", "sex": "M", "age": 40, "edss": 2.0}]
    done = with_person(table, "sub-B", {"sex": "F", "age": "39", "site": "X"}, "")
    assert done.iloc[1].dropna().to_dict() == {"participant_id": "sub-B", "sex": "F", "age": "39"}


def test_an_earlier_visit_moves_the_baseline_and_the_age_that_intake_wrote() -> None:
    sessions = with_session(pd.DataFrame(columns=["session_id", "days_from_baseline", "age"], dtype=object), "ses-D700100", "40")
    sessions["clinical_status"] = "relapse"
    sessions = with_session(sessions, "ses-D700000", "39")
    assert list(sessions["session_id"]) == ["ses-D700000", "ses-D700100"] and list(sessions["days_from_baseline"]) == [0, 100]
    assert sessions["clinical_status"].tolist()[1] == "relapse"
    people = with_person(pd.DataFrame({"participant_id": ["sub-A"], "age": ["40"]}), "sub-A", {"age": "39"}, "40")
    assert people["age"].tolist() == ["39"]


def test_days_of_sessions_that_others_named_stay(tmp_path: Path) -> None:
    table = pd.DataFrame({"session_id": ["ses-01"], "days_from_baseline": [0], "age": [None]}, dtype=object)
    done = with_session(table, "ses-D700000", "39")
    assert done["days_from_baseline"].tolist()[0] == 0 and pd.isna(done["days_from_baseline"].tolist()[1])

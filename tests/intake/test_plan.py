"""What is taken, held or rejected before anything is done, and how visits are called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from dawson.files import read_json, write_json
from dawson.intake.codes import Codes
from dawson.intake.header_values import plain_number
from dawson.intake.plan import Plan, make_plan
from dawson.intake.pseudonyms import Pseudonymiser
from dawson.intake.record import Record
from dawson.intake.series import find_series
from dawson.intake.session_names import day_of, session_name
from dawson.intake.sorting import read_rules
from dawson.intake.sources import open_source
from dawson.intake.tables import Tables, Visit, with_person, with_session
from dawson.intake.text_table import TextTable

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


_CLINICAL = "participant_id\tsex\tage\tcode\tdose\ton_drug\nsub-A\tM\t40\t00123\t3.50\tTRUE\nsub-C\tn/a\t\t\t1e3\t\n"


def _table(path: Path, content: str) -> TextTable:
    path.write_bytes(content.encode())
    return TextTable(path)


def test_clinical_values_are_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    table = _table(path, _CLINICAL)
    assert with_person(table, "sub-A", {"sex": "F", "age": "39", "site": "X"}, ["41"]) == ""
    table.write()
    assert path.read_text() == _CLINICAL
    assert with_person(table, "sub-B", {"sex": "F", "age": "39", "site": "X"}) == "39"
    table.write()
    assert path.read_text() == _CLINICAL + "sub-B\tF\t39\tn/a\tn/a\tn/a\n"


@pytest.mark.parametrize(
    "content", [_CLINICAL, "\ufeff" + _CLINICAL.replace("\n", "\r\n"), _CLINICAL.rstrip("\n"), _CLINICAL.replace("M", "\xfc")]
)
def test_cells_that_are_not_changed_stay_byte_for_byte(tmp_path: Path, content: str) -> None:
    path = tmp_path / "participants.tsv"
    table = _table(path, content)
    with_person(table, "C", {"sex": "F", "age": "39", "site": ""})
    table.write()
    end = "\r\n" if "\r" in content else "\n"
    assert path.read_bytes().decode() == content.replace("sub-C\tn/a\t\t", "sub-C\tF\t39\t") and path.read_bytes().decode().count(end) >= 2


def test_an_age_is_brought_up_to_date_only_where_intake_wrote_it(tmp_path: Path) -> None:
    sessions = TextTable(tmp_path / "sessions.tsv", ["session_id", "days_from_baseline", "age", "clinical_status"])
    with_session(sessions, "ses-D700100", "40")
    sessions.set(0, "clinical_status", "relapse")
    with_session(sessions, "ses-D700000", "39")
    assert sessions.column("session_id") == ["ses-D700000", "ses-D700100"] and sessions.column("days_from_baseline") == ["0", "100"]
    assert sessions.column("clinical_status") == ["", "relapse"]
    people = _table(tmp_path / "participants.tsv", "participant_id\tage\nsub-A\t40\n")
    assert with_person(people, "sub-A", {"age": "39"}, []) == "" and people.column("age") == ["40"]
    assert with_person(people, "sub-A", {"age": "39"}, ["40"]) == "39" and people.column("age") == ["39"]


def test_dictionaries_keep_what_they_say_and_a_top_coded_age_is_text(tmp_path: Path) -> None:
    own = {"age": {"Description": "Years"}, "MeasurementToolMetadata": {"Description": "EDSS by hand"}}
    write_json(tmp_path / "participants.json", own)
    Tables(tmp_path, Visit("sub-A", "ses-D700000", "F", "90+", "X")).write()
    found = read_json(tmp_path / "participants.json")
    assert found["MeasurementToolMetadata"] == own["MeasurementToolMetadata"] and found["site"]["Description"]
    assert found["age"] == {"Description": "Years", "DataType": "number", "Format": "string"}
    assert read_json(tmp_path / "sessions.json")["age"]["Format"] == "string"


def test_days_of_sessions_that_others_named_stay(tmp_path: Path) -> None:
    table = _table(tmp_path / "sessions.tsv", "session_id\tdays_from_baseline\tage\nses-01\t0\tn/a\n")
    with_session(table, "ses-D700000", "39")
    assert table.column("days_from_baseline") == ["0", ""] and table.column("session_id") == ["ses-01", "ses-D700000"]


def test_a_copy_that_is_held_does_not_keep_the_good_one_out(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    uids = [f"1.2.3.{number}" for number in range(24)]
    make_series(
        tmp_path / "in" / "1", SOPInstanceUIDs=uids, BurnedInAnnotation="YES", **{**flair, "SeriesNumber": 1, "StudyInstanceUID": "1.2"}
    )
    make_series(tmp_path / "in" / "2", SOPInstanceUIDs=uids, **{**flair, "SeriesNumber": 2, "StudyInstanceUID": "1.2"})
    assert [item.decision for item in _plan(tmp_path / "in", tmp_path / "study").planned] == ["hold", "take"]


def test_spellings_of_one_patient_number_are_one_person_in_the_grouping_too(
    tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]
) -> None:
    for number in ("MRN-4711", "mrn-4711 ", "\uff2dRN-4711\0"):
        assert plain_number(number) == "mrn-4711"
        assert Pseudonymiser(SECRET).participant(number) == Pseudonymiser(SECRET).participant("MRN-4711")
    files = make_series(tmp_path / "in", **flair)
    for path in files[::2]:
        path.write_bytes(path.read_bytes().replace(b"MRN-4711", b"mrn-4711"))
    assert [(item.decision, len(item.series.files)) for item in _plan(tmp_path / "in", tmp_path / "study").planned] == [("take", 24)]


def test_numbers_that_no_scanner_writes_do_not_come_into_the_table(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in", **{**flair, "RepetitionTime": 19800102, "EchoTime": 110, "InversionTime": 4711000})
    (item,) = _plan(tmp_path / "in", tmp_path / "study").planned
    cells = item.row().cells()
    assert (cells["tr_ms"], cells["te_ms"], cells["ti_ms"]) == (None, 110.0, None)
    assert not any(number in " ".join(map(str, cells.values())) for number in ("1980", "4711", "1.98"))


def test_an_empty_description_has_no_code() -> None:
    assert Codes(SECRET).words(" ") == "" and Codes(SECRET).words("t2").startswith("W-")


def test_signs_that_do_not_print_make_nobody_another_person(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    from dawson.intake.process import Job, deidentify_series
    from dawson.intake.sources import Limits

    plain = Pseudonymiser(SECRET).participant("MRN-4711")
    for name, number in {"tab": "MRN\t-4711", "no break": "MRN-4711\u00ad", "end": "MRN-4711\x1b "}.items():
        assert Pseudonymiser(SECRET).participant(number) == plain
        make_series(tmp_path / name, PatientID=number, SpecificCharacterSet="ISO_IR 192", **flair)
        (item,) = _plan(tmp_path / name, tmp_path / "study").planned
        assert (item.decision, item.participant_id) == ("take", f"sub-{plain}")
        job = Job(tmp_path / name, Limits(), (item,), SECRET, tmp_path, False, True, False)
        deidentify_series(job, item, tmp_path / f"out {name}")


def test_numbers_that_differ_in_zeros_or_signs_are_two_people_to_be_looked_at(
    tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]
) -> None:
    for name, number in {"a": "P-007", "b": "P7", "c": "P-70", "d": "Q-7"}.items():
        make_series(tmp_path / "in" / name, PatientID=number, **flair)
    planned = {item.series.header.patient_id: item for item in _plan(tmp_path / "in", tmp_path / "study").planned}
    assert len({item.participant_id for item in planned.values()}) == 4 and {item.decision for item in planned.values()} == {"take"}
    assert planned["P7"].participant_id in planned["P-007"].reason and planned["P-007"].participant_id in planned["P7"].reason
    assert planned["P-70"].reason == planned["Q-7"].reason == ""
    assert "P-007" not in " ".join(str(cell) for cell in planned["P7"].row().cells().values())


def test_a_number_of_other_zeros_than_that_of_somebody_in_the_study_is_to_be_looked_at(
    tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]
) -> None:
    study = tmp_path / "study"
    (study / f"sub-{Pseudonymiser(SECRET).participant('00815')}").mkdir(parents=True)
    make_series(tmp_path / "in", PatientID="815", **flair)
    (item,) = _plan(tmp_path / "in", study).planned
    assert f"sub-{Pseudonymiser(SECRET).participant('00815')}" in item.reason and item.decision == "take"
    make_series(tmp_path / "other", PatientID="8150", **flair)
    assert _plan(tmp_path / "other", study).planned[0].reason == ""

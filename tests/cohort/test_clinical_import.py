from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.cohort import clinical_write
from dawson.cohort.clinical_cells import check_cell, rule_for
from dawson.cohort.clinical_identity import date_reading, identifying_column, identifying_header
from dawson.cohort.clinical_import import plan_import
from dawson.cohort.clinical_table import read_clinical_table
from dawson.cohort.clinical_write import write_import
from dawson.cohort.dataset import read_cohort
from dawson.cohort.dictionary import check_table
from dawson.cohort.standard_dictionary import standard_dictionary
from dawson.errors import CohortError, GovernanceError
from dawson.files import read_json
from dawson.governance.tombstones import set_tombstone

CELLS = [
    # column, cell, value, part of the problem, part of the fix
    ("edss", "2.5", "2.5", "", ""),
    ("edss", "2,5", "", "decimal comma", "Write 2.5"),
    ("edss", "0.5", "", "no step of the scale", "without 0.5"),
    ("edss", "3.25", "", "no step of the scale", "steps of 0.5"),
    ("edss", "11", "", "out of range", "from 0 to 10"),
    ("edss", "999", "", "out of range", "write n/a"),
    ("edss", "3-4", "", "a range or a bound", "one number"),
    ("edss", "<2", "", "a range or a bound", "one number"),
    ("edss", "2 points", "", "has a unit (points)", "number alone"),
    ("edss", "high", "", "no number", "from 0 to 10"),
    ("edss", "1,234", "", "thousands comma", "1.234 or 1234"),
    ("edss", "n/a", "", "", ""),
    ("edss", "unknown", "", "", ""),
    ("edss", "2020-01-31", "", "is a date", "days from"),
    ("edss", "03/04/2020", "", "3.4. or 4.3.", "days from"),
    ("age", "34.5", "34.5", "", ""),
    ("age", "89", "89", "", ""),
    ("age", "90", "90+", "", ""),
    ("age", ">89", "90+", "", ""),
    ("age", "90+", "90+", "", ""),
    ("age", "410", "", "out of range", "in months"),
    ("age", "1975", "", "out of range", "calendar year"),
    ("age", "34 y", "", "has a unit (y)", "in year"),
    ("sex", "female", "F", "", ""),
    ("sex", "femal", "", "not allowed", "Did you mean 'F'"),
    ("sex", "X", "", "not allowed", "Allowed: F, M, O"),
    ("aqp4", "Pos", "positive", "", ""),
    ("aqp4", "posititve", "", "not allowed", "Did you mean 'positive'"),
    ("diagnostic_criteria", "mcdonald 2017", "McDonald 2017", "", ""),
    ("dmt_class", "Ocrelizumab", "anti-CD20", "", ""),
    ("treatment", "none", "none", "", ""),
    ("relapses", "2.5", "", "no whole number", "whole numbers from 0"),
    ("letm", "yes", "true", "", ""),
    ("letm", "maybe", "", "neither true nor false", "true, false"),
    ("scanner", "Skyra 3T", "Skyra 3T", "", ""),
    ("scanner", "j.doe@clinic.org", "", "e-mail", "stays in the clinic"),
    ("scanner", "12345678", "", "number of a record", "stays in the clinic"),
]


@pytest.mark.parametrize(("column", "text", "value", "problem", "fix"), CELLS)
def test_a_cell_is_taken_or_told_what_is_allowed(column, text, value, problem, fix):
    cell = check_cell(text, rule_for(column, None, "participants"))
    assert cell.value == value
    assert (problem in cell.problem) and bool(cell.problem) == bool(problem)
    assert fix in cell.fix


def test_a_decimal_comma_is_read_where_it_is_announced():
    assert check_cell("2,5", rule_for("edss", None, "participants"), decimal_comma=True).value == "2.5"


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from([name for name, column in standard_dictionary().columns.items() if column.belongs_to("participants")][1:]),
    text=st.one_of(st.text(max_size=30), st.floats().map(str), st.integers(-2000, 2000).map(str), st.dates().map(str)),
)
def test_whatever_stands_in_a_cell_what_is_taken_passes_the_validator(name, text):
    rule = rule_for(name, None, "participants")
    cell = check_cell(text, rule)
    assert not (cell.value and cell.problem)
    if cell.value:
        table = pd.DataFrame({"participant_id": ["sub-1"], name: [cell.value]}, dtype=object)
        assert check_table(table, {name: rule.entry}, table_name="t", dictionary_name="d") == []
        assert check_cell(cell.value, rule).value == cell.value


@pytest.mark.parametrize(
    "header",
    [
        *("Name", "patient_name", "PatientName", "Vorname", "Nachname", "DOB", "dateOfBirth", "Geburtsdatum", "birth date", "MRN", "tel."),
        *("Address", "Surname", "nom", "e-mail", "NHS number", "initials", "이름", "生年月日", "zip code"),
        *("onset date", "visit_date", "comments"),
    ],
)
def test_identifying_headers_are_known(header):
    assert identifying_header(header)


@pytest.mark.parametrize("header", ["EDSS", "drug name", "scanner name", "site", "age at onset", "days", "contrast", "treatment", "volume"])
def test_harmless_headers_are_left_alone(header):
    assert identifying_header(header) == ""


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2020-01-31", "a date"),
        ("31.01.2020", "a date"),
        ("01/31/20", "a date"),
        ("3 Mar 2019", "a date"),
        ("20200131", "a date"),
        ("04/05/2019", "a date that may be 4.5. or 5.4."),
        ("2020-01-31 10:30", "a date"),
        ("2.5", ""),
        ("20201399", ""),
        ("1-2", ""),
        ("may", ""),
    ],
)
def test_dates_are_recognised_in_every_order(text, read):
    assert date_reading(text) == read


def test_a_column_is_refused_by_its_content_too():
    assert identifying_column(["Doe, John", "Roe, Jane", ""]) == "a name (SURNAME, Forename)"
    assert identifying_column(["+49 89 1234567", "089/123456"]) == "a telephone number"
    assert identifying_column(["A", "B", "Doe, John"]) == ""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_table_comes_in_and_its_columns_are_described(dataset, tmp_path):
    table = write(tmp_path / "clinic.csv", "Patient;AQP4-IgG;EDSS\n01;neg;2.5\nsub-03;pos;6\n")
    plan = plan_import(dataset, table)
    assert [str(problem) for problem in plan.blocking] == []
    write_import(plan)
    people = read_cohort(dataset).participants.set_index("participant_id")
    assert people.loc["sub-01", "aqp4"] == "negative" and people.loc["sub-03", "edss"] == 6
    assert pd.isna(people.loc["sub-02", "edss"])
    entry = read_json(dataset / "participants.json")["edss"]
    assert entry["Maximum"] == 10 and "Kurtzke" in entry["Description"]


def test_only_who_governs_a_managed_study_brings_data_in(dataset, tmp_path):
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,edss\n01,2\n"))
    (dataset / "governance").mkdir()
    policy = '[roles.researcher]\nmay = ["train"]\n\n[[people]]\nname = "nobody here"\nrole = "researcher"\n'
    (dataset / "governance" / "access.toml").write_text(policy)
    (dataset / "study.toml").write_text("[governance]\nmanaged = true\n")
    before = (dataset / "participants.tsv").read_text()
    with pytest.raises(GovernanceError, match="govern is refused"):
        write_import(plan, managed=False)
    assert (dataset / "participants.tsv").read_text() == before
    (dataset / "study.toml").unlink()
    assert write_import(plan)


def test_cells_that_do_not_change_stay_as_they_were_typed(dataset, tmp_path):
    path = dataset / "participants.tsv"
    lines = path.read_text().splitlines()
    lines = [f"{line}\t{extra}" for line, extra in zip(lines, ["local_code", "007", "1.50", "n/a", "a b"], strict=True)]
    path.write_text("\n".join(lines) + "\n")
    write_import(plan_import(dataset, write(tmp_path / "c.csv", "id,edss\n01,2\n")))
    assert path.read_text().splitlines() == [
        f"{line}\t{value}" for line, value in zip(lines, ["edss", "2", "n/a", "n/a", "n/a"], strict=True)
    ]


def test_one_wrong_cell_stops_everything_unless_the_good_ones_are_asked_for(dataset, tmp_path):
    before = (dataset / "participants.tsv").read_bytes()
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,edss,mog\n01,12,neg\n02,3,neg\n"))
    with pytest.raises(CohortError, match="1 cells or columns"):
        write_import(plan)
    assert (dataset / "participants.tsv").read_bytes() == before
    problem = plan.problems[0]
    assert (problem.row, problem.column, problem.value, problem.participant_id) == (2, "edss", "12", "sub-01")
    write_import(plan, partial=True)
    people = read_cohort(dataset).participants.set_index("participant_id")
    assert pd.isna(people.loc["sub-01", "edss"]) and people.loc["sub-01", "mog"] == "negative" and people.loc["sub-02", "edss"] == 3


def test_a_value_that_differs_is_a_conflict_and_is_kept_until_replaced(dataset, tmp_path):
    table = write(tmp_path / "c.csv", "id,age\n01,31\n02,41.0\n")
    plan = plan_import(dataset, table)
    assert [(problem.kind, problem.participant_id) for problem in plan.problems] == [("conflict", "sub-01")]
    assert "sub-01 has 30" in plan.problems[0].problem and plan.unchanged == 1
    write_import(plan, partial=True)
    assert read_cohort(dataset).participants["age"].iloc[0] == 30
    write_import(plan_import(dataset, table, replace=True))
    assert read_cohort(dataset).participants["age"].iloc[0] == 31


def test_an_empty_cell_never_takes_a_value_away(dataset, tmp_path):
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,age,sex\n01,n/a,\n"), replace=True)
    assert plan.changes == () and plan.problems == ()


def test_people_who_are_not_in_the_study_are_named(dataset, tmp_path):
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,edss\n1,2\n77,2\n,2\n"))
    assert [problem.row for problem in plan.problems] == [2, 3, 4]
    assert "Did you mean sub-01?" in plan.problems[0].fix
    assert "Did you mean" not in plan.problems[1].fix
    assert plan.changes == ()


def test_nothing_of_a_person_who_withdrew_comes_back(dataset, tmp_path):
    set_tombstone(dataset, "sub-09")
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,edss\n09,2\n"))
    assert "has withdrawn" in plan.problems[0].problem


def test_identifying_columns_are_refused_and_can_be_left_out(dataset, tmp_path):
    table = write(tmp_path / "c.csv", "id,Surname,edss,ref\n01,Doe,2,80123456\n02,Roe,3,80123457\n")
    plan = plan_import(dataset, table)
    assert [problem.column for problem in plan.blocking] == ["Surname", "ref"]
    left = plan_import(dataset, table, leave_out=["surname", "ref"])
    assert left.blocking == () and len(left.changes) == 2


def test_a_column_in_another_unit_is_refused_with_the_factor(dataset, tmp_path):
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,disease duration (months)\n01,26\n"))
    assert "is in months" in plan.problems[0].problem and "divide by 12" in plan.problems[0].fix


def test_unknown_columns_are_not_read_and_can_be_mapped(dataset, tmp_path):
    table = write(tmp_path / "c.csv", "id,disability,shoe\n01,2,43\n")
    assert [problem.kind for problem in plan_import(dataset, table).problems] == ["warning", "warning"]
    plan = plan_import(dataset, table, renamed={"disability": "edss"})
    assert [(change.column, change.new) for change in plan.changes] == [("edss", "2")]
    with pytest.raises(CohortError, match="no column of the dictionary"):
        plan_import(dataset, table, renamed={"shoe": "shoe_size"})
    with pytest.raises(CohortError, match="has no column hat"):
        plan_import(dataset, table, renamed={"hat": "edss"})


def test_two_columns_for_one_are_told(dataset, tmp_path):
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,edss,EDSS score\n01,2,3\n"))
    assert "means edss, and so does edss" in plan.problems[0].problem


def test_visits_go_to_sessions_by_name_or_by_days(dataset, tmp_path):
    table = write(tmp_path / "c.csv", "id,session,days,EDSS,status\n02,02,,3,relapse\n04,,365,4,stable\n04,,0,2,\n")
    plan = plan_import(dataset, table)
    assert [str(problem) for problem in plan.problems] == []
    write_import(plan)
    sessions = read_cohort(dataset).sessions.set_index(["participant_id", "session_id"])
    assert sessions.loc[("sub-02", "ses-02"), "clinical_status"] == "relapse"
    assert sessions.loc[("sub-04", "ses-02"), "edss"] == 4 and sessions.loc[("sub-04", "ses-01"), "edss"] == 2
    assert sessions.loc[("sub-04", "ses-02"), "days_from_baseline"] == 365
    assert "clinical_status" in read_json(dataset / "sessions.json")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("02,9,,3", "is no session of this person"),
        ("02,02,300,3", "is at 300 days here, the study has it at 210"),
        ("02,,100,3", "is the day of no scan"),
        ("02,,,3", "belongs to no visit"),
        ("02,,2020-01-01,3", "is a date"),
    ],
)
def test_a_visit_that_cannot_be_placed_is_told(dataset, tmp_path, row, problem):
    plan = plan_import(dataset, write(tmp_path / "c.csv", f"id,session,days,EDSS\n{row}\n"))
    assert len(plan.blocking) == 1 and problem in plan.blocking[0].problem and plan.changes == ()


def test_a_visit_near_a_scan_counts_where_that_is_allowed(dataset, tmp_path):
    table = write(tmp_path / "c.csv", "id,days,EDSS\n02,200,3\n02,105,3\n")
    plan = plan_import(dataset, table, within_days=10)
    assert [change.session_id for change in plan.changes] == ["ses-02"]
    between = plan_import(dataset, table, within_days=400)
    assert "as near to ses-01 as to ses-02" in between.problems[0].problem


def test_columns_of_visits_need_a_visit(dataset, tmp_path):
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,status\n01,relapse\n"))
    assert "belongs to a visit" in plan.problems[0].problem


def test_a_person_twice_and_a_value_twice(dataset, tmp_path):
    wide = plan_import(dataset, write(tmp_path / "c.csv", "id,edss\n01,2\n01,3\n"))
    assert "stands in row 2 already" in wide.problems[0].problem
    long = plan_import(dataset, write(tmp_path / "d.csv", "id,days,mog\n02,0,neg\n02,210,pos\n"))
    assert "differs from row 2" in long.problems[0].problem


def test_a_sessions_table_is_made_where_there_is_none(dataset, tmp_path):
    (dataset / "sub-02" / "sub-02_sessions.tsv").unlink()
    write_import(plan_import(dataset, write(tmp_path / "c.csv", "id,session,days,edss\n02,01,0,2\n02,02,210,3\n")))
    sessions = read_cohort(dataset).sessions.query("participant_id == 'sub-02'")
    assert sessions["edss"].tolist() == [2, 3] and sessions["days_from_baseline"].tolist() == [0, 210]


def test_an_interrupted_import_is_finished_by_the_same_command(dataset, tmp_path, monkeypatch):
    table = write(tmp_path / "c.csv", "id,days,edss,mog\n02,0,2,neg\n04,365,3,pos\n")
    written, real = [], clinical_write.write_tsv

    def fails_at_the_second(path, content):
        if written:
            raise OSError("power cut")
        written.append(path)
        real(path, content)

    monkeypatch.setattr(clinical_write, "write_tsv", fails_at_the_second)
    with pytest.raises(OSError, match="power cut"):
        write_import(plan_import(dataset, table))
    monkeypatch.setattr(clinical_write, "write_tsv", real)
    plan = plan_import(dataset, table)
    assert plan.unchanged == 1
    write_import(plan)
    assert plan_import(dataset, table).changes == ()


def test_a_study_that_changed_meanwhile_is_not_overwritten(dataset, tmp_path):
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,edss\n01,2\n"))
    write_import(plan_import(dataset, write(tmp_path / "d.csv", "id,edss\n01,3\n")))
    with pytest.raises(CohortError, match="has changed since"):
        write_import(plan)


def test_the_tables_as_they_were_are_kept_outside_the_study(dataset, tmp_path):
    before = (dataset / "participants.tsv").read_bytes()
    plan = plan_import(dataset, write(tmp_path / "c.csv", "id,edss\n01,2\n"))
    with pytest.raises(CohortError, match="lies in the study"):
        write_import(plan, backup=dataset / "old")
    write_import(plan, backup=tmp_path / "old")
    assert (tmp_path / "old" / "participants.tsv").read_bytes() == before


def test_a_spreadsheet_says_the_same_as_its_csv(dataset, tmp_path):
    pytest.importorskip("openpyxl")
    pd.DataFrame({"id": ["01", "03"], "edss": [2.5, 3.0], "mog": ["neg", None]}).to_excel(tmp_path / "c.xlsx", index=False)
    write(tmp_path / "c.csv", "id,edss,mog\n01,2.5,neg\n03,3,\n")
    assert plan_import(dataset, tmp_path / "c.xlsx").changes == plan_import(dataset, tmp_path / "c.csv").changes


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", b"id,edss\n01,2,5\n", "row 2 has 3 cells, the header 2"),
        ("a.csv", b"id,edss\n01,\xff\n", "not UTF-8"),
        ("a.csv", b"", "no header"),
        ("a.csv", b"id,edss\n", "no rows"),
        ("a.csv", b"id,edss,EDSS\n01,2,2\n", "a column twice"),
        ("a.csv", b"id,,edss\n01,2,2\n", "without a name"),
        ("a.csv", b"id\0,edss\n01,2\n", "no text file"),
        ("a.xlsx", b"id,edss\n", "no XLSX file"),
        ("a.sav", b"x", "not read"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CohortError, match=problem):
        read_clinical_table(tmp_path / name)


def test_rows_are_counted_as_a_spreadsheet_counts(tmp_path):
    table = read_clinical_table(write(tmp_path / "c.csv", 'id,edss\n\n01,2\n"0\n2",3\n'))
    assert [row for row, _ in table.rows] == [3, 4]


def test_a_table_without_people_is_refused(dataset, tmp_path):
    with pytest.raises(CohortError, match="no column of participants"):
        plan_import(dataset, write(tmp_path / "c.csv", "edss\n2\n"))


def test_a_top_code_keeps_the_study_readable_as_bids_and_as_numbers(dataset, tmp_path):
    write_import(plan_import(dataset, write(tmp_path / "c.csv", "id,age\n03,93\n"), replace=True))
    assert "90+" in (dataset / "participants.tsv").read_text()
    entry = read_json(dataset / "participants.json")["age"]
    assert entry["Format"] == "string" and entry["DataType"] == "number"
    assert read_cohort(dataset).participants["age"].tolist() == [30, 41, 90, 38]

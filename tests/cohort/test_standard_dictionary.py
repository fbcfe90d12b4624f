from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from dawson.cohort.bids import STANDARD_COLUMNS, STANDARD_SESSION_COLUMNS, write_participants
from dawson.cohort.clinical_cells import check_cell, rule_for
from dawson.cohort.clinical_identity import identifying_header
from dawson.cohort.dictionary import check_table, read_column
from dawson.cohort.dictionary_page import dictionary_page
from dawson.cohort.standard_dictionary import ONTOLOGIES, StandardDictionary, merged_entry, standard_dictionary, term_url, top_coded
from dawson.files import read_json, read_tsv

STANDARD = standard_dictionary()


def test_the_page_of_the_documentation_is_made_from_the_data():
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "dictionary.md"
    assert page.read_text(encoding="utf-8") == dictionary_page(STANDARD)


def test_edss_is_zero_and_one_to_ten_in_half_steps():
    rule = rule_for("edss", None, "participants")
    accepted = [value / 100 for value in range(-100, 1101) if check_cell(f"{value / 100:g}", rule).value]
    assert accepted == [0, *[half / 2 for half in range(2, 21)]]


def test_the_standard_has_what_bids_tables_of_dawson_have():
    for table, columns in (("participants", STANDARD_COLUMNS), ("sessions", STANDARD_SESSION_COLUMNS)):
        for name, entry in columns.items():
            if name == "acq_time":  # a date: the standard keeps none
                assert name not in STANDARD.columns
                continue
            assert STANDARD.columns[name].belongs_to(table)
            assert set(entry.get("Levels", ())) <= set(STANDARD.columns[name].levels)


@pytest.fixture(scope="module")
def simulated_tables(tmp_path_factory):
    from dawson.simulation.people import plan_cohort
    from dawson.simulation.tables import write_tables

    out = tmp_path_factory.mktemp("tables")
    write_tables(out, plan_cohort({"MS": 40, "NMOSD": 40, "MOGAD": 20, "healthy": 10}, seed=1, sites=("A", "B")), "said")
    return out


def test_simulated_cohorts_speak_the_standard(simulated_tables):
    table = read_tsv(simulated_tables / "participants.tsv", text=["site"])
    problems = check_table(table, STANDARD.entries(table.columns), table_name="participants.tsv", dictionary_name="the standard")
    assert [str(problem) for problem in problems if problem.severity == "error"] == []


def test_entries_are_what_the_reader_of_dictionaries_understands():
    for name, column in STANDARD.columns.items():
        read, faults = read_column(name, merged_entry(name, None, "sessions" if column.table == "sessions" else "participants"))
        assert faults == []
        assert set(read.levels) == set(column.levels)
        if column.kind in ("number", "integer", "boolean"):
            assert read.kind == column.kind


def test_every_column_written_as_bids_is_valid(tmp_path, make_dataset):
    beside = Path(sys.executable).with_name("bids-validator-deno")
    validator = str(beside) if beside.exists() else shutil.which("bids-validator-deno")
    if validator is None:
        pytest.skip("bids-validator-deno is not installed")
    root = make_dataset(tmp_path / "valid")
    names = [name for name, column in STANDARD.columns.items() if column.belongs_to("participants")]
    row = {
        name: next(iter(column.levels)) if column.levels else {"boolean": "true", "text": "A"}.get(column.kind, "1")
        for name, column in STANDARD.columns.items()
    }
    people = pd.DataFrame([{**row, "participant_id": f"sub-0{number}"} for number in range(1, 5)])[names]
    people.loc[0, "age"] = "90+"
    entries = STANDARD.entries(names)
    write_participants(root, people, entries | {"age": top_coded(entries["age"])})
    done = subprocess.run([validator, str(root), "--json"], capture_output=True, text=True, check=False)
    assert [issue for issue in json.loads(done.stdout)["issues"]["issues"] if issue["severity"] == "error"] == []
    assert read_json(root / "participants.json")["age"]["TermURL"] == "https://loinc.org/30525-0"


def test_no_column_is_a_date_or_names_anybody():
    assert {name: identifying_header(name) for name in STANDARD.columns if identifying_header(name)} == {}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("EDSS score", ("edss", "")),
        ("Age (years)", ("age", "year")),
        ("disease duration [months]", ("disease_duration", "month")),
        ("Visit", ("session_id", "")),
        ("days", ("days_from_baseline", "")),
        ("AQP4-IgG", ("aqp4", "")),
        ("shoe size", None),
    ],
)
def test_headers_are_found_by_synonym_and_unit(header, expected):
    assert STANDARD.find(header) == expected


def test_every_code_has_a_name_a_source_and_an_address():
    for code, term in STANDARD.terms.items():
        assert code.split(":")[0] in ONTOLOGIES
        assert term.label and term.seen
        assert term_url(code).startswith("http")


def test_two_columns_may_not_answer_to_one_name():
    content = STANDARD.model_dump()
    content["columns"]["edss"]["synonyms"] = ["gender"]
    with pytest.raises(ValidationError, match="gender may mean"):
        StandardDictionary.model_validate(content)


def test_a_code_without_an_entry_is_refused():
    content = STANDARD.model_dump()
    content["columns"]["edss"]["terms"] = ["SNOMED:1"]
    with pytest.raises(ValidationError, match="codes without an entry"):
        StandardDictionary.model_validate(content)


def test_levels_of_the_study_stand_and_the_standard_adds_only_to_its_own_vocabulary():
    same = merged_entry("phenotype", {"Levels": {"RRMS": "ours"}})
    assert same["Levels"]["RRMS"] == "ours" and "PPMS" in same["Levels"]
    other = merged_entry("sex", {"Levels": {"1": "male", "2": "female"}})
    assert set(other["Levels"]) == {"1", "2"} and "LevelTermURLs" not in other
    assert merged_entry("shoe_size", None) == {}

from __future__ import annotations

import pandas as pd
import pytest

from dawson.cohort.dictionary import as_numbers, check_table, read_column


def checked(values: list, entry: object, **more) -> list[str]:
    table = pd.DataFrame({"participant_id": [f"sub-{number}" for number in range(len(values))], "x": values})
    found = check_table(table, {"x": entry} | more, table_name="t", dictionary_name="d")
    return [f"{item.severity}: {item.problem}" for item in found]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"Levels": {"a": "b"}}, "categorical"),
        ({"Units": "year"}, "number"),
        ({"Minimum": 0}, "number"),
        ({"DataType": "Integer", "Description": "d"}, "integer"),
        ({"Format": "bool", "Description": "d"}, "boolean"),
        ({"Description": "d"}, "unknown"),
    ],
)
def test_kind_is_declared_or_inferred(entry, kind):
    assert read_column("x", entry)[0].kind == kind


@pytest.mark.parametrize(
    ("values", "entry", "errors"),
    [
        (["F", "M", None], {"Levels": {"F": "", "M": ""}}, []),
        (["F", "W"], {"Levels": ["F", "M"]}, ["x = 'W' of sub-1 is not one of the Levels in d"]),
        ([0, 1], {"Levels": {"0": "no", "1": "yes"}}, []),
        ([0.0, 1.0, None], {"Levels": {"0": "no", "1": "yes"}}, []),
        ([1.5, 12, None], {"Minimum": 0, "Maximum": 10}, ["x = '12' of sub-1 is above the Maximum 10 in d"]),
        ([0, 10], {"Minimum": 0, "Maximum": 10}, []),
        ([-1, 5], {"Minimum": 0}, ["x = '-1' of sub-0 is below the Minimum 0 in d"]),
        (["3", "many"], {"Units": "year"}, ["x = 'many' of sub-1 is no number"]),
        (["90+", "41"], {"Units": "year", "Maximum": 120}, []),
        ([1, 2.5], {"DataType": "integer", "Description": "d"}, ["x = '2.5' of sub-1 is no whole number"]),
        (["true", "maybe"], {"DataType": "boolean"}, ["x = 'maybe' of sub-1 is neither true nor false"]),
        ([True, False], {"DataType": "boolean", "Description": "d"}, []),
        (["anything", 3], {"Description": "d"}, []),
    ],
)
def test_values(values, entry, errors):
    assert checked(values, entry) == [f"error: {text}" for text in errors]


def test_one_problem_for_many_people():
    assert checked(["x"] * 8, {"Levels": {"y": ""}}) == [
        "error: x = 'x' of sub-0, sub-1, sub-2, sub-3, sub-4 and 3 more is not one of the Levels in d"
    ]


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("text", "is no JSON object"),
        ({}, "says nothing of the column"),
        ({"Levels": "F"}, "neither an object nor a list"),
        ({"Minimum": "low", "Description": "d"}, "Minimum that is no number"),
        ({"Minimum": 3, "Maximum": 1}, "Minimum .3. above its Maximum"),
        ({"DataType": "colour", "Description": "d"}, "unknown DataType 'colour'"),
    ],
)
def test_faults_of_entries(entry, fault):
    faults = read_column("x", entry)[1]
    assert pd.Series(faults).str.contains(fault).any()


def test_undeclared_and_superfluous_columns():
    table = pd.DataFrame({"participant_id": ["sub-1"], "x": [1]})
    found = check_table(table, {"y": {"Description": "d"}}, table_name="t", dictionary_name="d")
    assert [item.problem for item in found] == [
        "has the column x, which d does not declare", "declares y, which is no column of t",
    ]  # fmt: skip
    assert check_table(table, {}, table_name="t", dictionary_name="d", exempt=("x",)) == []


def test_numbers():
    assert as_numbers(pd.Series(["1", "90+", "x", None], dtype=object)).tolist()[:2] == [1, 90]
    assert as_numbers(pd.Series([1, 2])).tolist() == [1.0, 2.0]

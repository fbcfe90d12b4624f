"""The data dictionary: what each column of a table may hold, and every value that it may not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from dawson.cohort.problem import Problem

Kind = Literal["number", "integer", "boolean", "categorical", "text", "unknown"]

# Words for a type that dictionaries use, under DataType or BIDS's own Format.
_KINDS: dict[str, Kind] = {
    "number": "number",
    "float": "number",
    "numeric": "number",
    "continuous": "number",
    "integer": "integer",
    "int": "integer",
    "index": "integer",
    "boolean": "boolean",
    "bool": "boolean",
    "categorical": "categorical",
    "category": "categorical",
    "label": "categorical",
    "string": "text",
    "str": "text",
    "text": "text",
}
_BOOLEANS = ("true", "false", "yes", "no", "0", "1", "0.0", "1.0")
_SHOWN = 5


@dataclass(frozen=True)
class Column:
    """What a dictionary says of one column.

    Parameters
    ----------
    name, description, units : str
        Empty where the dictionary does not say.
    kind : str
        number, integer, boolean, categorical, text or unknown; inferred from levels, limits and units where not
        declared.
    levels : dict of str to str
        Allowed value to what it means; empty where any is allowed.
    minimum, maximum : float or None
        Limits, both allowed.
    """

    name: str
    description: str = ""
    units: str = ""
    kind: Kind = "unknown"
    levels: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


def read_column(name: str, entry: Any) -> tuple[Column, list[str]]:
    """One entry of participants.json, and what is wrong with the entry itself.

    Parameters
    ----------
    name : str
    entry : object
        Usually a dict with Description, Levels, Units, Minimum, Maximum, DataType or Format.

    Returns
    -------
    Column
    list of str
        Faults of the entry, each the end of the sentence "the entry NAME ...".

    Examples
    --------
    >>> read_column("age", {"Units": "year", "Minimum": 0})[0].kind
    'number'
    """
    if not isinstance(entry, dict):
        return Column(name), ["is no JSON object"]
    faults = []
    declared = entry.get("Levels", {})
    if not isinstance(declared, dict | list):
        faults.append("has Levels that are neither an object nor a list")
        declared = {}
    levels = tuple(str(level) for level in declared)
    limits: dict[str, float | None] = {}
    for limit in ("Minimum", "Maximum"):
        value = entry.get(limit)
        sound = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        if not sound:
            faults.append(f"has a {limit} that is no number ({value!r})")
        limits[limit] = float(value) if sound and value is not None else None
    low, high = limits["Minimum"], limits["Maximum"]
    if low is not None and high is not None and low > high:
        faults.append(f"has a Minimum ({low:g}) above its Maximum ({high:g})")
    word = str(entry.get("DataType", entry.get("Format", ""))).strip().lower()
    kind = _KINDS.get(word, "unknown")
    if word and kind == "unknown":
        faults.append(f"has the unknown DataType {word!r}; known are {', '.join(sorted(set(_KINDS.values())))}")
    if kind in ("unknown", "text") and levels:
        kind = "categorical"
    elif kind == "unknown" and (low is not None or high is not None or entry.get("Units")):
        kind = "number"
    description, units = str(entry.get("Description", "")), str(entry.get("Units", ""))
    if kind == "unknown" and not (description or entry.get("LongName")):
        faults.append("says nothing of the column: it has neither Description nor Levels nor Units")
    return Column(name, description, units, kind, levels, low, high), faults


def check_table(
    table: pd.DataFrame,
    dictionary: dict[str, Any],
    *,
    table_name: str,
    dictionary_name: str,
    exempt: tuple[str, ...] = (),
) -> list[Problem]:
    """Hold every column of a table against the dictionary; missing values (n/a) are always allowed.

    Parameters
    ----------
    table : DataFrame
        With a column participant_id, by which a wrong value is told.
    dictionary : dict
    table_name, dictionary_name : str
        Files to name in the problems.
    exempt : tuple of str
        Columns that need no entry.

    Returns
    -------
    list of Problem
        Values that are not allowed are errors, one problem a column and value; undeclared columns and faults of the
        dictionary are warnings.
    """
    problems = []
    for name in table.columns:
        if name == "participant_id" or (name in exempt and name not in dictionary):
            continue
        if name not in dictionary:
            problems.append(
                Problem(
                    "warning",
                    table_name,
                    f"has the column {name}, which {dictionary_name} does not declare",
                    "Describe it there (Description, and Levels or Units with Minimum and Maximum).",
                )
            )
            continue
        column, faults = read_column(str(name), dictionary[name])
        problems += [Problem("warning", dictionary_name, f"the entry {name} {fault}", "Correct the entry.") for fault in faults]
        problems += _check_column(table, column, table_name, dictionary_name)
    problems += [
        Problem("warning", dictionary_name, f"declares {name}, which is no column of {table_name}", "Remove the entry.")
        for name in dictionary
        if name not in table.columns
    ]
    return problems


def as_numbers(values: pd.Series[Any]) -> pd.Series[float]:
    """Values as numbers, NaN where they are none; a top code such as 90+ counts as its number."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.astype(float)
    return pd.to_numeric(values.astype(object).astype(str).str.strip().str.removesuffix("+"), errors="coerce").astype(float)


def _check_column(table: pd.DataFrame, column: Column, table_name: str, dictionary_name: str) -> list[Problem]:
    known = table[column.name].notna() & (table[column.name].astype(object) != "")
    values, people = table.loc[known, column.name], table.loc[known, "participant_id"]
    wrong: dict[str, tuple[str, str]] = {}
    if column.levels and column.kind in ("categorical", "text", "boolean", "unknown"):
        # A column of numbers read from levels such as 0 and 1.
        shown = values.map(_level)
        for value in shown[~shown.isin(column.levels)].unique():
            fix = _nearest(value, column.levels) or f"Known are {', '.join(column.levels)}; correct it or declare it."
            wrong[value] = (f"is not one of the Levels in {dictionary_name}", fix)
    elif column.kind == "boolean":
        shown = values.map(_level)
        for value in shown[~shown.str.lower().isin(_BOOLEANS)].unique():
            wrong[value] = ("is neither true nor false", "Write true, false or n/a.")
    elif column.kind in ("number", "integer"):
        shown, numbers = values.map(_level), as_numbers(values)
        for value in shown[numbers.isna()].unique():
            wrong[value] = ("is no number", "Write a number or n/a.")
        if column.kind == "integer":
            for value in shown[numbers.notna() & (numbers % 1 != 0)].unique():
                wrong[value] = ("is no whole number", "Write a whole number or n/a.")
        for limit, beyond, word in (
            (column.minimum, numbers < (column.minimum or 0), "below the Minimum"),
            (column.maximum, numbers > (column.maximum or 0), "above the Maximum"),
        ):
            if limit is not None:
                for value in shown[beyond].unique():
                    wrong[value] = (
                        f"is {word} {limit:g} in {dictionary_name}",
                        f"Correct the value{_in(column)} or the limit.",
                    )
    else:
        return []
    problems = []
    for value, (problem, fix) in wrong.items():
        who = list(dict.fromkeys(people[shown == value]))
        names = ", ".join(who[:_SHOWN]) + (f" and {len(who) - _SHOWN} more" if len(who) > _SHOWN else "")
        text = f"{column.name} = {value!r} of {names} {problem}"
        problems.append(Problem("error", table_name, text, fix, who[0] if len(who) == 1 else ""))
    return problems


def _level(value: object) -> str:
    """A cell as a dictionary's level would be written: 1.0 as 1, True as true."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nearest(value: str, levels: tuple[str, ...]) -> str:
    same = [level for level in levels if level.strip().lower() == value.strip().lower()]
    return f"Write {same[0]!r} as the dictionary does." if same else ""


def _in(column: Column) -> str:
    return f" (in {column.units})" if column.units else ""

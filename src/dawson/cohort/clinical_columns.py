"""Which column of a clinic's table is which column of the study; what names a person is refused."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dawson.cohort.clinical_cells import CellRule, rule_for
from dawson.cohort.clinical_identity import identifying_column, identifying_header
from dawson.cohort.clinical_problem import CellProblem
from dawson.cohort.clinical_table import ClinicalTable
from dawson.cohort.standard_dictionary import Table, split_unit, standard_dictionary
from dawson.errors import CohortError

_IN_A_YEAR = {"month": "12", "week": "52.18", "day": "365.25"}


@dataclass(frozen=True)
class MappedColumn:
    """A column that is read.

    Parameters
    ----------
    index : int
        Its place in the clinic's table.
    header, name : str
        What it is called there, and in the study.
    rules : dict of table to CellRule
        For each table that it may stand in.
    """

    index: int
    header: str
    name: str
    rules: dict[Table, CellRule] = field(default_factory=dict)

    def rule(self, table: Table) -> CellRule:
        """The rule for this table.

        Raises
        ------
        CohortError
            The column has no place in it.
        """
        if table not in self.rules:
            raise CohortError(f"{self.name} is no column of the {table} table.")
        return self.rules[table]


def map_columns(
    table: ClinicalTable,
    dictionaries: Mapping[Table, Mapping[str, Any]],
    renamed: Mapping[str, str],
    leave_out: Sequence[str],
) -> tuple[list[MappedColumn], list[CellProblem], list[str]]:
    """Match the columns of a clinic's table with those of a study.

    In this order: what `renamed` says, the study's own names, names and synonyms of the standard dictionary.

    Parameters
    ----------
    table : ClinicalTable
    dictionaries : mapping of table to dict
        participants.json and sessions.json.
    renamed : mapping of str to str
        Header to column.
    leave_out : sequence of str
        Headers that are not read.

    Returns
    -------
    list of MappedColumn
    list of CellProblem
        Columns that are refused (errors) or not known (warnings).
    list of str
        How columns were read.

    Raises
    ------
    CohortError
        An option names a column that is not there.
    """
    spelt = {header.lower(): header for header in table.header}
    for header in (*renamed, *leave_out):
        if header.lower() not in spelt:
            raise CohortError(f"{table.path} has no column {header}.", f"Its columns are {', '.join(table.header)}.")
    by_option = {spelt[header.lower()]: name for header, name in renamed.items()}
    skipped = {spelt[header.lower()] for header in leave_out}
    known = {name.lower(): name for dictionary in dictionaries.values() for name in dictionary}
    columns: list[MappedColumn] = []
    problems, notes = [], []
    for index, header in enumerate(table.header):
        if header in skipped:
            notes.append(f"{header} is left out, as asked")
            continue
        name, unit = _meant(header, by_option, known)
        rules = _rules(name, dictionaries)
        if header in by_option and not rules:
            close = difflib.get_close_matches(name, [*standard_dictionary().columns, *known.values()], n=1)
            hint = f"Did you mean {close[0]}? " if close else ""
            raise CohortError(f"--map {header}={name}: {name} is no column of the dictionary.", f"{hint}Declare it in participants.json.")
        problem = _problem(table, index, header, name, unit, rules, header in by_option)
        if problem is None and any(column.name == name for column in columns):
            other = next(column.header for column in columns if column.name == name)
            fix = f"Leave one of them out (--leave-out {header!r}), or map it to another (--map)."
            problem = CellProblem("error", 1, header, "", "", f"means {name}, and so does {other}", fix)
        if problem is not None:
            problems.append(problem)
            continue
        columns.append(MappedColumn(index, header, name, rules))
        if header != name:
            notes.append(f"{header} is read as {name}")
    problems += _out_of_place(columns)
    return columns, problems, notes


def _meant(header: str, by_option: Mapping[str, str], known: Mapping[str, str]) -> tuple[str, str]:
    """The column that a header means, empty where none, and the unit that it names."""
    if header in by_option:
        return by_option[header], split_unit(header)[1]
    if header.lower() in known:
        return known[header.lower()], ""
    found = standard_dictionary().find(header)
    if found is not None:
        return found
    plain, unit = split_unit(header)
    return (known[plain], unit) if plain in known else ("", "")


def _rules(name: str, dictionaries: Mapping[Table, Mapping[str, Any]]) -> dict[Table, CellRule]:
    if not name:
        return {}
    rules: dict[Table, CellRule] = {}
    standard = standard_dictionary().columns.get(name)
    tables: tuple[Table, ...] = ("participants", "sessions")
    for table in tables:
        given = dictionaries[table].get(name)
        given = given if isinstance(given, dict) else None
        if given is None and not (standard is not None and standard.belongs_to(table)):
            continue
        rule = rule_for(name, given, table)
        if rule is not None:
            rules[table] = rule
    return rules


def _problem(
    table: ClinicalTable, index: int, header: str, name: str, unit: str, rules: Mapping[Table, CellRule], by_option: bool
) -> CellProblem | None:
    cells = [row[index] for _, row in table.rows]
    leave = f"Remove the column, or say --leave-out {header!r}."
    why = identifying_header(header) if not name or by_option else ""
    if why:
        fix = leave if why != "holds dates" else f"{leave} Time is kept as days_from_baseline, ages in years."
        return CellProblem("error", 1, header, "", "", why, fix)
    if not rules:
        found = identifying_column(cells)
        if found:
            return CellProblem("error", 1, header, "", "", f"looks like {found} in most rows", leave)
        close = difflib.get_close_matches(header.lower(), list(standard_dictionary().columns), n=1, cutoff=0.75)
        hint = f"Did you mean {close[0]}? Then say --map {header!r}={close[0]}. " if close else ""
        fix = f"{hint}It is not read; declare it in participants.json, or map it (--map)."
        return CellProblem("warning", 1, header, "", "", "is no column of the dictionary", fix)
    text = all(rule.column.kind in ("text", "unknown") and not rule.column.levels for rule in rules.values())
    found = identifying_column(cells) if text and name not in ("participant_id", "session_id") else ""
    if found:
        return CellProblem("error", 1, header, "", "", f"looks like {found} in most rows", leave)
    units = next((rule.column.units for rule in rules.values() if rule.column.units), "")
    if unit and units not in ("", "arbitrary", unit, unit + "s"):
        by = f" (divide by {_IN_A_YEAR[unit]})" if units == "year" and unit in _IN_A_YEAR else ""
        fix = f"Give it in {units}{by} and name it {name}."
        return CellProblem("error", 1, header, "", "", f"is in {unit}s, the dictionary has {name} in {units}", fix)
    return None


def _out_of_place(columns: Sequence[MappedColumn]) -> list[CellProblem]:
    """Columns of visits in a table that has one row a person."""
    if {column.name for column in columns} & {"session_id", "days_from_baseline"}:
        return []
    fix = "Add a column session_id or days_from_baseline, one row a visit, or leave the column out (--leave-out)."
    return [
        CellProblem("error", 1, column.header, "", "", "belongs to a visit, and the rows name none", fix)
        for column in columns
        if "participants" not in column.rules
    ]

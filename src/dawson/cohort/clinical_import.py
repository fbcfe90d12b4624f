"""What a clinic's table would change in a study: columns matched, every cell checked, conflicts found; nothing is written here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.cohort.clinical_cells import check_cell
from dawson.cohort.clinical_columns import MappedColumn, map_columns
from dawson.cohort.clinical_problem import CellProblem
from dawson.cohort.clinical_sessions import SessionFinder
from dawson.cohort.clinical_table import read_clinical_table
from dawson.cohort.clinical_write import RawTables
from dawson.cohort.dataset import Cohort, read_cohort
from dawson.cohort.standard_dictionary import Table
from dawson.cohort.tables import prefixed
from dawson.errors import CohortError
from dawson.files import read_json
from dawson.governance.gate import is_withdrawn

RAW_MISSING = ("", "n/a")


@dataclass(frozen=True)
class Change:
    """One cell of the study that gets a value.

    Parameters
    ----------
    row : int
        Of the clinic's table.
    participant_id, session_id : str
        The session is empty for a cell of participants.tsv.
    column, old, new : str
        `old` is empty where nothing stood there.
    """

    row: int
    participant_id: str
    session_id: str
    column: str
    old: str
    new: str


@dataclass(frozen=True, eq=False)
class ClinicalImport:
    """A clinic's table as it would come into the study.

    Parameters
    ----------
    root, source : Path
        The study and the table.
    table : {"participants", "sessions"}
        Whether a row is a person or a visit.
    changes : tuple of Change
    unchanged : int
        Cells that say what the study says already.
    problems : tuple of CellProblem
    notes : tuple of str
        How columns and values were read.
    entries : dict of (table, column) to dict
        Entries for participants.json and sessions.json of the columns that change.
    """

    root: Path
    source: Path
    table: Table
    changes: tuple[Change, ...]
    unchanged: int
    problems: tuple[CellProblem, ...]
    notes: tuple[str, ...]
    entries: dict[tuple[Table, str], dict[str, Any]]

    @property
    def blocking(self) -> tuple[CellProblem, ...]:
        """Errors and conflicts: while there is one, nothing is written unless the good cells are asked for alone."""
        return tuple(problem for problem in self.problems if problem.kind != "warning")


def plan_import(
    study: Path | str,
    table: Path | str,
    *,
    renamed: Mapping[str, str] | None = None,
    leave_out: Sequence[str] = (),
    replace: bool = False,
    within_days: float = 0.0,
    decimal_comma: bool = False,
) -> ClinicalImport:
    """Check a clinic's table against a study and its dictionary.

    A table with a column for the session, or for days from the first scan, has one row a visit; any other one row a person.

    Parameters
    ----------
    study : Path or str
    table : Path or str
        CSV, TSV or XLSX with a header.
    renamed : mapping of str to str, optional
        Header to the column that it means, where the header does not say.
    leave_out : sequence of str
        Headers of columns that are not read.
    replace : bool
        Write over values that are there and differ; else they are conflicts.
    within_days : float
        How far a visit may lie from a scan to be taken for its session.
    decimal_comma : bool
        Numbers are written with a decimal comma.

    Returns
    -------
    ClinicalImport

    Raises
    ------
    CohortError
        The table or the study cannot be read, there is no column of people, or an option names a column that is not there.
    """
    cohort = read_cohort(study)
    clinical = read_clinical_table(table)
    dictionaries: dict[Table, dict[str, Any]] = {"participants": cohort.dictionary, "sessions": _session_dictionary(cohort.root)}
    columns, problems, notes = map_columns(clinical, dictionaries, renamed or {}, leave_out)
    by_name = {column.name: column for column in columns}
    if "participant_id" not in by_name:
        raise CohortError(
            f"{clinical.path} has no column of participants; its columns are {', '.join(clinical.header)}.",
            "Name the column participant_id, or say --map HEADER=participant_id.",
        )
    long = "session_id" in by_name or "days_from_baseline" in by_name
    reader = _Reader(cohort, by_name, long, within_days, decimal_comma)
    for row, cells in clinical.rows:
        reader.read(row, cells)
    changes, unchanged, conflicts = _compared(cohort, reader.values, replace)
    translated = [f"{column}: {note} ({count} times)" for (column, note), count in reader.translated.items()]
    entries: dict[tuple[Table, str], dict[str, Any]] = {}
    for change in changes:
        where: Table = "sessions" if change.session_id else "participants"
        rule = by_name[change.column].rules.get(where)
        if rule is not None:
            entries[where, change.column] = rule.entry
    found = sorted([*problems, *reader.problems, *conflicts], key=lambda problem: problem.row)
    kind: Table = "sessions" if long else "participants"
    return ClinicalImport(cohort.root, clinical.path, kind, tuple(changes), unchanged, tuple(found), (*notes, *translated), entries)


def _session_dictionary(root: Path) -> dict[str, Any]:
    path = root / "sessions.json"
    if not path.is_file():
        return {}
    try:
        content = read_json(path)
    except ValueError as error:
        raise CohortError(f"{path} is not valid JSON ({error}).", "Correct it.") from None
    return content if isinstance(content, dict) else {}


class _Reader:
    """Reads the rows of a clinic's table one after the other into values for the study's cells."""

    def __init__(self, cohort: Cohort, columns: dict[str, MappedColumn], long: bool, within_days: float, decimal_comma: bool) -> None:
        self.cohort = cohort
        self.columns = columns
        self.long = long
        self.decimal_comma = decimal_comma
        self.people = set(cohort.participants["participant_id"])
        self.sessions = SessionFinder(cohort.sessions, within_days)
        self.values: dict[tuple[str, str, str], tuple[str, int]] = {}
        self.problems: list[CellProblem] = []
        self.translated: dict[tuple[str, str], int] = {}
        self.seen: dict[str, int] = {}

    def read(self, row: int, cells: tuple[str, ...]) -> None:
        """Read one row; its cells are checked too where it belongs to nobody, so that everything is told at once."""
        person = self._person(row, cells)
        session = self._session(row, cells, person) if person and self.long else ""
        if person and not self.long and person in self.seen:
            fix = "Keep one row a person, or add session_id or days_from_baseline: then it is one row a visit."
            self._tell(row, "participant_id", person, person, f"stands in row {self.seen[person]} already", fix)
            return
        self.seen.setdefault(person, row)
        placed = bool(session) if self.long else bool(person)
        for name, column in self.columns.items():
            if name not in ("participant_id", "session_id"):
                self._cell(row, cells[column.index], column, person, session, placed)

    def _person(self, row: int, cells: tuple[str, ...]) -> str:
        column = self.columns["participant_id"]
        text = cells[column.index]
        person = prefixed(text, "sub-")
        if person in self.people:
            return person
        if not text:
            self._tell(row, column.header, text, "", "is empty: the row belongs to nobody", "Write the participant, or remove the row.")
        elif is_withdrawn(self.cohort.root, person):
            self._tell(row, column.header, text, "", "has withdrawn from the study", "Remove the row: nothing of this person may be kept.")
        else:
            plain = text.removeprefix("sub-").lstrip("0").lower()
            close = [name for name in sorted(self.people) if name.removeprefix("sub-").lstrip("0").lower() == plain]
            close = close or difflib.get_close_matches(person, sorted(self.people), n=1, cutoff=0.8)
            hint = f"Did you mean {close[0]}? " if close else ""
            fix = f"{hint}Only people who are in the study get clinical data; add the scans first, or remove the row."
            self._tell(row, column.header, text, "", "is nobody in participants.tsv", fix)
        return ""

    def _session(self, row: int, cells: tuple[str, ...], person: str) -> str:
        name, days = self.columns.get("session_id"), self.columns.get("days_from_baseline")
        given, when = cells[name.index] if name is not None else "", ""
        if days is not None:
            cell = check_cell(cells[days.index], days.rule("sessions"), self.decimal_comma)
            if cell.problem:
                return ""  # told where the cell itself is read
            when = cell.value
        header = name.header if name is not None and (given or days is None) else days.header if days is not None else ""
        if not given and not when:
            self._tell(row, header, "", person, "is empty: the row belongs to no visit", "Write the session or the days.")
            return ""
        session, problem, fix = self.sessions.find(person, given, when)
        if problem:
            self._tell(row, header, given or when, person, problem, fix)
        return session

    def _cell(self, row: int, text: str, column: MappedColumn, person: str, session: str, placed: bool) -> None:
        where: Table = "sessions" if self.long and "sessions" in column.rules else "participants"
        if where not in column.rules:
            return  # told once for the whole column
        if column.name == "days_from_baseline" and self.sessions.days_are_known(person, session):
            return  # it only said which session is meant
        cell = check_cell(text, column.rules[where], self.decimal_comma)
        if cell.problem:
            self._tell(row, column.header, text, person, cell.problem, cell.fix)
            return
        if not placed:
            return
        if cell.note:
            self.translated[column.name, cell.note] = self.translated.get((column.name, cell.note), 0) + 1
        if not cell.value:
            return
        key = (person, session if where == "sessions" else "", column.name)
        before = self.values.setdefault(key, (cell.value, row))
        if before[0] != cell.value:
            fix = f"Row {before[1]} says {before[0]}; a {'visit' if key[1] else 'person'} has one value. Correct one of them."
            self._tell(row, column.header, text, person, f"differs from row {before[1]}", fix)

    def _tell(self, row: int, column: str, value: str, person: str, problem: str, fix: str) -> None:
        self.problems.append(CellProblem("error", row, column, value, person, problem, fix))


def _compared(
    cohort: Cohort, values: dict[tuple[str, str, str], tuple[str, int]], replace: bool
) -> tuple[list[Change], int, list[CellProblem]]:
    """Values set beside those of the study: what is new, how many are the same, and what differs."""
    raw = RawTables(cohort)
    changes, conflicts, unchanged = [], [], 0
    for (person, session, column), (new, row) in values.items():
        old = raw.value(person, session, column)
        if old in RAW_MISSING:
            changes.append(Change(row, person, session, column, "", new))
        elif same_value(old, new):
            unchanged += 1
        elif replace:
            changes.append(Change(row, person, session, column, old, new))
        else:
            where = f"{person} {session}".strip()
            fix = "Find out which is right; --replace writes the new values over the old ones."
            conflicts.append(CellProblem("conflict", row, column, new, person, f"differs from the study: {where} has {old}", fix))
    return changes, unchanged, conflicts


def same_value(old: str, new: str) -> bool:
    """Whether two cells say the same; 2.50 is 2.5.

    Examples
    --------
    >>> same_value("2.50", "2.5"), same_value("MS", "NMOSD")
    (True, False)
    """
    try:
        return float(old) == float(new)
    except ValueError:
        return old.strip().lower() == new.strip().lower() if {old.lower(), new.lower()} <= {"true", "false"} else old.strip() == new.strip()

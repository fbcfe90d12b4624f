"""Consent of many people from a table: every cell is checked, and either all rows become records or none."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dawson.errors import DawsonError, GovernanceError
from dawson.governance.consent import PARTICIPANT, ConsentRecord, country_code, read_ledger
from dawson.governance.consent_acts import evidence_digest
from dawson.governance.diseases import disease_code
from dawson.governance.records import problems_of
from dawson.governance.scopes import scope_code
from dawson.governance.tombstones import read_tombstones

REQUIRED = ("participant_id", "form", "scope", "given")
OPTIONAL = ("diseases", "countries", "commercial", "expires", "evidence", "reason")
_YES, _NO = {"yes", "true", "1"}, {"no", "false", "0", ""}
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class CellProblem:
    """What is wrong with one cell; `row` counts from 1 with the header, as a spreadsheet does; `column` is empty for a whole row."""

    row: int
    column: str
    problem: str

    def __str__(self) -> str:
        where = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{where}: {self.problem}"


@dataclass(frozen=True)
class ConsentTable:
    """What a table says.

    Parameters
    ----------
    records : tuple of ConsentRecord
        New ones and amendments.
    unchanged : int
        Rows that say what the ledger says already.
    problems : tuple of CellProblem
        Nothing may be recorded while there is one.
    """

    records: tuple[ConsentRecord, ...]
    unchanged: int
    problems: tuple[CellProblem, ...]


def read_consent_table(study: Path | str, path: Path) -> ConsentTable:
    """Read a table of consent: comma, semicolon or tab between columns, UTF-8.

    Columns: participant_id, form, scope, given, and as needed diseases, countries, commercial (yes or no), expires, evidence, reason.
    Several scopes, diseases or countries in one cell are separated by a vertical bar. Dates are 2024-01-31. Evidence is a SHA-256 or a
    file, relative to the table.

    Parameters
    ----------
    study : Path or str
        Rows that its ledger holds already are not recorded again.
    path : Path

    Raises
    ------
    GovernanceError
        The file cannot be read as a table with these columns.
    """
    rows = _rows(path)
    latest, stones = read_ledger(study).latest, read_tombstones(study)
    records: list[ConsentRecord] = []
    problems: list[CellProblem] = []
    seen: dict[str, int] = {}
    unchanged = 0
    for number, row in enumerate(rows, start=2):
        record, wrong = _record(row, number, path.parent)
        person = row["participant_id"]
        if person in seen:
            wrong.append(CellProblem(number, "participant_id", f"{person} stands in row {seen[person]} too"))
        if person in stones:
            wrong.append(CellProblem(number, "participant_id", f"{person} withdrew, and the pseudonym stays closed"))
        seen.setdefault(person, number)
        problems += wrong
        if record is None or wrong:
            continue
        if _same(record, latest.get(person)):
            unchanged += 1
        else:
            records.append(record)
    return ConsentTable(tuple(records), unchanged, tuple(problems))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise GovernanceError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise GovernanceError(f"{path} is not UTF-8 text (byte {error.start}).", "Save the table as CSV UTF-8.") from None
    header = text.partition("\n")[0]
    delimiter = max("\t;,", key=header.count)
    try:
        read = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise GovernanceError(f"{path} is no table: {error}.") from None
    names = [name.strip() for name in read[0]] if read else []
    _check_header(path, names)
    rows = []
    for number, cells in enumerate(read[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise GovernanceError(f"{path}, row {number}, has {len(cells)} cells where the header has {len(names)}.")
        rows.append({**dict.fromkeys(OPTIONAL, ""), **{name: cell.strip() for name, cell in zip(names, cells, strict=True)}})
    return rows


def _check_header(path: Path, names: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if name not in (*REQUIRED, *OPTIONAL)]
    twice = [name for name in names if names.count(name) > 1]
    for found, what in ((missing, "has no column"), (unknown, "has a column that is not known,"), (twice, "has a column twice,")):
        if found:
            raise GovernanceError(f"{path} {what} {found[0]!r}.", f"Columns: {', '.join(REQUIRED)}, and as needed {', '.join(OPTIONAL)}.")


def _record(row: Mapping[str, str], number: int, folder: Path) -> tuple[ConsentRecord | None, list[CellProblem]]:
    readers: dict[str, Callable[[str], Any]] = {
        "participant_id": _participant,
        "form": _said,
        "scope": lambda cell: _several(cell, scope_code),
        "diseases": lambda cell: _several(cell, disease_code),
        "countries": lambda cell: _several(cell, country_code),
        "commercial": _answer,
        "given": _day,
        "expires": lambda cell: _day(cell) if cell else None,
        "evidence": lambda cell: _evidence(cell, folder),
        "reason": str,
    }
    values: dict[str, Any] = {}
    wrong: list[CellProblem] = []
    for column, read in readers.items():
        try:
            values[column] = read(row[column])
        except DawsonError as error:
            wrong.append(CellProblem(number, column, str(error).rstrip(".")))
        except ValueError as error:
            wrong.append(CellProblem(number, column, str(error)))
    if wrong:
        return None, wrong
    try:
        return ConsentRecord(evidence_sha256=values.pop("evidence"), **values), wrong
    except ValidationError as error:
        return None, [CellProblem(number, "", problems_of(error))]


def _participant(cell: str) -> str:
    if not PARTICIPANT.fullmatch(cell):
        raise ValueError(f"{cell!r} is no participant: sub- and letters or digits")
    return cell


def _said(cell: str) -> str:
    if not cell:
        raise ValueError("is empty")
    return cell


def _several(cell: str, code_of: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(code_of(word) for word in cell.split("|") if word.strip())


def _answer(cell: str) -> bool:
    if cell.casefold() not in _YES | _NO:
        raise ValueError(f"{cell!r} is neither yes nor no")
    return cell.casefold() in _YES


def _day(cell: str) -> date:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", cell):
            raise ValueError
        return date.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is no date such as 2024-01-31") from None


def _evidence(cell: str, folder: Path) -> str:
    if not cell or _DIGEST.fullmatch(cell):
        return cell.lower()
    return evidence_digest(folder / cell)


def _same(record: ConsentRecord, held: ConsentRecord | None) -> bool:
    return held is not None and record.model_dump(exclude={"recorded_at"}) == held.model_dump(exclude={"recorded_at"})

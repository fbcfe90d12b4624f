"""Answers that are tables: read with a clear word for every cell that is wrong."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from dawson.challenge.checking import MOST_PROBLEMS, AnswerCheck, shown_name
from dawson.challenge.settings import ChallengeSettings
from dawson.challenge.task import Column
from dawson.errors import ChallengeError

LARGEST_BYTES = 16 << 20

Rows = dict[str, dict[str, float]]


def check_table(settings: ChallengeSettings, cases: Sequence[str], answer: Path) -> AnswerCheck:
    """Check a table of answers; see `dawson.challenge.answers.check_answer`."""
    try:
        rows, problems, notes = _read(settings, cases, answer)
    except ChallengeError as error:
        return AnswerCheck((), tuple(sorted(cases)), {"table": error.message})
    return AnswerCheck(tuple(sorted(rows)), tuple(sorted(set(cases) - set(rows) - set(problems))), problems, notes)


def answered_rows(settings: ChallengeSettings, cases: Sequence[str], answer: Path) -> Rows:
    """The rows of a checked table by case."""
    return _read(settings, cases, answer)[0]


def columns_of(settings: ChallengeSettings) -> tuple[Column, ...]:
    """What a table must hold besides `case`."""
    task = settings.task
    assert task.columns is not None
    return task.columns(settings.challenge.targets)


def _read(settings: ChallengeSettings, cases: Sequence[str], answer: Path) -> tuple[Rows, dict[str, str], tuple[str, ...]]:
    lines = _lines(answer)
    columns, known = columns_of(settings), set(cases)
    header = [name.strip() for name in lines[0]]
    if absent := [name for name in ("case", *(column.name for column in columns)) if name not in header]:
        raise ChallengeError(f"has no column {', '.join(absent)}")
    if len(set(header)) != len(header):
        raise ChallengeError("has a column twice")
    more = [name for name in header if name != "case" and name not in {column.name for column in columns}]
    notes = (f"Columns that are not asked for were left aside: {shown_name(', '.join(more))}.",) if more else ()
    rows: Rows = {}
    problems: dict[str, str] = {}
    for number, line in enumerate(lines[1:], start=2):
        if len(problems) >= MOST_PROBLEMS:
            break
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            problems[f"line {number}"] = f"has {len(line)} cells, not {len(header)}"
            continue
        cells = dict(zip(header, line, strict=True))
        case = cells["case"].strip()
        if case not in known:
            problems[f"line {number}"] = f"{shown_name(case)} is no case of this phase"
        elif case in rows or case in problems:
            problems[case] = "has two rows"
            rows.pop(case, None)
        else:
            values, problem = _values(cells, columns)
            problem = problem or (settings.task.check_row(values, settings.challenge.targets) if settings.task.check_row else "")
            if problem:
                problems[case] = problem
            else:
                rows[case] = values
    return rows, problems, notes


def _values(cells: dict[str, str], columns: Sequence[Column]) -> tuple[dict[str, float], str]:
    values: dict[str, float] = {}
    for column in columns:
        text = cells[column.name].strip()
        try:
            value = float(text)
        except ValueError:
            return {}, f"{column.name}: {shown_name(text) or 'an empty cell'} is no number"
        if not math.isfinite(value) or not column.low <= value <= column.high:
            limits = f" between {column.low:g} and {column.high:g}" if math.isfinite(column.low + column.high) else ""
            return {}, f"{column.name}: {shown_name(text)} is no number{limits} that can be scored"
        values[column.name] = value
    return values, ""


def _lines(answer: Path) -> list[list[str]]:
    if answer.stat().st_size > LARGEST_BYTES:
        raise ChallengeError(f"is larger than {LARGEST_BYTES >> 20} MB")
    try:
        text = answer.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ChallengeError("is no text in UTF-8") from None
    first = text.splitlines()[0] if text.strip() else ""
    if not first:
        raise ChallengeError("is empty")
    try:
        return list(
            csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in first else ";" if ";" in first else ",", strict=True)
        )
    except csv.Error as error:
        raise ChallengeError(f"cannot be read as a table ({error})") from None

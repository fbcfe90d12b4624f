"""One cell of a clinic's table held against the data dictionary: the value as the study writes it, or what is wrong and how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dawson.cohort.clinical_identity import date_reading, identifying_content
from dawson.cohort.dictionary import Column, read_column
from dawson.cohort.standard_dictionary import StandardColumn, Table, merged_entry, standard_dictionary

# What clinics write for "not known"; nothing of it is ever written over a value.
MISSING = frozenset(
    ("", "n/a", "na", "nan", "null", "-", "--", "?", ".", "unknown", "unk", "missing", "not known", "not done", "nd", "not available")
)
# Numbers that stand for "not known" where they are outside a column's range.
_SENTINELS = frozenset((-9, -99, -999, -9999, 88, 99, 888, 999, 9999, -1))
_TRUE = ("true", "yes", "y", "1", "ja", "oui", "si")
_FALSE = ("false", "no", "n", "0", "nein", "non")
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?$", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+$")
_THOUSANDS = re.compile(r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$")
_TOP_CODE = re.compile(r"^(?:(?P<above>>|over)|(?P<from>>=|≥))?\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<plus>\+)?$")
_WITH_UNIT = re.compile(r"^([+-]?\d+(?:[.,]\d+)?)\s*([a-zA-Zµ%]+)\.?$")
_BOUND = re.compile(r"^[<>≤≥~≈]=?\s*\d|^\d+(\.\d+)?\s*(-|–|to)\s*\d|^(ca|about|approx)", re.IGNORECASE)


@dataclass(frozen=True)
class CellRule:
    """What a cell may hold: the study's own entry, completed by the standard dictionary.

    Parameters
    ----------
    column : Column
        Kind, levels, limits.
    entry : dict
        The entry for participants.json or sessions.json.
    standard : StandardColumn or None
        Where the standard knows the column: synonyms of levels, steps, top code.
    """

    column: Column
    entry: dict[str, Any]
    standard: StandardColumn | None


@dataclass(frozen=True)
class Cell:
    """What became of a cell.

    Parameters
    ----------
    value : str
        As the study writes it; empty where the cell is missing or wrong.
    problem, fix : str
        The end of the sentence "COLUMN = VALUE ..." and what to do; empty where all is well.
    note : str
        How the value was changed on the way, such as "female -> F".
    """

    value: str = ""
    problem: str = ""
    fix: str = ""
    note: str = ""


def rule_for(name: str, given: Mapping[str, Any] | None, table: Table) -> CellRule | None:
    """The rule for a column, or None where neither the study nor the standard knows it."""
    entry = merged_entry(name, given, table)
    if not entry:
        return None
    column, _ = read_column(name, entry)
    standard = standard_dictionary().columns.get(name)
    if standard is not None and not standard.belongs_to(table):
        standard = None
    return CellRule(column, entry, standard)


def check_cell(text: str, rule: CellRule, decimal_comma: bool = False) -> Cell:
    """Hold one cell against its rule.

    Parameters
    ----------
    text : str
        The cell as it was typed.
    rule : CellRule
    decimal_comma : bool
        The table writes 2,5 for two and a half.

    Examples
    --------
    >>> check_cell("female", rule_for("sex", None, "participants")).value
    'F'
    """
    text = text.strip()
    if text.lower() in MISSING and text not in rule.column.levels:
        return Cell()
    if read := date_reading(text):
        fix = "Dates are not kept: write the days from the person's first scan, or an age in years."
        return Cell(problem=f"is {read}", fix=fix)
    if rule.column.levels:
        return _level(text, rule)
    if rule.column.kind == "boolean":
        return _boolean(text)
    if rule.column.kind in ("number", "integer"):
        return _number(text, rule, decimal_comma)
    if found := identifying_content(text):
        return Cell(problem=f"looks like {found}", fix="Remove it: what names a person stays in the clinic.")
    return Cell(value=" ".join(text.split()))


def _level(text: str, rule: CellRule) -> Cell:
    levels = rule.column.levels
    if text in levels:
        return Cell(value=text)
    meant: dict[str, str] = {}
    if rule.standard is not None:
        meant = {
            word.strip().lower(): level
            for level, entry in rule.standard.levels.items()
            if level in levels
            for word in (level, *entry.synonyms)
        }
    meant |= {level.strip().lower(): level for level in levels}
    found = meant.get(" ".join(text.lower().split()))
    if found is not None:
        return Cell(value=found, note=f"{text} -> {found}")
    close = difflib.get_close_matches(text.lower(), meant, n=1, cutoff=0.6)
    hint = f"Did you mean {meant[close[0]]!r}? " if close else ""
    declared = " Further ones are declared in participants.json." if rule.standard is not None and rule.standard.open else ""
    return Cell(problem="is not allowed", fix=f"{hint}Allowed: {', '.join(levels)}, n/a.{declared}")


def _boolean(text: str) -> Cell:
    word = text.lower()
    if word in _TRUE or word in _FALSE:
        value = "true" if word in _TRUE else "false"
        return Cell(value=value, note="" if word == value else f"{text} -> {value}")
    return Cell(problem="is neither true nor false", fix="Allowed: true, false, n/a.")


def _number(text: str, rule: CellRule, decimal_comma: bool) -> Cell:
    column, limits = rule.column, _limits(rule)
    top = rule.standard.top_code if rule.standard is not None else None
    if top is not None and _is_above(text, top, column.maximum):
        value = f"{top:g}+"
        return Cell(value=value, note="" if text == value else f"above {top - 1:g} -> {value}")
    if decimal_comma and _DECIMAL_COMMA.match(text):
        text = text.replace(",", ".")
    if not _NUMBER.match(text):
        return _no_number(text, rule)
    number = float(text)
    if (column.minimum is not None and number < column.minimum) or (column.maximum is not None and number > column.maximum):
        hint = "If it stands for a missing value, write n/a. " if number in _SENTINELS else _scaled(number, column)
        return Cell(problem="is out of range", fix=f"{hint}Allowed: {limits}, n/a.")
    if column.kind == "integer" and number % 1:
        return Cell(problem="is no whole number", fix=f"Allowed: {limits}, n/a.")
    if rule.standard is not None and rule.standard.step:
        step = rule.standard.step
        if abs(number / step - round(number / step)) > 1e-9 or number in rule.standard.not_allowed:
            return Cell(problem="is no step of the scale", fix=f"Allowed: {limits}, n/a.")
    return Cell(value=f"{number:.15g}")


def _is_above(text: str, top: float, maximum: float | None) -> bool:
    """Whether a cell says that the value is the top code or more: 90+, >89, 93."""
    match = _TOP_CODE.match(text)
    if match is None:
        return False
    number = float(match["number"])
    coded = bool(match["above"] or match["from"] or match["plus"])
    return number >= (top - 1 if match["above"] else top) and (coded or maximum is None or number <= maximum)


def _no_number(text: str, rule: CellRule) -> Cell:
    units = rule.column.units
    if _THOUSANDS.match(text) and _DECIMAL_COMMA.match(text):
        return Cell(
            problem="may have a decimal comma or a thousands comma", fix=f"Write {text.replace(',', '.')} or {text.replace(',', '')}."
        )
    if _DECIMAL_COMMA.match(text):
        return Cell(problem="has a decimal comma", fix=f"Write {text.replace(',', '.')}, or say --decimal-comma for the whole table.")
    if match := _WITH_UNIT.match(text):
        inside = f"in {units}" if units and units != "arbitrary" else "without a unit"
        return Cell(problem=f"has a unit ({match[2]})", fix=f"Write the number alone, {inside}.")
    if _BOUND.match(text):
        return Cell(problem="is a range or a bound", fix="Write one number, or n/a.")
    return Cell(problem="is no number", fix=f"Allowed: {_limits(rule)}, n/a.")


def _limits(rule: CellRule) -> str:
    """What a number may be, in words."""
    column = rule.column
    text = "whole numbers" if column.kind == "integer" else "numbers"
    if column.minimum is not None and column.maximum is not None:
        text += f" from {column.minimum:g} to {column.maximum:g}"
    elif column.minimum is not None:
        text += f" from {column.minimum:g}"
    elif column.maximum is not None:
        text += f" up to {column.maximum:g}"
    if rule.standard is not None and rule.standard.step:
        text += f" in steps of {rule.standard.step:g}"
        text += "".join(f" without {value:g}" for value in rule.standard.not_allowed)
    return text + (f" ({column.units})" if column.units and column.units != "arbitrary" else "")


def _scaled(number: float, column: Column) -> str:
    """A hint where the number would fit in another unit."""
    low, high = column.minimum, column.maximum
    if column.units == "year" and low is not None and high is not None:
        if 1900 <= number <= 2100 and number.is_integer():
            return "Is it a calendar year? Those are not kept. "
        for factor, unit in ((12, "months"), (365.25, "days")):
            if number > high and low <= number / factor <= high:
                return f"Is it in {unit}? Then write {number / factor:.3g}. "
    return ""

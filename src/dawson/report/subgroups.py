"""For whom? Performance by group of patients, without the groups that would tell of a few people to others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dawson.report.comparator_figures import FOREST_COLUMNS
from dawson.report.disclosure import tells_few, with_next_smallest
from dawson.report.findings import reason_of
from dawson.report.formatting import as_entry, estimate, is_number, listed, plain
from dawson.report.sharing import HIDDEN, is_small

_SHOWN = ("auc", "accuracy", "sensitivity", "specificity")


@dataclass(frozen=True)
class Subgroups:
    """The section "For whom?".

    Parameters
    ----------
    reason : str
        Why there are no groups.
    sentence : str
    rows : list of mapping
        variable, level, n, auc, accuracy, sensitivity, specificity: all text.
    """

    reason: str
    sentence: str
    rows: list[dict[str, str]]


def subgroups_section(content: Any, overall: Any, share: bool = False, positive: str | None = None) -> Subgroups | None:
    """What the page says of subgroups.json; None where the run has none.

    Parameters
    ----------
    content : sequence of mapping, mapping or None
    overall : mapping or float
        AUC of all test patients.
    share : bool
    positive : str, optional
        The class whose sensitivity it is; where it is not given, a rate may be over any class or over all others.
    """
    if content is None:
        return None
    if reason := reason_of(content):
        return Subgroups(reason, "", [])
    rows = visible(content, share)
    shown = [_row(row, share, positive) for row in rows]
    return Subgroups("", _sentence(rows, as_entry(overall).get("estimate"), share), shown)


def visible(content: Any, share: bool = False) -> list[Mapping[str, Any]]:
    """The rows that may be shown.

    With `share`, a level with 1 to 4 people of a class is left out, and if it is the only one of its variable, so is the next
    smallest: the class's size would give it away.
    """
    rows: list[Mapping[str, Any]] = [] if content is None or reason_of(content) else list(content)
    if not share:
        return rows
    kept = []
    for variable in dict.fromkeys(str(row["variable"]) for row in rows):
        levels = [row for row in rows if str(row["variable"]) == variable]
        few = [str(row["level"]) for row in levels if any(is_small(int(n)) for n in row["n"].values())]
        hidden = with_next_smallest(few, {str(row["level"]): _size(row) for row in levels})
        kept += [row for row in levels if str(row["level"]) not in hidden]
    return kept


def _size(row: Mapping[str, Any]) -> int:
    return sum(int(n) for n in row["n"].values())


def _row(row: Mapping[str, Any], share: bool, positive: str | None) -> dict[str, str]:
    cells = {"variable": str(row["variable"]).replace("_", " "), "level": str(row["level"]), "n": _sizes(row)}
    for name in _SHOWN:
        entry = as_entry(row.get(name))
        few = share and name != "auc" and any(tells_few(entry.get("estimate"), n) for n in _denominators(row, name, positive))
        cells[name] = HIDDEN if few else estimate(name, entry)
    return cells


def _denominators(row: Mapping[str, Any], name: str, positive: str | None) -> list[int]:
    """Over how many people a rate is: everybody, those with the positive class (sensitivity), or all the others (specificity)."""
    if name == "accuracy":
        return [_size(row)]
    counts = [int(n) for label, n in row["n"].items() if positive is None or str(label) == positive]
    return counts if name == "sensitivity" else [_size(row) - n for n in counts]


def _sizes(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {n}" for name, n in row["n"].items())


def _sentence(rows: Sequence[Mapping[str, Any]], overall: Any, share: bool) -> str:
    judged = [row for row in rows if is_number(as_entry(row.get("auc")).get("estimate"))]
    if not judged:
        return "No group has enough patients of each class for an AUC" + (" that may be shown." if share else ".")
    lowest = min(judged, key=lambda row: float(as_entry(row["auc"])["estimate"]))
    text = f"The AUC is lowest in {_named(lowest)}: {estimate('auc', as_entry(lowest['auc']))}"
    if not is_number(overall):
        return f"{text}, {_sizes(lowest)}."
    apart = [row for row in judged if _apart(as_entry(row["auc"]), overall)]
    told = (
        f"the interval of {listed([_named(row) for row in apart])} does not hold the AUC of everybody, {plain('auc', overall)}"
        if apart
        else f"the interval of every group holds the AUC of everybody, {plain('auc', overall)}"
    )
    return f"{text} ({_sizes(lowest)}); {told}. Of {len(judged)} intervals, one or another misses by chance."


def _named(row: Mapping[str, Any]) -> str:
    return f"{str(row['variable']).replace('_', ' ')} {row['level']}"


def _apart(entry: Mapping[str, Any], overall: float) -> bool:
    low, high = entry.get("low"), entry.get("high")
    return (is_number(low) and low > overall) or (is_number(high) and high < overall)


def subgroups_table(content: Any, overall: Any, share: bool = False) -> pd.DataFrame:
    """Rows of the forest plot: everybody, then each variable as a heading with its levels.

    Returns
    -------
    DataFrame
        As `forest_figure` takes it; no rows where there are no groups.
    """
    rows: list[dict[str, Any]] = []
    for row in visible(content, share):
        variable = str(row["variable"]).replace("_", " ")
        if not any(known["variable"] == variable for known in rows):
            rows.append(_line(variable, variable, "", None, False))
        rows.append(_line(variable, f"{row['level']}", _sizes(row), row.get("auc"), False))
    if rows:
        rows.insert(0, _line("", "Everybody", "", overall, True))
    return pd.DataFrame(rows, columns=["variable", *FOREST_COLUMNS])


def _line(variable: str, name: str, size: str, value: Any, main: bool) -> dict[str, Any]:
    entry = as_entry(value)
    bounds = {key: entry.get(key) if is_number(entry.get(key)) else np.nan for key in ("estimate", "low", "high")}
    return {"variable": variable, "name": name, "size": size, "main": main} | bounds

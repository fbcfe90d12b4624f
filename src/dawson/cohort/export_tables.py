"""Tables as they leave a study: rows of those who may go, no dates, nothing that names anybody, ages above 89 as 90+."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dawson.cohort.clinical_identity import date_reading, identifying_column, identifying_header
from dawson.cohort.clinical_write import RawTables
from dawson.cohort.dataset import Cohort
from dawson.cohort.dictionary import as_numbers
from dawson.cohort.standard_dictionary import top_coded

TOP_AGE_YEARS = 90
# Fewer people than this with the same age, sex and site can be known again by somebody who knows them.
SMALLEST_GROUP = 5
AGES = ("age", "age_at_onset")
_MISSING = ("", "n/a")


@dataclass(frozen=True, eq=False)
class ExportTables:
    """The tables of an export.

    Parameters
    ----------
    participants : DataFrame of str
    sessions : dict of str to DataFrame of str
        For each person who has named sessions.
    participants_dictionary, sessions_dictionary : dict
    left_out : dict of str to str
        Column to the reason why it stays behind.
    site_names : dict of str to str
        Name to the number that stands for it; empty where sites keep their names.
    """

    participants: pd.DataFrame
    sessions: dict[str, pd.DataFrame]
    participants_dictionary: dict[str, Any]
    sessions_dictionary: dict[str, Any]
    left_out: dict[str, str]
    site_names: dict[str, str]


def export_tables(
    cohort: Cohort,
    sessions_dictionary: Mapping[str, Any],
    *,
    site_column: str = "site",
    coarsen_age: int = 0,
    site_names: Mapping[str, str] | None = None,
) -> ExportTables:
    """The tables of the people and sessions of a cohort, made fit to leave.

    Parameters
    ----------
    cohort : Cohort
        Those who go, with the sessions that go.
    sessions_dictionary : mapping
        The study's sessions.json.
    site_column : str
    coarsen_age : int
        Width of age bands in years; the middle of the band is written, and ages of single scans are left out. 0: as they are.
    site_names : mapping of str to str, optional
        What stands for each site; columns of scanners are left out then.
    """
    raw = RawTables(cohort)
    hidden = dict(site_names or {})
    people = raw.participants.loc[list(cohort.participants["participant_id"])].drop(columns="participant_id")
    people.insert(0, "participant_id", people.index)
    left_out: dict[str, str] = {}
    people = _without(people, hidden, "participants.tsv", left_out)
    if hidden and site_column in people.columns:
        people[site_column] = [hidden.get(str(site), "n/a") for site in people[site_column]]
    people = _ages(people, coarsen_age)
    dictionary = _described(people, cohort.dictionary, coarsen_age)
    if hidden and site_column in people.columns:
        dictionary[site_column] = {"Description": "Site; names are hidden", "Levels": {name: name for name in hidden.values()}}
    sessions = {}
    for person, own in cohort.sessions.groupby("participant_id", sort=False):
        own = own[own["session_id"] != ""]
        if len(own):
            table = raw.sessions(str(person)).loc[list(own["session_id"])].drop(columns="session_id")
            table.insert(0, "session_id", table.index)
            days = [f"{value:.15g}" if not np.isnan(value) else "n/a" for value in own["days_from_baseline"]]
            sessions[str(person)] = table.assign(days_from_baseline=days)
    sessions = _sessions(sessions, hidden, coarsen_age, left_out)
    together = pd.concat(sessions.values(), ignore_index=True) if sessions else pd.DataFrame()
    described = _described(together, sessions_dictionary, 0)
    return ExportTables(people.reset_index(drop=True), sessions, dictionary, described, left_out, hidden)


def _sessions(
    sessions: dict[str, pd.DataFrame], hidden: dict[str, str], coarsen_age: int, left_out: dict[str, str]
) -> dict[str, pd.DataFrame]:
    """Columns are judged over everybody: what is a date in one table is left out of all."""
    if not sessions:
        return {}
    together = pd.concat(sessions.values(), ignore_index=True).fillna("n/a")
    kept = set(_without(together, hidden, "sessions tables", left_out).columns)
    if coarsen_age and "age" in kept:
        kept.discard("age")
        left_out["age (sessions tables)"] = "would tell the birthday beside the bands"
    shown = {person: table[[name for name in table.columns if name in kept]].copy() for person, table in sessions.items()}
    return {person: _ages(table, 0).reset_index(drop=True) for person, table in shown.items()}


def _without(table: pd.DataFrame, hidden: Mapping[str, str], where: str, left_out: dict[str, str]) -> pd.DataFrame:
    kept = []
    for name in map(str, table.columns):
        known = [str(value) for value in table[name] if value not in _MISSING]
        why = "" if name in ("participant_id", "session_id") else identifying_header(name)
        if not why and name == "acq_time":
            why = "holds dates"
        if not why and name not in ("participant_id", "session_id", "days_from_baseline"):
            numeric = not as_numbers(pd.Series(known, dtype=object)).isna().any() if known else True
            if any(date_reading(value) for value in known):
                why = "holds dates"
            elif not numeric and identifying_column(known):
                why = f"looks like {identifying_column(known)}"
            elif hidden and name.startswith(("scanner", "center", "centre", "hospital", "institution")):
                why = "may tell the site, whose name is hidden"
        if why:
            left_out[f"{name} ({where})"] = why
        else:
            kept.append(name)
    return table[kept].copy()


def _ages(table: pd.DataFrame, band: int) -> pd.DataFrame:
    for name in AGES:
        if name in table.columns:
            table[name] = [_age(str(value), band) for value in table[name]]
    return table


def _age(text: str, band: int) -> str:
    """An age as it may leave.

    Examples
    --------
    >>> _age("93", 0), _age("34.2", 10), _age("34.2", 0), _age("n/a", 10)
    ('90+', '35', '34.2', 'n/a')
    """
    number = as_numbers(pd.Series([text], dtype=object)).iloc[0]
    if np.isnan(number):
        return "n/a"
    if number >= TOP_AGE_YEARS or text.strip().endswith("+"):
        return f"{TOP_AGE_YEARS}+"
    if band:
        return f"{(number // band) * band + band / 2:g}"
    return text.strip()


def _described(table: pd.DataFrame, dictionary: Mapping[str, Any], band: int) -> dict[str, Any]:
    described = {str(name): dict(dictionary[name]) for name in table.columns if isinstance(dictionary.get(name), dict)}
    for name in AGES:
        if name in table.columns and name in described:
            text = str(described[name].get("Description", "")).rstrip(". ")
            text += f"; above {TOP_AGE_YEARS - 1} written {TOP_AGE_YEARS}+" if "+" not in text else ""
            text += f"; in bands of {band} years, the middle of the band" if band else ""
            described[name]["Description"] = text
            if any(str(value).endswith("+") for value in table[name]):
                described[name] = top_coded(described[name])
            if band:
                for limit, way in (("Minimum", np.floor), ("Maximum", np.ceil)):
                    if isinstance(described[name].get(limit), int | float):
                        described[name][limit] = float(way(described[name][limit] / band) * band)
    return described


def rare_combinations(table: pd.DataFrame, columns: Sequence[str], smallest: int = SMALLEST_GROUP) -> pd.DataFrame:
    """Combinations of values that few people share.

    Parameters
    ----------
    table : DataFrame
        One row a person.
    columns : sequence of str
        Those that are not in the table do not count; numbers count by whole years.
    smallest : int
        Groups with fewer people are rare.

    Returns
    -------
    DataFrame
        The columns, and people: how many have the combination; fewest first.

    Examples
    --------
    >>> rare_combinations(pd.DataFrame({"sex": ["F", "F", "M"]}), ["sex"], 2).values.tolist()
    [['M', 1]]
    """
    present = [name for name in columns if name in table.columns]
    if not present or table.empty:
        return pd.DataFrame(columns=[*present, "people"])
    shown = pd.DataFrame(index=table.index)
    for name in present:
        values = table[name].astype(object).astype(str).replace({"": "n/a", "nan": "n/a"})
        numbers = as_numbers(values)
        whole = numbers.notna() & ~values.str.endswith("+")
        shown[name] = values.where(~whole, (numbers // 1).map(lambda value: f"{value:g}"))
    counts = shown.value_counts(sort=False).rename("people").reset_index()
    return counts[counts["people"] < smallest].sort_values(["people", *present], ignore_index=True)

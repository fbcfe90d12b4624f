"""A table of people from anywhere (CSV of a clinic, a registry) read as what a BIDS study needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dawson.cohort.problem import Problem
from dawson.errors import CohortError

# What a column may be called, letter case and punctuation aside; the first name that is there is taken.
ALIASES: dict[str, tuple[str, ...]] = {
    "id": (
        "participant_id",
        "participant",
        "subject_id",
        "subject",
        "sub",
        "id",
        "patient_id",
        "patient",
        "pat_id",
        "pid",
        "case",
        "case_id",
        "code",
    ),
    "diagnosis": ("diagnosis", "dx", "group", "class", "label", "disease"),
    "age": ("age", "age_years", "age_at_scan", "age_y"),
    "sex": ("sex", "gender"),
    "T1w": ("t1w", "t1", "t1_path", "t1w_path", "t1_file", "t1w_file", "mprage"),
    "FLAIR": ("flair", "flair_path", "flair_file", "t2flair", "t2_flair"),
    "session": ("session_id", "session", "ses", "visit", "timepoint", "time_point", "tp"),
    "date": ("date", "scan_date", "acq_time", "acq_date", "study_date", "mri_date", "acquisition_date"),
    "site": ("site", "center", "centre", "scanner"),
    "days_from_baseline": ("days_from_baseline", "days"),
}
_PRIVATE = re.compile(r"(^|_)(first|last|family|given|sur)?_?name$|birth|^dob$|address|phone|mail|^mrn$|insurance|^ssn$")
_SEXES = {
    "f": "F",
    "female": "F",
    "w": "F",
    "woman": "F",
    "women": "F",
    "m": "M",
    "male": "M",
    "man": "M",
    "men": "M",
}


@dataclass(frozen=True, eq=False)
class PeopleTable:
    """The rows of a table of people, one a scan (or one a person where nobody has two).

    Parameters
    ----------
    rows : DataFrame
        label (BIDS label, letters and digits), id (as in the file), the known columns of `ALIASES` that are there,
        and others.
    problems : tuple of Problem
    notes : tuple of str
        Which column was read as what, and which was left out and why.
    """

    rows: pd.DataFrame
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def read_people(csv: Path) -> PeopleTable:
    """Read a CSV or TSV of people.

    Columns are recognised by name (`ALIASES`); columns that name a person (name, birth date, address ...) are left out.

    Parameters
    ----------
    csv : Path
        Separated by comma, semicolon or tab.

    Returns
    -------
    PeopleTable

    Raises
    ------
    CohortError
        The file cannot be read, or has no column of identifiers or of diagnoses.
    """
    try:
        header = csv.read_text(encoding="utf-8-sig").split("\n", 1)[0]
        separator = max("\t;,", key=header.count)
        table = pd.read_csv(csv, sep=separator, dtype=object, encoding="utf-8-sig", skipinitialspace=True)
    except FileNotFoundError:
        raise CohortError(f"{csv} does not exist.", "Give the table of people with --csv.") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise CohortError(f"{csv} cannot be read as a table: {error}.", "Save it as CSV in UTF-8.") from None
    table.columns = [re.sub(r"[^a-z0-9]+", "_", str(name).strip().lower()).strip("_") for name in table.columns]
    if table.columns.has_duplicates:
        raise CohortError(f"{csv} has two columns of one name.", "Rename one of them.")
    notes = []
    private = [name for name in table.columns if _PRIVATE.search(name)]
    if private:
        notes.append(f"left out, since it may name a person: {', '.join(private)}")
    table = table.drop(columns=private)
    for known, names in ALIASES.items():
        found = next((name for name in names if name in table.columns), None)
        if found is not None:
            table = table.rename(columns={found: known})
            notes.append(f"{found} is read as {known}")
    for needed in ("id", "diagnosis"):
        if needed not in table.columns:
            raise CohortError(
                f"{csv} has no column for the {needed}; its columns are {', '.join(table.columns)}.",
                f"Name one of them {ALIASES[needed][0]}.",
            )
    table = table.map(lambda cell: cell.strip() if isinstance(cell, str) else cell)
    table = table.where(~table.isin(["", "n/a", "N/A", "NA", "nan", "-"]))
    problems = [
        Problem("error", csv.name, f"has no id in line {line + 2}", "Fill it in; the line is not used.")
        for line in range(len(table))
        if pd.isna(table["id"].iloc[line])
    ]
    rows = table[table["id"].notna()].reset_index(drop=True)
    rows.insert(0, "label", rows["id"].map(_label))
    problems += _clashes(rows, csv)
    rows = rows[rows["label"] != ""].reset_index(drop=True)
    if "sex" in rows.columns:
        rows["sex"] = rows["sex"].map(lambda sex: _SEXES.get(str(sex).lower(), sex), na_action="ignore")
    return PeopleTable(_with_numbers(rows), tuple(problems), tuple(notes))


def _label(identifier: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", re.sub(r"^sub-", "", str(identifier)))


def _clashes(rows: pd.DataFrame, csv: Path) -> list[Problem]:
    """Identifiers that become one label, or none, once BIDS's letters and digits are all that is left."""
    problems = []
    for key, same in rows.groupby("label", sort=False)["id"]:
        label, ids = str(key), sorted(set(same))
        if not label:
            problems.append(Problem("error", csv.name, f"has the id {ids[0]!r} without a letter or digit", "Rename the person."))
        elif len(ids) > 1:
            text = f"has the ids {' and '.join(map(repr, ids))}, which both become sub-{label}"
            problems.append(Problem("error", csv.name, text, "Rename one of them.", f"sub-{label}"))
    return problems


def _with_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns that hold numbers only, as numbers; identifiers, diagnoses and paths stay text."""
    text: Sequence[str] = ("label", "id", "diagnosis", "sex", "T1w", "FLAIR", "session", "date", "site")
    for name in rows.columns.difference(list(text)):
        numbers: Any = pd.to_numeric(rows[name], errors="coerce")
        if not (numbers.isna() & rows[name].notna()).any():
            rows[name] = numbers
    return rows


def numbered_sessions(people: PeopleTable) -> tuple[pd.DataFrame, list[Problem]]:
    """Rows with participant_id, session_id and days_from_baseline; sessions are numbered by date, else as the table
    has them.
    """
    rows, problems = people.rows.copy(), []
    rows["participant_id"] = "sub-" + rows["label"]
    dates = pd.Series(pd.NaT, index=rows.index)
    if "date" in rows.columns:
        dates = rows["date"].map(_date)
        for row in rows.index[dates.isna() & rows["date"].notna()]:
            text = f"has the date {rows['date'][row]!r}, which cannot be read"
            person = str(rows["participant_id"][row])
            problems.append(Problem("warning", person, text, "Write it like 2020-01-31.", person))
    given = rows["days_from_baseline"] if "days_from_baseline" in rows.columns else pd.Series(np.nan, index=rows.index)
    given = pd.to_numeric(given, errors="coerce")
    rows["days_from_baseline"] = given.astype(float)
    rows["session_id"] = ""
    several = rows["participant_id"].duplicated().any()
    for _, group in rows.groupby("participant_id", sort=False):
        when = dates[group.index]
        order = when if when.notna().all() else rows.loc[group.index, "days_from_baseline"]
        ordered = group.index[np.argsort(order.to_numpy(), kind="stable")] if order.notna().all() else group.index
        if several:
            rows.loc[ordered, "session_id"] = [f"ses-{number:02d}" for number in range(1, len(ordered) + 1)]
        if when.notna().all():
            rows.loc[ordered, "days_from_baseline"] = (when[ordered] - when[ordered[0]]).dt.days.astype(float)
        elif pd.isna(rows.loc[ordered[0], "days_from_baseline"]):
            rows.loc[ordered[0], "days_from_baseline"] = 0.0
    return rows, problems


def _date(value: object) -> Any:
    """A date in year-month-day order or with a day above 12; anything that could be read two ways is not read."""
    text = str(value)
    if re.fullmatch(r"\d{8}", text):
        return pd.to_datetime(text, format="%Y%m%d", errors="coerce")
    if re.match(r"\d{4}-\d\d-\d\d", text):
        return pd.to_datetime(text[:10], format="%Y-%m-%d", errors="coerce")
    return pd.to_datetime(text, format="%d.%m.%Y", errors="coerce")

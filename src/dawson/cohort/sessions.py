"""The sessions of one person: from the folders, from sessions.tsv, and the days between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dawson.cohort.layout import find_images, folders, natural_key
from dawson.cohort.problem import Problem
from dawson.cohort.scan import Scan
from dawson.cohort.tables import prefixed, read_table
from dawson.errors import CohortError


def read_sessions(folder: Path, root: Path, problems: list[Problem]) -> tuple[pd.DataFrame, list[Scan]]:
    """Sessions table and scans of one person, in the natural order of the session names."""
    person = folder.name
    table = _sessions_table(folder, root, problems)
    on_disk = [item.name for item in folders(folder, "ses-")]
    if (folder / "anat").is_dir() or not (on_disk or len(table)):
        on_disk.insert(0, "")
        if len(on_disk) > 1:
            problems.append(
                Problem(
                    "warning",
                    f"{person}/anat",
                    "lies beside session folders; it is read as a session without a name",
                    "Move the images into the session they belong to.",
                    person,
                )
            )
    listed = list(table["session_id"])
    names = sorted({*on_disk, *listed}, key=natural_key)
    for name in names:
        if name and name not in on_disk:
            problems.append(
                Problem(
                    "error",
                    f"{person}/{name}",
                    "is in the sessions table but not on disk",
                    "Add the scans, or take the session out of the table.",
                    person,
                )
            )
        elif name and listed and name not in listed:
            problems.append(
                Problem(
                    "warning",
                    f"{person}/{name}",
                    "is on disk but not in the sessions table",
                    f"Add it to {person}_sessions.tsv with its days_from_baseline.",
                    person,
                )
            )
    table = table.set_index("session_id").reindex(pd.Index(names, name="session_id")).reset_index()
    table.insert(0, "participant_id", person)
    table["days_from_baseline"] = _days(table, person, problems)
    scans = []
    for name in names:
        found, odd = find_images(folder / name / "anat", root, person, name)
        problems += odd
        scans.append(Scan(person, name, found.get("T1w"), found.get("FLAIR")))
    return table, scans


def _sessions_table(folder: Path, root: Path, problems: list[Problem]) -> pd.DataFrame:
    path = folder / f"{folder.name}_sessions.tsv"
    nothing = pd.DataFrame({"session_id": pd.Series([], dtype=object)})
    if not path.is_file():
        return nothing
    where = str(path.relative_to(root))
    try:
        table = read_table(path, [])
    except CohortError as error:
        problems.append(Problem("error", where, error.message.rstrip("."), error.fix, folder.name))
        return nothing
    if "session_id" not in table.columns:
        problems.append(Problem("error", where, "has no column session_id", "Add it: one line a session.", folder.name))
        return nothing
    table = table.drop(columns="participant_id", errors="ignore")
    table["session_id"] = [prefixed(value, "ses-") for value in table["session_id"]]
    if (table["session_id"] == "").any():
        problems.append(Problem("error", where, "has a line without session_id", "Fill it in or remove the line.", folder.name))
        table = table[table["session_id"] != ""]
    twice = table["session_id"].duplicated()
    if twice.any():
        names = ", ".join(sorted(set(table.loc[twice, "session_id"])))
        problems.append(Problem("error", where, f"lists {names} more than once", "Keep one line a session.", folder.name))
        table = table[~twice]
    return table


def _days(table: pd.DataFrame, person: str, problems: list[Problem]) -> pd.Series[float]:
    """Days since the first session by name: the column of that name, or the dates of acquisition, or unknown."""
    where = f"{person}/{person}_sessions.tsv"
    if "days_from_baseline" in table.columns:
        days = pd.to_numeric(table["days_from_baseline"], errors="coerce")
        if (days.isna() & table["days_from_baseline"].notna()).any():
            problems.append(Problem("error", where, "has a days_from_baseline that is no number", "Write days as a number.", person))
        return days.astype(float)
    if "acq_time" in table.columns:
        dates = pd.to_datetime(table["acq_time"].astype(object), errors="coerce", format="ISO8601", utc=True).dt.normalize()
        if (dates.isna() & table["acq_time"].notna()).any():
            problems.append(Problem("error", where, "has an acq_time that is no date", "Write it like 2020-01-31T12:00:00.", person))
        return (dates - dates.iloc[0]).dt.days.astype(float)
    return pd.Series(np.nan, index=table.index, dtype=float)


def sessions_together(rows: list[pd.DataFrame]) -> pd.DataFrame:
    first = ["participant_id", "session_id", "days_from_baseline"]
    filled = [table.dropna(axis="columns", how="all") if len(table.columns) > len(first) else table for table in rows if len(table)]
    if not filled:
        return pd.DataFrame({name: pd.Series([], dtype=float if name == first[2] else object) for name in first})
    columns = list(dict.fromkeys(name for table in rows for name in table.columns))
    together = pd.concat(filled, ignore_index=True).reindex(columns=[*first, *[name for name in columns if name not in first]])
    return together.astype({"days_from_baseline": float})

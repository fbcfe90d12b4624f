"""A BIDS dataset read as a cohort: who, with which scans, and what the tables say about them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dawson.cohort.layout import folders
from dawson.cohort.problem import Problem
from dawson.cohort.scan import Scan
from dawson.cohort.sessions import read_sessions, sessions_together
from dawson.cohort.tables import prefixed, read_table, text_columns
from dawson.cohort.where import where_mask
from dawson.errors import CohortError
from dawson.files import read_json


@dataclass(frozen=True, eq=False)
class Cohort:
    """The participants of a study, their sessions and their scans.

    Parameters
    ----------
    root : Path
        The BIDS dataset, absolute.
    participants : DataFrame
        One row a person, in the order of participants.tsv, `participant_id` with its prefix.
    sessions : DataFrame
        One row for every session that is on disk or in a sessions table: participant_id, session_id (empty where
        there are no session folders), days_from_baseline (float, NaN where unknown), and what sessions.tsv adds. Row
        i belongs to `scans[i]`.
    scans : tuple of Scan
        The images of each row of `sessions`; those that are not there are None.
    dictionary : dict
        participants.json: column to its Description, Levels, Units, Minimum, Maximum.
    simulated : bool
        The dataset says of itself that `dawson simulate` made it.
    name : str
    problems : tuple of Problem
        What was odd while reading; `validate_cohort` lists them with its own.
    """

    root: Path
    participants: pd.DataFrame
    sessions: pd.DataFrame
    scans: tuple[Scan, ...]
    dictionary: dict[str, Any]
    simulated: bool
    name: str
    problems: tuple[Problem, ...] = ()

    def scan_table(self) -> pd.DataFrame:
        """One row a scan with the columns of the participants and sessions tables.

        A column that stands in both (age, edss) takes the session's value, and the participant's where that is missing.
        """
        return _joined(self.participants, self.sessions, "left")

    def visits(self, together: int = 1) -> list[tuple[Scan, ...]]:
        """Every run of so many scans of a person that follow each other, person by person.

        Parameters
        ----------
        together : int
            1 for every scan on its own, 2 for every pair of neighbours.
        """
        people: dict[str, list[Scan]] = {}
        for scan in sorted(self.scans):
            people.setdefault(scan.participant_id, []).append(scan)
        return [tuple(scans[at : at + together]) for scans in people.values() for at in range(len(scans) - together + 1)]

    def select(self, where: str) -> Cohort:
        """The part of the cohort that an expression chooses, session by session.

        Parameters
        ----------
        where : str
            See `dawson.cohort.where.where_mask`; over the columns of both tables. A person without any session is
            judged by the participants table alone. Empty: everybody.

        Returns
        -------
        Cohort
            With the sessions that match, and the persons who have one.

        Raises
        ------
        ConfigError
            The expression cannot be used.
        """
        if not where.strip():
            return self
        scans = self.scan_table()
        chosen = where_mask(where, scans)
        people = _joined(self.participants, self.sessions, "right")
        kept = set(people.loc[where_mask(where, people), "participant_id"])
        return replace(
            self,
            participants=self.participants[self.participants["participant_id"].isin(kept)].reset_index(drop=True),
            sessions=self.sessions[chosen].reset_index(drop=True),
            scans=tuple(scan for scan, keep in zip(self.scans, chosen, strict=True) if keep),
            problems=tuple(item for item in self.problems if not item.participant_id or item.participant_id in kept),
        )


def _joined(participants: pd.DataFrame, sessions: pd.DataFrame, everybody: str) -> pd.DataFrame:
    """Sessions with their person's columns; "right" keeps persons without a session too."""
    how: Any = "left" if everybody == "left" else "right"
    joined = sessions.merge(participants, on="participant_id", how=how, suffixes=("", "_of_participant"))
    for column in sessions.columns.intersection(participants.columns).drop("participant_id"):
        general = joined.pop(f"{column}_of_participant")
        joined[column] = joined[column].where(joined[column].notna(), general)
    return joined


def read_cohort(root: Path | str, text: Sequence[str] = ("diagnosis", "site")) -> Cohort:
    """Read a BIDS dataset, with or without session folders.

    Only names and tables are read, no image. A person who is in the table and not on disk, or on disk and not in the
    table, is kept as a problem for the validator; images of people who are not in the table are left out.

    Parameters
    ----------
    root : Path or str
        Folder with participants.tsv.
    text : sequence of str
        Columns of participants.tsv that are names even where they look like numbers: a diagnosis 0 or 1, a site 12.

    Returns
    -------
    Cohort

    Raises
    ------
    CohortError
        There is no folder or no participants.tsv, or the table cannot be used: no participant_id column, a row
        without one, a participant twice.
    """
    root = Path(root).resolve()
    if not root.is_dir():
        raise CohortError(f"{root} is not a folder.", "Give the folder of a BIDS dataset.")
    problems: list[Problem] = []
    dictionary = _json(root / "participants.json", problems)
    description = _json(root / "dataset_description.json", problems)
    participants = _participants(root, dictionary, text)
    on_disk = {folder.name: folder for folder in folders(root, "sub-")}
    rows: list[pd.DataFrame] = []
    scans: list[Scan] = []
    for person in participants["participant_id"]:
        if person not in on_disk:
            problems.append(
                Problem(
                    "error",
                    person,
                    "is in participants.tsv but has no folder",
                    _similar(person, on_disk) or "Add the scans, or take the person out of participants.tsv.",
                    person,
                )
            )
            continue
        sessions, images = read_sessions(on_disk[person], root, problems)
        rows.append(sessions)
        scans += images
    listed = set(participants["participant_id"])
    problems += [
        Problem(
            "error",
            name,
            "has a folder but is not in participants.tsv",
            "Add a row for this person, or move the folder away; the scans are not used.",
            name,
        )
        for name in on_disk
        if name not in listed
    ]
    generated = description.get("GeneratedBy")
    makers = [str(item.get("Name", "")) for item in generated if isinstance(item, dict)] if isinstance(generated, list) else []
    return Cohort(
        root=root,
        participants=participants,
        sessions=sessions_together(rows),
        scans=tuple(scans),
        dictionary=dictionary,
        simulated=any(maker.startswith("dawson simulate") for maker in makers),
        name=str(description.get("Name") or root.name),
        problems=tuple(problems),
    )


def _json(path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        content = read_json(path)
        if isinstance(content, dict):
            return content
        found = "holds no JSON object"
    except FileNotFoundError:
        found = "is missing"
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        found = f"is not valid JSON ({error})"
    purpose = "the data dictionary" if path.name == "participants.json" else "the dataset's name and version"
    severity: Any = "warning" if found == "is missing" else "error"
    problems.append(Problem(severity, path.name, f"{found}: {purpose}", "Write it; `dawson study init` proposes one."))
    return {}


def _participants(root: Path, dictionary: dict[str, Any], text: Sequence[str]) -> pd.DataFrame:
    path = root / "participants.tsv"
    if not path.is_file():
        raise CohortError(
            f"{root} has no participants.tsv.",
            "Give the root of a BIDS dataset; `dawson study init FOLDER --csv people.csv` proposes one.",
        )
    table = read_table(path, [*text_columns(dictionary), "sex", *text])
    if "participant_id" not in table.columns:
        raise CohortError(
            f"{path} has no column participant_id, only: {', '.join(table.columns)}.",
            "BIDS tables are separated by tabs and start with participant_id.",
        )
    table["participant_id"] = [prefixed(value, "sub-") for value in table["participant_id"]]
    empty = np.flatnonzero((table["participant_id"] == "").to_numpy())
    if empty.size:
        raise CohortError(f"{path} has no participant_id in line {int(empty[0]) + 2}.", "Fill it in or remove the line.")
    twice = table.loc[table["participant_id"].duplicated(), "participant_id"]
    if len(twice):
        raise CohortError(f"{path} lists {', '.join(sorted(set(twice)))} more than once.", "Keep one line a person.")
    if table.empty:
        raise CohortError(f"{path} lists nobody.", "Add one line a person.")
    return table[["participant_id", *table.columns.drop("participant_id")]]


def _similar(person: str, on_disk: dict[str, Path]) -> str:
    plain = person.removeprefix("sub-").lstrip("0").lower()
    close = [name for name in on_disk if name.removeprefix("sub-").lstrip("0").lower() == plain]
    return f"Is it {close[0]}? Write both the same way." if close else ""

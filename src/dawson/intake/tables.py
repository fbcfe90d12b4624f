"""Participants and sessions of what is taken in: rows added, empty cells filled, everything else left as it stands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.cohort.bids import (
    STANDARD_COLUMNS,
    STANDARD_SESSION_COLUMNS,
    dictionary_for,
    write_bidsignore,
    write_dataset_description,
    write_readme,
)
from dawson.cohort.standard_dictionary import top_coded
from dawson.files import read_json, write_json
from dawson.intake.session_names import day_of
from dawson.intake.text_table import TextTable

_TOP_CODE = "90+"


@dataclass(frozen=True)
class Visit:
    """What the tables say of one session.

    Parameters
    ----------
    participant_id, session_id : str
    sex, age, site : str
        Age at this session; empty where unknown.
    simulated : bool
    """

    participant_id: str
    session_id: str
    sex: str = ""
    age: str = ""
    site: str = ""
    simulated: bool = False


class Tables:
    """The tables of one person, changed in memory until `write`.

    Parameters
    ----------
    study : Path
    visit : Visit
    by_intake : collection of str
        Ages that intake has written for this person: such a cell may be brought up to date, any other is somebody else's.
    """

    def __init__(self, study: Path, visit: Visit, by_intake: Collection[str] = ()) -> None:
        self._study, self._visit = study, visit
        person = visit.participant_id
        self._sessions = TextTable(study / person / f"{person}_sessions.tsv", ("session_id", "days_from_baseline", "age"))
        self._people = TextTable(study / "participants.tsv", ("participant_id", "sex", "age", "site"))
        with_session(self._sessions, visit.session_id, visit.age)
        about = {"sex": visit.sex, "age": self._sessions.get(0, "age"), "site": visit.site}
        self.age_written = with_person(self._people, person, about, by_intake)

    def write(self) -> None:
        """Write what has changed; a new folder becomes a BIDS dataset."""
        describe(self._study, simulated=self._visit.simulated)
        self._sessions.write()
        self._people.write()
        _explain(self._study / "sessions.json", self._sessions, STANDARD_SESSION_COLUMNS)
        _explain(self._people.path.with_suffix(".json"), self._people, STANDARD_COLUMNS)


def describe(study: Path, *, simulated: bool) -> None:
    """Make a new folder a BIDS dataset; one that is described is left alone."""
    if (study / "dataset_description.json").is_file():
        return
    maker = "dawson simulate dicom, dawson intake" if simulated else "dawson intake"
    write_bidsignore(study)
    said = "SIMULATED DATA. No person in this dataset exists.\n" if simulated else ""
    write_readme(
        study,
        f"{study.name}\n\n{said}BIDS dataset made by `dawson intake` from DICOM: de-identified after DICOM PS3.15 Annex E, sorted by\n"
        "code/intake.toml. derivatives/dawson/intake.tsv has one row for each series that was looked at.\n"
        "Sessions are named by a day number on each person's own shifted calendar.",
    )
    write_dataset_description(study, study.name + (" (simulated data)" if simulated else ""), maker)


def with_session(table: TextTable, session_id: str, age: str) -> None:
    """Add a session, or fill its empty age; where intake named all sessions, in order and with the days between them.

    Parameters
    ----------
    table : TextTable
        session_id and what others have added, which stays.
    session_id : str
    age : str
        At this session.
    """
    row = table.find("session_id", session_id, "ses-")
    if row is None:
        row = table.append({"session_id": session_id})
    if age and "age" in table.names and not table.get(row, "age"):
        table.set(row, "age", age)
    days = [day for name in table.column("session_id") if (day := day_of(f"ses-{name.removeprefix('ses-')}")) is not None]
    # Where other sessions than intake's stand in the table, day 0 is theirs, and how far it is from ours is not known.
    if len(days) != len(table):
        return
    for at, day in enumerate(days):
        if "days_from_baseline" in table.names and not _is(table.get(at, "days_from_baseline"), day - min(days)):
            table.set(at, "days_from_baseline", str(day - min(days)))
    table.order(sorted(range(len(table)), key=days.__getitem__))


def _is(text: str, number: int) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False


def with_person(table: TextTable, person: str, about: Mapping[str, str], by_intake: Collection[str] = ()) -> str:
    """Add a person, or fill empty cells of one; what stands there is not overwritten.

    Parameters
    ----------
    table : TextTable
    person : str
    about : mapping
        sex, age, site; empty where unknown. Columns that the table lacks are not made.
    by_intake : collection of str
        Ages that intake has written for this person: a cell that says one of them is brought up to date.

    Returns
    -------
    str
        The age, where intake wrote it now or before; empty where it is another hand's.
    """
    row = table.find("participant_id", person, "sub-")
    if row is None:
        row = table.append({"participant_id": person})
    written = ""
    for name, value in about.items():
        if name not in table.names or not value:
            continue
        there = table.get(row, name)
        own = name == "age" and there in by_intake
        if not there or (own and there != value):
            table.set(row, name, value)
        if name == "age" and (not there or own):
            written = value
    return written


def _explain(path: Path, table: TextTable, standard: Mapping[str, Any]) -> None:
    """Entries for columns that have none; those that are there stay, but that an age of 90+ must be told to be text."""
    known: dict[str, Any] = read_json(path) if path.is_file() else {}
    entries = known | {name: entry for name, entry in dictionary_for(table.names, known, standard).items() if name not in known}
    if _TOP_CODE in table.column("age"):
        entries["age"] = top_coded(entries["age"])
    if entries != known:
        write_json(path, entries)

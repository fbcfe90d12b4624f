"""Finished images put into the study, with the tables that belong to them; what failed put where a person looks."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from dawson.cohort.bids import write_bidsignore, write_dataset_description, write_participants, write_readme, write_sessions
from dawson.files import atomic_path, read_json, read_tsv, sidecar_path, write_json
from dawson.intake.process import Made
from dawson.intake.record import Record, Row
from dawson.intake.session_names import day_of

_NEW_PARTICIPANTS = ("participant_id", "sex", "age", "site")
PICTURES = "pictures"


class Publisher:
    """Writes into one study; every image is followed by its rows, so that an interruption costs one session at most.

    Parameters
    ----------
    study : Path
    record : Record
    quarantine : Path
    site : str
        For the participants table; empty where unknown.
    """

    def __init__(self, study: Path, record: Record, quarantine: Path, site: str = "") -> None:
        self._study, self._record, self._quarantine, self._site = study, record, quarantine, site

    def waiting(self, rows: Sequence[Row]) -> list[Row]:
        """Write down what the plan holds or rejects; an image that the study has keeps its row."""
        kept = [row for row in rows if not self._in_study(row.series)]
        self._record.add(kept)
        self._record.write()
        return list(rows)

    def publish(self, made: Sequence[Made], *, defaced: bool) -> list[Row]:
        """Put the series of one session into the study.

        Parameters
        ----------
        made : sequence of Made
        defaced : bool
            Faces were removed.
        """
        rows = []
        for one in made:
            twin = self._record.taken("image", one.voxels) if not one.failure else None
            if twin is not None and twin["series"] != one.planned.code:
                one.failure = f"the same image is in the study already, as {Path(str(twin['file'])).name}"
            if one.failure:
                rows.append(self._failed(one))
                continue
            self._write(one, defaced)
            more: dict[str, Any] = {
                "file": one.planned.file.as_posix(),
                "image": one.voxels,
                "defaced": "true" if defaced else "false",
                "changed_brain_voxels": one.changed_brain_voxels,
                "quality": one.quality,
            }
            rows.append(one.planned.row(**more))
            self._record.add(rows[-1:])
        self._record.add(rows)
        self._record.write()
        for picture in {one.picture for one in made if one.picture is not None}:
            self._private(picture, Path(PICTURES, f"{made[0].planned.participant_id}_{made[0].planned.session_id}.png"))
        taken = [one for one in made if not one.failure]
        if taken:
            self._tables(taken)
        return rows

    def _in_study(self, series: str) -> bool:
        row = self._record.row(series)
        return row is not None and row["status"] == "taken" and (self._study / str(row["file"])).is_file()

    def _failed(self, one: Made) -> Row:
        held = one.quarantined or one.failure.startswith(("in quarantine", "the same image"))
        if one.quarantined and one.faced is not None:
            folder = Path(one.planned.participant_id, one.planned.session_id)
            self._private(one.faced, folder / f"{one.planned.name}.nii.gz")
            write_json(self._quarantine / folder / f"{one.planned.name}.json", {**one.sidecar, "Quarantined": one.failure})
        return replace(one.planned.row(), status="held" if held else "rejected", contrast="", reason=one.failure)

    def _private(self, source: Path, name: Path) -> None:
        """Copy what shows a face to the quarantine, which only its owner can enter."""
        self._quarantine.mkdir(parents=True, exist_ok=True)
        self._quarantine.chmod(0o700)
        with atomic_path(self._quarantine / name) as temporary:
            shutil.copyfile(source, temporary)

    def _write(self, one: Made, defaced: bool) -> None:
        """The sidecar, then the image, which stands for both."""
        target = self._study / one.planned.file
        write_json(sidecar_path(target), {**one.sidecar, "Defaced": defaced})
        with atomic_path(target) as temporary:
            shutil.copyfile(str(one.image), temporary)

    def _tables(self, taken: Sequence[Made]) -> None:
        describe(self._study, simulated=taken[0].planned.series.header.synthetic)
        person, session = taken[0].planned.participant_id, taken[0].planned.session_id
        age = next((one.age for one in taken if one.age), "")
        before = _sessions(self._study, person)
        old = _baseline_age(before)
        sessions = with_session(before, session, age)
        write_sessions(self._study, person, sessions)
        sex = next((one.planned.series.header.sex for one in taken if one.planned.series.header.sex in ("F", "M", "O")), "")
        path = self._study / "participants.tsv"
        table = (
            read_tsv(path, text=("sex", "age", "site")) if path.is_file() else pd.DataFrame(columns=list(_NEW_PARTICIPANTS), dtype=object)
        )
        known = read_json(path.with_suffix(".json")) if path.with_suffix(".json").is_file() else None
        about = {"sex": sex, "age": _baseline_age(sessions), "site": self._site}
        write_participants(self._study, with_person(table, person, about, old), known)


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


def with_session(table: pd.DataFrame, session_id: str, age: str) -> pd.DataFrame:
    """A sessions table with one session more, in order, and the days between those that intake named counted anew.

    Parameters
    ----------
    table : DataFrame
        session_id, days_from_baseline, age and what others have added, which stays.
    session_id : str
    age : str
        At this session.
    """
    table = table.copy()
    if session_id not in set(table["session_id"]):
        table = pd.concat([table, pd.DataFrame([{"session_id": session_id}], dtype=object)], ignore_index=True)
    row = table.index[table["session_id"] == session_id][0]
    if age and table["age"].isna()[row]:
        table.loc[row, "age"] = age
    days = {name: day for name in table["session_id"] if (day := day_of(str(name))) is not None}
    foreign = table[~table["session_id"].isin(days)]
    # Where other sessions than intake's stand in the table, day 0 is theirs, and how far it is from ours is not known.
    if foreign.empty:
        first = min(days.values())
        table["days_from_baseline"] = [days[name] - first for name in table["session_id"]]
        table = table.iloc[sorted(range(len(table)), key=lambda at: days[table["session_id"].iloc[at]])]
    return table.reset_index(drop=True)


def with_person(table: pd.DataFrame, person: str, about: dict[str, str], old_age: str) -> pd.DataFrame:
    """A participants table with one person more, or with empty cells of one filled; what stands there is not overwritten.

    Parameters
    ----------
    table : DataFrame
    person : str
    about : dict
        sex, age, site; empty where unknown. Columns that the table lacks are made only for a new table.
    old_age : str
        Age at the session that was the first until now: a cell that still says so is brought up to date.
    """
    table = table.astype(object).copy()
    ids = [str(name) if str(name).startswith("sub-") else f"sub-{name}" for name in table["participant_id"]]
    if person not in ids:
        table = pd.concat([table, pd.DataFrame([{"participant_id": person}], dtype=object)], ignore_index=True)
        ids.append(person)
    row = table.index[ids.index(person)]
    for name, value in about.items():
        if name not in table.columns or not value:
            continue
        there = table[name].loc[row]
        if table[name].isna()[row] or (name == "age" and old_age and str(there) == old_age):
            table.loc[row, name] = value
    return table


def _sessions(study: Path, person: str) -> pd.DataFrame:
    path = study / person / f"{person}_sessions.tsv"
    if path.is_file():
        table = read_tsv(path, text=("age",)).astype(object)
        return table if "age" in table.columns else table.assign(age=None)
    return pd.DataFrame(columns=["session_id", "days_from_baseline", "age"], dtype=object)


def _baseline_age(sessions: pd.DataFrame) -> str:
    """Age at the first session, as text; empty where unknown."""
    if sessions.empty:
        return ""
    age = sessions["age"].iloc[0]
    return "" if pd.isna(age) else str(age)

"""`intake.tsv`: one row for each series that was looked at, without anything that names a person; the memory of intake."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from dawson.errors import IntakeError
from dawson.files import read_tsv, write_json, write_tsv

RECORD = Path("derivatives", "dawson", "intake.tsv")
QUALITY = ("efc", "fber", "qi_1", "snr_background", "air_filled", "coverage_mm", "head_mm", "spacing_x", "spacing_y", "spacing_z")
Status = Literal["taken", "held", "rejected"]

_COLUMNS = {
    "series": "Keyed code of the series; F- codes stand for files that are no series",
    "participant_id": "Participant; n/a where the header names no patient",
    "session_id": "Session",
    "status": "taken, held (for a person) or rejected",
    "contrast": "T1w, FLAIR or T2w",
    "reason": "Why it was held or rejected, or what is to be known of one that was taken",
    "rule": "Rules of code/intake.toml that decided",
    "suggestion": "What a held series looks like by its headers",
    "file": "Image in this dataset",
    "files": "DICOM files",
    "description": "Keyed code of the series description",
    "content": "Keyed hash of the instances",
    "image": "Keyed hash of the voxels as converted, before the face was removed",
    "defaced": "Whether the face was removed",
    "face_accepted_by": "Who looked at a face removal that was doubted, and accepted it",
    "face_accepted_reason": "What he or she saw",
    "changed_brain_voxels": "Voxels of the brain and its margin that face removal changed; must be 0",
    "tr_ms": "Repetition time",
    "te_ms": "Echo time",
    "ti_ms": "Inversion time",
    "flip_deg": "Flip angle",
    "field_tesla": "Field strength",
    "slices": "Slices",
    "simulated": "Whether the header says that no scanner made it",
    "age": "Age at the session, whole years, 90+ above 89",
    "age_written": "Age that intake wrote into participants.tsv with this series; n/a where another hand had written one",
}


@dataclass(frozen=True)
class Row:
    """One line of the table; the columns are explained in intake.json beside it."""

    series: str
    participant_id: str
    session_id: str
    status: Status
    contrast: str = ""
    reason: str = ""
    rule: str = ""
    suggestion: str = ""
    file: str = ""
    files: int = 0
    description: str = ""
    content: str = ""
    image: str = ""
    defaced: str = ""
    face_accepted_by: str = ""
    face_accepted_reason: str = ""
    changed_brain_voxels: int | None = None
    tr_ms: float | None = None
    te_ms: float | None = None
    ti_ms: float | None = None
    flip_deg: float | None = None
    field_tesla: float | None = None
    slices: int | None = None
    simulated: str = ""
    age: str = ""
    age_written: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)

    def cells(self) -> dict[str, Any]:
        """The row as columns."""
        content = asdict(self)
        quality = content.pop("quality")
        return {**content, **{name: quality.get(name) for name in QUALITY}}


class Record:
    """The table of a study, in memory; `add` and `write` keep it in step with the disk.

    Parameters
    ----------
    study : Path
    """

    def __init__(self, study: Path) -> None:
        self.path = study / RECORD
        self._rows: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            text = [item.name for item in fields(Row) if item.type in ("str", "Status")]
            table = read_tsv(self.path, text=text)
            if missing := {"series", "status", "content"} - set(table.columns):
                raise IntakeError(f"{self.path} has no column {min(missing)}.", "Restore it: without it no scan is known to be there.")
            table = table.astype(object).where(table.notna(), None)
            self._rows = {str(row["series"]): {str(name): value for name, value in row.items()} for row in table.to_dict("records")}

    def row(self, series: str) -> dict[str, Any] | None:
        """The row of a series, as columns."""
        return self._rows.get(series)

    def rows(self) -> list[dict[str, Any]]:
        """All rows."""
        return list(self._rows.values())

    def taken(self, column: str, value: str) -> dict[str, Any] | None:
        """The first taken row with that value."""
        return next((row for row in self._rows.values() if row["status"] == "taken" and value and row.get(column) == value), None)

    def add(self, rows: Sequence[Row]) -> None:
        """Put rows in place of those of the same series."""
        for row in rows:
            self._rows[row.series] = row.cells()

    def write(self) -> None:
        """Write the table and its dictionary, whole or not at all."""
        names = [*_COLUMNS, *QUALITY]
        rows = sorted(
            self._rows.values(), key=lambda row: tuple(str(row.get(name) or "~") for name in ("participant_id", "session_id", "series"))
        )
        table = pd.DataFrame([{name: row.get(name) for name in names} for row in rows], columns=names)
        for name in ("files", "changed_brain_voxels", "slices"):
            table[name] = pd.to_numeric(table[name]).astype("Int64")
        write_tsv(self.path, table)
        measures = {name: {"Description": "Quality of the image as converted; see the page on quality"} for name in QUALITY}
        write_json(self.path.with_suffix(".json"), {name: {"Description": text} for name, text in _COLUMNS.items()} | measures)


@contextmanager
def locked(study: Path) -> Iterator[None]:
    """Hold the study for one intake at a time.

    Raises
    ------
    IntakeError
        Another intake works on the study.
    """
    path = study / RECORD.with_name(".intake.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise IntakeError(f"Another intake is working on {study}.", "Wait until it is done.") from None
        yield
    finally:
        os.close(handle)

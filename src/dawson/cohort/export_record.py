"""What left a study: one line an export in governance/exports.jsonl, so that a later withdrawal can name where a person's data went."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from dawson.governance.ledger import append_lines, governance_folder
from dawson.governance.records import read_records

EXPORTS = "exports.jsonl"


class ExportRecord(BaseModel):
    """One line of governance/exports.jsonl.

    An export has three: "begun" before the first file is copied, "placed" before its folder gets its name at the destination, "finished"
    when it stands there; or "abandoned", when what an interrupted one had gathered was removed.

    Parameters
    ----------
    export_id : str
    state : {"begun", "placed", "finished", "abandoned"}
    at : datetime
        UTC.
    destination, staging : str
        Where the export is, and where it lies until it is finished.
    recipient, agreement, purpose, licence, country : str
    commercial, public : bool
        What consent was asked for.
    files : dict of str to dict of str to str
        Person to the files of this person, each with its SHA-256 (empty in "begun").
    sources : dict of str to str
        SHA-256 of the study's file for those of `files` that were changed on the way.
    checksums : str
        SHA-256 of the export's SHA256SUMS.
    site_names : dict of str to str
        Which site is which number, where names were hidden.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    export_id: str
    state: Literal["begun", "placed", "finished", "abandoned"]
    at: datetime
    destination: str
    staging: str = ""
    recipient: str = ""
    agreement: str = ""
    purpose: str
    licence: str
    country: str = ""
    commercial: bool = False
    public: bool = False
    files: dict[str, dict[str, str]] = {}
    sources: dict[str, str] = {}
    checksums: str = ""
    site_names: dict[str, str] = {}

    @property
    def people(self) -> tuple[str, ...]:
        """Those whose data went."""
        return tuple(self.files)

    @property
    def is_open(self) -> bool:
        """Neither finished nor abandoned."""
        return self.state in ("begun", "placed")

    @property
    def has_left(self) -> bool:
        """Whether it stands, or stood, at its destination: also where the work stopped after the folder got its name there."""
        if not self.is_open or Path(self.staging).is_dir():
            return self.state == "finished"
        return self.state == "placed" or Path(self.destination).is_dir()


def append_export(study: Path, record: ExportRecord) -> None:
    """Add a line; it is on the disk when this returns."""
    content: dict[str, Any] = record.model_dump(mode="json")
    line = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    append_lines(governance_folder(study) / EXPORTS, [line])


def read_exports(study: Path | str) -> list[ExportRecord]:
    """Every export, oldest first, by its last line.

    Raises
    ------
    GovernanceError
        A line is no export record.
    """
    return list({record.export_id: record for record in read_records(governance_folder(study) / EXPORTS, ExportRecord)}.values())


def exports_with(study: Path | str, participant_id: str) -> list[ExportRecord]:
    """Every export that holds data of a person, also those that were begun and not finished.

    Parameters
    ----------
    study : Path or str
    participant_id : str
        With its prefix.

    Returns
    -------
    list of ExportRecord
        Oldest first; `files[participant_id]` are the person's files there with their SHA-256.
    """
    return [record for record in read_exports(study) if participant_id in record.files and record.state != "abandoned"]

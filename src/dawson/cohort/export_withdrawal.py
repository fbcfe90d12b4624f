"""What a withdrawal has to know of exports: where a person's data went, and what an interrupted export still holds."""

from __future__ import annotations

import shutil
from pathlib import Path

from dawson.cohort.export_record import ExportRecord, append_export, exports_with
from dawson.governance.traces import Trace


class ExportsOfPerson:
    """Takes part in withdrawals (see `dawson.governance.traces.Hook`).

    Exports that are finished are named, since what left cannot be called back from here; what an interrupted one had gathered
    is removed.
    """

    def find(self, study: Path, participant_id: str) -> list[Trace]:
        """Name every export that holds data of a person."""
        return [_trace(record, participant_id, "would be removed") for record in exports_with(study, participant_id)]

    def remove(self, study: Path, participant_id: str) -> list[Trace]:
        """Remove what interrupted exports had gathered, and name the finished ones."""
        traces = []
        for record in exports_with(study, participant_id):
            traces.append(_trace(record, participant_id, "removed"))
            if not record.has_left:
                if Path(record.staging).is_dir():
                    shutil.rmtree(record.staging)
                append_export(study, record.model_copy(update={"state": "abandoned"}))
            elif record.is_open:
                append_export(study, record.model_copy(update={"state": "finished", "staging": ""}))
        return traces


def _trace(record: ExportRecord, participant_id: str, done: str) -> Trace:
    detail = f"{len(record.files[participant_id])} files, {record.at.date()}"
    detail += f", to {record.recipient}" if record.recipient else ""
    detail += f" under {record.agreement}" if record.agreement else ""
    if not record.has_left:
        return Trace("export", record.staging, f"{detail}; never finished", done)
    return Trace("export", record.destination, detail, "tell the recipient to delete the person's files and what was made of them")

"""What the intake knows of somebody who withdraws: codes by which the same scans are known when they are sent again."""

from __future__ import annotations

from pathlib import Path

from dawson.files import read_tsv
from dawson.governance.tombstones import set_tombstone
from dawson.governance.traces import Trace
from dawson.intake.record import RECORD

_CODES = ("content", "image")


class IntakeOfPerson:
    """Takes part in withdrawals (see `dawson.governance.traces.Hook`).

    The rows of the person go with those of every other table. Before that, their keyed codes of instances and of voxels go into the
    tombstone: they know the scans again under another patient number, which the digests of files that were made of them may not.
    """

    def find(self, study: Path, participant_id: str) -> list[Trace]:
        """Nothing: the rows are found where all rows are."""
        return []

    def remove(self, study: Path, participant_id: str) -> list[Trace]:
        """Keep the codes of what was taken of the person."""
        if codes := _codes(study / RECORD, participant_id):
            set_tombstone(study, participant_id, scans=codes)
        return []


def _codes(path: Path, participant_id: str) -> list[str]:
    if not path.is_file():
        return []
    table = read_tsv(path, text=("participant_id", "status", *_CODES))
    if not {"participant_id", "status", *_CODES} <= set(table.columns):
        return []
    own = table[(table["participant_id"] == participant_id) & (table["status"] == "taken")]
    return [str(code) for column in _CODES for code in own[column].dropna() if code]

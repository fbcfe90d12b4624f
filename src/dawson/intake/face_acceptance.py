"""A person's word that a head has no face any more, where the measure doubts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawson.errors import IntakeError
from dawson.intake.record import Record

QUARANTINED = "in quarantine: "
"""How the reason of a series begins that waits for its face."""


@dataclass(frozen=True)
class FaceAcceptance:
    """Somebody looked at the picture of a head before and after, and says that the face is gone.

    It overrules only what can be seen in the picture: that tissue is left in the middle of the face, or a part of it is kept because of
    the brain mask. A changed brain voxel, another geometry and another head are never accepted.

    Parameters
    ----------
    series : tuple of str
        Codes of the series that were looked at.
    by : str
        Who looked.
    reason : str
        What he or she saw.

    Raises
    ------
    IntakeError
        Nobody is named, or no reason given, or either goes over several lines.
    """

    series: tuple[str, ...] = ()
    by: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        if not self.series:
            if self.by.strip() or self.reason.strip():
                raise IntakeError("--by and --reason belong to a face removal that is accepted, and none is.", "Add --accept-face CODE.")
            return
        if not self.by.strip():
            raise IntakeError("Nobody is named who looked at the face removal that is to be accepted.", "Say --by NAME.")
        if not self.reason.strip():
            raise IntakeError("There is no reason why the face removal is to be accepted.", "Say --reason TEXT: what the picture shows.")
        if not (self.by.isprintable() and self.reason.isprintable()):
            raise IntakeError("--by and --reason must be one line each.", "Leave out line breaks and tabs.")

    def words(self, doubt: str) -> str:
        """What stands in the row of a series that was taken on this word."""
        return f"face removal accepted by {self.by.strip()}: {self.reason.strip()} (doubted because {doubt.rstrip('.')})"

    def check(self, record: Record, pictures: Path) -> None:
        """Refuse a word about what nobody can have looked at.

        Parameters
        ----------
        record : Record
            Of the study.
        pictures : Path
            Folder of the heads before and after.

        Raises
        ------
        IntakeError
            A series does not wait for its face, or there is no picture of its head.
        """
        for code in self.series:
            row = record.row(code)
            if row is None or row["status"] != "held" or not str(row["reason"]).startswith(QUARANTINED):
                raise IntakeError(
                    f"--accept-face {code}: no series of this code waits in the quarantine for its face.",
                    "Take it in without the option first, and look at its picture.",
                )
            picture = pictures / f"{row['participant_id']}_{row['session_id']}.png"
            if not picture.is_file():
                raise IntakeError(f"--accept-face {code}: {picture} is missing, so nobody has looked at it.", "Take it in again first.")

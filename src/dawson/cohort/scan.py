"""One scan: who, when, and where its files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Scan:
    """T1w and FLAIR of one participant at one session.

    Parameters
    ----------
    participant_id : str
        With its prefix, `sub-01`.
    session_id : str
        With its prefix, `ses-01`; empty where the study has no session folders.
    t1w, flair : Path or None
        The raw images, absolute; None where the file is not there.
    """

    participant_id: str
    session_id: str
    t1w: Path | None
    flair: Path | None

    @property
    def entities(self) -> str:
        """Start of every file name of this scan, `sub-01_ses-01` or `sub-01`."""
        return "_".join(part for part in (self.participant_id, self.session_id) if part)

    @property
    def folder(self) -> Path:
        """Folder of this scan's images relative to a dataset's root, `sub-01/ses-01/anat`."""
        return Path(self.participant_id, self.session_id, "anat")

    def derivative(self, derivatives: Path, name: str) -> Path:
        """Path of a derivative of this scan.

        Parameters
        ----------
        derivatives : Path
            Root of a derivative dataset, usually `STUDY/derivatives/dawson`.
        name : str
            What follows the entities, such as `desc-channels_FLAIR.npy`.
        """
        return derivatives / self.folder / f"{self.entities}_{name}"

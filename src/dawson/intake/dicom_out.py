"""De-identified DICOM on disk: names that say nothing, files whole or not at all."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from dawson.files import atomic_path
from dawson.intake.deidentify import Deidentified


def dicom_path(cleaned: Deidentified) -> PurePosixPath:
    """Where a cleaned file goes, relative to the output folder: by pseudonym, study, series and instance, all of them new."""
    dataset = cleaned.dataset
    study, series = (str(dataset.get(name) or "none") for name in ("StudyInstanceUID", "SeriesInstanceUID"))
    return PurePosixPath(f"sub-{cleaned.participant}", study, series, f"{dataset.SOPInstanceUID}.dcm")


def write_dicom(cleaned: Deidentified, folder: Path) -> Path:
    """Write a cleaned file below a folder.

    Parameters
    ----------
    cleaned : Deidentified
    folder : Path
        The output folder; nothing of the name that the file came with is used.

    Returns
    -------
    Path
        The file, written atomically.
    """
    path = folder / dicom_path(cleaned)
    with atomic_path(path) as temporary:
        cleaned.dataset.save_as(temporary, enforce_file_format=True, overwrite=True)
    return path

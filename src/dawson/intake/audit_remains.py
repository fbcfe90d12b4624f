"""What is left of the people in a folder: any DICOM or BIDS folder is searched for identifiers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dawson.errors import IntakeError
from dawson.intake.audit_dicom import search_dicom
from dawson.intake.audit_nifti import search_nifti
from dawson.intake.audit_text import search_json, search_name, search_table, search_text
from dawson.intake.dates import whole_date
from dawson.intake.findings import Finding, Findings
from dawson.intake.identifiers import Identifiers

__all__ = ["Finding", "audit"]

_TEXTS = frozenset({".txt", ".md", ".rst", ".log", ".xml", ".html", ".htm", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".jsonl", ".svg"})
_PLAIN = frozenset({".bval", ".bvec", ".bidsignore", ".gitignore", ".py", ".npy", ".safetensors"})
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".pdf", ".mp4"})


def audit(folder: Path, known: Iterable[str] = (), *, faces: bool = True, advance: Callable[[str], None] | None = None) -> list[Finding]:
    """Search a folder for names, dates, numbers, serial numbers, descriptions, private elements, telling file names, and faces.

    Nothing is changed. Symbolic links are not followed. A file that cannot be read is a finding, never an error. The same finding in many
    files of one folder is reported once, with their number.

    Parameters
    ----------
    folder : Path
        Any folder with DICOM, NIfTI, JSON, TSV or CSV files.
    known : iterable of str
        Names, numbers and dates (`1970-01-12`) to look for everywhere, such as the patients' list of a centre. A date is found in every
        usual way of writing.
    faces : bool
        Look for faces in NIfTI images of heads (seconds for each), and for DICOM that is not marked as defaced.
    advance : callable, optional
        Called with the name of each file that is done.

    Returns
    -------
    list of Finding
        Worst first; empty where nothing was found, which is no proof that nothing is there.

    Raises
    ------
    IntakeError
        When the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise IntakeError(f"{folder} is no folder.", "Name the folder that is to be searched.")
    known = tuple(known)
    wanted, found = Identifiers.of(known, known, filter(None, map(whole_date, known))), Findings()
    for path in files_of(folder):
        if path.is_symlink():
            found.add(Finding(path, "", "link", "symbolic link", "low", "It was not followed; search what it points to."))
            continue
        try:
            search_name(path, folder, wanted, found)
            search_file(path, wanted, found, faces)
        except OSError as error:
            found.add(Finding(path, "", "unread", type(error).__name__, "low", "It cannot be read; check its permissions."))
        if advance:
            advance(path.name)
    return found.as_list(folder)


def files_of(folder: Path) -> Iterator[Path]:
    """Every file below a folder in the order of names, one folder at a time; links are named, not followed."""
    for place, folders, files in os.walk(folder, followlinks=False):
        folders.sort()
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*files, *links]):
            yield Path(place) / name


def search_file(path: Path, known: Identifiers, found: Findings, faces: bool) -> None:
    """Search one file by what it is; its name says so, or its first bytes."""
    name, suffix = path.name.lower(), path.suffix.lower()
    if not path.is_file():
        found.add(Finding(path, "", "unread", "no regular file", "low", "Remove it."))
    elif name.endswith((".nii", ".nii.gz")):
        search_nifti(path, known, found, faces)
    elif suffix == ".json":
        search_json(path, known, found)
    elif suffix in (".tsv", ".csv"):
        search_table(path, known, found)
    elif is_dicom(path):
        search_dicom(path, known, found, faces)
    elif suffix in _TEXTS or name in ("readme", "changes", "license"):
        search_text(path, known, found)
    elif suffix in _PICTURES:
        found.add(Finding(path, "", "pixels", f"a picture ({suffix})", "low", "Look at it: it may show a face or a name."), suffix)
    elif suffix not in _PLAIN and name not in _PLAIN and path.stat().st_size:
        found.add(
            Finding(path, "", "unread", f"a kind of file that is not searched ({suffix or 'no ending'})", "low", "Look at it by hand."),
            suffix,
        )


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its first bytes: the prefix, or (without one) a first element of group 0002 or 0008."""
    with path.open("rb") as stream:
        start = stream.read(132)
    if start[128:132] == b"DICM":
        return True
    group, element = int.from_bytes(start[:2], "little"), int.from_bytes(start[2:4], "little")
    return len(start) == 132 and group in (0x0002, 0x0008) and element < 0x0100 and element & 0xFF <= 0x20

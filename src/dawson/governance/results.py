"""Where results of a study were written besides the study itself, so that a withdrawal and a look-up search there too."""

from __future__ import annotations

import os
from pathlib import Path

from dawson.errors import GovernanceError
from dawson.governance.ledger import append_at_end, governance_folder, locked

RESULTS = "results.tsv"
_HEADER = "folder"


def remember(study: Path | str, out: Path | str) -> None:
    """Note a folder of results; one that is known, or lies in the study, is not noted again.

    Parameters
    ----------
    study : Path or str
    out : Path or str

    Raises
    ------
    GovernanceError
        The folder's name has a tab or an end of line.
    """
    study, out = Path(study).resolve(), Path(out).resolve()
    if out.is_relative_to(study):
        return
    if any(sign in str(out) for sign in "\t\r\n"):
        raise GovernanceError(f"{str(out)!r} has a tab or an end of line in its name.", "Give the results another folder.")
    with locked(governance_folder(study) / RESULTS) as stream:
        content = stream.read()
        lines = os.fsdecode(content).split("\n")
        if str(out) in lines[1:]:
            return
        start = f"{_HEADER}\n" if not content else "" if content.endswith(b"\n") else "\n"
        append_at_end(stream, os.fsencode(f"{start}{out}\n"))


def remembered(study: Path | str) -> list[Path]:
    """The folders that were noted, in that order, whether they are still there or not."""
    try:
        content = (governance_folder(study) / RESULTS).read_bytes()
    except FileNotFoundError:
        return []
    lines = [line.rstrip("\r") for line in os.fsdecode(content).split("\n")[1:]]
    return [Path(line) for line in dict.fromkeys(lines) if line]


def search_places(study: Path, results: tuple[Path | str, ...]) -> tuple[list[Path], list[Path]]:
    """Folders in which traces of a person may lie: the study, those named now, and those remembered that are there; and those that are not.

    Raises
    ------
    GovernanceError
        The study or a folder that was named is none.
    """
    named = [study, *(Path(folder).resolve() for folder in results)]
    absent = next((place for place in named if not place.is_dir()), None)
    if absent:
        raise GovernanceError(f"{absent} is no folder.")
    known = [folder for folder in remembered(study) if folder not in named]
    places = list(dict.fromkeys([*named, *(folder.resolve() for folder in known if folder.is_dir())]))
    return places, [folder for folder in known if not folder.is_dir()]

"""Pages that were made while somebody might be used, and show the person still."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from dawson.governance.ledger import FOLDER
from dawson.governance.mentions import PAGES, participants_in
from dawson.governance.results import remembered

_EXCLUSIONS, _USED = "exclusions.tsv", ("splits.tsv", "final_splits.tsv", "predictions.tsv")
_LABEL = re.compile(rb"(?<![A-Za-z0-9])sub-[A-Za-z0-9]+")


def pages_showing(study: Path | str, people: Collection[str]) -> dict[str, tuple[str, ...]]:
    """HTML pages of a study, and of its results elsewhere as far as they are known, that name any of some people.

    A page that shows somebody without the label is not found. Whom a report names only to say that the person was left out does not count.

    Parameters
    ----------
    study : Path or str
    people : collection of str
        participant_id, with the prefix.

    Returns
    -------
    dict of str to tuple of str
        Path, relative where it is in the study, to whom it names, sorted.
    """
    if not people:
        return {}
    study = Path(study).resolve()
    found = {}
    for place in (study, *(folder for folder in remembered(study) if folder.is_dir())):
        for page in _pages(place):
            named = {match.decode("ascii") for match in _LABEL.findall(page.read_bytes())} & set(people)
            if named := named - _only_left_out(page.parent):
                found[page.relative_to(study).as_posix() if place == study else str(page)] = tuple(sorted(named))
    return found


def _only_left_out(folder: Path) -> set[str]:
    """Who stands in the exclusions beside a report, and in no table of what was used."""
    if not (folder / _EXCLUSIONS).is_file():
        return set()
    used = {person for name in _USED if (folder / name).is_file() for person in participants_in(folder / name)}
    return participants_in(folder / _EXCLUSIONS) - used


def _pages(place: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(name for name in folders if name != FOLDER)
        yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix.lower() in PAGES and Path(folder, name).is_file())

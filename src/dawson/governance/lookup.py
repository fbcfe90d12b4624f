"""What a study still holds of somebody: every file, by content and by name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dawson.errors import GovernanceError
from dawson.governance.consent import LEDGER, PARTICIPANT
from dawson.governance.image_copies import ImageCopies
from dawson.governance.ledger import FOLDER
from dawson.governance.mentions import TEXT, Label
from dawson.governance.person_files import image_contents, is_image, quarantine_of
from dawson.governance.results import search_places
from dawson.governance.salts import SALTS
from dawson.governance.tombstones import TOMBSTONES, Tombstone, read_tombstones
from dawson.governance.traces import Trace
from dawson.governance.withdrawal import REPORTS

# Records that stay after a withdrawal, each with its reason.
RECORDS = {
    TOMBSTONES: "stays: so that the person is not taken in again",
    LEDGER: "stays: proof of what was agreed to, and when it was withdrawn",
    REPORTS: "stays: what the withdrawal found and did",
    "exports.jsonl": "stays: where the person's data went, and must be deleted",
    "training-manifests": "stays until the model is retrained: who was in it",
}


@dataclass(frozen=True)
class Found:
    """What a look-up found.

    Parameters
    ----------
    left : tuple of Trace
        What shows the person or comes from the person's images.
    records : tuple of Trace
        Records of governance that stay.
    files : int
        Files that were looked at.
    withdrawn : bool
    missing : tuple of str
        Folders of results that are remembered and not there, so that nobody looked.
    """

    left: tuple[Trace, ...]
    records: tuple[Trace, ...]
    files: int
    withdrawn: bool
    missing: tuple[str, ...] = ()


def lookup(study: Path | str, participant_id: str, results: Sequence[Path | str] = ()) -> Found:
    """Search every file of a study, of its results elsewhere as far as they are known, and of its intake's quarantine for a person.

    By content: files with the SHA-256 of one of the person's images, those of the tombstone and those still there, under whatever name,
    packed anew or unpacked. By name: the label as a whole word in names of files and folders, in text and tables as a whole, packed
    or not, in every member of zip files and what is made like them (npz, xlsx), in arrays of text, and in the headers of images; in
    the column participant_id of tables also without its prefix. Voxels are not compared: an image that was resampled or converted is
    found by its name only.

    Parameters
    ----------
    study : Path or str
    participant_id : str
    results : sequence of Path or str
        Further folders in which derivatives and experiments of the study lie.

    Returns
    -------
    Found

    Raises
    ------
    GovernanceError
        The participant is no label, or the study no folder.
    """
    study = Path(study).resolve()
    places, missing = search_places(study, tuple(results))
    places += [folder for folder in (quarantine_of(study),) if folder.is_dir() and folder not in places]
    if not PARTICIPANT.fullmatch(participant_id):
        raise GovernanceError(f"{participant_id!r} is no participant.", "A participant is named as in participants.tsv: sub- and a label.")
    stone = read_tombstones(study).get(participant_id)
    label, copies = Label(participant_id), _copies(places, participant_id, stone)
    traces: list[Trace] = []
    count = 0
    for place in places:
        for path, size in _files(place):
            count += 1
            trace = _trace(place, path, size, label, bool(copies.whose(path)))
            if trace:
                traces.append(trace if place == study else replace(trace, path=str(path)))
    records = tuple(trace for trace in traces if trace.kind == "record")
    return Found(tuple(trace for trace in traces if trace.kind != "record"), records, count, stone is not None, tuple(map(str, missing)))


def _files(study: Path) -> Iterator[tuple[Path, int]]:
    """Every file with its size; folders without any file are given too, since their names count. Links are not followed."""
    for folder, folders, names in os.walk(study):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            info = path.lstat()
            yield path, info.st_size if stat.S_ISREG(info.st_mode) else -1
        if not names and not folders:
            yield Path(folder), -1


def _copies(places: Sequence[Path], participant_id: str, stone: Tombstone | None) -> ImageCopies:
    """Knows the images of the tombstone, and those that are still there."""
    sizes, checks = (dict(stone.images), dict(stone.checks)) if stone else ({}, {})
    for place in places:
        for content in image_contents(place, participant_id):
            sizes[content.sha256], checks[content.sha256] = content.size, content.crc32
    return ImageCopies(dict.fromkeys(sizes, participant_id), sizes, checks)


def _trace(study: Path, path: Path, size: int, label: Label, is_copy: bool) -> Trace | None:
    place = path.relative_to(study).as_posix()
    found = []
    if is_copy:
        found.append("has the content of an image of the person")
    if label.names(place):
        found.append("bears the label")
    if size > 0 and label.is_in_file(path):
        found.append("names the person inside")
    if not found:
        return None
    kept = _record(path.relative_to(study))
    if kept:
        return Trace("record", place, ", ".join(found), kept)
    kind = "image" if "content" in found[0] or is_image(path.name) else "text" if path.suffix.lower() in TEXT else "file"
    return Trace(kind, place, ", ".join(found), "look at it")


def _record(place: Path) -> str:
    if len(place.parts) < 2 or place.parts[0] != FOLDER:
        return ""
    if place.name == SALTS and len(place.parts) == 2:
        return "goes with a withdrawal: the salt of the audit log"
    return RECORDS.get(place.parts[1], "")

"""What a study still holds of somebody: every file, by content and by name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dawson.errors import GovernanceError
from dawson.files import sha256
from dawson.governance.consent import LEDGER, PARTICIPANT
from dawson.governance.ledger import FOLDER
from dawson.governance.mentions import TEXT, Label
from dawson.governance.person_files import image_digests, is_image, quarantine_of, unpacked_digest
from dawson.governance.results import search_places
from dawson.governance.salts import SALTS
from dawson.governance.tombstones import TOMBSTONES, read_tombstones
from dawson.governance.traces import Trace
from dawson.governance.withdrawal import REPORTS

_GZIP_SIZES = 1 << 32
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
    images = dict(stone.images) if stone else {}
    for place in places:
        images |= image_digests(place, participant_id)
    label = Label(participant_id)
    copies = _Copies(images)
    traces: list[Trace] = []
    count = 0
    for place in places:
        for path, size in _files(place):
            count += 1
            trace = _trace(place, path, size, label, copies.has(path, size if size >= 0 else _linked_size(path)))
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


class _Copies:
    """Files that have the bytes of an image, packed or not; only those of the right size are read."""

    def __init__(self, images: dict[str, int]) -> None:
        self._images = images
        self._sizes = frozenset(images.values())
        self._unpacked_sizes = frozenset(size % _GZIP_SIZES for size in self._sizes)

    def has(self, path: Path, size: int) -> bool:
        """Whether a file of this size is one."""
        if size <= 0:
            return False
        if size in self._sizes and sha256(path) in self._images:
            return True
        if path.suffix != ".gz" or _unpacked_size(path, size) not in self._unpacked_sizes:
            return False
        unpacked = unpacked_digest(path)
        return unpacked is not None and unpacked[0] in self._images


def _linked_size(path: Path) -> int:
    """The size of the file to which a link points; -1 where it is no link to a file."""
    return path.stat().st_size if path.is_symlink() and path.is_file() else -1


def _unpacked_size(path: Path, size: int) -> int:
    """What the last four bytes of a gzip file say of the size inside, modulo 2^32 (RFC 1952)."""
    with path.open("rb") as stream:
        stream.seek(max(0, size - 4))
        return int.from_bytes(stream.read(4), "little")


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

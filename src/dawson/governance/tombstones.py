"""What stays of somebody who withdrew: the pseudonym, the day, and digests by which a scan that comes back is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dawson.governance.image_copies import Content, ImageCopies
from dawson.governance.ledger import append_lines, complete_lines, governance_folder
from dawson.governance.records import read_records

TOMBSTONES = "tombstones.jsonl"


class Tombstone(BaseModel):
    """One line of governance/tombstones.jsonl; a person may have several, and they count together.

    Parameters
    ----------
    participant_id : str
        The pseudonym in this study.
    withdrawn_at : datetime
        UTC.
    images : dict of str to int
        SHA-256 of image files that were removed, hexadecimal, to their size in bytes: only a file of that size has to be read to be sure.
    checks : dict of str to int
        SHA-256 of the same to their CRC-32, which a packed file has in its last bytes: only one that says the same has to be unpacked.
    scans : tuple of str
        Keyed codes of what the intake took of the person, by instances and by voxels; without the key they say nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    participant_id: str
    withdrawn_at: datetime
    images: dict[str, int] = Field(default_factory=dict)
    checks: dict[str, int] = Field(default_factory=dict)
    scans: tuple[str, ...] = ()


def read_tombstones(study: Path | str) -> dict[str, Tombstone]:
    """Everybody who withdrew from a study.

    Raises
    ------
    GovernanceError
        The file cannot be read: then nobody's data may be used until it is repaired.
    """
    found: dict[str, Tombstone] = {}
    for stone in read_records(governance_folder(study) / TOMBSTONES, Tombstone):
        earlier = found.get(stone.participant_id)
        if earlier is not None:
            stone = Tombstone(
                participant_id=stone.participant_id,
                withdrawn_at=earlier.withdrawn_at,
                images={**earlier.images, **stone.images},
                checks={**earlier.checks, **stone.checks},
                scans=tuple(dict.fromkeys((*earlier.scans, *stone.scans))),
            )
        found[stone.participant_id] = stone
    return found


def set_tombstone(
    study: Path | str,
    participant_id: str,
    images: Iterable[Content] = (),
    at: datetime | None = None,
    *,
    scans: Iterable[str] = (),
) -> Tombstone:
    """Write that somebody withdrew; what the tombstone has already is not written again.

    Parameters
    ----------
    study : Path or str
    participant_id : str
    images : iterable of Content
        By which the person's images are known again.
    at : datetime, optional
        The moment; now by default.
    scans : iterable of str
        Codes of the intake, see `Tombstone`.

    Returns
    -------
    Tombstone
        As it stands now.
    """
    known = read_tombstones(study).get(participant_id)
    new = [image for image in images if known is None or image.sha256 not in known.images]
    codes = tuple(code for code in dict.fromkeys(scans) if code and (known is None or code not in known.scans))
    if known is not None and not new and not codes:
        return known
    stone = Tombstone(
        participant_id=participant_id,
        withdrawn_at=at or datetime.now(UTC),
        images={image.sha256: image.size for image in new},
        checks={image.sha256: image.crc32 for image in new},
        scans=codes,
    )
    append_lines(governance_folder(study) / TOMBSTONES, [stone.model_dump_json(exclude_defaults=True).encode()])
    return read_tombstones(study)[participant_id]


def withdrawn_images(study: Path | str) -> ImageCopies:
    """Knows the images of everybody who withdrew from a study, under whatever name; read once for those who look at many files."""
    owners: dict[str, str] = {}
    sizes: dict[str, int] = {}
    checks: dict[str, int] = {}
    for name, stone in read_tombstones(study).items():
        owners |= dict.fromkeys(stone.images, name)
        sizes |= stone.images
        checks |= stone.checks
    return ImageCopies(owners, sizes, checks)


def withdrawn_scans(study: Path | str) -> frozenset[str]:
    """Codes of everything that an intake took of people who withdrew."""
    return frozenset(code for stone in read_tombstones(study).values() for code in stone.scans)


def tombstone_state(study: Path | str) -> dict[str, Any]:
    """How many lines the tombstones have and the SHA-256 of them, for the audit log: the file only grows."""
    lines = complete_lines(governance_folder(study) / TOMBSTONES)
    return {"lines": len(lines), "sha256": _digest(lines)}


def missing_tombstones(study: Path | str, states: Iterable[Mapping[str, Any]]) -> list[str]:
    """Where tombstones were changed or taken away by another hand, as sentences without full stop.

    Parameters
    ----------
    study : Path or str
    states : iterable of mapping
        What `tombstone_state` said at each withdrawal, from the audit log.
    """
    lines = complete_lines(governance_folder(study) / TOMBSTONES)
    for state in states:
        count = int(state["lines"])
        if len(lines) < count or _digest(lines[:count]) != state["sha256"]:
            return [f"{TOMBSTONES} is not as a withdrawal left it: of {count} lines some were changed or taken away by another hand"]
    return []


def _digest(lines: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()

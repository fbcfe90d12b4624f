"""What stays of somebody who withdrew: the pseudonym, the day, and digests by which a scan that comes back is recognised."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

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
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    participant_id: str
    withdrawn_at: datetime
    images: dict[str, int] = Field(default_factory=dict)


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
            images = {**earlier.images, **stone.images}
            stone = Tombstone(participant_id=stone.participant_id, withdrawn_at=earlier.withdrawn_at, images=images)
        found[stone.participant_id] = stone
    return found


def set_tombstone(study: Path | str, participant_id: str, images: Mapping[str, int] | None = None, at: datetime | None = None) -> Tombstone:
    """Write that somebody withdrew; digests that the tombstone has already are not written again.

    Returns
    -------
    Tombstone
        As it stands now.
    """
    known = read_tombstones(study).get(participant_id)
    new = {digest: size for digest, size in (images or {}).items() if known is None or digest not in known.images}
    if known is not None and not new:
        return known
    stone = Tombstone(participant_id=participant_id, withdrawn_at=at or datetime.now(UTC), images=new)
    append_lines(governance_folder(study) / TOMBSTONES, [stone.model_dump_json().encode()])
    return read_tombstones(study)[participant_id]


def withdrawn_images(study: Path | str) -> dict[str, str]:
    """SHA-256 of every removed image to the participant who withdrew, read once for those who look at many files."""
    return {digest: name for name, stone in read_tombstones(study).items() for digest in stone.images}


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

"""Consent is recorded: the ledger grows, and the audit log says from which state to which, so that a change by another hand is seen."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from dawson.errors import GovernanceError
from dawson.files import read_json, sha256, write_json
from dawson.governance import audit
from dawson.governance.chain import Event
from dawson.governance.consent import ConsentRecord, ledger_path
from dawson.governance.ledger import append_at_end, complete_lines, locked, mend_last_line
from dawson.governance.roles import refuse_unless_governing
from dawson.governance.tombstones import read_tombstones

CONSENT_EVENT, UNDONE_EVENT = "consent", "consent-undone"


def record_consent(study: Path | str, records: Sequence[ConsentRecord], actor: str | None = None) -> None:
    """Add records to the ledger and an event to the audit log; when this returns both are on the disk.

    Parameters
    ----------
    study : Path or str
    records : sequence of ConsentRecord
        An amendment is a further record of the same person.
    actor : str, optional
        Who records it; by default the user of this machine.

    Raises
    ------
    GovernanceError
        Somebody withdrew for good and consents again under the same pseudonym; the audit log cannot be added to; or the access
        policy does not let the actor govern the study.
    """
    study = Path(study)
    refuse_unless_governing(study, actor)
    stones = read_tombstones(study)
    back = next((record.participant_id for record in records if record.status == "given" and record.participant_id in stones), None)
    if back:
        raise GovernanceError(
            f"{back} withdrew on {stones[back].withdrawn_at.date()}, and the pseudonym stays closed.",
            "Take the person in under a new pseudonym, with a new form.",
        )
    if not records:
        return
    path = ledger_path(study)
    with locked(path) as stream:
        _undo_interrupted(study, stream, actor)
        added = b"".join(record.model_dump_json(exclude_defaults=True).encode() + b"\n" for record in records)
        size = stream.seek(0, os.SEEK_END)
        before, after = ledger_state(path), _state(path.read_bytes() + added)
        write_json(_pending(path), {"size": size, "before": before, "after": after})
        # Inside the lock, so that events stand in the order in which the ledger grew; and first, so that no record is without its event.
        people = (record.participant_id for record in records)
        audit.append(study, CONSENT_EVENT, people, {"records": len(records), "before": before, "after": after}, actor)
        append_at_end(stream, added)
        _pending(path).unlink()


def _pending(path: Path) -> Path:
    return path.with_name(".consent-pending.json")


def _undo_interrupted(study: Path, stream: BinaryIO, actor: str | None) -> None:
    """Take back the part of a write that a crash left in the ledger, of which nobody was told that it was done, and log that."""
    mend_last_line(stream)
    path = ledger_path(study)
    if not _pending(path).is_file():
        return
    pending = read_json(_pending(path))
    if ledger_state(path) != pending["after"]:
        stream.truncate(min(int(pending["size"]), stream.seek(0, os.SEEK_END)))
        audit.append(study, UNDONE_EVENT, (), {"before": pending["after"], "after": ledger_state(path)}, actor)
    _pending(path).unlink()


def ledger_state(path: Path) -> str:
    """SHA-256 of the whole lines of the ledger."""
    return _state(b"".join(line + b"\n" for line in complete_lines(path)))


def _state(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def evidence_digest(path: Path) -> str:
    """SHA-256 of a signed form, which stays where it is.

    Raises
    ------
    GovernanceError
        There is no such file.
    """
    try:
        return sha256(path)
    except OSError as error:
        raise GovernanceError(f"The evidence {path} cannot be read: {error.strerror}.", "Name the file of the signed form.") from None


def unexplained_states(study: Path | str, events: Iterable[Event]) -> tuple[list[str], list[str]]:
    """Where the ledger was changed by another hand.

    Parameters
    ----------
    study : Path or str
    events : iterable of Event
        Of the audit log, all of them.

    Returns
    -------
    list of str
        What another hand changed, sentences without full stop.
    list of str
        What an interrupted write left behind.
    """
    problems, notes = [], []
    last, number = _state(b""), 0
    for event in events:
        before, after = event.detail.get("before"), event.detail.get("after")
        if event.act == UNDONE_EVENT and after == last:
            # The write was interrupted before its own event.
            continue
        if event.act not in (CONSENT_EVENT, UNDONE_EVENT):
            continue
        if before != last:
            problems.append(f"the consent ledger was changed by another hand between events {number} and {event.sequence}")
        last, number = str(after), event.sequence
    path = ledger_path(study)
    if ledger_state(path) != last:
        if _pending(path).is_file():
            notes.append(f"the write of event {number} to the consent ledger was interrupted; the next record takes it back")
        else:
            problems.append(
                f"the consent ledger is not as event {number} left it: records were changed, added or taken away by another hand"
            )
    return problems, notes

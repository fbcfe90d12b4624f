"""Is the audit log as it was written? Every byte of it, its end, and the consent ledger with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dawson.errors import GovernanceError
from dawson.governance.audit import known_head, root_key
from dawson.governance.chain import HEAD, LOG, PUBLIC_KEY, Event, Head, digest, follow
from dawson.governance.consent import read_ledger
from dawson.governance.consent_acts import unexplained_states
from dawson.governance.ledger import governance_folder
from dawson.governance.salts import commitment, read_salts
from dawson.governance.tombstones import missing_tombstones, read_tombstones


@dataclass
class Verified:
    """What was found.

    Parameters
    ----------
    events : list of Event
        Those that are as they were written, up to the first that is not.
    digests : list of str
        SHA-256 of their lines.
    places : list of Head
        Where the log stood before the first of them, and after each.
    problems : list of str
        Sentences without full stop; none: nothing was changed, left out, repeated or swapped.
    notes : list of str
        What an interrupted write left behind, which is no fault.
    """

    events: list[Event] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    places: list[Head] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take(self, line: bytes, event: Event, place: Head) -> None:
        """Add a line that was found to be as it was written."""
        self.events.append(event)
        self.digests.append(digest(line))
        self.places.append(place)


def verify(study: Path | str) -> Verified:
    """Check the audit log of a study from the first line to the signed head, the consent ledger and the tombstones against it.

    What no check at home can find is a log that was put back to an earlier state with its head, or removed: another site's checkpoint
    finds that (see `dawson.governance.checkpoints`).

    Parameters
    ----------
    study : Path or str

    Returns
    -------
    Verified
    """
    folder = governance_folder(study)
    found = Verified()
    if not any((folder / name).exists() for name in (LOG, HEAD, PUBLIC_KEY)):
        found.notes.append("there is no audit log yet")
        _compare_tombstones(study, found)
        return found
    try:
        found.places.append(Head(key=root_key(folder)))
    except GovernanceError as error:
        found.problems.append(error.message.rstrip("."))
        return found
    _walk(folder, found)
    if not found.problems:
        _compare_head(folder, found)
    if not found.problems:
        _compare_ledger(study, found)
        _compare_tombstones(study, found)
    return found


def _walk(folder: Path, found: Verified) -> None:
    content = (folder / LOG).read_bytes() if (folder / LOG).exists() else b""
    *lines, last = content.split(b"\n")
    for line, (event, place) in zip(lines, follow(lines, found.places[0]), strict=False):
        if event is None:
            found.problems.append(f"line {place.count + 1} of {LOG} is not what was written there: changed, left out, repeated or swapped")
            return
        found.take(line, event, place)
    if last:
        found.notes.append(f"{len(last)} bytes of an interrupted write stand at the end; the next event mends that")
        event, place = next(iter(follow([last], found.places[-1])))
        if event is not None:
            found.take(last, event, place)


def _compare_head(folder: Path, found: Verified) -> None:
    count = len(found.events)
    if not (folder / HEAD).exists():
        # The first event of all may have been interrupted before there was a head.
        if count > 1:
            found.problems.append(f"{HEAD} is missing, so events may be missing at the end")
        elif count:
            found.notes.append("the first event was interrupted before its head was written")
        return
    try:
        head = known_head(folder)
    except GovernanceError as error:
        found.problems.append(error.message.rstrip("."))
        return
    if head.count > count:
        found.problems.append(f"the head counts {head.count} events and the log has {count}: the end was cut off")
    elif head != found.places[head.count]:
        found.problems.append(f"{HEAD} does not belong to this log")
    elif head.count < count - 1:
        found.problems.append(f"the head counts {head.count} events and the log has {count}: the head was put back")
    elif head.count < count:
        found.notes.append("the last event was interrupted before its head was written")


def _compare_ledger(study: Path | str, found: Verified) -> None:
    problems, notes = unexplained_states(study, found.events)
    found.problems.extend(problems)
    found.notes.extend(notes)


def _compare_tombstones(study: Path | str, found: Verified) -> None:
    """A tombstone is set before the ledger and the log tell of the withdrawal, and never goes."""
    states = [
        event.detail["tombstones"] for event in found.events if event.act in ("withdraw", "withdrawn") and "tombstones" in event.detail
    ]
    found.problems.extend(missing_tombstones(study, states))
    try:
        stones, latest = read_tombstones(study), read_ledger(study).latest
    except GovernanceError as error:
        found.problems.append(error.message.rstrip("."))
        return
    without = [name for name, record in latest.items() if record.status == "withdrawn" and name not in stones]
    found.problems.extend(f"the consent ledger says that {name} withdrew, and there is no tombstone" for name in without)


def events_of(study: Path | str, participant_id: str, events: list[Event]) -> list[Event]:
    """The events that concern somebody, as long as the person's salt is there; after a withdrawal nobody can tell."""
    salt = read_salts(study).get(participant_id)
    if salt is None:
        return []
    return [event for event in events if commitment(participant_id, salt, event.sequence) in event.people]

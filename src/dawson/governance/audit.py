"""The audit log of a study: every act with people's data, one signed line each, bound to all before.

Order of a write: line, then head. A crash before the line is whole leaves a beginning that the next write cuts off; one between line and
head leaves a whole, signed line more than the head counts, which the next write takes in. Both are valid.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from dawson.errors import GovernanceError
from dawson.governance.chain import HEAD, KEY_CHANGED, LOG, PUBLIC_KEY, Event, Head, event_line, follow, head_bytes, read_head
from dawson.governance.ledger import append_at_end, create_exclusively, governance_folder, locked, replace_durably
from dawson.governance.salts import commitments, salts_for
from dawson.governance.signing import Signer, read_or_make_signer, signer_of

_PARTICIPANT = re.compile(r"sub-[A-Za-z0-9]+")


def append(
    study: Path,
    act: str,
    people: Iterable[str] = (),
    detail: Mapping[str, Any] | None = None,
    actor: str | None = None,
) -> None:
    """Write an act to the audit log; when this returns it is on the disk.

    Parameters
    ----------
    study : Path
    act : str
        What was done, a word or two, such as ``train``.
    people : iterable of str
        participant_id of everybody concerned; the log holds salted commitments in their place.
    detail : mapping, optional
        What else is to be known, as JSON; participants named in its texts are blotted out.
    actor : str, optional
        Who did it; by default the user of this machine.

    Raises
    ------
    GovernanceError
        The log or its head was changed by another hand, so nothing may be added; or the signing key is not here.
    """
    concerned = tuple(dict.fromkeys(people))
    content = _without_names(dict(detail or {}))
    with locked(governance_folder(study) / LOG) as stream:
        head, signer = _ready(study, stream)
        present = read_or_make_signer()
        if present.public != signer.public:
            head = _add(study, stream, head, signer, KEY_CHANGED, (), {"key": present.public}, actor)
            signer = present
        _add(study, stream, head, signer, act, concerned, content, actor)


def _ready(study: Path, stream: BinaryIO) -> tuple[Head, Signer]:
    """The place where the next event goes, after what a crash left behind is mended, and the key that signs it."""
    folder = governance_folder(study)
    path = folder / PUBLIC_KEY
    if not path.exists():
        _refuse_orphans(folder, stream)
        create_exclusively(path, f"{read_or_make_signer().public}\n".encode(), 0o644)
    head = known_head(folder)
    size = stream.seek(0, os.SEEK_END)
    if size < head.size:
        raise _changed(folder / LOG, "is shorter than its head says")
    stream.seek(head.size)
    head, kept = _taken_in(stream.read(), head, folder / LOG)
    if size > kept:
        stream.truncate(kept)
    if kept < head.size:
        append_at_end(stream, b"\n")
    return head, signer_of(head.key)


def _taken_in(tail: bytes, head: Head, path: Path) -> tuple[Head, int]:
    """The head after whole lines that it does not count yet, and how many bytes of the file stay."""
    *lines, last = tail.split(b"\n")
    for event, place in follow(lines, head):
        if event is None:
            raise _changed(path, f"has a line {place.count + 1} that is not what was written")
        head = place
    kept = head.size
    for event, place in follow([last] if last else [], head):
        if event is not None:
            head, kept = place, kept + len(last)
    return head, kept


def known_head(folder: Path) -> Head:
    """The head of a log; where there is no file yet, the beginning.

    Raises
    ------
    GovernanceError
        The file was changed, or is signed by a key that the log does not name.
    """
    start = Head(key=root_key(folder))
    try:
        content = (folder / HEAD).read_bytes()
    except FileNotFoundError:
        return start
    # The head names the key that signs the next event, and is signed by it; that the log names this key is checked by `verify`.
    head = next((head for head in (read_head(content, key) for key in _keys_named(content)) if head), None)
    if head is None:
        raise _changed(folder / HEAD, "is not what was written")
    return head


def _keys_named(content: bytes) -> list[str]:
    return [match.decode() for match in re.findall(rb'"key":"([0-9a-f]{64})"', content)]


def root_key(folder: Path) -> str:
    """The public key, hexadecimal, that signs the first event.

    Raises
    ------
    GovernanceError
    """
    path = folder / PUBLIC_KEY
    try:
        content = path.read_bytes().decode("ascii")
    except FileNotFoundError:
        raise GovernanceError(f"{path} is missing: the audit log cannot be checked.", "Restore it from your backup.") from None
    except UnicodeDecodeError:
        content = ""
    if not re.fullmatch(r"[0-9a-f]{64}\n", content):
        raise _changed(path, "is not what was written")
    return content.strip()


def _refuse_orphans(folder: Path, stream: BinaryIO) -> None:
    if stream.seek(0, os.SEEK_END) or (folder / HEAD).exists():
        raise GovernanceError(f"{folder / PUBLIC_KEY} is missing, and there is an audit log.", "Restore it from your backup.")


def _add(
    study: Path, stream: BinaryIO, head: Head, signer: Signer, act: str, people: tuple[str, ...], detail: dict[str, Any], actor: str | None
) -> Head:
    sequence = head.count + 1
    hidden = commitments(salts_for(study, people), sequence)
    time = datetime.now(UTC).isoformat(timespec="microseconds")
    event = Event(sequence, time, actor or current_user(), act, tuple(hidden), detail, head.link)
    line = event_line(event, signer)
    place = next(place for _, place in follow([line], head))
    append_at_end(stream, line + b"\n")
    next_signer = signer if place.key == signer.public else read_or_make_signer()
    replace_durably(governance_folder(study) / HEAD, head_bytes(place, next_signer))
    return place


def current_user() -> str:
    """The name of the account that runs Dawson."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _without_names(value: Any) -> Any:
    """The same JSON with every participant blotted out; what has no JSON form becomes text."""
    if isinstance(value, str):
        return _PARTICIPANT.sub("sub-*", value)
    if isinstance(value, Mapping):
        return {_without_names(str(name)): _without_names(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_names(item) for item in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and abs(value) < float("inf")):
        return value
    return _without_names(str(value))


def _changed(path: Path, how: str) -> GovernanceError:
    return GovernanceError(f"{path} {how}.", "Nothing is added to it: run `dawson governance audit verify`, and restore your backup.")

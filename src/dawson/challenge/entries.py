"""Entries of a challenge: taken by the rules, kept as they came, each with what was found in it and how it scored."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from dawson.challenge.settings import ChallengeSettings, Phase
from dawson.errors import ChallengeError
from dawson.files import read_json, sha256, write_json

ENTRIES = "entries"
_RECORD = "entry.json"
_TEAM = re.compile(r"[\w][\w .'-]{0,59}")
_OWNER_ONLY = 0o700

State = Literal["received", "refused", "valid", "scored", "failed"]
"""refused: not by the rules of answers, and counts against no quota; failed: scoring broke off, see the reason."""


@dataclass(frozen=True)
class Entry:
    """One answer of a team.

    Parameters
    ----------
    entry_id : str
    team, method : str
    phase : str
    received : str
        Moment in ISO 8601, UTC.
    file : str
        Name that the file is kept under; never the one that the team gave it.
    sha256 : str
    state : State
    reason : str
    reference : bool
        Made by the organiser, ranked out of competition.
    """

    entry_id: str
    team: str
    method: str
    phase: str
    received: str
    file: str
    sha256: str
    state: State = "received"
    reason: str = ""
    reference: bool = False

    @property
    def at(self) -> datetime:
        """Moment at which it came."""
        return datetime.fromisoformat(self.received)


def entry_folder(challenge: Path, entry_id: str) -> Path:
    """Folder of an entry.

    Raises
    ------
    ChallengeError
        The name is none of an entry.
    """
    if not re.fullmatch(r"\d{6}-[0-9a-f]{8}", entry_id):
        raise ChallengeError(f"{entry_id!r} is no entry.", "`dawson challenge rank` lists the entries.")
    return challenge / ENTRIES / entry_id


def take_entry(
    challenge: Path,
    settings: ChallengeSettings,
    file: Path,
    team: str,
    *,
    method: str = "",
    phase: str | None = None,
    reference: bool = False,
    at: datetime | None = None,
) -> Entry:
    """Keep a copy of an answer, if its phase is open and the team has an entry left.

    Parameters
    ----------
    challenge : Path
    settings : ChallengeSettings
    file : Path
        Zip or table, untouched.
    team : str
        Letters, digits, spaces and . ' - , at most 60.
    method : str
        What the team says about it, at most 200 characters.
    phase : str, optional
        By default the one that is open.
    reference : bool
        An entry by the organiser: neither phases nor quotas bind it.
    at : datetime, optional
        The moment; now by default.

    Returns
    -------
    Entry

    Raises
    ------
    ChallengeError
        The phase is closed, the quota is spent, the same file was handed in before, or the file is missing or too large.
    """
    moment = at or datetime.now(UTC)
    if not _TEAM.fullmatch(team):
        raise ChallengeError(f"{team!r} cannot be the name of a team.", "Use letters, digits, spaces and . ' - , at most 60.")
    if len(method) > 200 or not method.isprintable():
        raise ChallengeError("The description of the method is too long or holds what cannot be printed.", "Use 200 characters at most.")
    if not file.is_file():
        raise ChallengeError(f"{file} is no file.", "Give the zip or table of the answer.")
    if file.stat().st_size > settings.limits.entry_mb << 20:
        raise ChallengeError(f"{file} is larger than {settings.limits.entry_mb} MB.", "Write masks as uint8 and pack them.")
    wanted = settings.phase(phase, moment)
    if not reference and not wanted.is_open(moment):
        raise ChallengeError(f"Phase {wanted.name} takes no entries at {moment:%Y-%m-%d %H:%M} UTC.", "See its dates in challenge.toml.")
    with _one_at_a_time(challenge):
        everybodys = read_entries(challenge)
        own = [entry for entry in everybodys if entry.team.casefold() == team.casefold() and entry.phase == wanted.name]
        digest = sha256(file)
        if same := [entry for entry in own if entry.sha256 == digest and entry.state != "refused"]:
            raise ChallengeError(f"{team} handed in the very same file as {same[0].entry_id}.", "Nothing would change.")
        if not reference:
            _refuse_beyond_quota(own, wanted, moment)
        number = 1 + max((int(entry.entry_id.split("-")[0]) for entry in everybodys), default=0)
        entry_id = f"{number:06d}-{secrets.token_hex(4)}"
        name = "answer.zip" if settings.task.answer == "mask" else "answer.csv"
        entry = Entry(
            entry_id, team, method, wanted.name, moment.astimezone(UTC).isoformat(timespec="seconds"), name, digest, reference=reference
        )
        _keep(challenge, entry, file)
    return entry


def read_entries(challenge: Path) -> list[Entry]:
    """All entries, in the order in which they came."""
    folder = challenge / ENTRIES
    records = sorted(folder.glob(f"*/{_RECORD}")) if folder.is_dir() else []
    return [Entry(**read_json(path)) for path in records if not path.parent.name.startswith(".")]


def read_entry(challenge: Path, entry_id: str) -> Entry:
    """One entry.

    Raises
    ------
    ChallengeError
        There is none of this name.
    """
    path = entry_folder(challenge, entry_id) / _RECORD
    if not path.is_file():
        raise ChallengeError(f"There is no entry {entry_id}.", "`dawson challenge rank` lists the entries.")
    return Entry(**read_json(path))


def answer_path(challenge: Path, entry: Entry) -> Path:
    """The answer as it came."""
    return entry_folder(challenge, entry.entry_id) / entry.file


def mark(challenge: Path, entry: Entry, state: State, reason: str = "") -> Entry:
    """Write down what became of an entry."""
    changed = replace(entry, state=state, reason=reason)
    write_json(entry_folder(challenge, entry.entry_id) / _RECORD, asdict(changed))
    return changed


def _refuse_beyond_quota(own: list[Entry], phase: Phase, moment: datetime) -> None:
    counted = [entry for entry in own if entry.state != "refused" and not entry.reference]
    if len(counted) >= phase.quota:
        raise ChallengeError(f"All {phase.quota} entries of phase {phase.name} are used.", "Entries that were refused do not count.")
    today = [entry for entry in counted if moment - entry.at < timedelta(days=1)]
    if len(today) >= phase.quota_per_day:
        next_at = min(entry.at for entry in today) + timedelta(days=1)
        raise ChallengeError(f"{len(today)} entries came within a day.", f"The next one is taken from {next_at:%Y-%m-%d %H:%M} UTC.")


def _keep(challenge: Path, entry: Entry, file: Path) -> None:
    """Whole or not at all: the folder gets its name when everything in it is on the disk."""
    folder = entry_folder(challenge, entry.entry_id)
    staging = folder.with_name(f".{folder.name}")
    staging.mkdir(parents=True, mode=_OWNER_ONLY)
    try:
        shutil.copyfile(file, staging / entry.file)
        if sha256(staging / entry.file) != entry.sha256:
            raise ChallengeError(f"{file} changed while it was copied.", "Hand it in again.")
        with (staging / entry.file).open("rb") as stream:
            os.fsync(stream.fileno())
        write_json(staging / _RECORD, asdict(entry))
        staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


@contextmanager
def _one_at_a_time(challenge: Path) -> Iterator[None]:
    """Two entries at once must not both be the last that the quota allows."""
    folder = challenge / ENTRIES
    folder.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

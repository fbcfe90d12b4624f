"""People in the audit log: only as commitments under a random salt of their own, which is destroyed when they withdraw.

A commitment is HMAC-SHA256 of the number of the event under the salt, cut to 128 bits. Whoever has the salt can tell in which events the
person was; without it, a commitment says nothing about whom it means, nor that two events mean the same person.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from dawson.errors import GovernanceError
from dawson.governance.ledger import append_at_end, governance_folder, locked

SALTS = "salts.tsv"
_SALT_BYTES = 16
_COMMITMENT_DIGITS = 32
_DESTROYED = b"#"
_PRIVATE = 0o600


def salts_path(study: Path | str) -> Path:
    """Where the salts lie: one line a person, participant_id and 32 hexadecimal digits; overwritten in place when destroyed."""
    return governance_folder(study) / SALTS


def read_salts(study: Path | str) -> dict[str, bytes]:
    """The salts of everybody who has one.

    Raises
    ------
    GovernanceError
        The file can be read by others, or a line is damaged.
    """
    path = salts_path(study)
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise GovernanceError(f"{path} can be read by others than its owner.", f"Run: chmod 600 {path}")
    return _parsed(path.read_bytes(), path)


def _parsed(content: bytes, path: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        for line in content.split(b"\n")[:-1]:
            if line and not line.startswith(_DESTROYED):
                name, salt = line.split(b"\t")
                found[name.decode("ascii")] = bytes.fromhex(salt.decode("ascii"))
    except ValueError:
        raise GovernanceError(f"{path} has a damaged line.", "Restore it from your backup, without those who withdrew since.") from None
    return found


def salts_for(study: Path | str, people: Iterable[str]) -> dict[str, bytes]:
    """The salts of these people; who has none gets one, and it is on the disk when this returns."""
    wanted = list(dict.fromkeys(people))
    if not wanted:
        return {}
    salts = read_salts(study)
    if any(person not in salts for person in wanted):
        with locked(salts_path(study), _PRIVATE) as stream:
            end = stream.read().rfind(b"\n") + 1
            # No JSON here, so a line without its end is one that was interrupted.
            stream.truncate(end)
            salts = read_salts(study)
            new = {person: secrets.token_bytes(_SALT_BYTES) for person in wanted if person not in salts}
            append_at_end(stream, b"".join(f"{person}\t{salt.hex()}\n".encode("ascii") for person, salt in new.items()))
            salts |= new
    return {person: salts[person] for person in wanted}


def destroy_salt(study: Path | str, participant_id: str) -> bool:
    """Overwrite a person's line in place and wait for the disk; False where there is none."""
    path = salts_path(study)
    if not path.exists():
        return False
    destroyed = False
    with locked(path, _PRIVATE) as stream:
        offset = 0
        for line in stream.read().split(b"\n"):
            if line.split(b"\t")[0] == participant_id.encode():
                stream.seek(offset)
                stream.write(_DESTROYED * len(line))
                destroyed = True
            offset += len(line) + 1
        stream.flush()
        os.fsync(stream.fileno())
    return destroyed


def commitments(salts: dict[str, bytes], sequence: int) -> list[str]:
    """The commitments of people in one event, sorted, so that their order says nothing.

    Parameters
    ----------
    salts : dict of str to bytes
        participant_id to salt.
    sequence : int
        Number of the event.
    """
    return sorted(commitment(person, salt, sequence) for person, salt in salts.items())


def commitment(participant_id: str, salt: bytes, sequence: int) -> str:
    """What stands for a person in one event, 32 hexadecimal digits."""
    return hmac.new(salt, f"{sequence}:{participant_id}".encode(), hashlib.sha256).hexdigest()[:_COMMITMENT_DIGITS]

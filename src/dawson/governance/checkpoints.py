"""Checkpoints of an audit log, which sites exchange: whoever keeps one can prove later that the log was put back or rewritten.

A checkpoint holds digests of lines and says nothing about people or acts, only how many events there are.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dawson.errors import GovernanceError
from dawson.files import digest_of, write_text
from dawson.governance import audit
from dawson.governance.audit_verify import verify
from dawson.governance.chain import KEY_CHANGED, LOG, PUBLIC_KEY, START, digest, next_link, read_signed, signed
from dawson.governance.ledger import governance_folder
from dawson.governance.signing import signer_of

WITNESSED = "witnessed"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a log at one moment.

    Parameters
    ----------
    study : str
        Name of the data set.
    time : str
        UTC.
    root : str
        Public key that signs the first event, hexadecimal.
    lines : tuple of str
        SHA-256 of every line.
    handovers : tuple of str
        The lines that name a new key, as they stand in the log.
    content : bytes
        The signed file.
    """

    study: str
    time: str
    root: str
    lines: tuple[str, ...]
    handovers: tuple[str, ...]
    content: bytes

    @property
    def chain(self) -> str:
        """What tells this log from every other: the digest of its first line."""
        return self.lines[0]

    @property
    def link(self) -> str:
        """The link of the last line."""
        link = START
        for line in self.lines:
            link = next_link(link, line)
        return link


def make_checkpoint(study: Path | str) -> Checkpoint:
    """The present state of a study's log, signed.

    Raises
    ------
    GovernanceError
        There is no log yet, it is not as it was written, or the signing key is not here.
    """
    found = verify(study)
    if found.problems:
        raise GovernanceError(f"The audit log of {study} is not sound: {found.problems[0]}.", "Run `dawson governance audit verify`.")
    if not found.events:
        raise GovernanceError(f"The audit log of {study} has no events yet.")
    raw = (governance_folder(study) / LOG).read_bytes().split(b"\n")
    handovers = [raw[event.sequence - 1].decode("ascii") for event in found.events if event.act == KEY_CHANGED]
    body = {
        "study": _name(Path(study)),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "root": audit.root_key(governance_folder(study)),
        "lines": found.digests,
        "handovers": handovers,
    }
    return parse_checkpoint(signed(body, signer_of(found.places[-1].key)) + b"\n", "the checkpoint")


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint and check its signature.

    Raises
    ------
    GovernanceError
        It cannot be read or was changed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise GovernanceError(f"{path} cannot be read: {error.strerror}.") from None
    return parse_checkpoint(content, str(path))


def parse_checkpoint(content: bytes, origin: str) -> Checkpoint:
    """A checkpoint from its bytes; see `read_checkpoint`."""
    wrong = GovernanceError(f"{origin} is no checkpoint as it was written.", "Ask the other site for a new one.")
    try:
        body: dict[str, Any] = json.loads(content)["body"]
        key = _last_key(body)
        if read_signed(content.removesuffix(b"\n"), key) is None or not body["lines"]:
            raise wrong
        return Checkpoint(str(body["study"]), str(body["time"]), str(body["root"]), tuple(body["lines"]), tuple(body["handovers"]), content)
    except (ValueError, KeyError, TypeError, IndexError):
        raise wrong from None


def _last_key(body: dict[str, Any]) -> str:
    """The key that signs now: the root, and from it along the lines in which each key names the next."""
    key = str(body["root"])
    for text in body["handovers"]:
        line = str(text).encode("ascii")
        event = read_signed(line, key)
        if event is None or body["lines"][event["sequence"] - 1] != digest(line):
            raise ValueError("a handover is not one of the lines")
        key = str(event["detail"]["key"])
    return key


def disagreement(kept: Checkpoint, lines: list[str] | tuple[str, ...], root: str) -> str:
    """Why a log does not continue a checkpoint, as a sentence without its full stop; empty where it does.

    Parameters
    ----------
    kept : Checkpoint
        The earlier one.
    lines : sequence of str
        Digests of the log's lines.
    root : str
        Its first public key.
    """
    if root != kept.root:
        return "it begins with another key: the log was begun anew"
    if len(lines) < len(kept.lines):
        return f"it has {len(lines)} events and had {len(kept.lines)} on {kept.time}: it was put back"
    differs = next((number for number, (now, then) in enumerate(zip(lines, kept.lines, strict=False), 1) if now != then), None)
    return f"event {differs} is another than on {kept.time}: it was rewritten" if differs else ""


def compare_with(study: Path | str, path: Path) -> str:
    """Why a study's log does not continue a checkpoint that another site kept; empty where it does.

    Raises
    ------
    GovernanceError
        The checkpoint cannot be used.
    """
    kept = read_checkpoint(path)
    folder = governance_folder(study)
    if not (folder / PUBLIC_KEY).is_file():
        return "there is no audit log any more"
    return disagreement(kept, verify(study).digests, audit.root_key(folder))


def witness(study: Path | str, path: Path, label: str = "", actor: str | None = None) -> tuple[Checkpoint, Checkpoint | None]:
    """Keep another site's checkpoint, after comparing it with the one that was kept before.

    Parameters
    ----------
    study : Path or str
        The study that keeps it.
    path : Path
        The other site's checkpoint.
    label : str
        Under which it is kept; by default the name of the other study. Two logs under one label are taken for one that was begun anew.
    actor : str, optional

    Returns
    -------
    Checkpoint
        The new one.
    Checkpoint or None
        The one that was kept before; None the first time.

    Raises
    ------
    GovernanceError
        It was changed, or the other site's log was put back, rewritten or begun anew since.
    """
    new = read_checkpoint(path)
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", label or new.study).strip("-.") or new.chain[:16]
    kept_path = governance_folder(study) / WITNESSED / f"{name}.json"
    kept = read_checkpoint(kept_path) if kept_path.is_file() else None
    problem = disagreement(kept, new.lines, new.root) if kept else ""
    if problem:
        raise GovernanceError(
            f"The audit log of {new.study} does not continue the checkpoint kept as {name}: {problem}.",
            f"Talk to the other site: {kept_path} is proof. If this is another study of that name, keep it under a label of its own.",
        )
    detail = {"study": new.study, "events": len(new.lines), "link": new.link, "chain": new.chain}
    audit.append(Path(study), "witness", (), detail, actor)
    write_text(kept_path, new.content.decode("ascii"))
    return new, kept


def _name(study: Path) -> str:
    """The name of a data set, with a digest of nothing but itself where it has none."""
    try:
        name = json.loads((study / "dataset_description.json").read_text(encoding="utf-8-sig")).get("Name")
    except (OSError, ValueError, AttributeError):
        name = None
    return str(name) if name else f"study {digest_of(study.resolve().name)[:8]}"

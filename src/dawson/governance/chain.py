"""The chain of the audit log as bytes: what a line says, how it is bound to the lines before it, and what the signed head says.

A line is JSON in one fixed form, ``{"body": {...}, "signature": "..."}``. ``body.previous`` is the link of the line before: the link of
line n is SHA-256 of the link of line n-1 followed by SHA-256 of line n. So a change anywhere changes every later link, and whoever knows
only the digests of lines can follow the chain without reading what they say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dawson.governance.signing import Signer, signature_fits

LOG, HEAD, PUBLIC_KEY = "audit.jsonl", "audit-head.json", "audit-key.pub"
START = "0" * 64
KEY_CHANGED = "key-changed"


@dataclass(frozen=True)
class Event:
    """One line of the log."""

    sequence: int
    time: str
    actor: str
    act: str
    people: tuple[str, ...]
    detail: dict[str, Any]
    previous: str


@dataclass(frozen=True)
class Head:
    """Where the log ends: `count` events in `size` bytes, the `link` of the last, and the public `key` that signs the next."""

    count: int = 0
    size: int = 0
    link: str = START
    key: str = ""


def digest(line: bytes) -> str:
    """SHA-256 of a line without its end, hexadecimal."""
    return hashlib.sha256(line).hexdigest()


def next_link(link: str, line_digest: str) -> str:
    """The link of a line from that of the line before and the line's digest."""
    return hashlib.sha256(f"{link}{line_digest}".encode()).hexdigest()


def canonical(content: Any) -> bytes:
    """JSON in the one form that is signed: keys sorted, no blanks, ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def signed(body: dict[str, Any], signer: Signer) -> bytes:
    """A body with its signature, as the bytes that stand in a file."""
    return canonical({"body": body, "signature": signer.sign(canonical(body))})


def read_signed(content: bytes, public: str) -> dict[str, Any] | None:
    """The body of a signed line or file; None where a byte of it is not as it was written or the signature is not by this key."""
    try:
        whole = json.loads(content)
        body, signature = whole["body"], whole["signature"]
        fits = isinstance(body, dict) and canonical(whole) == content and signature_fits(public, signature, canonical(body))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return body if fits else None


def event_line(event: Event, signer: Signer) -> bytes:
    """An event as a signed line without its end."""
    return signed({**vars(event), "people": list(event.people)}, signer)


def head_bytes(head: Head, signer: Signer) -> bytes:
    """The head as a signed file."""
    return signed(dict(vars(head)), signer) + b"\n"


def read_head(content: bytes, public: str) -> Head | None:
    """The head that a file holds; None where it was changed."""
    body = read_signed(content.removesuffix(b"\n"), public) if content.endswith(b"\n") else None
    try:
        return None if body is None else Head(**body)
    except TypeError:
        return None


def follow(lines: Iterable[bytes], head: Head) -> Iterator[tuple[Event | None, Head]]:
    """Walk along lines from a known place.

    Parameters
    ----------
    lines : iterable of bytes
        Without their ends.
    head : Head
        What is known of the lines before.

    Yields
    ------
    Event or None
        None where the line is not what comes next: changed, left out, repeated or swapped. Nothing follows then.
    Head
        The place after the line; before it, where there is no event.
    """
    for line in lines:
        body = read_signed(line, head.key)
        event = _event(body)
        if event is None or event.sequence != head.count + 1 or event.previous != head.link:
            yield None, head
            return
        key = str(event.detail.get("key", "")) if event.act == KEY_CHANGED else head.key
        head = Head(head.count + 1, head.size + len(line) + 1, next_link(head.link, digest(line)), key)
        yield event, head


def _event(body: dict[str, Any] | None) -> Event | None:
    try:
        return None if body is None else Event(**{**body, "people": tuple(body["people"])})
    except (TypeError, KeyError):
        return None

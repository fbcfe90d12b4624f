"""Messages between parties: JSON with a signature. Whoever carries them can neither change nor invent one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawson.errors import EnclaveError
from dawson.files import write_json
from dawson.governance.signing import Signer, signature_fits

FORMAT = "dawson-message-1"
_LARGEST = 20_000_000


def seal(content: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """A message with the signature of whoever writes it."""
    return {"format": FORMAT, "content": dict(content), "key": signer.public, "signature": signer.sign(canonical(content))}


def write_sealed(path: Path, content: Mapping[str, Any], signer: Signer) -> None:
    """Write a message to a file."""
    write_json(path, seal(content, signer))


def read_message(path: Path) -> dict[str, Any]:
    """The message in a file, not yet opened.

    Raises
    ------
    EnclaveError
        There is none, it is too large, or no message.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise EnclaveError(f"{path} is larger than a message may be.")
        message = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnclaveError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise EnclaveError(f"{path} is no message: it is not JSON.", "Ask for it again.") from None
    if not isinstance(message, dict) or set(message) != {"format", "content", "key", "signature"} or message["format"] != FORMAT:
        raise EnclaveError(f"{path} is no message of this version of Dawson.", "Ask for it again, or update Dawson.")
    return message


def opened(message: Mapping[str, Any], key: str, whose: str) -> dict[str, Any]:
    """The content of a message, if it is signed by a key.

    Raises
    ------
    EnclaveError
        The signature is another's, or does not fit.
    """
    content = message.get("content")
    if message.get("key") != key:
        raise EnclaveError(f"A message is not signed by {whose}.", "Ask for their present key, by another way than this message.")
    if not isinstance(content, dict) or not signature_fits(key, str(message.get("signature")), canonical(content)):
        raise EnclaveError(f"A message of {whose} was changed on its way.", "Ask for it again.")
    return content


def canonical(content: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: JSON with sorted names and no blanks; numbers as Python writes them, NaN not allowed."""
    try:
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()
    except ValueError:
        raise EnclaveError("A message holds a value that is no number.") from None

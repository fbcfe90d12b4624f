"""Files of lines that only grow: a line is on the disk before anybody is told so, and a line cut short by a crash is no line."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

FOLDER = "governance"
_BLOCK = 1 << 16


def governance_folder(study: Path | str) -> Path:
    """The folder of a study that holds its consent, access and audit files; it is never exported."""
    return Path(study) / FOLDER


def complete_lines(path: Path) -> list[bytes]:
    """The lines of a ledger without their ends; what an interrupted write left after the last end of line is left out.

    A last line that lacks nothing but its end counts: an editor may have taken that away. No file is an empty ledger.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    *lines, last = content.split(b"\n")
    return [*lines, last] if _is_whole(last) else lines


def _is_whole(line: bytes) -> bool:
    """Whether bytes are a whole JSON object; a beginning of one never is."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def append_lines(path: Path, lines: Sequence[bytes], mode: int = 0o644) -> None:
    """Add lines and wait until they are on the disk; what an interrupted write left behind is cut off first.

    Parameters
    ----------
    path : Path
        Made, with its folder, where it is missing.
    lines : sequence of bytes
        Without their ends.
    mode : int
        Permissions of a new file.
    """
    if any(b"\n" in line for line in lines):
        raise ValueError("a line of a ledger has no end of line inside")
    with locked(path, mode) as stream:
        mend_last_line(stream)
        append_at_end(stream, b"".join(line + b"\n" for line in lines))


@contextmanager
def locked(path: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Open a ledger for reading and writing, alone: other processes wait.

    The lock is on the file itself, which is never replaced, and ends with the process that holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "r+b") as stream:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if is_new:
            sync_folder(path.parent)
        yield stream


def mend_last_line(stream: BinaryIO) -> None:
    """Cut off what an interrupted write left after the last end of line; a line that lacks only its end gets it."""
    end = stream.seek(0, os.SEEK_END)
    kept = end
    while kept > 0:
        start = max(0, kept - _BLOCK)
        stream.seek(start)
        found = stream.read(kept - start).rfind(b"\n")
        if found >= 0:
            kept = start + found + 1
            break
        kept = start
    if kept == end:
        return
    stream.seek(kept)
    if _is_whole(stream.read()):
        append_at_end(stream, b"\n")
    else:
        stream.truncate(kept)


def append_at_end(stream: BinaryIO, content: bytes) -> None:
    """Write at the end of an open ledger and wait for the disk."""
    stream.seek(0, os.SEEK_END)
    stream.write(content)
    stream.flush()
    os.fsync(stream.fileno())


def replace_durably(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace a small file as a whole and wait until both the file and its name are on the disk."""
    temporary = path.with_name(f".part-{secrets.token_hex(6)}-{path.name}")
    try:
        _write_new(temporary, content, mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def create_exclusively(path: Path, content: bytes, mode: int = 0o600) -> bool:
    """Write a new file as a whole unless there is one already; of several processes one wins. True: this call made it."""
    temporary = path.with_name(f".part-{secrets.token_hex(6)}-{path.name}")
    try:
        _write_new(temporary, content, mode)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def _write_new(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

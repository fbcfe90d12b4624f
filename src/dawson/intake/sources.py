"""Files of a folder or zip that somebody else made: every one looked at, none trusted, memory bounded."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from dawson.errors import IntakeError

_MB = 1 << 20
_ZIP_END = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_END = b"PK\x06\x06"
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Limits:
    """How much a source may hold before it is refused.

    Parameters
    ----------
    files : int
        In the whole source.
    depth : int
        Folders within folders.
    file_bytes, total_bytes : int
        Of one file, and of all that a zip unpacks to.
    zip_ratio : float
        Unpacked to packed size of a member; a DICOM file of noise packs 1 to 3, an empty background 20 or more.
    zip_directory_bytes : int
        Of the list of members, which is read at once.
    header_bytes, enhanced_header_bytes : int
        Of what stands before the pixels, in a file of one slice and of a whole volume.
    voxels : int
        Of one file.
    items : int
        Of the sequences in a header.
    packed : tuple of str
        Endings of files that are archives themselves, which are never opened.
    """

    files: int = 500_000
    depth: int = 64
    file_bytes: int = 4096 * _MB
    total_bytes: int = 256 * 1024 * _MB
    zip_ratio: float = 200.0
    zip_directory_bytes: int = 256 * _MB
    header_bytes: int = 8 * _MB
    enhanced_header_bytes: int = 64 * _MB
    voxels: int = 1 << 30
    items: int = 400_000
    packed: tuple[str, ...] = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".iso")


@dataclass(frozen=True)
class Entry:
    """One file of a source.

    Parameters
    ----------
    name : str
        Its path in the source. Names of files may name people: they are shown to the person at the terminal, never kept.
    size : int
        Bytes, unpacked.
    """

    name: str
    size: int


@dataclass(frozen=True)
class Refused:
    """Something in a source that is not read, and why; `reason` names nobody."""

    name: str
    reason: str


class BoundedStream(io.RawIOBase):
    """A stream that never hands out, nor makes room for, more than there is.

    A DICOM header may claim that a value is four gigabytes long; asked for so much, a file object first makes room for it.

    Parameters
    ----------
    stream : binary file
    size : int
        Bytes in it.
    budget : int, optional
        Bytes that may be read in all; more is an EOFError. Seeking costs nothing.
    """

    def __init__(self, stream: IO[bytes], size: int, budget: int | None = None) -> None:
        super().__init__()
        self._stream, self._size, self._left = stream, size, budget
        self._at = stream.tell()

    def read(self, count: int | None = -1) -> bytes:
        """At most `count` bytes, fewer at the end."""
        room = max(0, self._size - self._at)
        wanted = room if count is None or count < 0 else min(count, room)
        if self._left is not None:
            if wanted > self._left:
                raise EOFError("the header is longer than any of a scanner")
            self._left -= wanted
        block = self._stream.read(wanted)
        self._at += len(block)
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, as in any file; places beyond the end are the end."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        target = min(max(0, start + offset), self._size)
        if target != self._at:
            self._stream.seek(target)
            self._at = target
        return self._at

    def tell(self) -> int:
        """Place in the stream."""
        return self._at

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True


class Source:
    """A folder, or a zip that stays packed; use with `open_source`.

    Parameters
    ----------
    path : Path
    limits : Limits
    archive : ZipFile or None
    """

    def __init__(self, path: Path, limits: Limits, archive: zipfile.ZipFile | None) -> None:
        self.path, self.limits = path, limits
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in archive.infolist() if archive is not None else ():
            self._members.setdefault(member.filename, member)

    def entries(self) -> Iterator[Entry | Refused]:
        """Every file, in the order of names within a folder, and what is refused.

        Raises
        ------
        IntakeError
            The source as a whole is beyond the limits.
        """
        found = self._of_folder() if self._archive is None else self._of_zip(self._archive)
        for number, entry in enumerate(found, start=1):
            if number > self.limits.files:
                raise IntakeError(f"{self.path} holds more than {self.limits.files} files.", "Take it in by parts.")
            yield entry

    @contextmanager
    def open(self, entry: Entry, budget: int | None = None) -> Iterator[BoundedStream]:
        """The bytes of one file.

        Raises
        ------
        OSError, zipfile.BadZipFile
            It cannot be read, or is not what it was when it was listed.
        """
        if self._archive is None:
            # O_NOFOLLOW and the second look at its kind: it may have been exchanged since it was listed.
            handle = os.open(self.path / entry.name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(handle, "rb") as stream:
                kind = os.fstat(stream.fileno())
                if not stat.S_ISREG(kind.st_mode):
                    raise OSError("it is no regular file any more")
                yield BoundedStream(stream, min(kind.st_size, self.limits.file_bytes), budget)
        else:
            # By the member itself: of two of one name, the name would give the other one.
            member = self._members.get(entry.name)
            if member is None or member.file_size != entry.size:
                raise OSError("the zip is not what it was when it was listed")
            with self._archive.open(member) as packed:
                yield BoundedStream(packed, entry.size, budget)

    def _of_folder(self) -> Iterator[Entry | Refused]:
        waiting = [(self.path, 0)]
        while waiting:
            folder, depth = waiting.pop()
            below = []
            try:
                with os.scandir(folder) as listed:
                    items = sorted(listed, key=lambda item: item.name)
            except OSError:
                yield Refused(_shown(folder, self.path), "a folder that cannot be opened")
                continue
            for item in items:
                name = _shown(Path(item.path), self.path)
                if item.is_symlink():
                    yield Refused(name, "a symbolic link; links are not followed")
                elif item.is_dir(follow_symlinks=False):
                    if depth >= self.limits.depth:
                        yield Refused(name, f"a folder more than {self.limits.depth} deep")
                    else:
                        below.append((Path(item.path), depth + 1))
                elif not item.is_file(follow_symlinks=False):
                    yield Refused(name, "no regular file (a pipe, socket or device)")
                else:
                    size = item.stat(follow_symlinks=False).st_size
                    refusal = _unwanted(item.name, size, self.limits)
                    yield Refused(name, refusal) if refusal else Entry(name, size)
            waiting += reversed(below)

    def _of_zip(self, archive: zipfile.ZipFile) -> Iterator[Entry | Refused]:
        total, seen = 0, set()
        for member in sorted(archive.infolist(), key=lambda item: item.filename):
            if member.is_dir():
                continue
            name = member.filename
            refusal = _unsafe_member(member, self.limits) or _unwanted(PurePosixPath(name).name, member.file_size, self.limits)
            if not refusal and name in seen:
                refusal = "a second file of the same name in the zip"
            seen.add(name)
            if refusal:
                yield Refused(name, refusal)
                continue
            total += member.file_size
            if total > self.limits.total_bytes:
                raise IntakeError(f"{self.path} would unpack to more than {self.limits.total_bytes / 1e9:.0f} GB.", "Take it in by parts.")
            yield Entry(name, member.file_size)


@contextmanager
def open_source(path: Path | str, limits: Limits = Limits()) -> Iterator[Source]:
    """Open a folder or a zip for reading; nothing is unpacked.

    Parameters
    ----------
    path : Path or str
    limits : Limits

    Raises
    ------
    IntakeError
        It is neither, or the zip is broken or beyond the limits.
    """
    path = Path(path).absolute()
    if path.is_dir():
        yield Source(path, limits, None)
        return
    if not path.is_file():
        raise IntakeError(f"{path} does not exist.", "Give the folder or zip of the DICOM files.")
    if not zipfile.is_zipfile(path):
        raise IntakeError(f"{path} is neither a folder nor a zip.", "Unpack it, and give the folder.")
    _check_directory(path, limits)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise IntakeError(f"{path} cannot be read as a zip: {error}.", "Ask for it again, or unpack it with another program.") from None
    with archive:
        yield Source(path, limits, archive)


def _check_directory(path: Path, limits: Limits) -> None:
    """Refuse a zip whose list of members alone would fill the memory; zipfile reads it as a whole."""
    with path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - (1 << 16) - 64))
        tail = stream.read()
        at = tail.rfind(_ZIP_END)
        if at < 0 or len(tail) < at + 20:
            raise IntakeError(f"{path} cannot be read as a zip: it has no list of members.", "Ask for it again.")
        count, length = struct.unpack("<HL", tail[at + 10 : at + 16])
        locator = tail.rfind(_ZIP64_LOCATOR, 0, at)
        if locator >= 0 and len(tail) >= locator + 16:
            stream.seek(struct.unpack("<Q", tail[locator + 8 : locator + 16])[0] if size else 0)
            end = stream.read(56)
            if end.startswith(_ZIP64_END) and len(end) == 56:
                count, length = struct.unpack("<QQ", end[32:48])
    if length > limits.zip_directory_bytes or count > limits.files:
        raise IntakeError(f"{path} lists {count} members, more than may be taken in at once.", "Take it in by parts.")


def _unsafe_member(member: zipfile.ZipInfo, limits: Limits) -> str:
    """Why a member of a zip is not touched; empty where it may be read."""
    name = member.filename
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or (len(name) > 1 and name[1] == ":"):
        return "a name in the zip that leads out of it"
    if len(parts.parts) > limits.depth:
        return f"a folder more than {limits.depth} deep"
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "a symbolic link; links are not followed"
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "no regular file (a pipe, socket or device)"
    if member.flag_bits & _ENCRYPTED:
        return "a member of the zip that is locked by a password"
    if member.file_size > _MB and member.file_size > limits.zip_ratio * max(1, member.compress_size):
        return f"a member of the zip that unpacks to more than {limits.zip_ratio:.0f} times its size"
    return ""


def _unwanted(name: str, size: int, limits: Limits) -> str:
    if name.upper() == "DICOMDIR":
        return "a DICOMDIR; the files are read themselves"
    if size > limits.file_bytes:
        return f"a file of more than {limits.file_bytes / 1e9:.0f} GB"
    if size == 0:
        return "an empty file"
    if name.lower().endswith(limits.packed):
        return "an archive within the source; give it by itself"
    return ""


def _shown(path: Path, root: Path) -> str:
    return os.fspath(path.relative_to(root))

"""Images known again by their content: the same bytes under another name, packed anew or unpacked."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

_BLOCK = 1 << 20
# The size in a gzip file counts modulo 2^32 (RFC 1952).
_SIZES = 1 << 32
_TRAILER = 8
# Behind the header of a NIfTI or NumPy file.
_VOXELS_BEGIN = 512


@dataclass(frozen=True)
class Content:
    """What tells the content of a file from any other.

    Parameters
    ----------
    sha256 : str
    size : int
        Bytes.
    crc32 : int
        As the last bytes of a gzip file say it of what is inside.
    blank : bool
        Behind where a header ends it is one byte again and again: an empty mask, of which many people have the very same.
    """

    sha256: str
    size: int
    crc32: int
    blank: bool


def contents_of(path: Path) -> Iterator[Content]:
    """The content of a file, and of a packed one also what is inside."""
    with path.open("rb") as stream:
        packed = _content(stream)
    inside = _inside(path) if path.suffix == ".gz" else None
    # Packed anew nothing of it is one byte; that its inside is blank makes it blank.
    yield packed if inside is None else Content(packed.sha256, packed.size, packed.crc32, inside.blank)
    if inside is not None:
        yield inside


def _inside(path: Path) -> Content | None:
    """The content of what a gzip file holds; None where it is none."""
    try:
        with gzip.open(path) as stream:
            return _content(cast("IO[bytes]", stream))
    except (OSError, EOFError, zlib.error):
        return None


def _content(stream: IO[bytes]) -> Content:
    digest, size, crc, sign, blank = hashlib.sha256(), 0, 0, b"", True
    while block := stream.read(_BLOCK):
        digest.update(block)
        crc = zlib.crc32(block, crc)
        voxels = block[max(0, _VOXELS_BEGIN - size) :]
        size += len(block)
        if voxels and blank:
            sign = sign or voxels[:1]
            blank = voxels.count(sign) == len(voxels)
    return Content(digest.hexdigest(), size, crc, blank and bool(sign))


class ImageCopies:
    """Tells whose image a file is, by its bytes or by those inside; only what can be one by its size is read.

    Parameters
    ----------
    owners : mapping of str to str
        SHA-256 of an image to the participant whose it was.
    sizes : mapping of str to int
        SHA-256 to size in bytes.
    checks : mapping of str to int
        SHA-256 to CRC-32: with it a packed file is unpacked only where its last bytes say the same; without, where the size inside fits.
    """

    def __init__(self, owners: Mapping[str, str], sizes: Mapping[str, int], checks: Mapping[str, int]) -> None:
        self._owners = dict(owners)
        self._sizes = frozenset(sizes[digest] for digest in owners)
        self._trailers = frozenset((checks[digest], sizes[digest] % _SIZES) for digest in owners if digest in checks)
        self._unchecked = frozenset(sizes[digest] % _SIZES for digest in owners if digest not in checks)

    def __bool__(self) -> bool:
        """Whether there is any image to look for."""
        return bool(self._owners)

    def whose(self, path: Path) -> str:
        """The participant whose image a file is, a link's original counting as the file; empty where it is nobody's.

        Raises
        ------
        OSError
            The file cannot be read.
        """
        if not self or not path.is_file():
            return ""
        size = path.stat().st_size
        if size <= 0:
            return ""
        if size in self._sizes:
            with path.open("rb") as stream:
                if owner := self._owners.get(_content(stream).sha256):
                    return owner
        if path.suffix != ".gz" or size <= _TRAILER or not self._may_hold(path, size):
            return ""
        inside = _inside(path)
        return self._owners.get(inside.sha256, "") if inside is not None else ""

    def _may_hold(self, path: Path, size: int) -> bool:
        with path.open("rb") as stream:
            stream.seek(size - _TRAILER)
            trailer = stream.read(_TRAILER)
        check, inside = int.from_bytes(trailer[:4], "little"), int.from_bytes(trailer[4:], "little")
        return (check, inside) in self._trailers or inside in self._unchecked

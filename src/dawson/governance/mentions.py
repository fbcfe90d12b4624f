"""Where a participant is named: as a whole label, in file names, in text, and inside arrays."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO

TEXT = {".json", ".jsonl", ".tsv", ".csv", ".txt", ".md", ".html", ".htm", ".svg", ".toml", ".yaml", ".yml", ".log", ".xml", ".xhtml", ""}
TABLES = {".tsv", ".csv"}
PAGES = {".html", ".htm"}
# How much of an unpacked image is read: the header of a NIfTI and its extensions, where descriptions stand.
_HEADER_BYTES = 1 << 16
_BLOCK = 1 << 20
_BLOTTED = b"sub-withdrawn"


class Label:
    """A participant's label, as it is looked for.

    Parameters
    ----------
    participant_id : str
        ``sub-01`` is not found in ``sub-011``, nor in ``Xsub-01``.
    """

    def __init__(self, participant_id: str) -> None:
        self.participant_id = participant_id
        self._plain = participant_id.encode("ascii")
        # Text arrays of numpy hold four bytes for a letter.
        self._wide = participant_id.encode("utf-32-le")
        self._pattern = re.compile(rb"(?<![A-Za-z0-9])" + re.escape(self._plain) + rb"(?![A-Za-z0-9])")

    def is_in(self, content: bytes) -> bool:
        """Whether bytes name the participant, as ASCII or as UTF-32."""
        if self._plain in content and self._pattern.search(content):
            return True
        start = content.find(self._wide)
        while start >= 0:
            end = start + len(self._wide)
            following = content[end : end + 4]
            if len(following) < 4 or following[1:] != b"\0\0\0" or not chr(following[0]).isalnum():
                return True
            start = content.find(self._wide, end)
        return False

    def names(self, file_name: str) -> bool:
        """Whether a file or folder name has the label in it."""
        return self.is_in(file_name.encode("utf-8", "surrogateescape"))

    def blotted(self, content: bytes) -> bytes:
        """The content with the label replaced."""
        return self._pattern.sub(_BLOTTED, content)

    def is_in_file(self, path: Path) -> bool:
        """Whether a file names the participant inside: text as a whole, archives and arrays member by member, images in their header."""
        suffix = path.suffix.lower()
        try:
            if suffix in (".npz", ".zip"):
                return self._is_in_archive(path)
            if suffix == ".gz":
                with gzip.open(path) as stream:
                    return self.is_in(stream.read(_HEADER_BYTES))
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            # No archive after all: its bytes are looked at as they are.
            return self._is_in_bytes(path)
        if suffix == ".nii":
            with path.open("rb") as stream:
                return self.is_in(stream.read(_HEADER_BYTES))
        if suffix == ".npy":
            with path.open("rb") as stream:
                return self._is_in_array(stream)
        return self._is_in_bytes(path)

    def _is_in_archive(self, path: Path) -> bool:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if self.names(member.filename):
                    return True
                with archive.open(member) as stream:
                    if self._is_in_array(stream) if member.filename.endswith(".npy") else self._is_in_stream(stream):
                        return True
        return False

    def _is_in_array(self, stream: IO[bytes]) -> bool:
        """Text element by element, since texts of one length stand side by side without anything between; numbers name nobody."""
        import numpy as np
        from numpy.lib import format as npy

        start = stream.tell()
        try:
            version = npy.read_magic(stream)
            _, _, kind = npy.read_array_header_1_0(stream) if version == (1, 0) else npy.read_array_header_2_0(stream)
            if kind.kind in "biufcmM":
                return False
            if kind.kind in "US":
                stream.seek(start)
                words = np.char.encode(np.load(stream, allow_pickle=False).astype(str), "utf-8").ravel().tolist()
                return any(self.is_in(word) for word in words)
        except ValueError:
            pass
        # Structured arrays, objects, and what is no array after all.
        stream.seek(start)
        return self._is_in_stream(stream)

    def _is_in_bytes(self, path: Path) -> bool:
        with path.open("rb") as stream:
            return self._is_in_stream(stream)

    def _is_in_stream(self, stream: IO[bytes]) -> bool:
        rest = b""
        while block := stream.read(_BLOCK):
            # The end of a block is kept for the next: a label may lie across.
            if self.is_in(rest + block):
                return True
            rest = block[-len(self._wide) - 4 :]
        return False

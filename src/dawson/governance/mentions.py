"""Where a participant is named: as a whole label, in file names, in text, and inside arrays."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO, cast

TEXT = {".json", ".jsonl", ".tsv", ".csv", ".txt", ".md", ".html", ".htm", ".svg", ".toml", ".yaml", ".yml", ".log", ".xml", ".xhtml", ""}
TABLES = {".tsv", ".csv"}
PACKED = {".gz", ".tgz"}
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
        self._bare = participant_id.removeprefix("sub-").encode("ascii")
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

    def is_cell(self, cell: bytes) -> bool:
        """Whether a cell of a participant_id column is the participant's: with the prefix ``sub-``, or the label alone."""
        return self.is_in(cell) or cell.strip().strip(b'"').strip() == self._bare

    def is_row(self, line: bytes, column: int | None, delimiter: bytes) -> bool:
        """Whether a row of a table is the participant's, by the column of participant_id."""
        if column is None:
            return False
        cells = line.split(delimiter)
        return column < len(cells) and self.is_cell(cells[column])

    def is_in_table(self, path: Path) -> bool:
        """Whether a table has a row of the participant by its participant_id column."""
        delimiter = delimiter_of(path)
        with path.open("rb") as lines:
            column = participant_column(next(lines, b""), delimiter)
            return column is not None and any(self.is_row(line, column, delimiter) for line in lines)

    def blotted(self, content: bytes) -> bytes:
        """The content with the label replaced."""
        return self._pattern.sub(_BLOTTED, content)

    def is_in_file(self, path: Path) -> bool:
        """Whether a file names the participant inside: text as a whole, archives and arrays member by member, images in their header.

        Whatever begins as a zip file does is an archive; what is packed with gzip is unpacked on the way, block by block.
        """
        suffix = path.suffix.lower()
        try:
            if _is_zip(path):
                return self._is_in_archive(path)
            if suffix in PACKED:
                with gzip.open(path) as stream:
                    is_image = path.name.lower().endswith(".nii.gz")
                    return self.is_in(stream.read(_HEADER_BYTES)) if is_image else self._is_in_stream(cast(IO[bytes], stream))
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            # No archive after all: its bytes are looked at as they are.
            return self._is_in_bytes(path)
        if suffix in TABLES and self.is_in_table(path):
            return True
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
            rest = (rest + block)[-len(self._wide) - 4 :]
        return False


def delimiter_of(path: Path) -> bytes:
    """What stands between the cells of a table, by its name."""
    return b"\t" if path.suffix.lower() == ".tsv" else b","


def participant_column(header: bytes, delimiter: bytes) -> int | None:
    """Which column is participant_id; None where there is none."""
    names = [name.strip().strip(b'"') for name in header.removeprefix(b"\xef\xbb\xbf").split(delimiter)]
    return names.index(b"participant_id") if b"participant_id" in names else None


def participants_in(path: Path) -> set[str]:
    """Everybody whom the participant_id column of a table names; nobody where it has none."""
    delimiter = delimiter_of(path)
    with path.open("rb") as lines:
        column = participant_column(next(lines, b"").rstrip(b"\r\n"), delimiter)
        if column is None:
            return set()
        cells = (line.rstrip(b"\r\n").split(delimiter) for line in lines)
        return {row[column].decode("utf-8") for row in cells if column < len(row)}


def _is_zip(path: Path) -> bool:
    """Whether a file is a zip container by its first bytes: npz, xlsx, docx and zip are."""
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")

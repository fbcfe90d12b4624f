"""Copying a NIfTI file without what its headers may say about a person: free text, extensions, the compressor's file name and time."""

from __future__ import annotations

import gzip
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dawson.errors import ImageError
from dawson.files import atomic_path

_HEADER_BYTES = 348
_VOXELS_AT = 352
# data_type, db_name; descrip and aux_file; the rest of the header is numbers, but for intent_name.
_TEXT_FIELDS = ((4, 14), (14, 32), (148, 228), (228, 252), (328, 344))
_SINGLE_FILE = (b"n+1\0",)
_CHUNK = 1 << 22


def copy_nifti(source: Path, target: Path) -> bool:
    """Copy an image; text fields are emptied and extensions left out, voxels and geometry stay as they are.

    A file that has nothing of the kind is copied byte for byte. Text fields of NIfTI hold the time of the scan where dcm2niix
    wrote them, and whatever other programs put there; extensions hold whole DICOM headers; gzip keeps a file name.

    Parameters
    ----------
    source, target : Path
        .nii or .nii.gz, NIfTI-1 in a single file.

    Returns
    -------
    bool
        Whether something had to be taken out.

    Raises
    ------
    ImageError
        The file is damaged or no such NIfTI.
    """
    packed = source.name.endswith(".gz")
    try:
        with gzip.open(source) if packed else source.open("rb") as stream:
            header = stream.read(_HEADER_BYTES)
            order = _byte_order(source, header)
            extended = stream.read(4)
            start = int(struct.unpack_from(order + "f", header, 108)[0])
            texts = any(header[low:high].strip(b"\0") for low, high in _TEXT_FIELDS)
            if not texts and start <= _VOXELS_AT and extended[:1] in (b"", b"\0") and not (packed and _gzip_says_more(source)):
                with atomic_path(target) as temporary:
                    shutil.copyfile(source, temporary)
                return False
            stream.seek(max(start, _VOXELS_AT))
            clean = bytearray(header)
            for low, high in _TEXT_FIELDS:
                clean[low:high] = bytes(high - low)
            struct.pack_into(order + "f", clean, 108, float(_VOXELS_AT))
            with atomic_path(target) as temporary, _opened(temporary, packed) as out:
                out.write(bytes(clean) + bytes(4))
                while block := stream.read(_CHUNK):
                    out.write(block)
            return True
    except (OSError, EOFError, zlib.error, struct.error) as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, gzip.BadGzipFile):
            raise
        raise ImageError(source, f"cannot be copied: {error}", "Replace the file; `dawson cohort validate` checks all of them.") from None


@contextmanager
def _opened(path: Path, packed: bool) -> Iterator[IO[bytes]]:
    """A file to write to, packed without a name and a time."""
    with path.open("wb") as raw:
        if not packed:
            yield raw
            return
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as out:
            yield out  # type: ignore[misc]


def _byte_order(source: Path, header: bytes) -> str:
    if len(header) == _HEADER_BYTES and header[344:348] in _SINGLE_FILE:
        for order in "<>":
            if struct.unpack_from(order + "i", header)[0] == _HEADER_BYTES:
                return order
    raise ImageError(source, "is no single-file NIfTI-1 image", "Convert it, for example with nibabel, or leave it out.")


def _gzip_says_more(source: Path) -> bool:
    """Whether the gzip header holds a file name, a comment, extra fields or a time."""
    with source.open("rb") as stream:
        start = stream.read(8)
    return len(start) < 8 or bool(start[3] & 0x1C) or start[4:8] != bytes(4)

"""dcm2niix at arm's length: bounded in memory and time, its names and comments taken off what it writes."""

from __future__ import annotations

import gzip
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.errors import IntakeError, MissingDependencyError
from dawson.files import read_json

_MINUTES = 20
_MEMORY_BYTES = 16 << 30
# NIfTI-1 fields of free text: data_type, db_name, descrip (dcm2niix puts the time of day there), aux_file, intent_name.
_TEXTS = ((4, 14), (14, 32), (148, 228), (228, 252), (328, 344))
_HEADER_BYTES = 348
_DATA_BEGINS = 352


class SeriesError(IntakeError):
    """A series that cannot be taken in, on its way; the message names nobody, since it stands in the study's record.

    Parameters
    ----------
    message : str
    fix : str
    held : bool
        A person may make something of it; else it is rejected.
    """

    def __init__(self, message: str, fix: str = "", *, held: bool = False) -> None:
        super().__init__(message, fix)
        self.held = held


@dataclass(frozen=True)
class Converted:
    """An image as dcm2niix makes it, without any text.

    Parameters
    ----------
    image : Path
        `.nii.gz`.
    sidecar : dict
        As dcm2niix wrote it; not yet cleaned.
    """

    image: Path
    sidecar: dict[str, Any]


def dcm2niix_path() -> str:
    """Path of the program.

    Raises
    ------
    MissingDependencyError
        The intake extra is not installed.
    """
    try:
        import dcm2niix  # type: ignore[import-untyped]
    except ImportError:
        raise MissingDependencyError("Intake needs dcm2niix.", "pip install 'dawson[intake]'") from None
    return str(dcm2niix.bin)


def convert(dicom: Path, out: Path, name: str) -> Converted:
    """Convert the de-identified files of one series.

    Parameters
    ----------
    dicom : Path
        Folder of nothing else.
    out : Path
        Empty folder for what the program writes; the result stays there.
    name : str
        File name of the result without extension.

    Raises
    ------
    SeriesError
        The program fails or complains, or makes none or several images.
    """
    # -g i: no settings of the user's; -x i: the voxels as the scanner ordered them; -ba y: no dates and names in the JSON.
    command = [
        dcm2niix_path(),
        *["-g", "i", "-b", "y", "-ba", "y", "-z", "n", "-x", "i", "-w", "2", "-d", "0", "-f", "image", "-o"],
        str(out),
        str(dicom),
    ]
    try:
        done = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "HOME": str(out)},
        )
        _bound(done.pid)
        code = done.wait(timeout=60 * _MINUTES)
    except subprocess.TimeoutExpired:
        done.kill()
        done.wait()
        raise SeriesError(f"dcm2niix did not end within {_MINUTES} minutes.", "Take this series in by itself, or leave it out.") from None
    images = sorted(out.glob("*.nii"))
    # Any complaint counts: an image that the program itself is not sure of is none to measure.
    if code != 0 or not images:
        raise SeriesError(f"dcm2niix could not convert it (it ended with {code}).", "Export the series again.")
    if len(images) > 1:
        raise SeriesError(f"dcm2niix makes {len(images)} images of it, not one.", "Export each image as a series of its own.")
    sidecar = images[0].with_suffix(".json")
    content = read_json(sidecar) if sidecar.is_file() else {}
    image = out / f"{name}.nii.gz"
    _without_text(images[0], image)
    for left in (*images, sidecar):
        left.unlink(missing_ok=True)
    return Converted(image, content if isinstance(content, dict) else {})


def _bound(pid: int) -> None:
    """No more memory than a large study needs, whatever the files make the program ask for."""
    try:
        import resource

        resource.prlimit(pid, resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    except (ImportError, AttributeError, OSError):
        return


def _without_text(source: Path, target: Path) -> None:
    """Copy a NIfTI file, its texts and extensions blank, packed without a time: equal images are equal files."""
    content = bytearray(source.read_bytes())
    if len(content) < _DATA_BEGINS or int.from_bytes(content[:4], "little") != _HEADER_BYTES:
        raise SeriesError("dcm2niix wrote no NIfTI-1 file.", "Install the version of dcm2niix that Dawson asks for.")
    for start, stop in _TEXTS:
        content[start:stop] = bytes(stop - start)
    begins = int(_single(content[108:112]))
    content[_HEADER_BYTES:begins] = bytes(max(0, begins - _HEADER_BYTES))
    with target.open("wb") as stream, gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=4, mtime=0) as packed:
        packed.write(content)


def _single(four: bytes | bytearray) -> float:
    import struct

    return float(struct.unpack("<f", four)[0])

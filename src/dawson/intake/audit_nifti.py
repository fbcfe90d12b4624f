"""Searching a NIfTI file: the text of its header, its header extensions, and the face."""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Sequence
from pathlib import Path

from dawson.intake.audit_text import looks_pseudonymous
from dawson.intake.findings import Finding, Findings, Severity, masked
from dawson.intake.identifiers import Identifiers

LARGEST_HEADER = 4 << 20
SMALLEST_HEAD = 16
LARGEST_IMAGE = 1 << 29
_NO_HEAD = re.compile(r"(?i)_(mask|dseg|probseg|xfm|regressors|label\w*)\.nii(\.gz)?$")
# What programs write into `descrip`: no free text of a person.
_PROGRAMS = re.compile(
    r"(?i)(FSL|FreeSurfer|SPM|ANTs|ITK|AFNI|nibabel|nilearn|dcm2nii|TE=|5\.0|6\.0|Philips|GE|Siemens|MR(trix|icron)|TRACULA|simulated|greedy|TORCHIO)"
)
# FreeSurfer writes the day that it was built.
_BUILD = re.compile(r"FreeSurfer [A-Z][a-z]{2} +\d{1,2} \d{4}")
# dcm2niix writes the time of day; one cut to the hour tells nothing.
_CLOCK = re.compile(r"Time=(?!\d\d0000(\.0*)?\b)\d")
_FIX = "Empty the field, or write the image again."


def search_nifti(path: Path, known: Identifiers, found: Findings, faces: bool) -> None:
    """Search a NIfTI file (`.nii`, `.nii.gz`); only the first 4 MB are read, the whole image only to look for a face."""
    import nibabel as nib

    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
            start = stream.read(LARGEST_HEADER)
        two = start[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c")
        header = (nib.Nifti2Header if two else nib.Nifti1Header)(start[: 540 if two else 348], check=False)
        end = min(int(float(header["vox_offset"])), len(start))
        shape = [int(size) for size in header["dim"][1 : 1 + max(0, min(int(header["dim"][0]), 7))]]
    except Exception as error:  # Broken gzip streams and headers raise every kind; each is a finding, none stops the search.
        found.add(Finding(path, "", "unread", type(error).__name__, "low", "It cannot be read as NIfTI; look at it by hand."))
        return
    for field in ("descrip", "aux_file", "intent_name", *(() if two else ("db_name", "data_type"))):
        _search_field(path, field, bytes(header[field].tobytes()).split(b"\0")[0].decode("latin-1").strip(), known, found)
    _search_extensions(path, start[540 if two else 348 : end], "<" if header.endianness == "<" else ">", known, found)
    if faces and looks_like_a_head(path.name, shape):
        _search_face(path, found)


def _search_field(path: Path, field: str, text: str, known: Identifiers, found: Findings) -> None:
    where = f"NIfTI header, {field}"
    if not text:
        return
    if field == "descrip" and _BUILD.fullmatch(text):
        return
    if known.inside(text):
        found.add(Finding(path, where, "name", masked(text), "high", _FIX), text)
    elif field == "descrip" and _CLOCK.search(text):
        found.add(Finding(path, where, "date", masked(text), "low", _FIX), text)
    elif field == "intent_name" or (field == "descrip" and _PROGRAMS.match(text)) or looks_pseudonymous(text):
        return
    else:
        found.add(Finding(path, where, "description", masked(text), "medium", _FIX), text)


def _search_extensions(path: Path, content: bytes, order: str, known: Identifiers, found: Findings) -> None:
    """NIfTI-1 extensions: a flag of four bytes, then blocks of size, code and content."""
    if len(content) < 12 or content[0] == 0:
        return
    place, byte_order = 4, "little" if order == "<" else "big"
    while place + 8 <= len(content):
        size, code = (int.from_bytes(content[place + at : place + at + 4], byte_order) for at in (0, 4))  # type: ignore[arg-type]
        if size < 8:
            break
        text = content[place + 8 : place + size].decode("latin-1")
        kind = {2: "DICOM header", 4: "AFNI", 6: "comment", 18: "program"}.get(code, f"code {code}")
        severity: Severity = "high" if code == 2 or known.inside(text[:65536]) else "medium"
        found.add(
            Finding(path, f"NIfTI extension ({kind})", "comment", masked(text), severity, "Write the image again without extensions."), text
        )
        place += size


def looks_like_a_head(name: str, shape: Sequence[int]) -> bool:
    """Whether a face could be in an image: three dimensions of some size, and no mask or label map by its name."""
    large = len(shape) >= 3 and min(shape[:3]) >= SMALLEST_HEAD and max(shape[3:], default=1) <= 1
    return large and math.prod(shape) <= LARGEST_IMAGE and not _NO_HEAD.search(name)


def _search_face(path: Path, found: Findings) -> None:
    from dawson.imaging.face import FACE_IS_THERE, face_present
    from dawson.imaging.volumes import read_volume

    try:
        share = face_present(read_volume(path))
    except Exception as error:  # Whatever is wrong with an image, its face could not be looked for.
        found.add(Finding(path, "image", "unread", type(error).__name__, "low", "The face could not be looked for; look at the picture."))
        return
    if share >= FACE_IS_THERE:
        found.add(Finding(path, "image", "face", "a face", "high", "Deface it: `dawson intake`, or another tool, before it is shared."))

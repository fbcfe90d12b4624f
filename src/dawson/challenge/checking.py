"""Whether an answer is by the rules, case by case, from public knowledge alone: nothing here reads the hidden truth."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.challenge.build import PUBLIC
from dawson.challenge.settings import ChallengeSettings
from dawson.errors import ChallengeError, IntakeError
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.intake.sources import Entry, Limits, Refused, Source, open_source

MOST_PROBLEMS = 1000
"""After so many the rest is not looked at."""

_MB = 1 << 20
_LARGEST_HEADER = _MB
_LARGEST_VOXEL = 8
_TOLERANCE_MM = 0.01
_SHOWN = 80
_LITTER = ("__macosx/", ".ds_store", "thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class AnswerCheck:
    """What was found in an answer.

    Parameters
    ----------
    present : tuple of str
        Cases whose answer can be scored.
    missing : tuple of str
        Cases without an answer; each counts as the worst there is.
    problems : dict of str to str
        Case, or file of the team, to what is wrong. With any, nothing is scored.
    notes : tuple of str
        What was left aside.
    """

    present: tuple[str, ...]
    missing: tuple[str, ...]
    problems: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def is_valid(self) -> bool:
        """It can be scored: nothing is wrong, and there is something."""
        return not self.problems and bool(self.present)


def check_masks(challenge: Path, settings: ChallengeSettings, cases: Sequence[str], answer: Path) -> AnswerCheck:
    """Check a zip of masks. Parameters as in `check_answer`."""
    expected = set(cases)
    found: dict[str, Entry] = {}
    problems: dict[str, str] = {}
    notes: list[str] = []
    try:
        with open_source(answer, _limits(settings, len(cases))) as source:
            if answer.is_dir():
                raise ChallengeError("The answer is a folder.", "Pack the masks into a zip.")
            for entry in source.entries():
                shown = shown_name(entry.name)
                if entry.name.lower().startswith(_LITTER[0]) or PurePosixPath(entry.name).name.lower() in _LITTER[1:]:
                    notes.append(f"{shown} was left aside.")
                elif isinstance(entry, Refused):
                    problems[shown] = entry.reason
                elif (case := _case_of(entry.name)) not in expected:
                    problems[shown] = "is the name of no case of this phase, with .nii or .nii.gz"
                elif case in found:
                    problems[case] = "has two masks"
                else:
                    found[case] = entry
                if len(problems) >= MOST_PROBLEMS:
                    break
            for case, entry in sorted(found.items()) if not problems else ():
                try:
                    read_mask(source, entry, *public_grid(challenge, case))
                except ChallengeError as error:
                    problems[case] = error.message
    except IntakeError as error:
        problems["zip"] = str(error).replace(str(answer.absolute()), "it")
    return AnswerCheck(
        tuple(sorted(set(found) - set(problems))), tuple(sorted(expected - set(found))), problems, tuple(notes[:MOST_PROBLEMS])
    )


def answered_masks(challenge: Path, settings: ChallengeSettings, cases: Sequence[str], answer: Path) -> Any:
    """The masks of a checked answer, one after another: case and voxels (x, y, z) of bool."""
    with open_source(answer, _limits(settings, len(cases))) as source:
        wanted = set(cases)
        for entry in source.entries():
            if isinstance(entry, Entry) and (case := _case_of(entry.name)) in wanted:
                yield case, read_mask(source, entry, *public_grid(challenge, case))


def read_mask(source: Source, entry: Entry, shape: tuple[int, ...], affine: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A mask of an answer, never unpacking more than a mask of this shape can hold.

    Raises
    ------
    ChallengeError
        It is no NIfTI, has another grid, or holds anything but 0 and 1.
    """
    import nibabel as nib

    most = int(np.prod(shape)) * _LARGEST_VOXEL + _LARGEST_HEADER
    try:
        with source.open(entry) as stream:
            packed = stream.read(most + 1)
    except Exception as error:  # zipfile raises whatever the bytes provoke
        raise ChallengeError(f"cannot be unpacked ({type(error).__name__})") from None
    content = _gunzipped(packed, most) if entry.name.lower().endswith(".gz") else packed
    if len(content) > most:
        raise ChallengeError("is larger than a mask of this grid can be")
    try:
        # slope and intercept of the header are applied
        image = nib.Nifti1Image.from_bytes(content)
        if image.shape != tuple(shape):
            raise ChallengeError(f"has the shape {image.shape}, not {tuple(shape)}")
        if image.get_data_dtype().kind not in "iuf":
            raise ChallengeError(f"has voxels of type {image.get_data_dtype()}, not numbers")
        if not _same_place(image.affine, affine, shape):
            raise ChallengeError("lies elsewhere: its affine is not that of the FLAIR")
        with np.errstate(all="ignore"):
            values = np.asarray(image.dataobj)
    except ChallengeError:
        raise
    except Exception as error:  # so does nibabel
        raise ChallengeError(f"cannot be read as NIfTI ({type(error).__name__})") from None
    if not np.isfinite(values).all():
        raise ChallengeError("holds values that are no numbers")
    if not np.isin(values, (0, 1)).all():
        raise ChallengeError("holds other values than 0 and 1")
    return np.asarray(values == 1)


def public_grid(challenge: Path, case: str) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Shape and affine of a test case's FLAIR, as everybody has it."""
    import nibabel as nib

    person, session = case.split("_", 1)
    path = challenge / PUBLIC / "test" / person / session / "anat" / f"{case}_space-{TEMPLATE_SPACE}_FLAIR.nii.gz"
    image: Any = nib.load(path)
    return tuple(image.shape), np.asarray(image.affine, dtype=np.float64)


def shown_name(name: str) -> str:
    """A name that a stranger gave, fit to be shown: printable, and not long."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name[: 4 * _SHOWN])
    return clean if len(clean) <= _SHOWN else f"{clean[: _SHOWN - 1]}…"


def _case_of(name: str) -> str:
    base = PurePosixPath(name.replace("\\", "/")).name
    for ending in (".nii.gz", ".nii"):
        if base.lower().endswith(ending):
            return base[: -len(ending)]
    return ""


def _gunzipped(packed: bytes, most: int) -> bytes:
    machine = zlib.decompressobj(wbits=31)
    try:
        content = machine.decompress(packed, most + 1)
    except zlib.error:
        raise ChallengeError("is not packed with gzip, as its name says") from None
    if not machine.eof and len(content) <= most:
        raise ChallengeError("ends too early")
    return content


def _same_place(one: Any, other: NDArray[np.float64], shape: Sequence[int]) -> bool:
    """Whether both put every corner of the image at the same place."""
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in shape[:3]], indexing="ij")).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    given = np.asarray(one, dtype=np.float64)
    return bool(np.isfinite(given).all() and np.abs((given - other) @ corners)[:3].max() <= _TOLERANCE_MM)


def _limits(settings: ChallengeSettings, cases: int) -> Limits:
    size = settings.limits.entry_mb * _MB
    return Limits(
        files=4 * cases + 100,
        depth=8,
        file_bytes=size,
        total_bytes=16 * size,
        zip_ratio=2000.0,
        zip_directory_bytes=16 * _MB,
        packed=(".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".iso"),
    )

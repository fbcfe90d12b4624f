"""What is written of a person's lesion change, by which names, and how a later run knows it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.cohort.scan import Scan
from dawson.files import atomic_path, read_json, sidecar_path, write_sidecar
from dawson.lesions.change_frame import HALFWAY, Meeting, SessionFiles
from dawson.lesions.changes import ChangeSettings

# Raised whenever the same files no longer give the same changes.
_METHOD = 1


@dataclass(frozen=True)
class ChangeWork:
    """What is the same for every person of a run; see `dawson.lesions.change.change_study`."""

    derivatives: Path
    root: Path
    maker: str
    settings: ChangeSettings
    registration: str
    registration_mm: float
    threads: int
    force: bool


@dataclass(frozen=True)
class SessionPair:
    """Places of two sessions among those of a person."""

    first: int
    second: int
    overall: bool

    def name(self, maker: str) -> str:
        """What stands after `desc-` in the names of its files."""
        return f"{maker}overall" if self.overall else maker


def write_transforms(sessions: Sequence[SessionFiles], meeting: Meeting, sources: Mapping[str, str], work: ChangeWork) -> None:
    """Write the rigid transform from the halfway space to each session; nothing for scans that met in template space."""
    for session, transform in zip(sessions, meeting.transforms, strict=False):
        path = session.scan.derivative(work.derivatives, f"from-FLAIR_to-{HALFWAY}_xfm.txt")
        with atomic_path(path) as temporary:
            transform.save(temporary)
        write_sidecar(path, sources, {"kind": "rigid", "method": work.registration, "spacing_mm": work.registration_mm})


def write_image(path: Path, part: NDArray[Any], box: tuple[slice, ...], meeting: Meeting, kind: Any) -> None:
    """Write what was worked out in a box on the whole grid, 0 outside."""
    shape = next(whole.shape for whole in (*meeting.masks, *meeting.flairs) if whole is not None)
    whole = np.zeros(shape, dtype=kind)
    whole[box] = part
    with atomic_path(path) as temporary:
        nib.save(nib.Nifti1Image(whole, meeting.affine), temporary)


def place_of(scan: Scan, meeting: Meeting, name: str, work: ChangeWork) -> Path:
    """A file of a session in the space of the comparison."""
    return scan.derivative(work.derivatives, f"space-{meeting.space}_{name}")


def map_of(scan: Scan, space: str, pair: SessionPair, work: ChangeWork) -> Path:
    """The change map of a pair, which lies with the later session."""
    return scan.derivative(work.derivatives, f"space-{space}_label-lesionchange_desc-{pair.name(work.maker)}_dseg.nii.gz")


def finished_row(sessions: Sequence[SessionFiles], pair: SessionPair, digest: str, work: ChangeWork) -> dict[str, Any] | None:
    """The row of an earlier run on the same files with the same settings."""
    folder = work.derivatives / sessions[pair.second].scan.folder
    pattern = f"{sessions[pair.second].scan.entities}_space-*_label-lesionchange_desc-{pair.name(work.maker)}_dseg.nii.gz"
    for path in folder.glob(pattern) if folder.is_dir() else ():
        try:
            said = read_json(sidecar_path(path))
        except (OSError, ValueError):
            continue
        if said.get("Digest") == digest:
            # JSON has no NaN: what is missing comes back as such
            return {name: float("nan") if value is None else value for name, value in said["Row"].items()}
    return None


def parameters_of(work: ChangeWork) -> dict[str, Any]:
    """Everything besides the files that the changes depend on."""
    return {"method": _METHOD, **asdict(work.settings), "registration": work.registration, "registration_mm": work.registration_mm}


def source_name(path: Path, work: ChangeWork) -> str:
    """A source's name relative to the study or the derivatives, else its own."""
    for root in (work.derivatives, work.root):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name

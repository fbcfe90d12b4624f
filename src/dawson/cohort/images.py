"""What one image file looks like to the validator: its faults, and the hash of its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from dawson.errors import ImageError
from dawson.imaging.volumes import FIELD_OF_VIEW_LIMITS_MM, SPACING_LIMITS_MM, content_hash, volume_problems

_CONVERT = "Convert it again from the original."


@dataclass(frozen=True)
class FileFindings:
    """Faults of a file as (problem, fix), and its content hash (empty where voxels were not or could not be read)."""

    path: Path
    problems: tuple[tuple[str, str], ...]
    content: str = ""


def inspect_file(path: Path, voxels: bool) -> FileFindings:
    """Look at one image.

    Parameters
    ----------
    path : Path
    voxels : bool
        Read the whole file; else its header alone, which finds neither empty nor truncated nor duplicate images.

    Returns
    -------
    FileFindings
        Nothing is raised: whatever is wrong with the file is a finding.
    """
    if not voxels:
        return FileFindings(path, tuple(header_problems(path)))
    problems = tuple(volume_problems(path))
    try:
        # Two empty scans are no copies of each other, but each has its own fault already.
        empty = any("empty" in problem for problem, _ in problems)
        return FileFindings(path, problems, "" if empty else content_hash(path))
    except ImageError:
        return FileFindings(path, problems)


def header_problems(path: Path) -> list[tuple[str, str]]:
    """Faults that the header alone shows: no image at all, not 3D, a voxel size or a field of view of no head."""
    try:
        image: Any = nib.load(path)
        shape, affine = tuple(image.shape), np.asarray(image.affine, np.float64)
    except Exception:
        # nibabel raises whatever its parsers meet in a file that is no image.
        return [("is no image file that can be read (not NIfTI)", "Put the NIfTI image there.")]
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        size = " x ".join(map(str, shape))
        return [(f"has {len(shape)} dimensions ({size}) where 3 are due", "Give one 3D volume.")]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        return [("has an affine that maps the volume onto nothing (singular)", _CONVERT)]
    problems = []
    for measured, (low, high), name, fix in (
        (spacing, SPACING_LIMITS_MM, "voxels", "Correct the voxel size in its header (units are mm)."),
        (spacing * shape, FIELD_OF_VIEW_LIMITS_MM, "a field of view", "Give a scan of the whole brain."),
    ):
        if measured.min() < low or measured.max() > high:
            sizes = " x ".join(f"{size:.3g}" for size in measured)
            problems.append((f"has {name} of {sizes} mm, outside {low:g} to {high:g} mm", fix))
    return problems

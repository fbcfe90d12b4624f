"""Where all sessions of a person meet: one grid, with every scan and lesion mask on it after one interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.cohort.scan import Scan
from dawson.errors import ImageError, PreprocessingError
from dawson.imaging.boxes import union_box
from dawson.imaging.brain import extracted
from dawson.imaging.halfway import InverseWarp, RigidPair, grid_around, mean_space, register_sessions
from dawson.imaging.resample import PointTransform, resample
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.imaging.transforms import Affine, Warp
from dawson.preprocess import names
from dawson.preprocess.scan import in_template_space

HALFWAY = "halfway"
"""Name of the space in the middle of a person's sessions."""

# Room round the brain for what blur and edges need (voxels).
_ROOM = 3


@dataclass(frozen=True)
class SessionFiles:
    """What is known of one session.

    Parameters
    ----------
    scan : Scan
    mask : Path, optional
        Lesion mask or probability, in template space or on the grid of the raw FLAIR (`space-FLAIR`).
    days : float
        Since the first session; NaN where nobody says.
    """

    scan: Scan
    mask: Path | None
    days: float


@dataclass(frozen=True)
class Meeting:
    """The sessions of a person on one grid.

    Parameters
    ----------
    space : str
        `halfway`, or the template's name where the scans are in template space already.
    affine : ndarray (4, 4)
        Of the grid.
    flairs : tuple of ndarray of float32 (x, y, z) or None
        0 outside the brain; None where a session has no image.
    brains, masks : tuple of ndarray of bool (x, y, z) or None
    transforms : tuple of Affine
        From the halfway space to each session's FLAIR; empty in template space.
    inconsistency_mm : float
        Largest difference between the two directions of a registration; NaN without registration.
    """

    space: str
    affine: NDArray[np.float64]
    flairs: tuple[NDArray[np.float32] | None, ...]
    brains: tuple[NDArray[np.bool_] | None, ...]
    masks: tuple[NDArray[np.bool_] | None, ...]
    transforms: tuple[Affine, ...]
    inconsistency_mm: float


def source_files(session: SessionFiles, derivatives: Path) -> list[Path]:
    """The files that a session's part in `meet` is made from, of those that exist."""
    scan = session.scan
    found = [session.mask] if session.mask is not None else []
    if scan.flair is not None and in_template_space(scan.flair):
        return [scan.flair, *found]
    made = [names.unbiased("FLAIR"), names.brain_mask("FLAIR"), names.preprocessed("FLAIR"), *_warp_names(scan, derivatives)]
    return [path for path in (scan.derivative(derivatives, name) for name in made) if path.is_file()] + found


def meet(
    sessions: Sequence[SessionFiles], derivatives: Path, registration: str = "greedy", registration_mm: float = 2.0, threads: int = 1
) -> Meeting:
    """Bring all sessions of a person onto one grid.

    Scans with a brain mask and an image without bias field on their own grids (`dawson preprocess`) are registered rigidly and moved
    to the space in their middle; template-space lesion masks go there back through the warp of their session. Scans that are in
    template space already, or of which only the preprocessed ones are left, stay there.

    Parameters
    ----------
    sessions : sequence of SessionFiles
    derivatives : Path
        Root of the derivatives.
    registration, registration_mm, threads
        See `dawson.imaging.registration.register_rigid`.

    Raises
    ------
    PreprocessingError
        The sessions cannot be registered, or have nothing in one space.
    ImageError
        A mask is on another grid than its name says.
    """
    if not any(session.scan.flair is not None and in_template_space(session.scan.flair) for session in sessions) and all(
        _native(session.scan, derivatives) for session in sessions
    ):
        return _halfway(sessions, derivatives, registration, registration_mm, threads)
    return _template(sessions, derivatives)


def _native(scan: Scan, derivatives: Path) -> bool:
    return all(scan.derivative(derivatives, name).is_file() for name in (names.unbiased("FLAIR"), names.brain_mask("FLAIR")))


def _halfway(sessions: Sequence[SessionFiles], derivatives: Path, registration: str, registration_mm: float, threads: int) -> Meeting:
    images = [_load(session.scan.derivative(derivatives, names.unbiased("FLAIR"))) for session in sessions]
    brains = [_load(session.scan.derivative(derivatives, names.brain_mask("FLAIR"))) for session in sessions]
    brains_only = [extracted(image, brain) for image, brain in zip(images, brains, strict=True)]
    pairs = [RigidPair(Affine(np.eye(4)), 0.0)]
    pairs += [register_sessions(brains_only[0], other, registration, registration_mm, threads) for other in brains_only[1:]]
    transforms = mean_space([pair.transform for pair in pairs])
    shape, affine = grid_around(brains, transforms)
    flairs, inside, masks = [], [], []
    for session, image, brain, transform in zip(sessions, images, brains, transforms, strict=True):
        seen = np.asarray(resample(_as_float(brain), shape, affine, [transform]).dataobj) > 0.5
        flairs.append(np.asarray(resample(image, shape, affine, [transform], 3, seen).dataobj))
        inside.append(seen)
        chain = _to_mask(session, derivatives, transform)
        masks.append(
            None
            if session.mask is None
            else np.asarray(resample(_as_float(_load(session.mask)), shape, affine, chain, 1, seen).dataobj) > 0.5
        )
    worst = max(pair.inconsistency_mm for pair in pairs)
    return Meeting(HALFWAY, affine, tuple(flairs), tuple(inside), tuple(masks), transforms, worst)


def _to_mask(session: SessionFiles, derivatives: Path, transform: Affine) -> list[PointTransform]:
    """From the halfway space to the space of a session's lesion mask."""
    if session.mask is None or "_space-FLAIR_" in session.mask.name:
        return [transform]
    if f"_space-{TEMPLATE_SPACE}_" not in session.mask.name:
        raise ImageError(session.mask, "is neither in template space nor on the grid of the FLAIR.", "Name its space in the file name.")
    found = _warp_names(session.scan, derivatives)
    if not found:
        raise PreprocessingError(
            f"{session.scan.entities} has no transform to the template, so its lesion mask cannot be brought back to the scan.",
            "Run `dawson preprocess`.",
        )
    paths = [session.scan.derivative(derivatives, name) for name in found]
    chain: list[PointTransform] = [transform]
    # template points pass the warp, the affine and the rigid transform on their way to the FLAIR: back in reverse order
    chain += [Affine.load(path).inverse() for path in reversed(paths[:-1])]
    return [*chain, InverseWarp(Warp.load(paths[-1]))]


def _warp_names(scan: Scan, derivatives: Path) -> list[str]:
    """Affine parts in the order in which template points pass them, then the warp; empty where there is none."""
    rigid = names.rigid()
    for contrast, more in (("T1w", [rigid]), ("FLAIR", [])):
        affine, warp = names.to_template(contrast)
        wanted = [affine, *more, warp]
        if all(scan.derivative(derivatives, name).is_file() for name in wanted):
            return wanted
    return []


def _template(sessions: Sequence[SessionFiles], derivatives: Path) -> Meeting:
    paths = [_template_flair(session.scan, derivatives) for session in sessions]
    grids = [_load(path) for path in [*paths, *(session.mask for session in sessions)] if path is not None]
    if not grids:
        raise PreprocessingError("There is neither a FLAIR in template space nor a lesion mask.", "Run `dawson preprocess`.")
    shape, affine = grids[0].shape, np.asarray(grids[0].affine, dtype=np.float64)
    flairs = [None if path is None else np.asarray(_on(path, shape, affine).dataobj, dtype=np.float32) for path in paths]
    masks = [None if one.mask is None else np.asarray(_on(one.mask, shape, affine).dataobj) > 0.5 for one in sessions]
    brains = [None if flair is None else flair > 0 for flair in flairs]
    return Meeting(TEMPLATE_SPACE, affine, tuple(flairs), tuple(brains), tuple(masks), (), float("nan"))


def _template_flair(scan: Scan, derivatives: Path) -> Path | None:
    if scan.flair is not None and in_template_space(scan.flair):
        return scan.flair
    made = scan.derivative(derivatives, names.preprocessed("FLAIR"))
    return made if made.is_file() else None


def _on(path: Path, shape: tuple[int, ...], affine: NDArray[np.float64]) -> Any:
    image = _load(path)
    if image.shape != shape or not np.allclose(image.affine, affine, atol=1e-3):
        raise ImageError(path, "is on another grid than the other images of this person.", "Resample it onto the template's grid of 1 mm.")
    return image


def _load(path: Path) -> Any:
    try:
        return nib.load(path)
    except (OSError, nib.filebasedimages.ImageFileError) as error:
        raise ImageError(path, f"cannot be read ({error}).", "Make it again.") from None


def _as_float(image: Any) -> Any:
    return nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine)


def cropped(meeting: Meeting, first: int, second: int) -> tuple[slice, ...]:
    """The box round the brains (or, without images, the masks) of two sessions: all that needs to be worked on."""
    parts = [part for place in (first, second) for part in (meeting.brains[place], meeting.masks[place]) if part is not None]
    return union_box(*parts, margin=_ROOM) if any(part.any() for part in parts) else (slice(None),) * 3

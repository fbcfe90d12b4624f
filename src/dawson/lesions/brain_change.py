"""Brain volume change between the following sessions of each person, from the deformation between their T1w scans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.cohort.lesion_masks import masks_by_maker
from dawson.cohort.scan import Scan
from dawson.errors import CohortError, DawsonError
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.scan_images import find_images
from dawson.parallel import each, resolve_jobs
from dawson.preprocess import names
from dawson.progress import progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dawson.imaging.volume_change import VolumeChange

_SPACING_MM = 2.0


@dataclass(frozen=True)
class _Pair:
    first: Scan
    second: Scan
    first_mask: Path | None
    second_mask: Path | None


def add_brain_change(
    rows: Sequence[dict[str, Any]], scans: Sequence[Scan], roots: Sequence[Path], derivatives: Path, jobs: int = 1, dask: str | None = None
) -> None:
    """Add `brain_change_percent` to the rows of every session that follows another of the same person.

    Lesions are filled by the preferred mask of each session, so that all makers of a session share the figure.

    Parameters
    ----------
    rows : sequence of dict
        Rows of `lesions.tsv`; changed in place. Where a pair cannot be compared the reason is added to theirs.
    scans : sequence of Scan
        The sessions of a person in order of time.
    roots : sequence of Path
        Derivative datasets that hold masks.
    derivatives : Path
        Where preprocessed images are.
    jobs, dask
        See `dawson.parallel.each`.
    """
    preferred = {(row["participant_id"], row["session_id"]): row["maker"] for row in rows if row["preferred"]}
    people: dict[str, list[Scan]] = {}
    for scan in scans:
        people.setdefault(scan.participant_id, []).append(scan)

    def mask_of(scan: Scan) -> Path | None:
        return masks_by_maker(scan, roots).get(preferred.get((scan.participant_id, scan.session_id), ""))

    pairs = [_Pair(first, second, mask_of(first), mask_of(second)) for own in people.values() for first, second in pairwise(own)]
    with progress("Brain change", len(pairs)) as advance:
        for person, session, earlier, change, reason in each(partial(_compare, derivatives=derivatives), pairs, resolve_jobs(jobs), dask):
            for row in rows:
                if (row["participant_id"], row["session_id"]) == (person, session):
                    if change is None:
                        row["reason"] = "; ".join(part for part in (row.get("reason", ""), f"no brain change: {reason}") if part)
                    else:
                        row["since_session_id"] = earlier
                        row["brain_change_percent"] = round(change.percent, 3)
                        row["brain_change_inconsistency_percent"] = round(change.inconsistency_percent, 3)
            advance(person)


def brain_change(
    first: Scan, second: Scan, derivatives: Path, masks: tuple[Path | None, Path | None] = (None, None), threads: int = 1
) -> VolumeChange:
    """Change of brain volume between two sessions of one person.

    Parameters
    ----------
    first, second : Scan
    derivatives : Path
    masks : pair of Path or None
        Lesion masks in template space to fill.
    threads : int

    Raises
    ------
    CohortError
        One of them has no T1w, or one is in template space and the other is not.
    PreprocessingError
        A deformation folds.
    """
    from dawson.imaging.volume_change import jacobian_change

    if _native(first, derivatives) != _native(second, derivatives):
        raise CohortError(f"{first.entities} and {second.entities} are in different spaces.", "Preprocess both in the same way.")
    (first_image, first_share), (second_image, second_share) = (
        _filled_brain(scan, derivatives, mask) for scan, mask in zip((first, second), masks, strict=True)
    )
    return jacobian_change(first_image, second_image, first_share, second_share, spacing_mm=_SPACING_MM, threads=threads)


def _compare(pair: _Pair, derivatives: Path) -> tuple[str, str, str, VolumeChange | None, str]:
    who = (pair.second.participant_id, pair.second.session_id, pair.first.session_id)
    try:
        return (*who, brain_change(pair.first, pair.second, derivatives, (pair.first_mask, pair.second_mask)), "")
    except DawsonError as error:
        return (*who, None, error.message)
    except Exception as error:  # one bad pair never stops a study, whatever a library makes of a damaged file
        return (*who, None, " ".join(f"{type(error).__name__}: {error}".split()))


def _native(scan: Scan, derivatives: Path) -> bool:
    return scan.derivative(derivatives, names.unbiased("T1w")).is_file()


def _filled_brain(scan: Scan, derivatives: Path, mask: Path | None) -> tuple[Any, NDArray[np.float32]]:
    """T1w brain at 2 mm, lesions filled and bias field removed, and how much of each voxel is grey and white matter."""
    import nibabel as nib

    from dawson.imaging.brain_volumes import fit_filled
    from dawson.imaging.resample import isotropic, sample
    from dawson.imaging.tissue_model import priors_at
    from dawson.imaging.volumes import read_volume

    if _native(scan, derivatives):
        image = read_volume(scan.derivative(derivatives, names.unbiased("T1w")))
        mask_image: Any = nib.load(scan.derivative(derivatives, names.brain_mask("T1w")))
        inside = np.asarray(mask_image.dataobj) > 0
    else:
        found = find_images(scan, derivatives)
        if found.t1w is None:
            raise CohortError(f"{scan.entities} has no T1w.", "Brain change is measured on T1w.")
        image = read_volume(found.t1w)
        inside = np.asarray(image.dataobj) > 0
    small = isotropic(nib.Nifti1Image(np.where(inside, np.asarray(image.dataobj), np.float32(0)), image.affine), _SPACING_MM)
    brain = np.asarray(isotropic(nib.Nifti1Image(inside.astype(np.float32), image.affine), _SPACING_MM).dataobj) > 0.5
    values = np.where(brain, np.asarray(small.dataobj, dtype=np.float32), np.float32(0))
    points = _template_points(scan, derivatives, np.argwhere(brain) @ small.affine[:3, :3].T + small.affine[:3, 3])
    lesions = np.zeros(brain.shape, dtype=bool)
    if mask is not None:
        lesions[brain] = sample(nib.load(mask), points, order=0) > 0.5
    tissues = fit_filled(values, brain, priors_at(points), _SPACING_MM, lesions)
    share = np.zeros(brain.shape, dtype=np.float32)
    share[brain] = tissues.shares[1] + tissues.shares[2]
    values[brain] = tissues.values
    return nib.Nifti1Image(values, small.affine), share


def _template_points(scan: Scan, derivatives: Path, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where points of the scan lie on the template."""
    from dawson.imaging.halfway import InverseWarp
    from dawson.imaging.transforms import Affine, Warp

    paths = [scan.derivative(derivatives, name) for name in names.to_template("T1w")]
    if not _native(scan, derivatives):
        return points
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise CohortError(f"{scan.entities} has no {missing[0]}, its transform to {TEMPLATE_SPACE}.", "Run `dawson preprocess`.")
    return InverseWarp(Warp.load(paths[1])).apply(Affine.load(paths[0]).inverse().apply(points))

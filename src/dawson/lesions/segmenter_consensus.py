"""One lesion mask from those of several makers of a scan, written as `desc-consensus`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.lesion_masks import masks_by_maker, simulated_mask
from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError, DawsonError
from dawson.files import read_json, sidecar_path
from dawson.lesions.scan_images import LesionMaps, lesion_file, make_lesion_maps
from dawson.parallel import each, resolve_jobs
from dawson.preprocess.cache import Steps
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["majority", "mean", "staple"]
METHODS: tuple[Method, ...] = get_args(Method)

MAKER = "consensus"
SEGMENTERS = ("dawson", "classical", "lstai", "mindglide")
"""Makers that are combined where nobody says which: programs, never the truth or a person."""

COLUMNS = ("participant_id", "session_id", "makers", "status", "reason", "lesion_count", "lesion_ml", "simulated")


def combine_study(
    scans: Sequence[Scan],
    derivatives: Path,
    makers: Sequence[str] = SEGMENTERS,
    method: Method = "mean",
    jobs: int = 1,
    *,
    root: Path | None = None,
    dask: str | None = None,
) -> pd.DataFrame:
    """Combine the masks of several makers for every scan; what is done already is not done again.

    Parameters
    ----------
    scans : sequence of Scan
    derivatives : Path
    makers : sequence of str
        Those that have a mask of the scan take part; there must be two.
    method : {"majority", "mean", "staple"}
        `mean` averages the makers' probabilities, each bent so that its own threshold lies at one half, or the mask of a maker
        without probabilities.
    jobs, dask
        See `dawson.parallel.each`.
    root : Path, optional
        The study; sources are named relative to it.

    Returns
    -------
    DataFrame
        One row a scan with the columns of `COLUMNS`; a scan with fewer than two masks is a row with a reason.

    Raises
    ------
    ConfigError
        There is no such method, or the consensus itself is among the makers.
    """
    import pandas as pd

    if method not in METHODS:
        raise ConfigError(f"There is no consensus by {method!r}.", f"Choose one of {', '.join(METHODS)}.")
    if MAKER in makers:
        raise ConfigError("A consensus cannot be one of the masks that it is made of.", "Leave `consensus` out of the makers.")
    work = partial(_row, derivatives=derivatives, makers=tuple(makers), method=method, root=root or derivatives.parent.parent)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    with progress("Consensus", len(scans)) as advance:
        for row in each(work, list(scans), min(resolve_jobs(jobs), max(1, len(scans))), dask):
            rows[row["participant_id"], row["session_id"]] = row
            advance(row["participant_id"])
    return pd.DataFrame([rows[scan.participant_id, scan.session_id] for scan in scans], columns=list(COLUMNS))


def combine(
    masks: Sequence[NDArray[np.bool_]], probabilities: Sequence[NDArray[np.float32]], method: Method, spacing_mm: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Probability and mask of several makers together.

    Parameters
    ----------
    masks : sequence of ndarray of bool (x, y, z)
    probabilities : sequence of ndarray of float32 (x, y, z)
        Of the same makers; used by `mean` only.
    method : {"majority", "mean", "staple"}
        A voxel is lesion above one half: of two makers both must agree in `majority`.
    spacing_mm : sequence of float
        Sets the room around the masks that STAPLE sees.
    """
    if method == "mean":
        probability = np.asarray(np.mean(np.stack(probabilities), axis=0), dtype=np.float32)
        return probability, np.asarray(probability > 0.5)
    from dawson.imaging.staple import crop_masks, margin_of, mask_consensus

    found = mask_consensus(crop_masks(masks, margin_of(spacing_mm)), "staple" if method == "staple" else "soft")
    return found.probability, found.mask


def _row(scan: Scan, derivatives: Path, makers: tuple[str, ...], method: Method, root: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "participant_id": scan.participant_id, "session_id": scan.session_id, "makers": "", "status": "failed", "reason": "",
        "lesion_count": np.nan, "lesion_ml": np.nan, "simulated": False,
    }  # fmt: skip
    try:
        own = masks_by_maker(scan, [derivatives])
        there = [maker for maker in makers if maker in own]
        if len(there) < 2:
            raise CohortError(f"{scan.entities} has {len(there)} of the masks to combine.", "Segment it with two segmenters or more.")
        return (
            row
            | {"makers": ",".join(there), "status": "done"}
            | _combine_scan(scan, derivatives, root, [own[maker] for maker in there], method)
        )
    except DawsonError as error:
        return row | {"reason": str(error)}
    except Exception as error:  # one bad scan never stops a study, whatever a library makes of a damaged file
        return row | {"reason": " ".join(f"{type(error).__name__}: {error}".split())}


def _combine_scan(scan: Scan, derivatives: Path, root: Path, masks: list[Path], method: Method) -> dict[str, Any]:
    soft = [_probability_of(mask) for mask in masks] if method == "mean" else masks
    sources = list(dict.fromkeys([*masks, *soft]))
    simulated = any(simulated_mask(mask) for mask in masks)
    more = {"SimulatedData": True} if simulated else {}
    outputs = [scan.derivative(derivatives, lesion_file(MAKER, kind)) for kind in ("mask", "probseg", "dseg")]

    def find() -> LesionMaps:
        import nibabel as nib

        images: list[Any] = [nib.load(path) for path in masks]
        first = images[0]
        for path, image in zip(masks, images, strict=True):
            if image.shape != first.shape or not np.allclose(image.affine, first.affine, atol=1e-3):
                raise CohortError(f"{path.name} is on another grid than {masks[0].name}.", "Bring the masks to one grid.")
        spacing = np.linalg.norm(first.affine[:3, :3], axis=0)
        probabilities = [_on_common_scale(path) for path in soft]
        return LesionMaps(*combine([np.asarray(image.dataobj) > 0.5 for image in images], probabilities, method, spacing), first.affine)

    steps = Steps(root, derivatives)
    figures = make_lesion_maps(steps, "lesion consensus", outputs, sources, {"method": method}, find, **more)
    return {**figures, "simulated": simulated}


def _on_common_scale(path: Path) -> NDArray[np.float32]:
    """A maker's probability, bent so that its own threshold comes to lie at one half: a mean may then be cut at one half."""
    import nibabel as nib

    image: Any = nib.load(path)
    values = np.asarray(image.dataobj, dtype=np.float32)
    try:
        threshold = float(read_json(sidecar_path(path))["Parameters"]["threshold"])
    except (OSError, ValueError, KeyError, TypeError):
        threshold = 0.5
    return np.asarray(np.interp(values, [0, threshold, 1], [0, 0.5, 1]), dtype=np.float32) if 0 < threshold < 1 else values


def _probability_of(mask: Path) -> Path:
    """The probability beside a mask, or the mask itself."""
    found = mask.with_name(mask.name.replace("_mask.nii", "_probseg.nii"))
    return found if found.is_file() else mask

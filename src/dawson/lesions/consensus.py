"""One lesion mask of each scan from those of its raters, for a whole study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError, DawsonError
from dawson.files import atomic_path, read_json, sha256, sidecar_path, write_sidecar
from dawson.imaging.staple import AROUND_VOXELS, MARGIN_MM, METHODS, Method, mask_consensus
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.rater_masks import any_simulated, by_scan, find_rater_masks, read_cropped, spacing_of
from dawson.lesions.scan_images import lesion_file
from dawson.parallel import each, resolve_jobs
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

MASK, PROBABILITY = (lesion_file("consensus", kind) for kind in ("mask", "probseg"))


@dataclass(frozen=True)
class ConsensusRow:
    """What became of one scan.

    Parameters
    ----------
    participant_id, session_id : str
    status : {"done", "kept", "failed", "skipped"}
        `kept` where an earlier run made the same of the same masks; `skipped` with fewer than two raters.
    reason : str
        Why it failed or was skipped.
    method : str
    raters : str
        Their labels, with commas.
    n_raters : int
    consensus_ml : float
        Volume of the consensus mask.
    simulated : bool
        A rater's sidecar says that its mask was simulated.
    """

    participant_id: str
    session_id: str
    status: str
    reason: str = ""
    method: str = ""
    raters: str = ""
    n_raters: int = 0
    consensus_ml: float = float("nan")
    simulated: bool = False


def consensus_of_study(
    scans: Sequence[Scan],
    roots: Sequence[Path],
    derivatives: Path,
    method: Method = "staple",
    jobs: int = 1,
    dask: str | None = None,
    around: int | None = AROUND_VOXELS,
) -> pd.DataFrame:
    """Write the consensus of the raters' masks of every scan: `desc-consensus` `_mask` and `_probseg`.

    Parameters
    ----------
    scans : sequence of Scan
    roots : sequence of Path
        Derivative datasets that hold `desc-rater*` and `desc-expert*` lesion masks in template space.
    derivatives : Path
        Where the consensus goes.
    method : {"staple", "majority", "soft"}
        See `dawson.imaging.staple.mask_consensus`.
    jobs, dask
        See `dawson.parallel.each`.
    around : int or None
        How many voxels around the marked ones STAPLE sees; None for their whole box.

    Returns
    -------
    DataFrame
        A row for each of `scans`, in their order, with the fields of `ConsensusRow`.

    Raises
    ------
    ConfigError
        There is no such method, or `around` is negative.
    CohortError
        No scan has a rater's mask.
    """
    import pandas as pd

    if method not in METHODS:
        raise ConfigError(f"There is no consensus by {method!r}.", f"Take one of {', '.join(METHODS)}.")
    if around is not None and around < 0:
        raise ConfigError(f"STAPLE cannot look {around} voxels around the masks.", "Give 0 or more.")
    if not by_scan(scans, roots):
        raise CohortError(
            "No scan has a lesion mask by a rater in template space.",
            f"Put them beside the other derivatives as *_space-{TEMPLATE_SPACE}_label-lesion_desc-raterLABEL_mask.nii.gz.",
        )
    work = partial(_consensus_of, roots=tuple(roots), derivatives=derivatives, method=method, around=around)
    rows: dict[tuple[str, str], ConsensusRow] = {}
    with progress("Consensus of raters", len(scans)) as advance:
        for row in each(work, list(scans), min(resolve_jobs(jobs), max(1, len(scans))), dask):
            rows[row.participant_id, row.session_id] = row
            advance(f"{row.participant_id} {row.session_id} {row.status}".replace("  ", " "))
    return pd.DataFrame([asdict(rows[scan.participant_id, scan.session_id]) for scan in scans])


def _consensus_of(scan: Scan, roots: tuple[Path, ...], derivatives: Path, method: Method, around: int | None) -> ConsensusRow:
    row = partial(ConsensusRow, scan.participant_id, scan.session_id)
    found = find_rater_masks(scan, roots).first
    said: dict[str, Any] = {"method": method, "raters": ", ".join(found), "n_raters": len(found)}
    if len(found) < 2:
        return row("skipped", "it has no mask by a rater" if not found else "only one rater drew a mask", **said)
    paths = tuple(found.values())
    mask_path, probability_path = scan.derivative(derivatives, MASK), scan.derivative(derivatives, PROBABILITY)
    parameters = {"method": method, "around_voxels": around, "margin_mm": MARGIN_MM, "threshold": 0.5, "raters": list(found)}
    said["simulated"] = any_simulated(paths)
    try:
        sources = {path.name: sha256(path) for path in paths}
        if (known := _made(mask_path, probability_path, sources, parameters)) is not None:
            return row("kept", consensus_ml=known, **said)
        cropped, affine = read_cropped(paths, MARGIN_MM)
        agreed = mask_consensus(cropped, method, around)
        volume = float(agreed.mask.sum() * np.prod(spacing_of(affine)) / 1000.0)
        _write(mask_path, agreed.mask.astype(np.uint8), affine)
        _write(probability_path, agreed.probability, affine)
        more: dict[str, Any] = {"SimulatedData": True} if said["simulated"] else {}
        skill = {
            name: {"sensitivity": _json(one), "specificity": _json(two)}
            for name, one, two in zip(found, agreed.sensitivity, agreed.specificity, strict=True)
        }
        # The sidecars last: they say that the images are whole.
        for path in (probability_path, mask_path):
            write_sidecar(path, sources, parameters, Type="Lesion", Space=TEMPLATE_SPACE, Raters=skill, ConsensusML=volume, **more)
    except DawsonError as error:
        return row("failed", str(error), **said)
    except (OSError, ValueError, RuntimeError) as error:
        # one bad scan never stops a study; SimpleITK raises RuntimeError
        return row("failed", f"{type(error).__name__}: {error}", **said)
    return row("done", consensus_ml=volume, **said)


def _made(mask: Path, probability: Path, sources: dict[str, str], parameters: dict[str, Any]) -> float | None:
    """Volume of a consensus that an earlier run made of the very same masks in the same way."""
    if not all(path.is_file() and sidecar_path(path).is_file() for path in (mask, probability)):
        return None
    try:
        said = [read_json(sidecar_path(path)) for path in (mask, probability)]
    except ValueError:
        return None
    if any(one.get("SourceSHA256") != sources or one.get("Parameters") != parameters for one in said):
        return None
    volume = said[0].get("ConsensusML")
    return float(volume) if isinstance(volume, int | float) else None


def _write(path: Path, values: NDArray[Any], affine: NDArray[np.float64]) -> None:
    import nibabel as nib

    image: Any = nib.Nifti1Image(values, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)


def _json(value: float) -> float | None:
    return value if np.isfinite(value) else None

"""One scan, from the raw images to the channel image."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from dawson.cohort.scan import Scan
from dawson.config import PreprocessSection
from dawson.errors import ConfigError, DawsonError, MissingDependencyError, PreprocessingError
from dawson.files import read_json, sidecar_path
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.preprocess.cache import Steps, remove_unfinished
from dawson.preprocess.names import CHANNELS, CONTACT_SHEET

# nothing further can be done when the disk is full or closed: the batch must stop, not fail scan after scan
_STOPS_ALL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class PreprocessRow:
    """One row of `preprocess.tsv`.

    Parameters
    ----------
    participant_id, session_id : str
    status : {"done", "failed"}
    reason : str
        Why it failed.
    seconds : float
        What the steps took, those of an earlier run included.
    source : {"T1w+FLAIR", "FLAIR", "template-space", ""}
        Which images brought the scan to the template; `template-space` for images that are there already.
    measured_on : {"T1w", "FLAIR", ""}
        Contrast of the image that the figures of fit were measured on.
    wm_dice : float
        White matter against the template's; T1w only, missing for FLAIR alone.
    template_correlation : float
        Correlation with the T1w template inside its mask; T1w only, missing for FLAIR alone.
    template_mutual_information : float
        Normalised mutual information with the T1w template, 0 to 1; for any contrast.
    template_brain_dice : float
        Brain mask against the template's.
    flair_t1w_overlap : float
        Dice of the two brain masks after rigid registration, in the field of view both share.
    flair_t1w_information : float
        Mutual information of the two brains after rigid registration, 0 to 1.
    min_jacobian : float
        Smallest Jacobian determinant of the warp with its affine inside the template brain; above 0 means no fold.
    warp_attempts : int
        More than 1 where the warp needed stronger smoothing not to fold; 0 where there is none.
    brain_ml : float
        Volume of the brain mask of the image that was registered.
    t1w_voxel_mm, flair_voxel_mm : str
        Voxel sizes of the raw images in RAS order, such as `0.72x0.72x4`.
    simulated : bool
        The scan's sidecar says that a computer program made it.
    """

    participant_id: str
    session_id: str
    status: str
    reason: str = ""
    seconds: float = nan
    source: str = ""
    measured_on: str = ""
    wm_dice: float = nan
    template_correlation: float = nan
    template_mutual_information: float = nan
    template_brain_dice: float = nan
    flair_t1w_overlap: float = nan
    flair_t1w_information: float = nan
    min_jacobian: float = nan
    warp_attempts: int = 0
    brain_ml: float = nan
    t1w_voxel_mm: str = ""
    flair_voxel_mm: str = ""
    simulated: bool = False


def preprocess_scan(
    scan: Scan,
    derivatives: Path,
    config: PreprocessSection,
    root: Path,
    *,
    threads: int | None = None,
    force: bool = False,
) -> PreprocessRow:
    """Bring one scan to template space and make its channel image; what is done already is not done again.

    Parameters
    ----------
    scan : Scan
    derivatives : Path
        Root of the derivatives, usually `STUDY/derivatives/dawson`.
    config : PreprocessSection
    root : Path
        Root of the study: sources are named relative to it.
    threads : int, optional
        Threads of every library; all cores by default.
    force : bool
        Do every step again.

    Returns
    -------
    PreprocessRow
        `failed` with a reason where this scan cannot be preprocessed; no stale channel image is left behind then.

    Raises
    ------
    PreprocessingError
        The disk is full or cannot be written to: no scan could be preprocessed.
    ConfigError, MissingDependencyError
        The brain extractor or registration of the study file does not exist or is not installed.
    """
    from dawson.parallel import cores

    steps = Steps(root, derivatives, force)
    try:
        remove_unfinished(derivatives / scan.folder)
        figures = _preprocess(scan, derivatives, config, steps, threads or cores())
    except (ConfigError, MissingDependencyError):
        raise
    except OSError as error:
        if error.errno in _STOPS_ALL:
            what = "The disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"Cannot write ({error.strerror})"
            raise PreprocessingError(
                f"{what}: {error.filename or derivatives}, at {scan.entities}.",
                "Make room or choose another --out; the next run goes on where this one stopped.",
            ) from None
        return _failed(scan, derivatives, f"{type(error).__name__}: {error}", steps)
    except DawsonError as error:
        return _failed(scan, derivatives, str(error), steps)
    except MemoryError:
        return _failed(scan, derivatives, "Not enough memory; use fewer --jobs.", steps)
    except Exception as error:  # one bad scan never stops a batch, whatever a library makes of it
        return _failed(scan, derivatives, f"{type(error).__name__}: {error}", steps)
    return PreprocessRow(
        scan.participant_id, scan.session_id, "done", seconds=round(steps.seconds, 1), simulated=is_simulated(scan.flair), **figures
    )


def _preprocess(scan: Scan, derivatives: Path, config: PreprocessSection, steps: Steps, threads: int) -> dict[str, Any]:
    from dawson.preprocess import steps as work

    if scan.flair is None:
        there = "only a T1w image" if scan.t1w is not None else "neither a FLAIR nor a T1w image"
        raise PreprocessingError(f"{scan.entities} has {there}.", "Channel images are made from FLAIR: add it, or leave the scan out.")
    if in_template_space(scan.flair):
        return work.from_template_space(scan, derivatives, config, steps, is_simulated(scan.flair))
    return work.from_native_space(scan, derivatives, config, steps, threads, is_simulated(scan.flair))


def in_template_space(flair: Path) -> bool:
    """Whether a FLAIR's sidecar says that it is brain-extracted and in the template's space already."""
    sidecar = _sidecar(flair)
    return sidecar.get("SkullStripped") is True and sidecar.get("Space") == TEMPLATE_SPACE


def is_simulated(image: Path | None) -> bool:
    """Whether an image's sidecar says that its data are simulated; False where there is no image or no sidecar."""
    return image is not None and _sidecar(image).get("SimulatedData") is True


def _sidecar(image: Path) -> dict[str, Any]:
    try:
        content = read_json(sidecar_path(image))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _failed(scan: Scan, derivatives: Path, reason: str, steps: Steps) -> PreprocessRow:
    # whoever finds a channel image may trust it: one of other inputs must not stay
    for name in (CHANNELS, CONTACT_SHEET):
        path = scan.derivative(derivatives, name)
        path.unlink(missing_ok=True)
        sidecar_path(path).unlink(missing_ok=True)
    return PreprocessRow(
        scan.participant_id,
        scan.session_id,
        "failed",
        reason=" ".join(reason.split()),
        seconds=round(steps.seconds, 1),
        simulated=is_simulated(scan.flair or scan.t1w),
    )

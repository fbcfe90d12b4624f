"""Lesion masks for the scans of a study, by any segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.cohort.scan import Scan
from dawson.errors import ConfigError, DawsonError, MissingDependencyError, ModelError
from dawson.imaging.lesion_instances import lesion_instances
from dawson.lesions.scan_images import LesionMaps, find_images, lesion_file, load_images, make_lesion_maps
from dawson.lesions.segmenters import Segmenter, identity, segmenter_named
from dawson.parallel import cores, each, resolve_jobs
from dawson.preprocess.cache import Steps
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

INTERVAL_COLUMNS = ("lesion_count_low", "lesion_count_high", "lesion_ml_low", "lesion_ml_high")
COLUMNS = (
    "participant_id", "session_id", "maker", "status", "reason", "lesion_count", "lesion_ml", *INTERVAL_COLUMNS, "seconds", "simulated",
)  # fmt: skip


@dataclass(frozen=True)
class _Work:
    root: Path
    derivatives: Path
    name: str
    model: Path | None
    threads: int
    force: bool


def segment_study(
    scans: Sequence[Scan],
    derivatives: Path,
    name: str = "dawson",
    jobs: int = 1,
    *,
    root: Path | None = None,
    model: Path | None = None,
    force: bool = False,
    dask: str | None = None,
) -> pd.DataFrame:
    """Find lesions in the scans of a study and write mask, probability and numbered lesions of each.

    What an earlier run made of the same images with the same segmenter and model is kept.

    Parameters
    ----------
    scans : sequence of Scan
    derivatives : Path
        Where preprocessed images are and results go, usually `STUDY/derivatives/dawson`.
    name : str
        See `dawson.lesions.segmenters.SEGMENTERS`.
    jobs : int
        Scans side by side; 0 for one a core. The cores are shared out between them.
    root : Path, optional
        The study; sources are named relative to it.
    model : Path, optional
        A lesion model for the segmenter `dawson`; the shipped one by default.
    force : bool
        Make everything again.
    dask : str, optional
        Address of a Dask scheduler.

    Returns
    -------
    DataFrame
        One row a scan, in the order of `scans`: participant_id, session_id, maker, status (done, failed), reason, lesion_count,
        lesion_ml, their 90 % intervals where the segmenter has any, seconds, simulated.

    Raises
    ------
    ConfigError
        No segmenter has this name, or `model` is given for another than `dawson`.
    ModelError
        The model cannot be read.
    MissingDependencyError
        The segmenter is not installed.
    """
    import pandas as pd

    identity(_segmenter(name, model))  # told before the first scan rather than after it
    jobs = min(resolve_jobs(jobs), max(1, len(scans)))
    threads = 1 if dask is not None else max(1, cores() // jobs)
    work = _Work(root or derivatives.parent.parent, derivatives, name, model, threads, force)
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    with progress("Lesions", len(scans)) as advance:
        for row in each(partial(_row, work=work), list(scans), jobs, dask):
            rows[row["participant_id"], row["session_id"]] = row
            advance(f"{row['participant_id']} {row['session_id']} {row['status']}".replace("  ", " "))
    return pd.DataFrame([rows[scan.participant_id, scan.session_id] for scan in scans], columns=list(COLUMNS))


def _segmenter(name: str, model: Path | None) -> Segmenter:
    if model is None:
        return segmenter_named(name)
    if name != "dawson":
        raise ConfigError(f"A model folder is for the segmenter dawson, not for {name}.", "Leave the model out.")
    from dawson.lesions.network_segmenter import NetworkSegmenter

    return NetworkSegmenter(model)


def _row(scan: Scan, work: _Work) -> dict[str, Any]:
    row: dict[str, Any] = {
        "participant_id": scan.participant_id, "session_id": scan.session_id, "maker": work.name, "status": "failed", "reason": "",
        "lesion_count": np.nan, "lesion_ml": np.nan, **dict.fromkeys(INTERVAL_COLUMNS, np.nan), "seconds": np.nan, "simulated": False,
    }  # fmt: skip
    try:
        return row | segment_scan(scan, work) | {"status": "done"}
    except (ConfigError, MissingDependencyError, ModelError):
        # no other scan would fare better
        raise
    except DawsonError as error:
        return row | {"reason": str(error)}
    except MemoryError:
        return row | {"reason": "Not enough memory; use fewer --jobs."}
    except Exception as error:  # one bad scan never stops a study, whatever a library makes of it
        return row | {"reason": " ".join(f"{type(error).__name__}: {error}".split())}


def segment_scan(scan: Scan, work: _Work) -> dict[str, Any]:
    """Mask, probability and numbered lesions of one scan; the figures of its row."""
    images = find_images(scan, work.derivatives)
    segmenter = _segmenter(work.name, work.model)
    steps = Steps(work.root, work.derivatives, work.force)
    outputs = [scan.derivative(work.derivatives, lesion_file(segmenter.maker, kind)) for kind in ("mask", "probseg", "dseg")]
    more = {"SimulatedData": True} if images.simulated else {}

    def find() -> LesionMaps:
        flair, t1w, brain = load_images(images)
        found = segmenter.segment(flair, t1w, brain, work.threads)
        x, y, z = (float(size) for size in np.linalg.norm(flair.affine[:3, :3], axis=0))
        mask = found.mask((x, y, z))
        decided: dict[str, Any] = {"threshold": found.threshold, "minimum_mm3": found.minimum_mm3}
        if found.intervals is not None:
            decided |= found.intervals.of(float(mask.sum()) * x * y * z / 1000, int(lesion_instances(mask).max(initial=0)))
        return LesionMaps(found.probability, mask, flair.affine, decided)

    parameters = {"segmenter": work.name, **identity(segmenter)}
    figures = make_lesion_maps(steps, "lesion segmentation", outputs, images.files, parameters, find, **more)
    return {
        "lesion_count": figures["lesion_count"],
        "lesion_ml": figures["lesion_ml"],
        **{name: figures.get(name, np.nan) for name in INTERVAL_COLUMNS},
        "seconds": round(steps.seconds, 2),
        "simulated": images.simulated,
    }

"""Lesion masks of simulated raters for a whole simulated cohort, beside the truth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import CohortError, ConfigError
from dawson.files import read_json, sidecar_path
from dawson.imaging.brain_regions import where
from dawson.parallel import each, resolve_jobs
from dawson.progress import progress
from dawson.simulation.raters import Rater, draw_mask
from dawson.simulation.streams import stream
from dawson.simulation.tables import DERIVATIVES
from dawson.simulation.visits import write_image

INSTANCES = "_label-lesion_desc-sim_dseg.nii.gz"

_WHITE = ("white matter", "temporal white matter", "corpus callosum", "corticospinal tract", "optic radiation")
_VENTRICLES = ("lateral ventricle", "third ventricle")
_CORTEX = ("cortex", "temporal cortex")
_NEAR_VENTRICLE_MM, _NEAR_CORTEX_MM = 4.0, 3.0


@dataclass(frozen=True)
class _Work:
    raters: dict[str, Rater]
    seed: int
    root: Path


def simulate_raters(cohort: Path, raters: Mapping[str, Rater], seed: int, jobs: int = 1) -> Path:
    """Let simulated raters outline the lesions of every scan of a simulated cohort.

    Parameters
    ----------
    cohort : Path
        Folder that `simulate_cohort` wrote.
    raters : mapping of str to Rater
        By the label that stands in the files' names, letters and digits: `{"1": EXPERT, "2": EXPERT}` gives two experts,
        who err independently.
    seed : int
        Of their errors; each depends on it, the scan and the label alone.
    jobs : int
        Processes; 0 is one a core.

    Returns
    -------
    Path
        Folder of the derivatives. `*_label-lesion_desc-rater{LABEL}_mask.nii.gz` lies beside each true mask; its sidecar
        names the rater's parameters. Masks that the same call has made are left as they are.

    Raises
    ------
    CohortError
        The folder holds no simulated lesions or label maps, or masks of another rater or seed by the same label.
    ConfigError
        No rater, or a label that cannot stand in a file name.
    """
    if not raters:
        raise ConfigError("There is no rater.", "Give at least one.")
    for label in raters:
        if not re.fullmatch(r"[0-9A-Za-z]+", label):
            raise ConfigError(f"{label!r} cannot be the label of a rater.", "Use letters and digits only.")
    if seed < 0:
        raise ConfigError(f"seed = {seed} is negative.", "Give 0 or more.")
    root = Path(cohort) / DERIVATIVES
    scans = sorted(root.glob(f"sub-*/**/anat/*{INSTANCES}"))
    if not scans:
        raise CohortError(f"{cohort} holds no simulated lesions.", "Give a folder that `dawson simulate cohort` wrote.")
    work = _Work(dict(raters), seed, root)
    waiting = [path for path in scans if any(not _finished(_mask_path(path, label), label, work) for label in raters)]
    with progress("Simulated raters", len(scans), len(scans) - len(waiting)) as advance:
        for name in each(partial(_rate, work=work), waiting, jobs=min(resolve_jobs(jobs), max(1, len(waiting)))):
            advance(name)
    return root


def false_lesion_places(labels: NDArray[np.integer[Any]], spacing_mm: tuple[float, ...]) -> NDArray[np.bool_]:
    """Where people see lesions that are none: white matter at the ventricles, where caps and rims are bright, and under the cortex.

    Parameters
    ----------
    labels : ndarray of int, (x, y, z)
        Label map of the simulated brain.
    spacing_mm : tuple of float
        Size of a voxel.

    Returns
    -------
    ndarray of bool, (x, y, z)
    """
    places: NDArray[np.bool_] = np.zeros(labels.shape, dtype=bool)
    brain = ndimage.find_objects((labels > 0).astype(np.uint8))
    if not brain:
        return places
    box = brain[0]
    labels = labels[box]
    near = _within(where(labels, *_VENTRICLES), _NEAR_VENTRICLE_MM, spacing_mm)
    near |= _within(where(labels, *_CORTEX), _NEAR_CORTEX_MM, spacing_mm)
    places[box] = where(labels, *_WHITE, "ependyma") & near
    return places


def _within(part: NDArray[np.bool_], reach_mm: float, spacing_mm: tuple[float, ...]) -> NDArray[np.bool_]:
    """Voxels within a distance of a part."""
    if not part.any():
        return part
    return np.asarray(ndimage.distance_transform_edt(~part, sampling=spacing_mm) <= reach_mm)


def _mask_path(instances: Path, label: str) -> Path:
    return instances.with_name(instances.name.replace("_desc-sim_dseg.nii.gz", f"_desc-rater{label}_mask.nii.gz"))


def _parameters(label: str, work: _Work) -> dict[str, Any]:
    return {"rater": asdict(work.raters[label]), "label": label, "seed": work.seed}


def _finished(path: Path, label: str, work: _Work) -> bool:
    if not path.is_file() or not sidecar_path(path).is_file():
        return False
    if read_json(sidecar_path(path)).get("Parameters") != _parameters(label, work):
        raise CohortError(f"{path} was drawn by another rater or with another seed.", "Choose another label, or delete these masks.")
    return True


def _rate(instances_path: Path, work: _Work) -> str:
    """Draw the masks of one scan that are missing; returns the scan's name."""
    entities = instances_path.name.split("_space-")[0]
    labels_path = instances_path.with_name(instances_path.name.replace("_label-lesion", ""))
    missing = [label for label in work.raters if not _finished(_mask_path(instances_path, label), label, work)]
    image: Any = nib.load(instances_path)
    instances = np.asarray(image.dataobj)
    spacing = tuple(float(size) for size in image.header.get_zooms()[:3])
    places = None
    if any(work.raters[label].false_per_scan > 0 for label in missing):
        if not labels_path.is_file():
            raise CohortError(f"{labels_path} is missing, so false lesions have no place.", "Simulate the cohort again.")
        labels: Any = nib.load(labels_path)
        places = false_lesion_places(np.asarray(labels.dataobj), spacing)
    for label in missing:
        rater = work.raters[label]
        mask = draw_mask(instances, spacing, rater, stream(work.seed, entities, "rater", label), places)
        path = _mask_path(instances_path, label)
        write_image(
            path,
            mask,
            np.asarray(image.affine),
            {
                "SimulatedData": True,
                "Type": "Lesion",
                "Description": f"Lesions as a simulated {rater.name} outlines them",
                "Sources": [instances_path.relative_to(work.root).as_posix()],
                "Parameters": _parameters(label, work),
            },
        )
    return entities

"""Lesion masks of real patients that simulated ones are compared with: read, summed up, and let go."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawson.errors import CohortError
from dawson.files import read_json, read_tsv
from dawson.simulation.lesion_maps import LesionMap, Map, correlation, lesion_map, measure_masks

_NAME = re.compile(r"_space-MNI[^_]*_(.+_)?label-lesion_(.+_)?mask\.nii(\.gz)?$")
_SPLITS = 100


@dataclass(frozen=True)
class RealLesions:
    """Masks of real patients, summed up. In memory `map` has a smoothed map of each, for its interval; nothing of one person is written.

    Parameters
    ----------
    name : str
        Of the dataset.
    diagnosis : str
        Of its patients, empty where the dataset does not say.
    volumes_ml, components : ndarray (n,)
        Sorted, each by itself.
    map : LesionMap
    reliability : float
        Correlation of the maps of two random halves of the patients, mean over splits.
    ceiling : float
        The best that a perfect map of the disease could reach against so few patients: the root of the reliability of the
        whole, which is estimated from the halves (Spearman-Brown).
    """

    name: str
    diagnosis: str
    volumes_ml: NDArray[np.float64]
    components: NDArray[np.int64]
    map: LesionMap
    reliability: float
    ceiling: float


def read_real(folder: Path, jobs: int = 1) -> RealLesions:
    """Read lesion masks of real patients.

    Parameters
    ----------
    folder : Path
        Holds `*_space-MNI*_label-lesion_mask.nii.gz`, one a patient, at any depth; participants.tsv may give the diagnosis.
    jobs : int
        Processes.

    Raises
    ------
    CohortError
        There are fewer than two such masks.
    """
    paths = sorted(path for path in folder.rglob("*.nii*") if _NAME.search(path.name))
    if len(paths) < 2:
        raise CohortError(
            f"{folder} holds {len(paths)} lesion masks in MNI space; at least two are needed.",
            "They are found by their names: *_space-MNI152_label-lesion_mask.nii.gz.",
        )
    measured = measure_masks(paths, True, jobs, "Real lesion masks")
    whole = lesion_map(measured)
    reliability = _split_half(whole.each)
    total = 2 * reliability / (1 + reliability) if reliability > 0 else math.nan
    description = folder / "dataset_description.json"
    return RealLesions(
        name=str(read_json(description).get("Name", folder.name)) if description.is_file() else folder.name,
        diagnosis=_diagnosis(folder, paths),
        volumes_ml=np.sort(np.array([mask.volume_ml for mask in measured])),
        components=np.sort(np.array([mask.components for mask in measured])),
        map=whole,
        reliability=reliability,
        ceiling=math.sqrt(total) if math.isfinite(total) else math.nan,
    )


def _split_half(single: Map) -> float:
    rng = np.random.default_rng(0)
    values = []
    for _ in range(_SPLITS):
        order = rng.permutation(len(single))
        halves = np.array_split(order, 2)
        values.append(correlation(*(single[half].mean(axis=0) for half in halves)))
    return float(np.mean(values))


def _diagnosis(folder: Path, paths: Sequence[Path]) -> str:
    """The one diagnosis of all patients with a mask; empty where there are several or none is given."""
    if not (folder / "participants.tsv").is_file():
        return ""
    people = read_tsv(folder / "participants.tsv", text=("diagnosis",))
    if "diagnosis" not in people:
        return ""
    with_mask = {path.name.split("_")[0] for path in paths}
    found = people.loc[people["participant_id"].isin(with_mask), "diagnosis"].dropna().unique()
    return str(found[0]) if len(found) == 1 else ""

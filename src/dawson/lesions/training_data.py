"""What a lesion network learns from, read once into a cache of arrays that patches are cut from without reading whole files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, DawsonError
from dawson.files import atomic_path, digest_of, read_json, sha256, write_json
from dawson.imaging.boxes import union_box
from dawson.imaging.lesion_instances import lesion_instances, lesions_of
from dawson.lesions.appearance import UNLABELLED
from dawson.lesions.intensity import lesion_excess, standardise
from dawson.lesions.scan_images import REGIONS, find_images, find_truth, load_images, load_truth
from dawson.parallel import each
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

VALUES, REGION_LABELS, LESIONS, CASE = "values.npy", "regions.npy", "lesions.npy", "case.json"
FLAIR, T1W, FLAIR_EXCESS, T1W_EXCESS, TRUTH = range(5)
"""Order of the arrays in `values.npy`."""

_MARGIN = 6
_VOXELS_OF_A_LESION = 64
# Raised whenever the same scan no longer gives the same arrays.
_LAYOUT = 2


@dataclass(frozen=True)
class TrainingStudy:
    """Scans of one study, with those left out whose people may not be used.

    Parameters
    ----------
    name : str
    scans : tuple of Scan
    roots : tuple of Path
        Derivative datasets; the first is Dawson's own, where preprocessed images are.
    """

    name: str
    scans: tuple[Scan, ...]
    roots: tuple[Path, ...]


@dataclass(frozen=True)
class Case:
    """One scan in the cache.

    Parameters
    ----------
    folder : Path
    study, participant_id, session_id : str
    maker : str
        Who made the truth.
    simulated, has_t1w : bool
    lesion_ml : float
    image_sha256, truth_sha256 : str
        Of the FLAIR, and of all truth files together.
    """

    folder: Path
    study: str
    participant_id: str
    session_id: str
    maker: str
    simulated: bool
    has_t1w: bool
    lesion_ml: float
    image_sha256: str
    truth_sha256: str

    @property
    def person(self) -> str:
        """The person across studies: two studies may use one name for two people."""
        return f"{self.study}/{self.participant_id}"

    def values(self) -> NDArray[np.float16]:
        """FLAIR, T1w, the excess of both, truth: (5, x, y, z), mapped into memory."""
        return np.load(self.folder / VALUES, mmap_mode="r")

    def regions(self) -> NDArray[np.uint8]:
        """Regions (x, y, z), mapped into memory: 0 outside the brain."""
        return np.load(self.folder / REGION_LABELS, mmap_mode="r")

    def lesions(self) -> NDArray[np.int16]:
        """Voxels of lesions, (n, 4): number of the lesion, x, y, z; at most 64 of a lesion."""
        return np.load(self.folder / LESIONS)


def training_study(root: Path) -> TrainingStudy:
    """The scans of a study folder that may be used to train a model, and all its derivative datasets."""
    from dawson.cohort.consent import permitted
    from dawson.cohort.dataset import read_cohort
    from dawson.config import STUDY_FILE, read_config

    cohort = read_cohort(root)
    cohort, _ = permitted(cohort, read_config(cohort.root / STUDY_FILE).governance, "train")
    own = cohort.root / "derivatives" / "dawson"
    others = sorted(path for path in (cohort.root / "derivatives").glob("*") if path.is_dir() and path != own)
    return TrainingStudy(cohort.name, tuple(cohort.scans), (own, *others))


def cache_cases(studies: Iterable[TrainingStudy], cache: Path, makers: Sequence[str], jobs: int = 1) -> tuple[list[Case], pd.DataFrame]:
    """Read every scan that has a truth into the cache; what is there from an earlier run is only checked.

    Parameters
    ----------
    studies : iterable of TrainingStudy
    cache : Path
    makers : sequence of str
        See `find_truth`.
    jobs : int

    Returns
    -------
    list of Case
        In the order of studies, people and sessions.
    DataFrame
        study, participant_id, session_id, reason of the scans left out.

    Raises
    ------
    CohortError
        No scan can be learnt from.
    """
    import pandas as pd

    work = [(number, study.name, study.roots, scan) for number, study in enumerate(studies) for scan in study.scans]
    cases: list[Case] = []
    left_out = []
    columns = ["study", "participant_id", "session_id", "reason"]
    with progress("Reading scans", len(work)) as advance:
        for item, found in each(partial(_case_of, cache=cache, makers=tuple(makers)), work, jobs):
            if isinstance(found, Case):
                cases.append(found)
            else:
                left_out.append(dict(zip(columns, (*item, found), strict=True)))
            advance(item[1])
    if not cases:
        why = left_out[0]["reason"] if left_out else "there is no scan"
        raise CohortError(f"No scan can be learnt from: {why}.", "Give studies whose derivatives hold lesion masks.")
    table = pd.DataFrame(left_out, columns=columns)
    return sorted(cases, key=lambda case: (case.study, case.participant_id, case.session_id)), table


def _case_of(
    item: tuple[int, str, tuple[Path, ...], Scan], cache: Path, makers: tuple[str, ...]
) -> tuple[tuple[str, str, str], Case | str]:
    number, name, roots, scan = item
    study = f"{number:02d}-{name}"
    key = (study, scan.participant_id, scan.session_id)
    try:
        return key, _read_case(study, roots, scan, cache, makers)
    except DawsonError as error:
        return key, str(error).rstrip(".")
    except Exception as error:
        # one damaged file never stops a run; nibabel and zlib raise many kinds
        return key, f"{type(error).__name__}: {error}"


def _read_case(study: str, roots: tuple[Path, ...], scan: Scan, cache: Path, makers: tuple[str, ...]) -> Case:
    import nibabel as nib

    maker, truths = find_truth(scan, roots, makers)
    if not truths:
        raise CohortError("it has no lesion mask by " + ", ".join(makers))
    images = find_images(scan, roots[0])
    folder = cache / digest_of([study, scan.participant_id, scan.session_id])[:16]
    regions_path = scan.derivative(roots[0], REGIONS)
    sources = {str(path): sha256(path) for path in [*images.files, *truths, *([regions_path] if regions_path.is_file() else [])]}
    told = {"layout": _LAYOUT, "maker": maker, "sources": sources}
    if (folder / CASE).is_file():
        record = read_json(folder / CASE)
        if record.get("told") == told:
            return Case(folder=folder, **record["case"])
    flair, t1w, brain = load_images(images)
    if not np.allclose(flair.affine[:3, :3], np.eye(3), atol=1e-3):
        raise CohortError(f"{images.flair.name} is not on a grid of 1 mm in RAS order.", "Preprocess the scans with Dawson.")
    truth = load_truth(truths, flair)
    if not brain.any():
        raise CohortError(f"the brain mask of {scan.entities} is empty")
    box = union_box(brain, margin=_MARGIN)
    inside = brain[box]
    regions = np.where(inside, UNLABELLED, 0).astype(np.uint8)
    if regions_path.is_file():
        image: Any = nib.load(regions_path)
        known = np.asarray(image.dataobj)[box].astype(np.uint8)
        regions = np.where(inside & (known > 0), known, regions)
    values = np.zeros((5, *inside.shape), np.float32)
    values[TRUTH] = truth[box]
    for row, excess, source in ((FLAIR, FLAIR_EXCESS, flair), (T1W, T1W_EXCESS, t1w)):
        if source is not None:
            values[row] = standardise(np.asarray(source.dataobj, np.float32)[box], inside)
            added = lesion_excess(values[row], values[TRUTH], inside)
            # the brain around holds grey matter too: a lesion that T1w does not show must not seem bright there
            values[excess] = np.maximum(added, 0) if row == FLAIR else np.minimum(added, 0)
    _write_array(folder / VALUES, values.astype(np.float16))
    _write_array(folder / REGION_LABELS, regions)
    _write_array(folder / LESIONS, _lesion_voxels(values[TRUTH]))
    case: dict[str, Any] = {
        "study": study,
        "participant_id": scan.participant_id,
        "session_id": scan.session_id,
        "maker": maker,
        "simulated": images.simulated,
        "has_t1w": t1w is not None,
        "lesion_ml": round(float((values[TRUTH] > 0.5).sum()) / 1000, 3),
        "image_sha256": sources[str(images.flair)],
        "truth_sha256": digest_of([sources[str(path)] for path in truths]),
    }
    write_json(folder / CASE, {"told": told, "case": case})
    return Case(folder=folder, **case)


def _write_array(path: Path, values: NDArray[Any]) -> None:
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, values)


def _lesion_voxels(truth: NDArray[np.float32]) -> NDArray[np.int16]:
    rows = [np.zeros((0, 4), np.int64)]
    for number, voxels in lesions_of(lesion_instances(truth)):
        chosen = voxels[:: max(1, len(voxels) // _VOXELS_OF_A_LESION)][:_VOXELS_OF_A_LESION]
        rows.append(np.column_stack([np.full(len(chosen), number), chosen]))
    return np.concatenate(rows).astype(np.int16)

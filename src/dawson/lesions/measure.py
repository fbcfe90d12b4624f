"""Measures of every lesion mask of a study: lesions.tsv, one row a scan and maker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.cohort.lesion_masks import features_of_mask, masks_by_maker, simulated_mask
from dawson.cohort.scan import Scan
from dawson.errors import CohortError, DawsonError
from dawson.files import digest_of, read_json, read_tsv, sha256, write_json, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.measure_columns import COLUMNS, DICTIONARY, TABLE
from dawson.lesions.measure_intervals import intervals_beside
from dawson.lesions.scan_images import ScanImages, find_images
from dawson.parallel import each, resolve_jobs
from dawson.preprocess import names
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

# Raised whenever the same files no longer give the same measures.
_MEASUREMENT = 1
_TEXT = ("maker", "status", "reason", "tissue_from")


@dataclass(frozen=True)
class _Work:
    roots: tuple[Path, ...]
    derivatives: Path
    preference: tuple[str, ...]
    makers: tuple[str, ...]
    force: bool


def measure_study(
    scans: Sequence[Scan],
    roots: Sequence[Path],
    derivatives: Path,
    preference: Sequence[str],
    makers: Sequence[str] = (),
    jobs: int = 1,
    *,
    dask: str | None = None,
    brain_change: bool = False,
    force: bool = False,
) -> pd.DataFrame:
    """Measure the lesion masks of scans, and the brains around them.

    Parameters
    ----------
    scans : sequence of Scan
        The sessions of a person in order of time.
    roots : sequence of Path
        Derivative datasets that hold masks.
    derivatives : Path
        Where preprocessed images are and results go.
    preference : sequence of str
        Makers (`desc-`), the best first: the first that has a mask of a scan stands for it (`preferred`).
    makers : sequence of str
        Measure only these; all by default.
    jobs, dask
        See `dawson.parallel.each`.
    brain_change : bool
        Deform T1w scans of following sessions onto each other for `brain_change_percent`: half a minute a pair, or more.
    force : bool
        Measure again what was measured of the same files before.

    Returns
    -------
    DataFrame
        One row a scan and maker with the columns of `measure_columns.COLUMNS`; a mask that cannot be measured, and a scan without
        any, is a row with a reason. `lesions.tsv` keeps the rows of other scans and makers.

    Raises
    ------
    CohortError
        None of the scans has a lesion mask in template space.
    """
    work = _Work(tuple(roots), derivatives, tuple(preference), tuple(makers), force)
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with progress("Lesion measures", len(scans)) as advance:
        for rows in each(partial(_measure_scan, work=work), list(scans), min(resolve_jobs(jobs), max(1, len(scans))), dask):
            found[rows[0]["participant_id"], rows[0]["session_id"]] = rows
            advance(rows[0]["participant_id"])
    ordered = [row for scan in scans for row in found[scan.participant_id, scan.session_id]]
    if not any(row["maker"] for row in ordered):
        raise CohortError("No scan has a lesion mask in template space.", "Make them with `dawson lesions segment`.")
    if brain_change:
        from dawson.lesions.brain_change import add_brain_change

        add_brain_change(ordered, scans, roots, derivatives, jobs, dask)
    _compare_fractions(ordered)
    table = _table(ordered)
    _write(derivatives, table)
    return table


def read_measures(derivatives: Path) -> pd.DataFrame:
    """`lesions.tsv` of an earlier run; empty where there is none."""
    path = derivatives / TABLE
    return read_tsv(path, text=_TEXT) if path.is_file() else _table([])


def _measure_scan(scan: Scan, work: _Work) -> list[dict[str, Any]]:
    own = masks_by_maker(scan, work.roots)
    order = {maker: place for place, maker in enumerate(work.preference)}
    preferred = min(own, key=lambda maker: (order.get(maker, len(order)), maker), default="")
    chosen = [maker for maker in own if not work.makers or maker in work.makers]
    start = {"participant_id": scan.participant_id, "session_id": scan.session_id}
    if not chosen:
        return [{**start, "maker": "", "preferred": False, "status": "failed", "reason": "it has no such lesion mask", "simulated": False}]
    try:
        images: ScanImages | None = find_images(scan, work.derivatives)
        missing = ""
    except CohortError as error:
        images, missing = None, f"no tissue volumes: {error.message}"
    # the same for every mask of the scan, and made for the first that asks
    hashed = cache(sha256)
    head = cache(lambda: None if images is None else _read_head(scan, images, work.derivatives))

    def measured(maker: str) -> dict[str, Any]:
        mask = own[maker]
        simulated = simulated_mask(mask) or (images is not None and images.simulated)
        kept = scan.derivative(work.derivatives, f"space-{TEMPLATE_SPACE}_label-lesion_desc-{maker or 'unnamed'}_measures.json")
        try:
            files = [mask, *(images.files if images else []), *_transforms(scan, work.derivatives, images)]
            digest = digest_of([_MEASUREMENT, [[path.name, hashed(path)] for path in files]])
            if not work.force and (before := _read(kept)).get("Digest") == digest:
                return {**before["Measures"], "simulated": simulated}
            started = time.perf_counter()
            measures = _lesion_measures(scan, maker, mask, work.derivatives)
            if (around := head()) is not None:
                measures |= _brain_measures(around, mask)
            measures |= {"status": "done", "reason": missing, "seconds": round(time.perf_counter() - started, 2)}
            measures = {name: None if isinstance(value, float) and not np.isfinite(value) else value for name, value in measures.items()}
            write_json(kept, {"Digest": digest, "Measures": measures, "Sources": [path.name for path in files], "SimulatedData": simulated})
        except DawsonError as error:
            return {"status": "failed", "reason": str(error), "simulated": simulated}
        except Exception as error:  # one bad mask never stops a study, whatever a library makes of a damaged file
            return {
                "status": "failed",
                "reason": f"{mask.name} cannot be measured ({' '.join(str(error).split())})",
                "simulated": simulated,
            }
        return {**measures, "simulated": simulated}

    return [
        {**start, "maker": maker, "preferred": maker == preferred, **measured(maker), **intervals_beside(own[maker])}
        for maker in sorted(chosen)
    ]


def _lesion_measures(scan: Scan, maker: str, mask: Path, derivatives: Path) -> dict[str, Any]:
    """Counts, volumes by region, and the rules."""
    from dawson.imaging.lesion_rules import RULES
    from dawson.imaging.lesion_summary import summary_of
    from dawson.lesions.dissemination import dissemination_in_space

    lesions = features_of_mask(mask, scan.derivative(derivatives, features_file(maker)))
    summary = summary_of(lesions)
    space = dissemination_in_space(lesions)
    return {
        **{name: int(value) if name == "lesions" or name.startswith("n_") else round(value, 6) for name, value in summary.items()},
        **{name: rule(lesions).positive for name, rule in RULES.items()},
        "mcdonald_dis": space.positive,
        "mcdonald_regions": len(space.met),
    }


def features_file(maker: str) -> str:
    """Name of the table of the lesions of one maker's mask."""
    return f"space-{TEMPLATE_SPACE}_label-lesion_desc-{maker or 'unnamed'}_features.tsv"


@dataclass(frozen=True, eq=False)
class _Head:
    """What stays the same whichever mask of a scan is measured."""

    image: Any
    tissue_from: str
    brain: NDArray[np.bool_]
    jacobian: NDArray[np.float32]
    scaling: float


def _read_head(scan: Scan, images: ScanImages, derivatives: Path) -> _Head:
    from dawson.imaging.brain_volumes import head_scaling, jacobian_map
    from dawson.imaging.transforms import Affine, Warp
    from dawson.lesions.scan_images import load_images

    flair, t1w, brain = load_images(images)
    image = flair if t1w is None else t1w
    paths = _transforms(scan, derivatives, images)
    linear = Affine.load(paths[0]) if paths else None
    warp = Warp.load(paths[1]) if paths else None
    jacobian = jacobian_map(image.shape, np.asarray(image.affine, dtype=np.float64), warp, linear)
    if images.brain is None and t1w is not None:
        brain = brain & (np.asarray(t1w.dataobj) > 0)
    return _Head(image, "FLAIR" if t1w is None else "T1w", brain, jacobian, head_scaling(linear) if paths else float("nan"))


def _brain_measures(head: _Head, mask: Path) -> dict[str, Any]:
    """Tissue volumes and the lesions' volume in the person's own head."""
    from dawson.imaging.brain_volumes import brain_volumes

    lesions = _lesion_mask(mask, head.image)
    volumes = brain_volumes(head.image, head.brain, lesions, head.jacobian)
    voxel_ml = abs(float(np.linalg.det(head.image.affine[:3, :3]))) / 1000
    return {
        "own_ml": round(float(head.jacobian[lesions].sum(dtype=np.float64)) * voxel_ml, 4),
        "tissue_from": head.tissue_from,
        **{name: round(value, 5 if name == "bpf" else 3) for name, value in asdict(volumes).items()},
        "head_scaling": round(head.scaling, 5),
        "brain_normalised_ml": round(volumes.brain_ml * head.scaling, 3),
        "ventricles_normalised_ml": round(volumes.ventricles_ml * head.scaling, 3),
    }


def _lesion_mask(path: Path, like: Any) -> NDArray[np.bool_]:
    """A mask on the grid of the images: an expert's may be on another grid of the same space."""
    import nibabel as nib

    from dawson.imaging.resample import resample

    image: Any = nib.load(path)
    if image.shape != like.shape or not np.allclose(image.affine, like.affine, atol=1e-3):
        image = resample(nib.Nifti1Image(np.asarray(image.dataobj, dtype=np.float32), image.affine), like.shape, like.affine, [], 0)
    return np.asarray(np.asarray(image.dataobj) > 0.5)


def _transforms(scan: Scan, derivatives: Path, images: ScanImages | None) -> list[Path]:
    """Affine and warp of the image that was registered; none for a scan that came in template space."""
    made = scan.derivative(derivatives, names.preprocessed("FLAIR"))
    if images is None or images.flair != made:
        return []
    for contrast in ("T1w", "FLAIR"):
        paths = [scan.derivative(derivatives, name) for name in names.to_template(contrast)]
        if all(path.is_file() for path in paths):
            return paths
    return []


def _compare_fractions(rows: list[dict[str, Any]]) -> None:
    """Change of the brain parenchymal fraction since the session before, by the same maker."""
    from dawson.imaging.volume_change import fraction_change

    before: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["participant_id"], row["maker"])
        earlier = before.get(key)
        if row.get("bpf") is None:
            continue
        if earlier is not None and earlier["tissue_from"] == row["tissue_from"]:
            row["since_session_id"] = earlier["session_id"]
            row["bpf_change_percent"] = round(fraction_change(earlier["bpf"], row["bpf"]), 3)
        before[key] = row


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    for name in (*_TEXT, "since_session_id"):
        table[name] = table[name].astype(object).where(table[name].notna(), "")
    return table


def _write(derivatives: Path, table: pd.DataFrame) -> None:
    """Rows of this run, and those of other scans and makers that an earlier run left."""
    import pandas as pd

    table, before = table.copy(), read_measures(derivatives)
    keys = set(zip(table["participant_id"], table["session_id"], table["maker"], strict=True))
    scans = {key[:2] for key in keys}
    if len(before) and set(COLUMNS) <= set(before.columns):
        before["maker"] = before["maker"].fillna("")
        # a scan that had no mask then and has one now must not stay as a row without a maker
        stay = [
            (person, session, maker) not in keys and (bool(maker) or (person, session) not in scans)
            for person, session, maker in zip(before["participant_id"], before["session_id"], before["maker"], strict=True)
        ]
        before = before.loc[stay, list(COLUMNS)]
        table = pd.concat([table.astype(object), before.astype(object)], ignore_index=True)
    for name, entry in COLUMNS.items():
        if set(entry.get("Levels", ())) == {"true", "false"}:
            # a column with gaps holds objects, which would be written as Python spells them
            table[name] = [str(value).lower() if value == value and value is not None else "" for value in table[name]]
    write_json(derivatives / DICTIONARY, COLUMNS)
    write_tsv(derivatives / TABLE, table.sort_values(["participant_id", "session_id", "maker"], kind="stable"))

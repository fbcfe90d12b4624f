"""Simulated cohorts as BIDS datasets, with the truth as derivatives."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError
from dawson.files import atomic_path, digest_of, read_json, sidecar_path, write_json
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.parallel import each, resolve_jobs
from dawson.progress import progress
from dawson.simulation.anatomy import atlas
from dawson.simulation.brain import lesion_rows, make_brain, make_scene
from dawson.simulation.native import native_scan
from dawson.simulation.people import CohortPlan, Person
from dawson.simulation.scanner import draw_scanner
from dawson.simulation.streams import stream
from dawson.simulation.tables import DERIVATIVES, write_tables
from dawson.simulation.template_space import template_scan

Space = Literal["native", "template"]

THICKNESS_MM = (0.8, 6.0)

# Raised whenever the same seed no longer gives the same images.
_SIMULATOR = 1
_PARAMETERS = Path("code", "simulation.json")
_TISSUES = {"1": "cerebrospinal fluid", "2": "grey matter", "3": "white matter"}


@dataclass(frozen=True)
class _Settings:
    out: Path
    seed: int
    space: Space
    thickness_mm: float
    lesions: bool


def simulate_cohort(
    out: Path,
    plan: CohortPlan,
    *,
    seed: int = 0,
    space: Space = "template",
    jobs: int = 1,
    thickness_mm: float = 3.0,
    dask: str | None = None,
) -> Path:
    """Make every scan of a cohort; an interrupted run goes on where it stopped.

    A scan depends on the seed, the participant and the visit alone, whatever the number of jobs.

    Parameters
    ----------
    out : Path
        Folder of the dataset: new, empty, or begun by the same call.
    plan : CohortPlan
        From `plan_cohort` or `seok2023_plan`.
    seed : int
        Of brains, lesions and scanners.
    space : {"template", "native"}
        Brains in template space, or raw heads.
    jobs : int
        Processes; 0 is one a core.
    thickness_mm : float
        Slice thickness of native FLAIR.
    dask : str, optional
        Address of a Dask scheduler.

    Returns
    -------
    Path
        The dataset's folder.

    Raises
    ------
    CohortError
        The folder holds something else, or a cohort made with other settings.
    ConfigError
        A setting that cannot be.
    """
    if space not in ("native", "template"):
        raise ConfigError(f"space = {space!r} is neither 'native' nor 'template'.")
    if not THICKNESS_MM[0] <= thickness_mm <= THICKNESS_MM[1]:
        raise ConfigError(f"Slices of {thickness_mm} mm cannot be simulated.", f"Give {THICKNESS_MM[0]} to {THICKNESS_MM[1]} mm.")
    if seed < 0:
        raise ConfigError(f"seed = {seed} is negative.", "Give 0 or more.")
    out = Path(out).resolve()
    parameters: dict[str, Any] = {
        "simulator": _SIMULATOR,
        "seed": seed,
        "space": space,
        "thickness_mm": thickness_mm if space == "native" else None,
        "plan": plan.content(),
    }
    _claim(out, parameters)
    # The participants table is written last; where it stands, all tables do, perhaps with changes by their owner.
    if not (out / "participants.tsv").exists():
        write_tables(
            out,
            plan,
            f"Simulated data. Seed {seed}, space {space}, simulator {_SIMULATOR}; all settings are in {_PARAMETERS}.",
        )
    settings = _Settings(out, seed, space, thickness_mm, plan.lesions)
    waiting = [person for person in plan.people if not _finished(person, settings)]
    with progress("Simulated participants", len(plan.people), len(plan.people) - len(waiting)) as advance:
        for participant_id in each(
            partial(_simulate_person, settings=settings),
            waiting,
            jobs=min(resolve_jobs(jobs), max(1, len(waiting))),
            dask=dask,
        ):
            advance(participant_id)
    return out


def _claim(out: Path, parameters: dict[str, Any]) -> None:
    """Refuse a folder that is not ours; write down what this one is made with."""
    path = out / _PARAMETERS
    digest = digest_of(parameters)
    if path.is_file():
        if read_json(path).get("digest") == digest:
            return
        raise CohortError(f"{out} holds a simulated cohort made with other settings.", "Give another folder, or delete this one.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CohortError(f"{out} is not empty and no simulated cohort.", "Give a new folder.")
    write_json(path, {"SimulatedData": True, "digest": digest, "parameters": parameters})


def _scan(person: Person, number: int, out: Path) -> Scan:
    scan = Scan(person.participant_id, person.visits[number].session_id, None, None)
    folder = out / scan.folder
    return Scan(
        scan.participant_id,
        scan.session_id,
        folder / f"{scan.entities}_T1w.nii.gz",
        folder / f"{scan.entities}_FLAIR.nii.gz",
    )


def _truth_files(scan: Scan, settings: _Settings) -> dict[str, Path]:
    root = settings.out / DERIVATIVES
    if settings.space == "template":
        return {"lesion": scan.derivative(root, f"space-{TEMPLATE_SPACE}_label-lesion_desc-sim_mask.nii.gz")}
    return {
        "lesion": scan.derivative(root, "space-T1w_label-lesion_desc-sim_mask.nii.gz"),
        "brain": scan.derivative(root, "space-T1w_label-brain_desc-sim_mask.nii.gz"),
        "tissues": scan.derivative(root, "space-T1w_desc-sim_dseg.nii.gz"),
    }


def _finished(person: Person, settings: _Settings) -> bool:
    return all(_visit_finished(person, number, settings) for number in range(len(person.visits)))


def _visit_finished(person: Person, number: int, settings: _Settings) -> bool:
    scan = _scan(person, number, settings.out)
    assert scan.t1w and scan.flair
    files = [*_truth_files(scan, settings).values(), scan.t1w, scan.flair]
    return all(path.is_file() and sidecar_path(path).is_file() for path in files)


def _simulate_person(person: Person, settings: _Settings) -> str:
    brain = atlas()
    own = make_brain(person, brain, settings.seed, settings.lesions)
    for number, visit in enumerate(person.visits):
        if _visit_finished(person, number, settings):
            continue
        scan = _scan(person, number, settings.out)
        assert scan.t1w and scan.flair
        rng = stream(settings.seed, person.participant_id, visit.session_id, "scan")
        state = draw_scanner(person.site, settings.seed, person.participant_id, visit.session_id)
        scene = make_scene(person, number, brain, own, state, rng, tissues=settings.space == "native")
        truth = _truth_files(scan, settings)
        about: dict[str, Any] = {"SimulatedData": True}
        of_truth: dict[str, Any] = {
            "SimulatedData": True,
            "Sources": [f"bids:raw:{scan.folder / scan.t1w.name}", f"bids:raw:{scan.folder / scan.flair.name}"],
        }
        lesions = {**of_truth, "Lesions": lesion_rows(own.lesions, number)}
        if settings.space == "template":
            images, mask = template_scan(scene, brain, state, rng)
            affine = brain.affine.copy()
            affine[:3, 3] -= [part.start for part in brain.box]
            about |= {"SkullStripped": True, "Space": TEMPLATE_SPACE}
            _write(truth["lesion"], mask, affine, {**lesions, "Type": "Lesion", "Space": TEMPLATE_SPACE})
            _write(scan.t1w, images["T1w"], affine, about)
            _write(scan.flair, images["FLAIR"], affine, about)
            continue
        raw = native_scan(scene, person, brain, state, rng, settings.seed, settings.thickness_mm)
        where = {**of_truth, "SpatialReference": f"bids:raw:{scan.folder / scan.t1w.name}"}
        grid = raw.grids["T1w"].affine
        _write(truth["lesion"], raw.lesion_mask, grid, {**where, **lesions, "Type": "Lesion"})
        _write(truth["brain"], raw.brain_mask, grid, {**where, "Type": "Brain"})
        _write(truth["tissues"], raw.tissues, grid, {**where, "LabelMap": _TISSUES})
        _write(scan.t1w, raw.images["T1w"], grid, about)
        _write(
            scan.flair,
            raw.images["FLAIR"],
            raw.grids["FLAIR"].affine,
            {**about, "SliceThickness": settings.thickness_mm},
        )
    return person.participant_id


def _write(path: Path, data: np.ndarray, affine: np.ndarray, sidecar: dict[str, Any]) -> None:
    """Write an image and what is said of it; the image last, so that it stands for a finished one."""
    write_json(sidecar_path(path), sidecar)
    image: Any = nib.Nifti1Image(data, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units("mm")
    # Level 1 is several times as fast as 9 and noise hardly compresses; no time stamp: equal images are equal files.
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as stream_,
        gzip.GzipFile(filename="", fileobj=stream_, mode="wb", compresslevel=1, mtime=0) as packed,
    ):
        packed.write(image.to_bytes())

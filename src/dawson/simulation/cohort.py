"""Simulated cohorts as BIDS datasets, with the truth as derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ConfigError
from dawson.files import digest_of, read_json, write_json
from dawson.parallel import each, resolve_jobs
from dawson.progress import progress
from dawson.simulation.anatomy import atlas
from dawson.simulation.brain import make_brain
from dawson.simulation.course import PatientCourse, draw_atrophy, draw_course, place_lesions
from dawson.simulation.people import CohortPlan, Person
from dawson.simulation.profiles import load_profile
from dawson.simulation.scanner import site_named
from dawson.simulation.tables import PARAMETERS, write_tables
from dawson.simulation.visits import VisitFiles, write_visit

Space = Literal["native", "template"]

THICKNESS_MM = (0.8, 6.0)

# Raised whenever the same seed no longer gives the same images.
_SIMULATOR = 2


@dataclass(frozen=True)
class _Settings:
    out: Path
    seed: int
    space: Space
    thickness_mm: float | None
    lesions: bool
    atrophy: bool
    profile: str
    hardness: float | None


def simulate_cohort(
    out: Path,
    plan: CohortPlan,
    *,
    seed: int = 0,
    space: Space = "template",
    jobs: int = 1,
    thickness_mm: float | None = None,
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
    thickness_mm : float, optional
        Slice thickness of FLAIR, in template space the blur that it leaves; by default that of the person's site.
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
    if thickness_mm is not None and not THICKNESS_MM[0] <= thickness_mm <= THICKNESS_MM[1]:
        raise ConfigError(f"Slices of {thickness_mm} mm cannot be simulated.", f"Give {THICKNESS_MM[0]} to {THICKNESS_MM[1]} mm.")
    if seed < 0:
        raise ConfigError(f"seed = {seed} is negative.", "Give 0 or more.")
    for name in {person.site for person in plan.people}:
        site_named(name)
    out = Path(out).resolve()
    parameters: dict[str, Any] = {
        "simulator": _SIMULATOR,
        "seed": seed,
        "space": space,
        "thickness_mm": thickness_mm,
        "plan": plan.content(),
        "profile_digest": digest_of(load_profile(plan.profile, plan.hardness).model_dump(mode="json")),
    }
    _claim(out, parameters)
    # The participants table is written last; where it stands, all tables do, perhaps with changes by their owner.
    if not (out / "participants.tsv").exists():
        write_tables(
            out,
            plan,
            f"Simulated data. Profile {_profile_name(plan)}, seed {seed}, space {space}, simulator {_SIMULATOR}; "
            f"all settings are in {PARAMETERS}.",
        )
    settings = _Settings(out, seed, space, thickness_mm, plan.lesions, plan.atrophy, plan.profile, plan.hardness)
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
    path = out / PARAMETERS
    digest = digest_of(parameters)
    if path.is_file():
        if read_json(path).get("digest") == digest:
            return
        raise CohortError(f"{out} holds a simulated cohort made with other settings.", "Give another folder, or delete this one.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CohortError(f"{out} is not empty and no simulated cohort.", "Give a new folder.")
    write_json(path, {"SimulatedData": True, "digest": digest, "parameters": parameters})


def _profile_name(plan: CohortPlan) -> str:
    return plan.profile if plan.hardness is None else f"of hardness {plan.hardness:g}"


def _finished(person: Person, settings: _Settings) -> bool:
    return all(_files(person, number, settings).finished() for number in range(len(person.visits)))


def _files(person: Person, number: int, settings: _Settings) -> VisitFiles:
    return VisitFiles(settings.out, Scan(person.participant_id, person.visits[number].session_id, None, None), settings.space)


def _simulate_person(person: Person, settings: _Settings) -> str:
    brain = atlas()
    known = load_profile(settings.profile, settings.hardness).classes[person.diagnosis]
    course = draw_course(person, known, settings.seed) if settings.lesions else PatientCourse.nothing()
    own = make_brain(
        person,
        brain,
        settings.seed,
        place_lesions(person, course, known, brain, settings.seed),
        draw_atrophy(person, known, settings.seed) if settings.atrophy else (),
    )
    for number in range(len(person.visits)):
        files = _files(person, number, settings)
        if not files.finished():
            before = _files(person, number - 1, settings) if number else None
            write_visit(files, before, person, number, course, own, settings.seed, settings.thickness_mm)
    return person.participant_id

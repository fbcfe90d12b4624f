"""A lesion model from studies: members on patient-grouped folds, their operating point on validation people, the folder handed on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.cohort.leakage import guard
from dawson.cohort.splits import final_splits
from dawson.errors import ModelError
from dawson.files import digest_of, read_json, sha256, write_json, write_text, write_tsv
from dawson.lesions.member_training import MemberRun, averaged_network, members_due, train_member
from dawson.lesions.operating_point import OperatingPoint, choose_operating_point
from dawson.lesions.recipe import LesionRecipe
from dawson.lesions.training_data import Case, TrainingStudy, cache_cases
from dawson.lesions.weights import CARD, DESCRIPTION, FORMAT, read_lesion_model, save_weights
from dawson.parallel import each, resolve_jobs
from dawson.progress import progress

if TYPE_CHECKING:
    import pandas as pd

MANIFEST, SETTINGS, TRAINING_LOG, VALIDATION_TABLE = "training-manifest.tsv", "settings.json", "training-log.tsv", "validation.tsv"


def train_lesion_model(
    studies: Sequence[TrainingStudy],
    out: Path,
    recipe: LesionRecipe | None = None,
    *,
    seed: int = 0,
    minutes: float | None = None,
    jobs: int = 1,
    resume: bool = True,
    start: Path | None = None,
    work: Path | None = None,
    cache: Path | None = None,
) -> Path:
    """Train the members of a lesion model, judge them on people they did not learn from, and write the model folder.

    A run that was killed goes on from the last checkpoints and ends as if it had not been. What names people (the manifest, the splits,
    the table of validation scans) stays in `work` and is no part of the model.

    Parameters
    ----------
    studies : sequence of TrainingStudy
        From `training_study`.
    out : Path
        Folder of the model.
    recipe : LesionRecipe, optional
        The shipped model's by default; with `start` its model's network counts.
    seed : int
    minutes : float, optional
        Time after which no further checkpoint is begun; the model is then made from what there is.
    jobs : int
        Members trained side by side, one thread each; 0 for one a core.
    resume : bool
        False to begin anew.
    start : Path, optional
        A model folder to start from, for fine-tuning on a site's own masks: member i starts from its member i.
    work : Path, optional
        Folder of checkpoints and tables; `out` with `-training` after its name by default.
    cache : Path, optional
        Where scans are kept as arrays, some 40 MB each; `cache` below `work` by default. It may be shared by runs.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    CohortError
        No scan can be learnt from.
    TooFewParticipantsError
        Too few people for the folds.
    ModelError
        `work` holds a run with another recipe, seed or people.
    """
    began = time.monotonic()
    recipe = recipe or LesionRecipe()
    jobs = resolve_jobs(jobs)
    weights = _starts(start, recipe)
    work = out.with_name(f"{out.name}-training") if work is None else work
    cases, left_out = cache_cases(studies, cache or work / "cache", recipe.makers, jobs)
    splits = member_splits(cases, recipe, seed)
    guard(splits, {(case.person, case.session_id): case.image_sha256 for case in cases})
    _claim(work, recipe, seed, cases, start, resume)
    write_tsv(work / "left-out.tsv", left_out)
    write_tsv(work / "splits.tsv", splits)
    runs = [
        MemberRun(work / f"member-{number}", number, seed, _of_role(cases, splits, number, "train"), recipe, weights[number % len(weights)])
        for number in range(recipe.ensemble.members)
    ]
    _train(runs, recipe, jobs, None if minutes is None else began + 60 * minutes)
    for run in runs:
        save_weights(averaged_network(run), out / f"member-{run.number}.safetensors")
    items = [
        (case, run.number, out / f"member-{run.number}.safetensors")
        for run in runs
        for case in _validation_cases(_of_role(cases, splits, run.number, "validation"), recipe, seed)
    ]
    point, scores = choose_operating_point(items, recipe, seed, jobs)
    _write_tables(work, runs, scores)
    _describe(out, work, recipe, seed, cases, runs, point, start)
    return out


def member_splits(cases: Sequence[Case], recipe: LesionRecipe, seed: int) -> pd.DataFrame:
    """Who trains and who validates for each member: folds of people, balanced between little and much lesion volume.

    Returns
    -------
    DataFrame
        As `dawson.cohort.splits.final_splits`, fold being the member.
    """
    import pandas as pd

    table = pd.DataFrame(
        {
            "participant_id": [case.person for case in cases],
            "session_id": [case.session_id for case in cases],
            "ml": [case.lesion_ml for case in cases],
        }
    )
    load = table.groupby("participant_id")["ml"].mean()
    # by rank, not by the median: where many have none, both halves must still have people
    much = load.rank(method="first") > len(load) / 2
    table["label"] = [("much" if much[person] else "little") for person in table["participant_id"]]
    folds = min(recipe.ensemble.folds, int(much.value_counts().min()) if len(load) > 1 else 0)
    splits = final_splits(table, max(folds, 2), seed)
    return splits[splits["fold"] < recipe.ensemble.members].reset_index(drop=True)


def _of_role(cases: Sequence[Case], splits: pd.DataFrame, member: int, role: str) -> tuple[Case, ...]:
    fold = member % (int(splits["fold"].max()) + 1)
    own = splits[(splits["fold"] == fold) & (splits["role"] == role)]
    keys = set(zip(own["participant_id"], own["session_id"], strict=True))
    return tuple(case for case in cases if (case.person, case.session_id) in keys)


def _validation_cases(cases: Sequence[Case], recipe: LesionRecipe, seed: int) -> list[Case]:
    """One scan a person, of as many people as the recipe says."""
    rng = np.random.default_rng([seed, 2])
    people = sorted({case.person for case in cases})
    chosen = rng.permutation(people)[: recipe.ensemble.validation_scans]
    return [next(case for case in cases if case.person == person) for person in chosen]


def _train(runs: Sequence[MemberRun], recipe: LesionRecipe, jobs: int, end: float | None) -> None:
    """All members to each checkpoint before any goes on to the next: whenever time is up, all are equally far."""
    part = recipe.optimisation
    stops = [*range(part.checkpoint_steps, part.steps, part.checkpoint_steps), part.steps]
    done = sum(run.steps_done >= stop for stop in stops for run in runs)
    with progress("Training", len(stops) * len(runs), done) as advance:
        for stop in stops:
            if end is not None and time.monotonic() >= end and all(run.steps_done for run in runs):
                return
            for losses in each(partial(train_member, until=stop), members_due(runs, stop), jobs):
                advance(f"step {int(losses[-1]['step'])}, loss {losses[-1]['loss']:.3f}")


def _starts(start: Path | None, recipe: LesionRecipe) -> list[Path | None]:
    if start is None:
        return [None]
    model = read_lesion_model(start)
    if model.recipe.network != recipe.network:
        raise ModelError(f"{start} has another network than the recipe: {model.recipe.network}.", "Give its [network] in the recipe.")
    return list(model.weights())


def _claim(work: Path, recipe: LesionRecipe, seed: int, cases: Sequence[Case], start: Path | None, resume: bool) -> None:
    """Refuse to go on with a run of other settings; forget it where it is to begin anew."""
    told = {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "cases": digest_of([[case.person, case.session_id, case.image_sha256, case.truth_sha256] for case in cases]),
        "start": "" if start is None else read_lesion_model(start).digest,
    }
    path = work / SETTINGS
    if not resume:
        for run in work.glob("member-*/*"):
            run.unlink()
    elif path.is_file() and read_json(path) != told:
        changed = ", ".join(name for name, value in told.items() if read_json(path).get(name) != value)
        raise ModelError(f"{work} holds a run with another {changed}.", "Give another folder, or begin anew.")
    write_json(path, told)
    write_tsv(work / MANIFEST, _manifest(cases))


def _manifest(cases: Sequence[Case]) -> pd.DataFrame:
    import pandas as pd

    names = ("study", "participant_id", "session_id", "maker", "simulated", "has_t1w", "lesion_ml", "image_sha256", "truth_sha256")
    return pd.DataFrame([{name: getattr(case, name) for name in names} for case in cases])


def _write_tables(work: Path, runs: Sequence[MemberRun], scores: Sequence[dict[str, Any]]) -> None:
    import pandas as pd

    lines = [{"member": run.number, **line} for run in runs for line in train_member(run, 0)]
    write_tsv(work / TRAINING_LOG, pd.DataFrame(lines))
    write_tsv(work / VALIDATION_TABLE, pd.DataFrame(scores))


def _describe(
    out: Path,
    work: Path,
    recipe: LesionRecipe,
    seed: int,
    cases: Sequence[Case],
    runs: Sequence[MemberRun],
    point: OperatingPoint,
    start: Path | None,
) -> None:
    from importlib.metadata import version

    from dawson import __version__
    from dawson.lesions.model_card import lesion_card

    simulated = {case.simulated for case in cases}
    description = {
        "format": FORMAT,
        "name": out.name,
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "threshold": point.threshold,
        "minimum_mm3": point.minimum_mm3,
        "temperature": point.temperature,
        "validation": point.figures,
        "intervals": point.intervals.to_json(),
        "trained_on": {
            "studies": sorted({case.study for case in cases}),
            "people": len({case.person for case in cases}),
            "scans": len(cases),
            "makers": sorted({case.maker for case in cases}),
            "simulated_scans": sum(case.simulated for case in cases),
        },
        "SimulatedData": True in simulated,
        "manifest_sha256": sha256(work / MANIFEST),
        "started_from": "" if start is None else read_lesion_model(start).digest,
        "members": [
            {
                "file": f"member-{run.number}.safetensors",
                "sha256": sha256(out / f"member-{run.number}.safetensors"),
                "steps": run.steps_done,
            }
            for run in runs
        ],
        "software": {"dawson": __version__} | {name: version(name) for name in ("torch", "monai", "numpy", "scipy")},
        "research_use_only": True,
    }
    write_json(out / DESCRIPTION, description)
    write_text(out / CARD, lesion_card(description))

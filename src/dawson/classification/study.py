"""The study, from validated BIDS to evaluated predictions and a model; every part of it can be stopped and taken up again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dawson.classification.assess import assess_comparators, assess_predictions, assess_saliency, assess_sites
from dawson.classification.certainty import write_certainty
from dawson.classification.device import choose
from dawson.classification.evaluation import evaluate, test_probabilities
from dawson.classification.experiment import (
    FINAL_SPLITS,
    SPLITS,
    StudyPaths,
    check_name,
    collect_explanations,
    collect_predictions,
    environment,
    open_experiment,
    write_splits,
)
from dawson.classification.images import UsableImages, candidate_images, of_quality, with_channels
from dawson.classification.model import write_model
from dawson.classification.plan import EXPLAINED_REPEAT, Plan, plan_study, train_pending
from dawson.classification.runs import Run
from dawson.classification.subgroups import check_subgroups
from dawson.classification.withdrawal import RETRAIN
from dawson.cohort.consent import permitted, remember_results, with_governance
from dawson.cohort.dataset import Cohort, read_cohort
from dawson.cohort.derivative_roots import derivative_roots
from dawson.errors import ConsentError
from dawson.files import read_json, write_json, write_tsv
from dawson.parallel import resolve_jobs
from dawson.preprocess.batch import preprocess_cohort, read_preprocess_table

if TYPE_CHECKING:
    from pathlib import Path

    from dawson.config import StudyConfig


def prepare_images(
    paths: StudyPaths, config: StudyConfig, *, jobs: int = 0, dask: str | None = None, look_only: bool = False
) -> tuple[Cohort, UsableImages]:
    """Read the cohort, preprocess what is not yet preprocessed, and say which images can and may be used.

    With `look_only` nothing is preprocessed or logged.
    """
    cohort = read_cohort(paths.study, text=(config.study.diagnosis_column, config.study.site_column))
    candidates = of_quality(candidate_images(cohort, config, record=not look_only), paths.derivatives, config.quality)
    if look_only:
        return cohort, with_channels(candidates, cohort, paths.derivatives, read_preprocess_table(paths.derivatives), resolve_jobs(jobs))
    remember_results(paths.study, paths.out, config.governance)
    wanted = set(zip(candidates.table["participant_id"], candidates.table["session_id"], strict=True))
    scans = [scan for scan in cohort.scans if (scan.participant_id, scan.session_id) in wanted]
    rows = preprocess_cohort(scans, cohort.root, paths.derivatives, config.preprocess, jobs=resolve_jobs(jobs), dask=dask)
    return cohort, with_channels(candidates, cohort, paths.derivatives, rows, resolve_jobs(jobs))


def run_study(
    paths: StudyPaths,
    name: str,
    config: StudyConfig,
    *,
    jobs: int = 0,
    dask: str | None = None,
    keep_weights: bool = False,
    restart: bool = False,
) -> Path:
    """Do the whole study and return the folder of the experiment.

    Parameters
    ----------
    paths : StudyPaths
    name : str
        Of the experiment and of the model.
    config : StudyConfig
    jobs : int
        Runs side by side; 0 means one for every core (one in all where a GPU computes).
    dask : str, optional
        Address of a Dask scheduler whose workers see the same folders.
    keep_weights : bool
        Keep the weights of every repeat and fold.
    restart : bool
        Throw away an earlier experiment of this name.

    Returns
    -------
    Path
        Of the experiment, with splits.tsv, predictions.tsv, metrics.json, trust.json, subgroups.json, comparators.tsv,
        comparison.json, saliency.json, explanations.npz, exclusions.tsv, environment.json; and harmonisation.json where there is
        something to say of sites.

    Raises
    ------
    DawsonError
        Each kind names the file or person and the fix; what is finished stays and is used by the next attempt.
    """
    folder = paths.experiment(check_name(name))
    config = with_governance(config, paths.study)
    cohort, usable = prepare_images(paths, config, jobs=jobs, dask=dask)
    check_subgroups(list(usable.table.columns), config.evaluation)
    plan = plan_study(paths, name, config, usable, keep_weights=keep_weights)
    open_experiment(folder, config, restart)
    write_splits(folder / SPLITS, plan.splits, usable.exclusions)
    return carry_out(paths, name, config, cohort, plan, jobs=jobs, dask=dask)


def carry_out(
    paths: StudyPaths, name: str, config: StudyConfig, cohort: Cohort, plan: Plan, *, jobs: int = 0, dask: str | None = None
) -> Path:
    """Train what a plan still lacks, judge it, and write everything but the report; parameters and errors as of `run_study`."""
    folder, usable = paths.experiment(name), plan.usable
    write_tsv(folder / FINAL_SPLITS, plan.final)
    write_tsv(folder / "exclusions.tsv", usable.exclusions)

    workers = resolve_jobs(jobs) if choose(config.training).on_cpu or jobs > 0 else 1
    train_pending(plan, workers, dask)
    _ask_again(cohort, config, plan)

    predictions = collect_predictions(plan.runs, plan.splits, usable)
    write_tsv(folder / "predictions.tsv", predictions)
    out_of_fold = collect_predictions(plan.final_runs, plan.final, usable)
    write_tsv(folder / "final_out_of_fold.tsv", out_of_fold)
    metrics = evaluate(predictions, plan.splits, classes=config.study.classes, positive=config.study.positive, section=config.evaluation)
    metrics |= {"experiment": name, "scheme": config.split.scheme, "simulated": cohort.simulated}
    write_json(folder / "metrics.json", metrics)
    explained = [run for run in plan.runs if run.explain]
    probability = test_probabilities(predictions[predictions["repeat"] == EXPLAINED_REPEAT])
    collect_explanations(explained, folder / "explanations.npz", probability)
    write_json(folder / "environment.json", _environment(plan, cohort, config, workers))
    trust = assess_predictions(folder, predictions, usable.table, config)
    carried = write_certainty(paths.model(name), plan, config, out_of_fold, trust, read_preprocess_table(paths.derivatives))
    write_model(paths, name, config, cohort, plan, metrics, carried)
    roots = derivative_roots(paths.study, paths.derivatives)
    assess_comparators(folder, predictions, plan, cohort, config, roots, jobs=resolve_jobs(jobs), dask=dask)
    assess_sites(folder, predictions, plan, cohort, config, roots, jobs=resolve_jobs(jobs), dask=dask)
    assess_saliency(folder, plan, cohort, config, roots)
    for place in (folder, paths.model(name)):
        (place / RETRAIN).unlink(missing_ok=True)
    return folder


def _ask_again(cohort: Cohort, config: StudyConfig, plan: Plan) -> None:
    """Whether everybody may still be used now that training is over, which may have taken days.

    Raises
    ------
    ConsentError
    """
    _, refused = permitted(cohort, config.governance, "train", record=False)
    if gone := sorted(set(refused) & set(plan.usable.table["participant_id"])):
        raise ConsentError(
            f"{', '.join(gone)} may no longer be used ({refused[gone[0]]}), since the training began; no result was written.",
            "Do it again without them: `dawson study retrain` with the model, or `dawson study run` under another --name.",
        )


def _environment(plan: Plan, cohort: Cohort, config: StudyConfig, jobs: int) -> dict[str, Any]:
    computing = choose(config.training)
    return environment() | {
        "cohort": cohort.name,
        "simulated": cohort.simulated,
        "device": computing.device,
        "precision": computing.precision,
        "jobs": jobs,
        "runs": len(plan.runs) + len(plan.final_runs),
        "training_seconds": round(sum(_seconds([*plan.runs, *plan.final_runs])), 1),
        "seed": config.split.seed,
        "images": {name: int((plan.usable.table["label"] == name).sum()) for name in config.study.classes},
    }


def _seconds(runs: Sequence[Run]) -> list[float]:
    return [float(read_json(run.record)["seconds"]) for run in runs]

"""`dawson study`: set up, estimate, run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import duration, figure, heading, say, show_json, show_table, size
from dawson.cli.study_file import find_config
from dawson.config import StudyConfig

app = typer.Typer(help="A classification study: from scans to a report and a model.", no_args_is_help=True)

COLUMNS = {
    "headline": "over test patients", "one_model": "one model", "over_repeats": "over repeats (as Seok 2023)",
    "nadeau_bengio": "Nadeau-Bengio", "published": "Seok 2023",
}  # fmt: skip
FIGURES = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "auc")

Repeats = Annotated[int | None, typer.Option("--repeats", min=1, help="Held-out draws; the study file's value by default.")]
Folds = Annotated[int | None, typer.Option("--folds", min=2, help="Folds, and members of the model.")]
TestPerClass = Annotated[int | None, typer.Option("--test-per-class", min=1, help="Test participants of each class in a draw.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs of training.")]
Scheme = Annotated[
    str | None, typer.Option("--scheme", help="held-out-draw, nested-k-fold, leave-one-site-out or external.", show_default=False)
]
KeepWeights = Annotated[bool, typer.Option("--keep-weights", help="Keep the weights of every repeat and fold (45 MB each).")]
OptionalSeed = Annotated[int | None, typer.Option("--seed", min=0, help="Start of the random numbers.")]


def study_config(
    study: Path,
    out: Path | None,
    where: str | None,
    repeats: int | None,
    folds: int | None,
    test_per_class: int | None,
    epochs: int | None,
    scheme: str | None,
    seed: int | None,
) -> StudyConfig:
    """The study file, of the results' folder if there is one, with what the command line changes."""
    return find_config(study, out).updated(
        study={"where": where},
        split={"repeats": repeats, "folds": folds, "test_per_class": test_per_class, "scheme": scheme, "seed": seed},
        training={"epochs": epochs},
    )


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A BIDS folder, or a folder of NIfTI files with --csv.", show_default=False)],
    csv: Annotated[Path | None, typer.Option("--csv", help="Table of the people and their files.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the proposal here; without it, it is only shown.")] = None,
    link: Annotated[str, typer.Option("--link", help="How files get there: copy, hardlink or symlink.")] = "copy",
) -> None:
    """Propose a BIDS study and a study file; FOLDER itself is never changed."""
    from dawson.cohort.initialise import propose_study
    from dawson.cohort.write_study import write_proposal

    proposal = propose_study(folder, csv)
    say(proposal.describe())
    if out is None:
        say("\nNothing was written. Give --out NEW_FOLDER to write it.")
        return
    if link not in ("copy", "hardlink", "symlink"):
        raise typer.BadParameter("copy, hardlink or symlink", param_hint="--link")
    written = write_proposal(proposal, out, link=link)  # type: ignore[arg-type]
    say(f"\nWritten: {written}")


@app.command()
def estimate(
    study: options.Study,
    out: options.Out = None,
    where: options.Where = None,
    repeats: Repeats = None,
    folds: Folds = None,
    test_per_class: TestPerClass = None,
    epochs: Epochs = None,
    scheme: Scheme = None,
    seed: OptionalSeed = None,
    keep_weights: KeepWeights = False,
    jobs: options.Jobs = 0,
    as_json: options.AsJson = False,
) -> None:
    """Measure a few steps on this machine and say how long the study takes and how much disk it needs."""
    from dataclasses import asdict

    from dawson.classification.estimate import estimate_study
    from dawson.classification.experiment import StudyPaths

    config = study_config(study, out, where, repeats, folds, test_per_class, epochs, scheme, seed)
    cost = estimate_study(StudyPaths(study, out or study), config, jobs=jobs, keep_weights=keep_weights)
    if as_json:
        show_json(asdict(cost))
        return
    total = cost.preprocess_seconds + cost.training_seconds
    show_table(
        "", ["step", "work", "time"],
        [
            ["preprocessing", f"{cost.scans_to_preprocess} scans", duration(cost.preprocess_seconds)],
            ["training", f"{cost.runs} networks, {cost.images_per_second:.0f} images/s each", duration(cost.training_seconds)],
            ["in all", f"{cost.jobs} side by side on {cost.device}, {cost.precision}", duration(total)],
        ],
    )  # fmt: skip
    say(f"Disk: {size(cost.disk_bytes)} of {size(cost.free_bytes)} free.")
    if cost.disk_bytes > cost.free_bytes:
        say("That is more than there is: give --out another disk.")


@app.command()
def run(
    study: options.Study,
    name: Annotated[str, typer.Option("--name", help="Name of the experiment and of the model.")] = "main",
    out: options.Out = None,
    where: options.Where = None,
    repeats: Repeats = None,
    folds: Folds = None,
    test_per_class: TestPerClass = None,
    epochs: Epochs = None,
    scheme: Scheme = None,
    seed: OptionalSeed = None,
    keep_weights: KeepWeights = False,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away an earlier experiment of this name.")] = False,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Do everything from validated BIDS to report.html; stopped at any moment, the same command goes on."""
    from dawson.classification.experiment import StudyPaths
    from dawson.classification.study import run_study
    from dawson.files import read_json
    from dawson.report.preprocess_index import write_preprocess_index
    from dawson.report.study import write_study_report

    config = study_config(study, out, where, repeats, folds, test_per_class, epochs, scheme, seed)
    if dry_run:
        estimate(study, out, where, repeats, folds, test_per_class, epochs, scheme, seed, keep_weights, jobs, as_json)
        return
    paths = StudyPaths(study, out or study)
    experiment = run_study(paths, name, config, jobs=jobs, dask=dask, keep_weights=keep_weights, restart=restart)
    report = write_study_report(experiment, study)
    index = write_preprocess_index(paths.derivatives)
    metrics = read_json(experiment / "metrics.json")
    if as_json:
        show_json({"report": str(report), "model": str(paths.model(name)), "headline": metrics["headline"]})
        return
    show_headline(metrics)
    say(f"\nContact sheets: {index}\nModel:          {paths.model(name)}\nReport:         {report}")


def show_headline(metrics: Mapping[str, Any]) -> None:
    """Print the figures of merit, the headline interval first."""
    percent = round(100 * metrics["confidence"])
    simulated = " (simulated patients)" if metrics.get("simulated") else ""
    several = len(metrics["classes"]) > 2
    about = f"macro averages over {len(metrics['classes'])} classes" if several else f"{metrics['positive']} positive"
    heading(f"Figures of merit{simulated}, {about}, {percent} % intervals")
    rows = [[name, *[figure(metrics[kind].get(name)) for kind in COLUMNS]] for name in FIGURES]
    show_table("", ["", *COLUMNS.values()], rows)
    for name in FIGURES:
        method = str((metrics["over_repeats"].get(name) or {}).get("method", ""))
        if "undefined" in method:
            say(f"{name} over repeats: {method}.")
    say("Quote the first column: the repeats share their test patients. The second is what one model of this kind does.")

"""`dawson study`: set up, estimate, run, compare, judge outside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import duration, figure, heading, say, say_whose, show_json, show_mark, show_table, size
from dawson.cli.people import prefixed_names
from dawson.cli.study_file import find_config
from dawson.config import StudyConfig, read_config

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
    from dawson.cohort.consent import permitted
    from dawson.cohort.dataset import read_cohort
    from dawson.files import read_json
    from dawson.report.model_card import write_model_card
    from dawson.report.preprocess_index import write_preprocess_index
    from dawson.report.study import write_study_report

    config = study_config(study, out, where, repeats, folds, test_per_class, epochs, scheme, seed)
    if dry_run:
        estimate(study, out, where, repeats, folds, test_per_class, epochs, scheme, seed, keep_weights, jobs, as_json)
        return
    paths = StudyPaths(study, out or study)
    experiment = run_study(paths, name, config, jobs=jobs, dask=dask, keep_weights=keep_weights, restart=restart)
    report = write_study_report(experiment, study)
    write_model_card(paths.model(name))
    _, refused = permitted(read_cohort(study), config.governance, "select", record=False)
    index = write_preprocess_index(paths.derivatives, refused)
    metrics = read_json(experiment / "metrics.json")
    if as_json:
        show_json({"report": str(report), "model": str(paths.model(name)), "headline": metrics["headline"]})
        return
    show_headline(metrics)
    say(f"\nContact sheets: {index}\nModel:          {paths.model(name)}\nReport:         {report}")


@app.command()
def external(
    model: Annotated[Path, typer.Argument(help="Folder of the model, models/NAME.", show_default=False)],
    study: Annotated[Path, typer.Argument(help="The other study: a BIDS folder.", show_default=False)],
    out: options.Out = None,
    where: options.Where = None,
    name: Annotated[str, typer.Option("--name", help="Name of the folder of the results; by default the model's.")] = "",
    allow_simulated: Annotated[
        bool, typer.Option("--allow-simulated", help="Let a model of simulated patients speak about real ones.")
    ] = False,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    as_json: options.AsJson = False,
) -> None:
    """Judge a model, as it is, on another study: discrimination, calibration and coverage there beside those at home."""
    from dawson.classification.experiment import StudyPaths
    from dawson.classification.external import run_external
    from dawson.classification.model import read_model
    from dawson.classification.withdrawal import needs_retraining
    from dawson.cohort.dataset import read_cohort
    from dawson.files import read_json
    from dawson.report.external import write_external_report

    show_mark(needs_retraining(model))
    config = find_config(study, out).updated(study={"where": where})
    cohort = read_cohort(study, text=(config.study.diagnosis_column, config.study.site_column))
    paths = StudyPaths(study, out or study)
    folder = run_external(
        read_model(model), cohort, paths, config, name=name, allow_simulated=allow_simulated, jobs=jobs, dask=dask
    )  # fmt: skip
    report = write_external_report(folder)
    said = read_json(folder / "external.json")
    if as_json:
        show_json({"report": str(report)} | {name: said[name] for name in ("figures", "losses", "simulated", "research_use_only")})
        return
    simulated = " (simulated patients)" if said["simulated"] else ""
    people = ", ".join(f"{n} {label}" for label, n in said["n"].items())
    heading(f"Model {said['model']['name']} on {said['study'] or study}{simulated}: {people}")
    inside, outside = said["figures"]["inside"], said["figures"]["outside"]
    show_table("", ["", "inside", "outside"], [[item, figure(inside.get(item)), figure(outside.get(item))] for item in FIGURES])
    for sentence in [said["figures"]["reason"] or "", *said["losses"]]:
        if sentence:
            say(sentence)
    say_whose(simulated=said["simulated"], learnt=bool((said["model"]["trained_on"] or {}).get("simulated")))
    say(f"\nReport: {report}")


@app.command()
def retrain(
    model: Annotated[Path, typer.Argument(help="Folder of the model, models/NAME, in the study that made it.", show_default=False)],
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Leave out this participant; may be given many times.", show_default=False)
    ] = None,
    study: Annotated[
        Path | None, typer.Option("--study", help="The BIDS folder, where the results were written elsewhere.", show_default=False)
    ] = None,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    dry_run: options.DryRun = False,
) -> None:
    """Do a study again without somebody: only what learnt from the person is trained anew, and the model is replaced.

    Whoever withdrew, or may no longer be used, is left out whether named or not.
    """
    from dawson.classification.experiment import StudyPaths
    from dawson.classification.model import read_model
    from dawson.classification.retrain import retrain as again
    from dawson.files import read_json
    from dawson.report.model_card import write_model_card
    from dawson.report.study import write_study_report

    read = read_model(model)
    out = read.folder.absolute().parent.parent
    paths = StudyPaths(study or out, out)
    people = prefixed_names(without)
    done = again(paths, read.name, people, jobs=jobs, dask=dask, dry_run=dry_run)
    would = "would be " if dry_run else ""
    say(f"Left out: {', '.join(done.left_out) or 'nobody'}. Networks {would}trained anew: {done.trained}; kept: {done.kept}.")
    if dry_run:
        return
    experiment = paths.experiment(read.name)
    report = write_study_report(experiment, paths.study)
    write_model_card(paths.model(read.name))
    show_headline(read_json(experiment / "metrics.json"))
    say(f"\nModel:  {paths.model(read.name)}\nReport: {report}")


@app.command()
def compare(
    experiments: Annotated[
        list[str], typer.Argument(help="Experiments of the study by name, or their folders.", show_default=False, metavar="A B ...")
    ],
    study: Annotated[Path, typer.Option("--study", help="The study, or the folder that was given as --out.")] = Path(),
    out: Annotated[Path | None, typer.Option("--out", help="Also write the comparison to this JSON file.", show_default=False)] = None,
    as_json: options.AsJson = False,
) -> None:
    """Compare experiments that were made on the same splits: paired tests over the patients."""
    from dawson.classification.comparison import compare_experiments
    from dawson.files import read_json, write_json

    named = [Path(name) if (Path(name) / "splits.tsv").is_file() else study / "experiments" / name for name in experiments]
    simulated = any(read_json(folder / "metrics.json").get("simulated") for folder in named if (folder / "metrics.json").is_file())
    result = compare_experiments(named) | {"simulated": simulated, "research_use_only": True}
    if out is not None:
        write_json(out, result)
    if as_json:
        show_json(result)
        return
    show_table(
        "Over the test patients of each", ["experiment", "patients", "AUC", "accuracy"],
        [[name, said["n"], figure(said["auc"]), figure(said["accuracy"])] for name, said in result["models"].items()],
    )  # fmt: skip
    tests = {"delong": "DeLong", "mcnemar": "McNemar mid-p", "bootstrap": "bootstrap"}
    rows = []
    for pair in result["pairs"]:
        p = ", ".join(f"{tests[name]} {value:.3g}" for name, value in pair["p"].items() if value is not None)
        corrected = pair["nadeau_bengio"]["p"]
        rows.append(
            [
                f"{pair['first']} - {pair['second']}", pair["figure"], figure(pair["difference"]), p,
                "-" if corrected is None else f"{corrected:.3g}", pair["n_patients"],
            ]
        )  # fmt: skip
    show_table("Differences", ["pair", "figure", "difference", "p over patients", "p Nadeau-Bengio", "patients"], rows)
    say_whose(simulated=simulated)


@app.command()
def curve(
    study: options.Study,
    name: Annotated[str, typer.Option("--name", help="Experiment whose settings and test sets are used.")] = "main",
    out: options.Out = None,
    sizes: Annotated[
        str | None, typer.Option("--sizes", help="Numbers of training patients, such as 20,40,80; by default a quarter, half, 3/4.")
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Test sets of the study to use.")] = 3,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    as_json: options.AsJson = False,
) -> None:
    """Train with fewer patients and show what more of them would give; stopped at any moment, the same command goes on."""
    from dawson.classification.experiment import StudyPaths
    from dawson.classification.learning_curve import CURVE_TABLE, run_learning_curve
    from dawson.files import read_json, write_text
    from dawson.report.learning_curve_figure import learning_curve_figure

    paths = StudyPaths(study, out or study)
    recorded = paths.experiment(name) / "config.toml"
    config = read_config(recorded) if recorded.exists() else find_config(study, out)
    path = run_learning_curve(paths, name, config, sizes=_numbers(sizes), repeats=repeats, jobs=jobs, dask=dask)
    content = read_json(path)
    drawn = learning_curve_figure(content, "simulated patients" if content["simulated"] else "")
    picture = path.with_suffix(".svg")
    write_text(picture, str(drawn) + "\n")
    if as_json:
        show_json(content)
        return
    heading(f"Performance by number of training patients{' (simulated)' if content['simulated'] else ''}")
    rows = [[f"{point['n_train']:g}", figure(point["auc"]), figure(point["accuracy"])] for point in content["points"]]
    if further := content["extrapolation"]:
        rows.append([f"{further['n_train']:g} (extrapolated)", figure(further["auc"]), ""])
    show_table("", ["training patients", "AUC", "accuracy"], rows)
    say(content["note"])
    say_whose(simulated=content["simulated"])
    say(f"\nTable:  {path.parent / CURVE_TABLE}\nFigure: {picture}")


def _numbers(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise typer.BadParameter("whole numbers with commas between them, such as 20,40,80", param_hint="--sizes") from None


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

"""`dawson demo`: the whole way on simulated patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import heading, say

PATIENTS = {"MS": 30, "NMOSD": 30}
NEW_PATIENTS = {"MS": 2, "NMOSD": 2}
SETTINGS = {"repeats": 4, "folds": 3}
NETWORK = {"network": "resnet18-narrow", "epochs": 20}


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything the demo makes.")] = Path("demo"),
    seed: options.Seed = 0,
    jobs: options.Jobs = 0,
) -> None:
    """Simulate a cohort, run a small study on it, then preprocess and read four new raw scans (10 minutes on 2 cores)."""
    from dawson.classification.experiment import StudyPaths
    from dawson.classification.model import read_model
    from dawson.classification.predict import predict_cohort
    from dawson.classification.study import run_study
    from dawson.cli.study import show_headline
    from dawson.cohort.dataset import read_cohort
    from dawson.config import STUDY_FILE, StudyConfig, dump_config
    from dawson.files import read_json, write_text
    from dawson.report.prediction import write_prediction_report
    from dawson.report.preprocess_index import write_preprocess_index
    from dawson.report.study import write_study_report
    from dawson.simulation.cohort import simulate_cohort
    from dawson.simulation.people import plan_cohort

    heading("1 of 3  Simulating a cohort in template space")
    study = simulate_cohort(out / "study", plan_cohort(PATIENTS, seed=seed), seed=seed, space="template", jobs=jobs)
    config = StudyConfig().updated(study={"name": "Demo on simulated patients"}, split={**SETTINGS, "seed": seed}, training=NETWORK)
    write_text(study / STUDY_FILE, dump_config(config))

    heading("2 of 3  Running a small study: 4 held-out draws, 3 folds")
    paths = StudyPaths(study, study)
    experiment = run_study(paths, "main", config, jobs=jobs)
    report = write_study_report(experiment, study)
    metrics = read_json(experiment / "metrics.json")

    heading("3 of 3  Four new simulated patients, raw heads: preprocess and predict")
    raw = simulate_cohort(
        out / "new-patients", plan_cohort(NEW_PATIENTS, followed_up=dict.fromkeys(NEW_PATIENTS, 0), seed=seed + 1000),
        seed=seed + 1000, space="native", jobs=jobs,
    )  # fmt: skip
    cohort = read_cohort(raw)
    predictions = out / "predictions"
    table = predict_cohort(read_model(paths.model("main")), cohort, predictions, jobs=jobs)
    index = write_preprocess_index(predictions / "derivatives" / "dawson")
    truth = dict(zip(cohort.participants["participant_id"], cohort.participants["diagnosis"], strict=True))
    for row in table.itertuples():
        if row.status != "done":
            say(f"  {row.participant_id}: {row.reason}")
            continue
        folder = predictions / "_".join(str(part) for part in (row.participant_id, row.session_id) if part)
        page = write_prediction_report(folder)
        say(f"  {row.participant_id} (simulated {truth[row.participant_id]}): predicted {row.predicted}. {page}")

    show_headline(metrics)
    say(f"\nContact sheets: {index}\nReport:         {report.resolve()}")

"""`dawson predict`: a model reads new scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, say_whose, show_json, show_mark, show_refused, show_table
from dawson.cli.people import prefixed_names
from dawson.cli.study_file import find_config


def predict(
    model: Annotated[Path, typer.Argument(help="Folder of the model, models/NAME.", show_default=False)],
    scans: Annotated[list[Path] | None, typer.Argument(help="T1W FLAIR, or the FLAIR alone.", show_default=False)] = None,
    study: Annotated[Path | None, typer.Option("--study", help="Read every scan of this study.", show_default=False)] = None,
    participant: options.Participants = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")] = Path("prediction"),
    name: Annotated[str, typer.Option("--name", help="What the patient is called in the results.")] = "patient",
    allow_simulated: Annotated[
        bool, typer.Option("--allow-simulated", help="Show what a model of simulated patients says about a real scan.")
    ] = False,
    jobs: options.Jobs = 0,
    dask: options.Dask = None,
    as_json: options.AsJson = False,
) -> None:
    """Preprocess and read a new patient's scan: one page with the slices, the probability and what it rests on."""
    from dawson.classification.model import read_model
    from dawson.classification.withdrawal import needs_retraining
    from dawson.files import read_json
    from dawson.report.prediction import write_prediction_report

    read = read_model(model)
    show_mark(needs_retraining(model))
    if study is not None:
        _predict_study(model, study, participant, out, allow_simulated, jobs, dask, as_json)
        return
    if not scans or len(scans) > 2:
        raise typer.BadParameter("give T1W FLAIR, or the FLAIR alone, or --study", param_hint="SCANS")
    from dawson.classification.predict import predict_pair

    t1w, flair = (None, scans[0]) if len(scans) == 1 else (scans[0], scans[1])
    folder = predict_pair(read, t1w, flair, out, name=name, allow_simulated=allow_simulated)
    page = write_prediction_report(folder)
    result = read_json(folder / "prediction.json")
    if as_json:
        show_json(result)
        return
    if result["withheld"]:
        say(result["withheld"])
    else:
        certainty = result["certainty"] or {}
        calibrated = certainty.get("temperature") is not None
        shown = certainty["probability"] if calibrated else result["probability"]
        rows = [[label, f"{p['mean']:.3f}", f"{p['sd']:.3f}", f"{p['min']:.3f} to {p['max']:.3f}"] for label, p in shown.items()]
        named = "calibrated probability" if calibrated else "probability"
        show_table("Research use only", ["class", named, "sd of members", "range of members"], rows)
        if said := certainty.get("set"):
            say(f"Answer: {said['answer']} (promised error: at most {100 * said['alpha']:g} % of each class).")
    if (result["familiarity"] or {}).get("unusual"):
        say(f"Unlike the scans that the model learnt from: {'; '.join(result['familiarity']['reasons'])}.")
    say_whose(learnt=read.simulated)
    say(f"Report: {page}")


def _predict_study(
    model: Path, study: Path, participant: list[str] | None, out: Path, allow_simulated: bool, jobs: int, dask: str | None, as_json: bool
) -> None:
    from dawson.classification.model import read_model
    from dawson.classification.predict import predict_cohort
    from dawson.cohort.consent import permitted, remember_results
    from dawson.cohort.dataset import read_cohort
    from dawson.report.prediction import write_prediction_report

    read = read_model(model)
    wanted = prefixed_names(participant)
    governance = find_config(study).governance
    cohort, refused = permitted(read_cohort(study), governance, "predict", detail={"model": read.digest})
    show_refused(refused)
    remember_results(study, out, governance)
    table = predict_cohort(read, cohort, out, participants=wanted, allow_simulated=allow_simulated, jobs=jobs, dask=dask)
    done = table[table["status"] == "done"]
    for row in done.itertuples():
        write_prediction_report(out / "_".join(str(part) for part in (row.participant_id, row.session_id) if part))
    plain = table.astype(object).where(table.notna(), None)
    records: list[dict[str, Any]] = [dict(zip(plain.columns, values, strict=True)) for values in plain.itertuples(index=False, name=None)]
    if as_json:
        show_json(records)
    else:
        shown = [label for label in read.classes if f"probability_{label}" in table]
        rows = []
        kind = "calibrated" if f"calibrated_{read.classes[0]}" in table else "probability"
        for record in records:
            said = [f"{record[f'{kind}_{label}']:.2f}" if record.get("predicted") else "" for label in shown]
            called = record.get("predicted") or record["reason"]
            about = [record.get("answer") or "-", "unusual" if record.get("unusual") else ""]
            rows.append([record["participant_id"], record["session_id"], called, *said, *about])
        show_table("Research use only", ["participant", "session", "called, or why not", *shown, "answer", "scan"], rows)
        say_whose(learnt=read.simulated)
        say(f"{len(done)} of {len(table)} scans read. Table: {out / 'predictions.tsv'}; a report.html in each scan's folder.")
    if len(table) and not len(done):
        raise typer.Exit(1)

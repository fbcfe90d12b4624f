"""`dawson model`: what a model is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import figure, say, show_json, show_mark, show_table

app = typer.Typer(help="What a model is and what it learnt from.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """What a model is and what it learnt from."""


@app.command()
def info(
    model: Annotated[Path, typer.Argument(help="Folder of the model, models/NAME.", show_default=False)],
    as_json: options.AsJson = False,
) -> None:
    """Show classes, training, performance and digest of a model."""
    from dawson.classification.model import read_model
    from dawson.classification.withdrawal import needs_retraining

    read = read_model(model)
    said, marked = dict(read.description), needs_retraining(model)
    if as_json:
        show_json(said | {"digest": read.digest, "needs_retraining": marked})
        return
    trained, performance = said["trained_on"], said["performance"]
    people = ", ".join(f"{count} {label}" for label, count in trained["participants"].items())
    simulated = "; SIMULATED patients" if trained["simulated"] else ""
    auc = performance["figures"].get("auc")
    tested = f"{performance['scheme']}, {performance['repeats']} repeats x {performance['folds']} folds" if auc else "nobody"
    show_table(
        f"Model {read.name}", ["", ""],
        [
            ["classes", ", ".join(read.classes) + f" (positive: {said['positive']})"],
            ["network", f"{said['training']['network']}, {len(said['members'])} members, {said['channels']} slices"],
            ["trained on", f"{trained['study']}: {people}; {trained['scans']} scans{simulated}"],
            ["AUC, out of sample", f"{figure(auc)}; {auc['method']}" if auc else "not known"],
            ["evaluated by", tested],
            ["digest", read.digest],
            ["made with", f"dawson {said['software']['packages'].get('dawson', '?')}, {said['software']['created']}"],
        ],
    )  # fmt: skip
    show_mark(marked)
    say("Research use only.")


@app.command()
def card(
    model: Annotated[Path, typer.Argument(help="Folder of the model, models/NAME.", show_default=False)],
    dry_run: options.DryRun = False,
) -> None:
    """Write card.md of a model: use, training data, performance, limits; with --dry-run it is only shown."""
    from dawson.classification.model import read_model
    from dawson.report.model_card import model_card, write_model_card

    if dry_run:
        typer.echo(model_card(read_model(model)))
        return
    say(f"Card: {write_model_card(model)}")

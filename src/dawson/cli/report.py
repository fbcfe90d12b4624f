"""`dawson report`: write the report of a finished experiment again."""

from __future__ import annotations

from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say


def report(
    study: options.Study,
    name: Annotated[str, typer.Option("--name", help="Name of the experiment.")] = "main",
    out: options.Out = None,
    share: Annotated[bool, typer.Option("--share", help="Leave out every individual: no images, no identifiers, no small cells.")] = False,
) -> None:
    """Write report.html of a finished experiment."""
    from dawson.classification.experiment import StudyPaths, check_name
    from dawson.report.study import write_study_report

    folder = StudyPaths(study, out or study).experiment(check_name(name))
    say(f"Report: {write_study_report(folder, study, share=share)}")

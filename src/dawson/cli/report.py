"""`dawson report`: write the report of a finished experiment again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say
from dawson.cli.study_file import find_config
from dawson.errors import ConsentError


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
    if not share:
        _refuse_unpermitted(study, out, folder)
    say(f"Report: {write_study_report(folder, study, share=share)}")


def _refuse_unpermitted(study: Path, out: Path | None, folder: Path) -> None:
    """Refuse a page that would show people who may not be analysed any more."""
    from dawson.classification.experiment import FINAL_SPLITS, SPLITS
    from dawson.cohort.consent import permitted
    from dawson.cohort.dataset import read_cohort
    from dawson.governance.mentions import participants_in

    people = {name for table in (SPLITS, FINAL_SPLITS) if (folder / table).is_file() for name in participants_in(folder / table)}
    _, refused = permitted(read_cohort(study), find_config(study, out).governance, "analyse")
    if gone := sorted(people & set(refused)):
        shown = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        raise ConsentError(
            f"The report of {folder.name} would show {shown}, who may not be analysed now: {refused[gone[0]]}.",
            "Do the study again without them (`dawson study retrain`), or write a page without any individual (--share).",
        )

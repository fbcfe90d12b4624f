"""`dawson cohort`: is the data set in order, and who is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_table
from dawson.cli.study_file import find_config
from dawson.config import refuse_managed

app = typer.Typer(help="Check and describe the people of a study.", no_args_is_help=True)


@app.command()
def validate(
    study: options.Study,
    no_voxels: Annotated[bool, typer.Option("--no-voxels", help="Headers and tables only: fast, but sees no damaged image.")] = False,
    where: options.Where = None,
    config_file: options.Config = None,
    jobs: options.Jobs = 0,
    as_json: options.AsJson = False,
) -> None:
    """List every problem with its file or person and what to do; leaves with 1 where there are errors."""
    from dataclasses import asdict

    from dawson.cohort.dataset import read_cohort
    from dawson.cohort.validate import validate_cohort
    from dawson.parallel import resolve_jobs

    config = find_config(study, named=config_file)
    cohort = read_cohort(study, text=(config.study.diagnosis_column, config.study.site_column))
    cohort = cohort.select(where) if where else cohort
    if not no_voxels:
        refuse_managed(config)
    problems = validate_cohort(cohort, config, voxels=not no_voxels, jobs=resolve_jobs(jobs))
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        show_json([asdict(problem) for problem in problems])
    else:
        if problems:
            rows = [[problem.severity, problem.where, problem.problem, problem.fix] for problem in problems]
            show_table("", ["", "where", "problem", "what to do"], rows)
        say(
            f"{len(cohort.participants)} participants, {len(cohort.scans)} scans: "
            f"{errors} error{'s' * (errors != 1)}, {len(problems) - errors} warning{'s' * (len(problems) - errors != 1)}."
        )
    if errors:
        raise typer.Exit(1)


@app.command()
def describe(
    study: options.Study,
    where: options.Where = None,
    config_file: options.Config = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for table1.tsv and table1.md.", show_default=False)] = None,
    as_json: options.AsJson = False,
) -> None:
    """Table 1: the cohort by diagnosis, with the test that each row used."""
    from dawson.cohort.dataset import read_cohort
    from dawson.cohort.describe import table_one
    from dawson.files import write_text, write_tsv

    config = find_config(study, named=config_file)
    cohort = read_cohort(study, text=(config.study.diagnosis_column, config.study.site_column))
    selection = where or config.study.where
    cohort = cohort.select(selection) if selection else cohort
    described = table_one(cohort, config.study.diagnosis_column)
    if as_json:
        show_json(described.table.to_dict("records"))
    else:
        title = f"{cohort.name}{' (simulated)' if cohort.simulated else ''}"
        show_table(title, list(described.table.columns), described.table.values.tolist())
        say(described.note)
    if out is not None:
        write_tsv(out / "table1.tsv", described.table)
        write_text(out / "table1.md", described.to_markdown())
        say(f"Written: {out / 'table1.tsv'}, {out / 'table1.md'}")

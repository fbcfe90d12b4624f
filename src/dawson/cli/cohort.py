"""`dawson cohort`: is the data set in order, and who is in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_refused, show_table
from dawson.cli.study_file import find_config
from dawson.errors import CohortError

if TYPE_CHECKING:
    from dawson.cohort.clinical_import import ClinicalImport
    from dawson.cohort.export import ExportPlan

_MOST_COMBINATIONS = 20

app = typer.Typer(help="Check and describe the people of a study, take in clinical data, share a part of it.", no_args_is_help=True)


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

    from dawson.cohort.consent import permitted
    from dawson.cohort.dataset import read_cohort
    from dawson.cohort.validate import validate_cohort
    from dawson.parallel import resolve_jobs

    config = find_config(study, named=config_file)
    cohort = read_cohort(study, text=(config.study.diagnosis_column, config.study.site_column))
    cohort = cohort.select(where) if where else cohort
    if not no_voxels:
        cohort, refused = permitted(cohort, config.governance, "select")
        show_refused(refused)
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
    from dawson.cohort.consent import permitted
    from dawson.cohort.dataset import read_cohort
    from dawson.cohort.describe import table_one
    from dawson.files import write_text, write_tsv

    config = find_config(study, named=config_file)
    cohort = read_cohort(study, text=(config.study.diagnosis_column, config.study.site_column))
    selection = where or config.study.where
    cohort = cohort.select(selection) if selection else cohort
    cohort, refused = permitted(cohort, config.governance, "analyse")
    show_refused(refused)
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


@app.command("import-clinical")
def import_clinical(
    study: options.Study,
    table: Annotated[Path, typer.Argument(help="CSV, TSV or XLSX with one row a person, or one a visit.", show_default=False)],
    renamed: Annotated[
        list[str] | None,
        typer.Option("--map", help="HEADER=COLUMN where the header does not say; may be given many times.", show_default=False),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option("--leave-out", help="Header of a column not to be read; may be given many times.", show_default=False),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over values that are there and differ.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Write the good cells though others are wrong.")] = False,
    within_days: Annotated[float, typer.Option("--within-days", min=0, help="How far a visit may lie from a scan.")] = 0.0,
    decimal_comma: Annotated[bool, typer.Option("--decimal-comma", help="The table writes 2,5 for 2.5.")] = False,
    backup: Annotated[
        Path | None, typer.Option("--backup", help="Folder outside the study for the tables as they were.", show_default=False)
    ] = None,
    config_file: options.Config = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Check a clinic's table cell by cell and bring it into the study; nothing is written while a cell is wrong."""
    from dataclasses import asdict

    from dawson.cohort.clinical_import import plan_import
    from dawson.cohort.clinical_write import write_import

    config = find_config(study, named=config_file)
    mapping = {}
    for word in renamed or ():
        header, _, name = word.rpartition("=")
        if not header or not name:
            raise CohortError(f"--map {word} is not HEADER=COLUMN.", "Write for example --map 'EDSS total=edss'.")
        mapping[header.strip()] = name.strip()
    plan = plan_import(
        study, table, renamed=mapping, leave_out=leave_out or (), replace=replace, within_days=within_days, decimal_comma=decimal_comma
    )
    stopped = bool(plan.blocking) and not partial
    written = () if dry_run or stopped else write_import(plan, partial=partial, backup=backup, managed=config.governance.managed)
    if as_json:
        show_json(
            {
                "problems": [asdict(problem) for problem in plan.problems],
                "changes": [asdict(change) for change in plan.changes],
                "unchanged": plan.unchanged,
                "notes": plan.notes,
                "written": [str(path) for path in written],
            }
        )
    else:
        _show_import(plan, shown_changes=dry_run)
        if dry_run:
            say("Nothing was written: this is a dry run.")
        elif stopped:
            say("Nothing was written. Correct the table, or take the good cells alone with --partial.")
        else:
            say(f"Written: {', '.join(str(path) for path in written) or 'nothing, all is there already'}")
    if stopped:
        raise typer.Exit(1)


def _show_import(plan: ClinicalImport, *, shown_changes: bool) -> None:
    for note in plan.notes:
        say(f"  {note}")
    if plan.problems:
        rows = [[item.row, item.column, item.value, item.participant_id, item.kind, item.problem, item.fix] for item in plan.problems]
        show_table("", ["row", "column", "value", "participant", "", "problem", "what to do"], rows)
    if shown_changes and plan.changes:
        changes = [[item.participant_id, item.session_id, item.column, item.old or "-", item.new] for item in plan.changes]
        show_table("Would be written", ["participant", "session", "column", "was", "becomes"], changes)
    conflicts = sum(problem.kind == "conflict" for problem in plan.problems)
    errors = len(plan.blocking) - conflicts
    say(
        f"{len(plan.changes)} cells to write, {plan.unchanged} there already, {errors} error{'s' * (errors != 1)}, "
        f"{conflicts} conflict{'s' * (conflicts != 1)}."
    )


@app.command()
def export(
    study: options.Study,
    out: Annotated[Path, typer.Argument(help="New folder for the BIDS dataset.", show_default=False)],
    purpose: Annotated[
        str,
        typer.Option("--purpose", help="disease-research, health-research, general-research or methods-development.", show_default=False),
    ],
    licence: Annotated[
        str,
        typer.Option("--licence", help="SPDX identifier such as CC-BY-NC-4.0, LicenseRef-NAME, or the path of a text.", show_default=False),
    ],
    recipient: Annotated[str, typer.Option("--recipient", help="Who gets the data.")] = "",
    agreement: Annotated[str, typer.Option("--agreement", help="The agreement under which they go.")] = "",
    country: Annotated[str, typer.Option("--country", help="Where they go, two letters.")] = "",
    commercial: Annotated[bool, typer.Option("--commercial", help="The recipient uses them commercially.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Anybody may get them.")] = False,
    where: options.Where = None,
    raw: Annotated[bool, typer.Option(help="Raw images, with their faces removed.")] = True,
    derivatives: Annotated[bool, typer.Option("--derivatives", help="What Dawson made of each scan.")] = False,
    coarsen_age: Annotated[int, typer.Option("--coarsen-age", min=0, help="Width of age bands in years; 0 leaves ages as they are.")] = 0,
    hide_sites: Annotated[bool, typer.Option("--hide-sites", help="Number the sites in random order.")] = False,
    faces_removed_elsewhere: Annotated[
        str, typer.Option("--faces-removed-elsewhere", help="Who removed the faces and how, where no sidecar says it.")
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Title of the new dataset.")] = "",
    version: Annotated[str, typer.Option("--version", help="Its version.")] = "1.0.0",
    doi: Annotated[str, typer.Option("--doi", help="Its DOI, if it has one.")] = "",
    config_file: options.Config = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Make a BIDS dataset of those who may go, with datasheet, licence and checksums; the study itself is not changed."""
    from dawson.cohort.export import ExportOptions, plan_export, write_export

    config = find_config(study, named=config_file)
    wanted = ExportOptions(
        purpose=purpose,
        licence=licence,
        recipient=recipient,
        agreement=agreement,
        where=where or "",
        country=country,
        commercial=commercial,
        public=public,
        raw=raw,
        derivatives=derivatives,
        coarsen_age=coarsen_age,
        hide_sites=hide_sites,
        faces_removed_elsewhere=faces_removed_elsewhere,
        name=name,
        version=version,
        doi=doi,
    )
    plan = plan_export(study, wanted, config)
    if not as_json:
        _show_export(plan)
    if dry_run:
        if as_json:
            show_json(_export_facts(plan))
        else:
            say("Nothing was written: this is a dry run.")
        return
    made = write_export(plan, out, config)
    if as_json:
        show_json({**_export_facts(plan), "path": str(made.path), "export_id": made.export_id, "for_the_author": made.for_the_author})
        return
    say(f"Export: {made.path} ({made.people} people, {made.sessions} sessions, {made.files} files)")
    if made.changed_images:
        say(f"Text was taken out of the headers of {made.changed_images} images.")
    say(f"DATASHEET.md leaves {made.for_the_author} questions to its author. Check: cd {made.path} && sha256sum -c SHA256SUMS")


def _show_export(plan: ExportPlan) -> None:
    kind = " (simulated)" if plan.cohort.simulated else ""
    say(f"{plan.cohort.name}{kind}: {len(plan.people)} people, {len(plan.cohort.sessions)} sessions, {len(plan.found.files)} files go.")
    if not plan.managed:
        say("Consent is not managed in this study: nobody's consent was checked.")
    if plan.refused:
        show_table("May not go", ["participant", "because"], [[person, reason] for person, reason in plan.refused.items()])
    if plan.without_files:
        say(f"Without a file that goes: {', '.join(plan.without_files)}.")
    if plan.found.stays:
        show_table("Stays", ["file", "because"], [[path, reason] for path, reason in plan.found.stays])
    if len(plan.rare) and not plan.cohort.simulated:
        shown = plan.rare.head(_MOST_COMBINATIONS)
        title = f"Rare combinations ({len(shown)} of {len(plan.rare)})"
        show_table(title, list(shown.columns), shown.values.tolist())
    for warning in plan.warnings:
        say(f"Warning: {warning}")


def _export_facts(plan: ExportPlan) -> dict[str, Any]:
    return {
        "people": plan.people,
        "refused": plan.refused,
        "without_files": plan.without_files,
        "files": [file.target for file in plan.found.files],
        "stays": [{"file": path, "because": reason} for path, reason in plan.found.stays],
        "warnings": plan.warnings,
        "managed": plan.managed,
        "simulated": plan.cohort.simulated,
    }

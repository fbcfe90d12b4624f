"""`dawson annotate`: make campaigns of narrow tasks, see how they go, release their labels."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, say_whose, show_json, show_refused, show_table
from dawson.errors import AnnotationError, MissingDependencyError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, sessionmaker

app = typer.Typer(no_args_is_help=True, help="Labels by many hands: campaigns of one narrow task each, rated in the browser.")

Name = Annotated[str, typer.Argument(help="Name of the campaign.", show_default=False)]


@app.command("new")
def new(
    study: options.Study,
    name: Name,
    task: Annotated[str, typer.Option("--task", help="What is asked; `dawson annotate tasks` lists them.")] = "lesion-accept",
    title: Annotated[str, typer.Option("--title", help="What raters read.", show_default=False)] = "",
    question: Annotated[str, typer.Option("--question", help="In other words than the task's.", show_default=False)] = "",
    instructions: Annotated[
        Path | None, typer.Option("--instructions", help="Text file with what raters should know.", show_default=False)
    ] = None,
    artefact: Annotated[
        str, typer.Option("--artefact", help="For image-quality: the artefact that is asked about.", show_default=False)
    ] = "",
    candidates: Annotated[
        str, typer.Option("--candidates", help="Maker (desc-) of the lesions asked about, or of masks to correct.", show_default=False)
    ] = "",
    gold_maker: Annotated[
        str, typer.Option("--gold-maker", help="Maker (desc-) of masks that are true; some become hidden checks.", show_default=False)
    ] = "",
    gold: Annotated[
        Path | None, typer.Option("--gold", help="Table of known answers: participant_id, session_id, answer.", show_default=False)
    ] = None,
    checks: Annotated[
        int | None,
        typer.Option("--checks", min=0, help="Items of known answer that are set aside as tutorial and hidden checks.", show_default=False),
    ] = None,
    organiser: Annotated[str, typer.Option("--organiser", help="Who answers for it.")] = "the organiser",
    licence: Annotated[str, typer.Option("--licence", help="Licence of the labels.")] = "CC-BY-NC-4.0",
    public: Annotated[bool, typer.Option("--public", help="Anybody may see the scans: consent to public annotation is needed.")] = False,
    where: options.Where = None,
    seed: options.Seed = 0,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Make a campaign from a study: campaign.toml with its rules, items.tsv with what is shown."""
    plan_campaign, build_campaign, parse_campaign = _rooms()
    from dawson.annotation.find_items import Sources
    from dawson.annotation.task import task_named
    from dawson.cli.study_file import find_config
    from dawson.cohort.licences import find_licence

    chosen = task_named(task)
    part = {
        "title": title or f"{chosen.title}: {study.resolve().name}", "task": task, "question": question, "artefact": artefact,
        "organiser": organiser, "licence": find_licence(licence).identifier, "public": public,
        "instructions": instructions.read_text(encoding="utf-8") if instructions else "",
    }  # fmt: skip
    settings = parse_campaign({"campaign": part}, "The campaign")
    sources = Sources(candidates, gold_maker, gold)
    config = find_config(study, None)
    plan = plan_campaign(study, config, settings, sources, checks=checks, where=where or "", seed=seed, record=not dry_run)
    folder = None if dry_run else build_campaign(study, name, plan)
    if as_json:
        told: dict[str, Any] = {"items": plan.counts(), "left_out": plan.left_out, "refused": len(plan.refused)}
        show_json(told | ({"campaign": str(folder)} if folder else {}))
        return
    show_refused(plan.refused)
    counts = plan.counts()
    rows = [["to be rated", counts["item"]], ["tutorial", counts["tutorial"]], ["hidden checks", counts["gold"]]]
    show_table("Would be made" if dry_run else "Items", ["", "number"], rows)
    if plan.left_out:
        show_table("Not shown", ["scan", "reason"], [list(pair) for pair in plan.left_out.items()])
    if folder:
        say(f"Rules: {folder / 'campaign.toml'}. They can be changed until dawson serve {study} opens the campaign.")
        say_whose(simulated=plan.settings.campaign.simulated)


@app.command("tasks")
def tasks(as_json: options.AsJson = False) -> None:
    """List what can be asked."""
    from dawson.annotation.task import TASKS

    rows = [[task.name, task.question, ", ".join(choice.key for choice in task.choices) or "a mask"] for task in TASKS.values()]
    if as_json:
        show_json([dict(zip(("task", "question", "answers"), row, strict=True)) for row in rows])
    else:
        show_table("Tasks", ["task", "question", "answers"], rows)


@app.command("status")
def status(study: options.Study, as_json: options.AsJson = False) -> None:
    """How far the campaigns of a study are."""
    _rooms()
    from sqlalchemy import select

    from dawson.annotation.campaigns import settings_of
    from dawson.annotation.results import progress_of
    from dawson.storage.models import Campaign

    rows = []
    with _database(study).begin() as session:
        for campaign in session.scalars(select(Campaign).order_by(Campaign.name)):
            found = progress_of(session, campaign)
            state = "closed" if campaign.closed_at else "open"
            task = settings_of(campaign).campaign.task
            rows.append([campaign.name, task, state, found.items, found.done, found.expert, found.ratings, found.raters])
    columns = ("campaign", "task", "state", "items", "done", "with experts", "answers", "raters")
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table("Campaigns", columns, rows)


@app.command("release")
def release(study: options.Study, name: Name, as_json: options.AsJson = False) -> None:
    """Write the labels as they are now, as the next version: derivatives/NAME-vN."""
    _rooms()
    from dawson.annotation.campaigns import find_campaign, settings_of
    from dawson.annotation.release import allowed_people, release_labels
    from dawson.cli.study_file import find_config

    study = study.resolve()
    with _database(study).begin() as session:
        campaign = find_campaign(session, name)
        if campaign is None:
            raise AnnotationError(f"{study} has no campaign {name!r} that was opened.", "`dawson annotate status` lists them.")
        allowed = allowed_people(session, study, campaign, find_config(study, None).governance)
        found = release_labels(session, study, campaign, allowed, datetime.now(UTC))
        simulated = settings_of(campaign).campaign.simulated
    if as_json:
        show_json({"folder": str(found.folder), "version": found.version, "items": found.items, "people": found.people})
        return
    say(f"{found.items} labels of {found.people} people: {found.folder}")
    if found.left_out:
        say(f"{found.left_out} items are left out: their people may not be used now.")
    say_whose(simulated=simulated)


def _database(study: Path) -> sessionmaker[Session]:
    _rooms()
    from dawson.annotation.build import database_path
    from dawson.storage.database import open_database

    return open_database(database_path(study.resolve()))


def _rooms() -> tuple[Any, Any, Any]:
    try:
        import sqlalchemy as _needed  # noqa: F401

        from dawson.annotation.build import build_campaign, plan_campaign
        from dawson.annotation.settings import parse_campaign
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"Annotation needs {error.name}.", "Install it with pip install 'dawson[web]'.") from None
    return plan_campaign, build_campaign, parse_campaign

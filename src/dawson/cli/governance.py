"""`dawson governance`: consent, access, withdrawal and audit of a study."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawson.cli import governance_access, governance_audit, governance_consent, options
from dawson.cli.console import heading, say, show_json, show_table

if TYPE_CHECKING:
    from dawson.governance.traces import Trace

app = typer.Typer(help="Consent, access, withdrawal and audit of a study.", no_args_is_help=True)
app.add_typer(governance_consent.app, name="consent")
app.add_typer(governance_access.app, name="access")
app.add_typer(governance_audit.app, name="audit")

Participant = Annotated[str, typer.Argument(help="As in participants.tsv, such as sub-01.", show_default=False)]
OfStudy = Annotated[Path, typer.Option("--study", help="The study: a BIDS folder.", show_default=False)]
Results = Annotated[
    list[Path] | None,
    typer.Option("--results", help="Further folder of derivatives and experiments; may be given many times.", show_default=False),
]


@app.command()
def withdraw(
    participant: Participant,
    study: OfStudy,
    reason: Annotated[str, typer.Option("--reason", help="For the consent ledger; names nobody.", show_default=False)] = "",
    results: Results = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Take a person out for good: no further use, images and rows removed, models that learnt from them named."""
    from dataclasses import asdict

    from dawson.governance.withdrawal import withdraw as carry_out

    _register_rooms()
    done = carry_out(study, participant, reason=reason, dry_run=dry_run, results=results or ())
    if as_json:
        traces = [asdict(trace) for trace in done.traces]
        show_json({"participant_id": participant, "finished": done.finished, "report": done.report, "traces": traces})
        return
    _show_traces("Would be done" if dry_run else f"Withdrawal of {participant}", done.traces)
    if dry_run:
        say("Nothing was changed.")
        return
    say(f"Report: {done.report}")
    say(f"See for yourself that nothing is left: dawson governance lookup {participant} --study {study}")


@app.command()
def lookup(participant: Participant, study: OfStudy, results: Results = None, as_json: options.AsJson = False) -> None:
    """Search every file of the study for a person, by content and by name; leaves with 1 where somebody who withdrew is still found."""
    from dataclasses import asdict

    from dawson.governance.lookup import lookup as search

    found = search(study, participant, results or ())
    if as_json:
        show_json(asdict(found))
    else:
        _show_traces("Found", found.left)
        _show_traces("Records that stay", found.records)
        left, kept = _number(found.left, "trace"), _number(found.records, "record")
        for folder in found.missing:
            say(f"Not there, so nobody looked: {folder}, where results were written.")
        say(f"{_number(range(found.files), 'file')} looked at: {left} of {participant} left, {kept} kept.")
    if found.withdrawn and found.left:
        raise typer.Exit(1)


@app.command()
def status(study: options.Study, as_json: options.AsJson = False) -> None:
    """Consent, agreements, withdrawals and the audit log in one view; leaves with 1 where something is wrong."""
    from dataclasses import asdict

    from dawson.governance.status import status_of

    found = status_of(study)
    if as_json:
        show_json(asdict(found))
    else:
        managed = f"Consent is managed. Purpose: {found.purpose}." if found.managed else "Consent is not managed here: everybody is used."
        say(f"{managed} {found.allowed} of {found.people} people may be used for it.")
        if found.refused:
            show_table("Refused", ["people", "why"], [[number, reason] for reason, number in found.refused.items()])
        if found.agreements:
            show_table("Agreements", ["agreement", "holds"], list(found.agreements.items()))
        say(f"Consent ends within 90 days: {', '.join(found.expiring[:20]) or 'nobody'}{' ...' if len(found.expiring) > 20 else ''}.")
        say(f"Withdrawn: {found.withdrawn}. Events in the audit log: {found.events}.")
        for page, people in found.pages.items():
            shown = ", ".join(people[:5]) + (f" and {len(people) - 5} more" if len(people) > 5 else "")
            say(f"{page} shows {shown}, who may not be shown now: make it again, or remove it.")
        for note in found.notes:
            say(f"Note: {note}.")
        for person in found.unfinished:
            say(f"The withdrawal of {person} was interrupted: dawson governance withdraw {person} --study {study}")
        for problem in found.problems:
            say(f"Problem: {problem}.")
    if found.problems or found.unfinished:
        raise typer.Exit(1)


def _register_rooms() -> None:
    """Let the rooms that hold models, experiments and exports, and that of the intake, take part in a withdrawal."""
    from dawson.classification.withdrawal import ModelsAndExperiments
    from dawson.cohort.export_withdrawal import ExportsOfPerson
    from dawson.governance.withdrawal import register
    from dawson.intake.withdrawal import IntakeOfPerson

    register("models and experiments", ModelsAndExperiments())
    register("exports", ExportsOfPerson())
    register("intake", IntakeOfPerson())
    if find_spec("sqlalchemy") is not None:
        from dawson.annotation.withdrawal import AnnotationsOfPerson

        register("annotation", AnnotationsOfPerson())


def _show_traces(title: str, traces: Sequence[Trace]) -> None:
    """A table; images of one folder are one line."""
    if not traces:
        return
    grouped: dict[tuple[str, str, str, str], int] = {}
    for trace in traces:
        place = str(Path(trace.path).parent) + "/*" if trace.kind in ("image", "file") else trace.path
        key = (trace.kind, place, trace.detail, trace.action)
        grouped[key] = grouped.get(key, 0) + 1
    rows = [[kind, number, place, detail, action] for (kind, place, detail, action), number in grouped.items()]
    heading(title)
    show_table("", ["kind", "number", "where", "what", "action"], rows)


def _number(items: Sequence[object], word: str) -> str:
    return f"{len(items)} {word}{'s' * (len(items) != 1)}"

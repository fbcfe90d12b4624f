"""`dawson governance audit`: what was done with people's data, and whether the record of it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_table

app = typer.Typer(help="What was done with people's data, signed and chained.", no_args_is_help=True)


@app.command()
def verify(
    study: options.Study,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", help="A checkpoint of this study that another site kept; may be given many times.", show_default=False),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Find any change, deletion, repetition or reordering; leaves with 1 where there is one."""
    from dawson.governance.audit_verify import verify as check
    from dawson.governance.checkpoints import compare_with

    found = check(study)
    problems = list(found.problems)
    for path in against or []:
        reason = compare_with(study, path)
        problems += [f"the log does not continue {path}: {reason}"] if reason else []
    if as_json:
        show_json({"events": len(found.events), "problems": problems, "notes": found.notes})
    else:
        for problem in problems:
            say(f"Problem: {problem}.")
        for note in found.notes:
            say(f"Note: {note}.")
        compared = f", and they continue {len(against)} checkpoint{'s' * (len(against) != 1)}" if against else ""
        say(f"{len(found.events)} events are as they were written{compared}." if not problems else "The log is not as it was written.")
    if problems:
        raise typer.Exit(1)


@app.command()
def show(
    study: options.Study,
    participant: Annotated[
        str | None,
        typer.Option(
            "--participant", "-p", help="Only events that concern this person; nobody can tell after a withdrawal.", show_default=False
        ),
    ] = None,
    act: Annotated[str | None, typer.Option("--act", help="Only this act, such as train.", show_default=False)] = None,
    last: Annotated[int, typer.Option("--last", min=0, help="Only the last ones; 0: all.")] = 50,
    as_json: options.AsJson = False,
) -> None:
    """The events, oldest first."""
    from dawson.governance.audit_verify import events_of
    from dawson.governance.audit_verify import verify as check

    found = check(study)
    events = found.events if participant is None else events_of(study, participant, found.events)
    events = [event for event in events if act is None or event.act == act][-last:]
    if as_json:
        show_json([{**vars(event), "people": len(event.people)} for event in events])
        return
    rows = [[event.sequence, event.time[:19], event.actor, event.act, len(event.people), _detail(event.detail)] for event in events]
    show_table("", ["event", "time (UTC)", "who", "act", "people", "detail"], rows)
    for problem in found.problems:
        say(f"Problem: {problem}.")


@app.command()
def checkpoint(
    study: options.Study,
    out: Annotated[Path, typer.Option("--out", help="File for the other site.", show_default=False)],
) -> None:
    """Write the state of the log, signed, for another site to keep: it can prove later that nothing was put back."""
    from dawson.files import write_text
    from dawson.governance.checkpoints import make_checkpoint

    made = make_checkpoint(study)
    write_text(out, made.content.decode("ascii"))
    say(f"Checkpoint of {len(made.lines)} events: {out}")


@app.command()
def witness(
    study: options.Study,
    file: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint of another site.", show_default=False)],
    label: Annotated[
        str, typer.Option("--label", help="Under which it is kept; by default the name of the other study.", show_default=False)
    ] = "",
) -> None:
    """Keep another site's checkpoint, compared with the one kept before: fails where that site's log was put back or rewritten."""
    from dawson.governance.checkpoints import witness as keep

    new, kept = keep(study, file, label)
    before = f"; it continues the {len(kept.lines)} events of {kept.time}" if kept else ", the first of it"
    say(f"Kept: checkpoint of {new.study} with {len(new.lines)} events of {new.time}{before}.")


@app.command("rotate-key")
def rotate_key() -> None:
    """Make a new signing key; every log names it at its next event, signed by the old one."""
    from dawson.governance.signing import rotate

    old, new = rotate()
    say(f"New key {new[:16]} in place of {old[:16]}. Keep the old file until every study has written an event.")


def _detail(detail: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in detail.items() if name not in ("before", "after", "policy_sha256"))

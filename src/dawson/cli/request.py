"""`dawson request`: ask many centres, follow the answer; at a site: review and release what waits in the airlock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli import options
from dawson.cli.console import say, say_whose, show_json, show_table

if TYPE_CHECKING:
    from dawson.enclave.airlock import Held, Standing

app = typer.Typer(no_args_is_help=True, help="Ask questions of data that stay where they are; only safe, reviewed sums come back.")

Mailbox = Annotated[
    Path, typer.Option("--mailbox", help="Folder that researchers and sites share.", envvar="DAWSON_MAILBOX", show_default=False)
]
Identifier = Annotated[str, typer.Argument(help="Of the request, 16 digits and letters.", show_default=False)]
Reason = Annotated[str, typer.Option("--reason", help="Why it is stopped; stays at the site.", show_default=False)]
_SHOWN = 60


@app.command("analyses")
def analyses(as_json: options.AsJson = False) -> None:
    """List what can be asked."""
    from dawson.enclave.catalogue import ANALYSES, analysis_named

    found = [analysis_named(name) for name in ANALYSES]
    if as_json:
        show_json([{"analysis": one.name, "title": one.title, "wants": one.wants} for one in found])
        return
    show_table("Analyses", ["analysis", "what it gives", "what to name"], [[one.name, one.title, one.wants] for one in found])


@app.command("key")
def key(as_json: options.AsJson = False) -> None:
    """Print the public key of this machine; compare it by telephone when you exchange it."""
    from dawson.governance.signing import read_or_make_signer

    public = read_or_make_signer().public
    if as_json:
        show_json({"key": public})
    else:
        say(public)


@app.command("submit")
def submit(
    mailbox: Mailbox,
    analysis: Annotated[str, typer.Option("--analysis", help="`dawson request analyses` lists them.", show_default=False)],
    site: Annotated[list[str], typer.Option("--site", help="A site to ask; may be given many times.", show_default=False)],
    project: Annotated[str, typer.Option("--project", help="Project that the question belongs to.", show_default=False)],
    researcher: Annotated[str, typer.Option("--researcher", help="Your name, as the sites know it.", show_default=False)],
    purpose: Annotated[str, typer.Option("--purpose", help="What the answer is used for.")] = "disease-research",
    disease: Annotated[list[str] | None, typer.Option("--disease", help="By default MS and NMOSD.", show_default=False)] = None,
    where: options.Where = None,
    group_by: Annotated[list[str] | None, typer.Option("--group-by", help="At most two variables.", show_default=False)] = None,
    variable: Annotated[list[str] | None, typer.Option("--variable", help="May be given many times.", show_default=False)] = None,
    level: Annotated[
        list[str] | None,
        typer.Option("--level", help="Levels that a regression uses, as sex=F,M; the first is the reference.", show_default=False),
    ] = None,
    outcome: Annotated[str, typer.Option("--outcome", help="Of a regression.", show_default=False)] = "",
    outcome_level: Annotated[str, typer.Option("--outcome-level", help="Counts as 1 in a logistic regression.", show_default=False)] = "",
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Sign a request and put it into the mailbox."""
    from dawson.enclave import asking
    from dawson.enclave.catalogue import analysis_named
    from dawson.enclave.request import parse_request

    content: dict[str, Any] = {
        "project": project, "researcher": researcher, "purpose": purpose, "analysis": analysis, "sites": site, "where": where or "",
        "group_by": group_by or (), "variables": variable or (), "levels": _levels(level or ()), "outcome": outcome,
        "outcome_level": outcome_level,
    }  # fmt: skip
    if disease:
        content["diseases"] = disease
    request = parse_request(content)
    analysis_named(request.analysis).check(request)
    identifier = request.identifier if dry_run else asking.submit(mailbox, request)
    if as_json:
        show_json({"request": identifier, "sent": not dry_run, "content": request.content()})
        return
    if dry_run:
        say(f"Would ask {', '.join(request.sites)}: {request.analysis} of {request.where or 'everybody'}. Nothing was sent.")
        return
    say(f"Request {identifier} lies in {mailbox}.")
    say(f"Follow it: dawson request status --mailbox {mailbox}")


def _levels(given: Any) -> dict[str, list[str]]:
    from dawson.errors import EnclaveError

    levels = {}
    for text in given:
        name, sign, names = text.partition("=")
        if not sign or not names:
            raise EnclaveError(f"--level {text} names no levels.", "Write --level sex=F,M")
        levels[name] = [part.strip() for part in names.split(",")]
    return levels


@app.command("status")
def status(mailbox: Mailbox, as_json: options.AsJson = False) -> None:
    """Show the requests in a mailbox and what each site answered so far."""
    from dawson.enclave.mailbox import identifiers, states, unverified_request
    from dawson.errors import EnclaveError

    rows: list[dict[str, Any]] = []
    for identifier in identifiers(mailbox):
        try:
            request, _ = unverified_request(mailbox, identifier)
        except EnclaveError as error:
            rows.append({"request": identifier, "problem": str(error)})
            continue
        rows.append(
            {
                "request": identifier, "analysis": request.analysis, "project": request.project, "made": request.made,
                "sites": states(mailbox, request),
            }
        )  # fmt: skip
    if as_json:
        show_json(rows)
        return
    shown = []
    for row in rows:
        if "problem" in row:
            shown.append([row["request"], row["problem"], "", "", ""])
        else:
            sites = "; ".join(f"{site} {state}" for site, state in row["sites"].items())
            shown.append([row["request"], row["analysis"], row["project"], row["made"], sites])
    show_table("Requests", ["request", "analysis", "project", "made", "sites"], shown)


@app.command("fetch")
def fetch(
    identifier: Identifier,
    mailbox: Mailbox,
    sites: Annotated[Path, typer.Option("--sites", help="TOML with [[sites]], name and key of each.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for the result.", show_default=False)],
    as_json: options.AsJson = False,
) -> None:
    """Check the answers of all sites, put them together, and write tables and a report."""
    from dawson.enclave.asking import gather, read_sites
    from dawson.errors import EnclaveError
    from dawson.report.request_page import as_read, result_json, write_result

    gathered = gather(mailbox, identifier, read_sites(sites).keys)
    if gathered.result is None:
        for site, reason in gathered.refused.items():
            say(f"{site} refused: {reason}")
        if gathered.refused:
            raise EnclaveError(f"There is no result of {identifier}: it needs every site.", "Ask again without those who refused.")
        waiting = ", ".join(gathered.waiting_for) or "the sites"
        raise EnclaveError(f"There is no result of {identifier} yet: round {gathered.round} waits for {waiting}.", "Try again later.")
    page = write_result(gathered, out)
    if as_json:
        show_json(result_json(gathered))
        return
    for table in map(as_read, gathered.result.tables):
        show_table(table.title, list(table.columns), table.rows[:_SHOWN])
        if len(table.rows) > _SHOWN:
            say(f"and {len(table.rows) - _SHOWN} rows more in {out}")
    for note in gathered.result.notes:
        say(note)
    say_whose(simulated=gathered.simulated)
    say(f"Report: {page}")


@app.command("review")
def review(
    study: options.Study,
    identifier: Annotated[str | None, typer.Argument(help="One request; by default a list of all.", show_default=False)] = None,
    as_json: options.AsJson = False,
) -> None:
    """At a site: list requests, or show what one would release and what the rules kept back."""
    from dawson.enclave.airlock import latest_held, standings_of

    if identifier is None:
        standings = standings_of(study)
        if as_json:
            show_json([_standing(one) for one in standings])
            return
        rows = [list(_standing(one).values()) for one in standings]
        show_table("Requests to this site", ["request", "status", "round", "analysis", "project", "researcher", "reason"], rows)
        return
    held = latest_held(study, identifier)
    if as_json:
        show_json(vars(held))
        return
    _show_held(held)


def _standing(one: Standing) -> dict[str, str]:
    request = one.request
    return {
        "request": request.identifier, "status": one.status, "round": str(one.round), "analysis": request.analysis,
        "project": request.project, "researcher": request.researcher, "reason": one.reason,
    }  # fmt: skip


def _show_held(held: Held) -> None:
    rows = []
    for key_of_cell, sums in held.cells.items():
        others = ", ".join(f"{name} {value:.6g}" if isinstance(value, float) else name for name, value in sums.items() if name != "n")
        rows.append([key_of_cell, f"{sums['n']:g}", others])
    show_table(f"Round {held.round} of {held.request}, let in by {held.let_in_by} on {held.at}", ["cell", "people", "sums"], rows[:_SHOWN])
    if len(rows) > _SHOWN:
        say(f"and {len(rows) - _SHOWN} cells more: --json shows all")
    counted: dict[str, int] = {}
    for reason in held.withheld.values():
        counted[reason] = counted.get(reason, 0) + 1
    if counted:
        show_table("Kept back, and never told", ["rule", "cells"], [[reason, str(count)] for reason, count in counted.items()])
    say_whose(simulated=held.simulated)


@app.command("release")
def release(
    study: options.Study,
    identifier: Identifier,
    mailbox: Mailbox,
    stop: Annotated[bool, typer.Option("--stop", help="Do not release it, for good.")] = False,
    reason: Reason = "",
    as_json: options.AsJson = False,
) -> None:
    """At a site: let an answer out of the airlock; whoever let the request in may not."""
    from dawson.enclave.airlock import decide

    answer = decide(study, mailbox, identifier, release=not stop, reason=reason)
    if as_json:
        show_json({"request": identifier, "round": answer.round, "status": answer.status})
    else:
        say(f"Round {answer.round} of {identifier} was {'stopped' if stop else f'released to {mailbox}'}.")

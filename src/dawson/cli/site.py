"""`dawson site`: what a centre does to take part without giving its data away."""

from __future__ import annotations

from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say, show_json, show_table
from dawson.cli.request import Mailbox

app = typer.Typer(no_args_is_help=True, help="A centre's side of shared work: data stay, answers are checked.")


@app.command("init")
def init(
    study: options.Study,
    name: Annotated[str, typer.Option("--name", help="Name of this site in requests and answers.", show_default=False)],
    reviewer: Annotated[
        str | None, typer.Option("--reviewer", help="Account that may release answers; by default yours.", show_default=False)
    ] = None,
) -> None:
    """Write the policy of a study that is to answer requests, with every entry explained, and print this site's key."""
    from dawson.enclave.policy import write_policy_template
    from dawson.governance.audit import current_user
    from dawson.governance.signing import read_or_make_signer

    path = write_policy_template(study, name, reviewer or current_user())
    say(f"Policy: {path}. Add the researchers whose requests you take, and a second reviewer.")
    say(f"Key of this site, for researchers and the other sites: {read_or_make_signer().public}")


@app.command("answer")
def answer(study: options.Study, mailbox: Mailbox, as_json: options.AsJson = False) -> None:
    """Work through the requests of a mailbox: each is refused, or its answer is held for a second person."""
    from dawson.enclave.answering import take_requests

    taken = take_requests(study, mailbox)
    if as_json:
        show_json(
            {
                "held": [{"request": held.request, "round": held.round, "cells": len(held.cells)} for held in taken.held],
                "refused": taken.refused,
                "waiting": taken.waiting,
                "unreadable": taken.unreadable,
            }
        )
        return
    rows = [[held.request, "held", f"round {held.round}: {len(held.cells)} cells, {len(held.withheld)} kept back"] for held in taken.held]
    for kind, those in (("refused", taken.refused), ("waits for", taken.waiting), ("unreadable", taken.unreadable)):
        rows += [[identifier, kind, reason] for identifier, reason in those.items()]
    if not rows:
        say("No request waits for this site.")
        return
    show_table("Requests", ["request", "", "what"], rows)
    if taken.held:
        say(f"To look and decide, by another reviewer: dawson request review {study} REQUEST, then dawson request release")

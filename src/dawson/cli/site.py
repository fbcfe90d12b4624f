"""`dawson site`: what a centre does to take part without giving its data away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say, say_whose, show_json, show_table
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
    """Write the policies of a study that is to answer requests and to train with others, every entry explained; print this site's key."""
    from dawson.enclave.policy import write_policy_template
    from dawson.errors import ConfigError
    from dawson.federation.site_policy import policy_path, write_site_policy_template
    from dawson.governance.audit import current_user
    from dawson.governance.signing import read_or_make_signer

    path = write_policy_template(study, name, reviewer or current_user())
    say(f"Policy: {path}. Add the researchers whose requests you take, and a second reviewer.")
    if not policy_path(study).exists():
        try:
            say(f"Policy of trainings: {write_site_policy_template(study, name)}. Read it; it allows what its entries say.")
        except ConfigError as error:
            say(f"No policy of trainings was written, so this site takes part in none: {error}")
    say(f"Key of this site, for researchers and the other sites: {read_or_make_signer().public}")


@app.command("start")
def start(
    kit: Annotated[Path, typer.Argument(help="This site's kit.", show_default=False)],
    study: Annotated[Path, typer.Option("--study", help="The study whose people may be trained with.", show_default=False)],
    out: options.Out = None,
    jobs: options.Jobs = 0,
) -> None:
    """Run this site's node until it is interrupted: it connects outwards to the coordinator, and does what the site's policy allows."""
    from dawson.federation.nodes import start_site, watch
    from dawson.parallel import resolve_jobs

    node = start_site(kit, study, out or study, jobs=resolve_jobs(jobs))
    say(f"Site {node.name} runs. Its log: {node.log}. Ctrl-C ends it.")
    watch(node)


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


@app.command("card")
def card(
    study: options.Study,
    contact: Annotated[str, typer.Option("--contact", help="Whom to write to.", show_default=False)] = "",
    publish: Annotated[
        bool, typer.Option("--publish", help="Put it into the study's catalogue, which everybody sees who reaches its server.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show what the study would tell everybody of itself: variables and numbers of people, under the site's rules of disclosure."""
    from dawson.enclave.study_card import card_path, make_card

    made = make_card(study, contact=contact, publish=publish)
    if as_json:
        show_json(made.model_dump(mode="json"))
        return
    rows = [
        [row.variable, row.level, row.people, *(("", "") if row.mean is None else (f"{row.mean:.3g}", f"{row.sd:.3g}"))]
        for row in made.rows
    ]
    show_table(f"{made.name} ({made.site})", ["variable", "level", "people", "mean", "sd"], rows)
    say(f"{made.kept_back} cells are kept back: they would tell of fewer than {made.minimum} people, or of somebody.")
    if publish:
        say(f"Published: {card_path(study, made.site)}")
    else:
        say("Nothing was published. --publish does, once somebody has read the table.")
    say_whose(simulated=made.simulated)

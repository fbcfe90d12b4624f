"""`dawson serve`: the pages of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.cli import options
from dawson.cli.console import say
from dawson.errors import MissingDependencyError


def serve(
    study: options.Study,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than 127.0.0.1 belong behind a proxy with TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on.")] = 8000,
    challenge: Annotated[
        list[Path] | None, typer.Option("--challenge", help="Folder of a challenge to run; may be given many times.", show_default=False)
    ] = None,
    challenges: Annotated[
        Path | None,
        typer.Option(
            "--challenges", help="Folder whose challenges are all run, and where organisers make new ones by page.", show_default=False
        ),
    ] = None,
    mailbox: Annotated[
        Path | None, typer.Option("--mailbox", help="Mailbox of the trusted analysis, to show its airlock.", show_default=False)
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Make a simulated study with campaigns and challenges in this folder first (minutes, once).")
    ] = False,
    jobs: options.Jobs = 0,
    open_signup: Annotated[bool, typer.Option("--open-signup", help="Let anybody join as a volunteer, without invitation.")] = False,
) -> None:
    """Serve the campaigns of a study, and challenges, as web pages, until Ctrl-C."""
    try:
        from dawson.web.serve import first_invitation, prepare_server, run_server
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"The pages need {error.name}.", "Install them with pip install 'dawson[web]'.") from None
    from dawson.cli.study_file import find_config

    single = list(challenge or ())
    if demo:
        from dawson.cli.serve_demo import make_demo
        from dawson.parallel import resolve_jobs

        study, made = make_demo(study, resolve_jobs(jobs))
        challenges = challenges or made
    server = prepare_server(
        study.resolve(), find_config(study, None), open_to_all=open_signup, challenges=single, challenge_home=challenges, mailbox=mailbox
    )
    address = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0') else host}:{port}"
    if (invitation := first_invitation(server)) is not None:
        say(f"Make the account of the first manager here, once: {address}/join/{invitation}")
    say(f"Serving {study} at {address}. Stop with Ctrl-C.")
    if host not in ("127.0.0.1", "localhost", "::1"):
        say("Others can reach this address: put a proxy with TLS before it, or passwords travel in the clear.")
    run_server(server, host, port)

"""The command line: arguments in, rooms called, results shown. No science and no decision lives here."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from dawson import __version__
from dawson.errors import DawsonError

RESEARCH_USE = "Research use only: not a medical device, not for diagnosis."

app = typer.Typer(
    name="dawson",
    help=f"From brain MRI of people with MS and NMOSD to shared evidence. {RESEARCH_USE}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"dawson {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error; may stand after any command."),
) -> None:
    """Options before the command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with 0 (done), 1 (not done, with the reason) or 2 (wrong usage)."""
    from dawson.cli import register

    register.register(app)
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    _quiet_dependencies()
    try:
        leaving = app(args=[word for word in words if word != "--debug"], standalone_mode=False)
        sys.exit(leaving if isinstance(leaving, int) else 0)
    except (KeyboardInterrupt, typer.Abort):
        _say("Stopped. What was finished is kept: the same command takes up the work again.")
        sys.exit(1)
    except typer.TyperException as error:
        error.show() if hasattr(error, "show") else _say(_plain(error.format_message()))
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        _say(_explain(error))
        sys.exit(1)


def _explain(error: Exception) -> str:
    if isinstance(error, DawsonError):
        return f"[bold red]Error:[/] {_plain(error.message)}" + (f"\n{_plain(error.fix)}" if error.fix else "")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        place = error.filename or "the output folder"
        return (
            f"[bold red]Error:[/] The disk is full ({_plain(str(place))}).\n"
            "Free some space and run the same command again: what was finished is kept."
        )
    if isinstance(error, OSError) and error.filename:
        return f"[bold red]Error:[/] {_plain(str(error.filename))}: {_plain(error.strerror or str(error))}."
    return (
        f"[bold red]Unexpected error:[/] {_plain(type(error).__name__)}: {_plain(str(error))}\n"
        "This is a fault of Dawson. Run the command with --debug and report what it shows."
    )


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _say(text: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(text)


def _quiet_dependencies() -> None:
    """No dependency calls home or decorates the output."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("MPLBACKEND", "Agg")

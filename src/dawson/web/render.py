"""From templates to pages."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from dawson import __version__
from dawson.web.guard import Caller, server_of


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dawson.web"), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda value: "n/a" if value is None else f"{100 * value:.0f} %"
    return environment


def page(request: Request, caller: Caller, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page for whoever asks."""
    server = server_of(request)
    filled = (
        _environment()
        .get_template(template)
        .render(
            version=__version__,
            who=caller,
            path=request.url.path,
            open_to_all=server.open_to_all,
            airlock=server.mailbox is not None,
            **context,
        )
    )
    return HTMLResponse(filled, status)


@cache
def style_sheet() -> str:
    """The reports' style, and what only these pages need."""
    report = files("dawson.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    return report + files("dawson.web").joinpath("static/pages.css").read_text(encoding="utf-8")

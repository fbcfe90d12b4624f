"""From templates to one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson import __version__
from dawson.files import write_text
from dawson.report import formatting

if TYPE_CHECKING:
    from jinja2 import Environment


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Jinja with autoescape: names of people, files and studies are text, never markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("dawson.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        estimate=lambda entry, figure: formatting.estimate(figure, entry),
        point=lambda entry, figure: formatting.point(figure, entry),
        between=lambda entry, figure: formatting.between(figure, entry),
        limits=lambda entry, figure: formatting.limits(figure, entry),
        plain=lambda value, figure: formatting.plain(figure, value),
        with_unit=lambda value, figure: formatting.with_unit(figure, value),
        percent=formatting.percent,
        seconds=formatting.seconds,
    )
    made.globals.update(NAMES=formatting.NAMES, FIGURES=formatting.FIGURES)
    return made


def render(template: str, context: Mapping[str, Any]) -> str:
    """Fill a template."""
    return (
        environment()
        .get_template(template)
        .render(version=__version__, written=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"), **context)
    )


def write_page(path: Path, template: str, context: Mapping[str, Any]) -> Path:
    """Fill a template and write it, whole or not at all."""
    write_text(path, render(template, context))
    return path

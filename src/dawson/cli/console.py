"""How results are shown on a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def say(text: str) -> None:
    """Print a line; square brackets in it are text, not markup."""
    Console(soft_wrap=True, highlight=False).print(escape(text))


def say_whose(*, simulated: bool = False, learnt: bool = False) -> None:
    """Print what every result is printed with: that it is for research, and where its patients are simulated.

    Parameters
    ----------
    simulated : bool
        The patients of the result are.
    learnt : bool
        The patients whom the model learnt from are.
    """
    said = ["Research use only."]
    said += ["The patients are simulated."] if simulated else []
    said += ["The model learnt from simulated patients."] if learnt else []
    say(" ".join(said))


def heading(text: str) -> None:
    """Print a line that stands out."""
    Console(soft_wrap=True, highlight=False).print(f"\n[bold]{escape(text)}[/]")


def show_json(content: Any) -> None:
    """Print JSON on standard output."""
    Console(soft_wrap=True, highlight=False).print(json.dumps(content, indent=2, ensure_ascii=False, default=str), markup=False)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table."""
    table = Table(title=escape(title) or None, title_justify="left", title_style="bold", header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(escape(column), overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*[escape("" if value is None else str(value)) for value in row])
    Console().print(table)


def show_refused(refused: Mapping[str, str]) -> None:
    """Say on standard error who is left out for want of consent, by reason."""
    people: dict[str, list[str]] = {}
    for person, reason in refused.items():
        people.setdefault(reason, []).append(person)
    for reason, names in people.items():
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        Console(stderr=True, soft_wrap=True, highlight=False).print(escape(f"Left out, {reason.rstrip('.')}: {shown}."))


def show_mark(mark: Mapping[str, str] | None) -> None:
    """Say on standard error that a model is to be retrained; nothing where it is not."""
    if mark:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            escape(f"This model is to be retrained: {mark['reason']} {mark['command']}")
        )


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    Examples
    --------
    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2 h 30 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """Bytes as a person says them.

    Examples
    --------
    >>> size(500), size(22_000_000_000)
    ('500 B', '22.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def figure(entry: Mapping[str, Any] | None) -> str:
    """A figure of merit with its interval, as far as they are defined.

    Examples
    --------
    >>> figure({"estimate": 0.85, "low": 0.8412, "high": 0.86}), figure(None)
    ('0.850 (0.841 to 0.860)', '-')
    """
    if not entry or entry.get("estimate") is None:
        return "-"
    if entry.get("low") is None or entry.get("high") is None:
        return f"{entry['estimate']:.3f}"
    return f"{entry['estimate']:.3f} ({entry['low']:.3f} to {entry['high']:.3f})"

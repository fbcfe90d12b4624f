"""Progress of long work on the terminal: what is done, what is left, how long it will take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """What `progress` hands out: call it when one piece of the work is done."""

    def __call__(self, note: str = "") -> None: ...


@contextmanager
def progress(description: str, total: int, done: int = 0) -> Iterator[Advance]:
    """Show a bar with time left on standard error; where that is no terminal, a line for every tenth part.

    Parameters
    ----------
    description : str
        What is being done.
    total, done : int
        Pieces of work in all, and those finished by an earlier run.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if total == 0:
        yield lambda note="": None
    elif console.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(description, total=total, completed=done, note="")
            yield lambda note="": bar.update(task, advance=1, note=note)
    else:
        count = done

        def advance(note: str = "") -> None:
            nonlocal count
            before = count * 10 // total
            count += 1
            if count * 10 // total > before:
                console.print(f"{description}: {count}/{total} {note}".rstrip(), highlight=False, soft_wrap=True)

        yield advance

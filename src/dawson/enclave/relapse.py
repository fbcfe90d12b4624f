"""Time to the first relapse after the first scan, in years: life tables by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dawson.enclave.analysis import Result, ResultTable, Round, missing_note, pooled
from dawson.enclave.cells import Cell, key_of, parts_of
from dawson.enclave.people_table import People
from dawson.enclave.request import Request
from dawson.enclave.tables import group_cells, only
from dawson.statistics.life_table import life_table

# Days; everybody's bins, never the asker's.
_EDGES = (0, 365, 730, 1461, 3652)
_NAMES = tuple(f"{low / 365.25:.0f} to {high / 365.25:.0f} years" for low, high in pairwise(_EDGES))


@dataclass(frozen=True)
class TimeToRelapse:
    """How many people enter each interval without a relapse, and how many have one in it."""

    name: str = "time-to-relapse"
    title: str = "Time to the first relapse"
    wants: str = "nothing; `group_by` may name one variable"

    def check(self, request: Request) -> None:
        """Nothing is needed."""
        only(request, "group_by")

    def cells(self, people: People, request: Request, rounds: Sequence[Round]) -> list[Cell]:
        """People who enter each interval, and those with a relapse in it, by group."""
        days = people.numbers("days_to_relapse")
        seen = people.levels("relapse_seen")[1] == "yes"
        cells = []
        for group, (members, _) in group_cells(people, request.group_by).items():
            before: tuple[str, ...] = ()
            for name, low, high in zip(_NAMES, _EDGES, _EDGES[1:], strict=False):
                entering = members & (days > low)
                key = key_of(interval=name, what="entering", **parts_of(group))
                cells.append(Cell(key, entering, parents=before, needs=("days_to_relapse",)))
                before = (key,)
                relapse = entering & (days <= high) & seen
                cells.append(
                    Cell(key_of(interval=name, what="relapse", **parts_of(group)), relapse, parents=(key,), needs=("days_to_relapse",))
                )
        return cells

    def result(self, request: Request, rounds: Sequence[Round]) -> Result:
        """A life table for each group, as far as its counts were released."""
        sums, left_out = pooled(rounds[-1])
        names = list(request.group_by)
        groups = dict.fromkeys(tuple(parts_of(key).get(name, "all") for name in names) for key in sums)
        rows: list[tuple[Any, ...]] = []
        curves: dict[str, dict[str, list[float]]] = {}
        for group in groups:
            counts = self._counts(sums, dict(zip(names, group, strict=True)))
            if not counts:
                continue
            entering, events, censored = (np.array(values, float) for values in zip(*counts, strict=True))
            table = life_table(entering, events, censored)
            for number, name in enumerate(_NAMES[: len(counts)]):
                figures = [float(part[number]) for part in (table.survival, table.low, table.high)]
                rows.append((*group, name, int(entering[number]), int(events[number]), *figures))
            label = ", ".join(f"{name} {level}" for name, level in zip(names, group, strict=True)) or "all"
            curves[label] = {
                "x": [0.0, *(edge / 365.25 for edge in _EDGES[1 : len(counts) + 1])],
                "y": [1.0, *table.survival.tolist()],
                "low": [1.0, *table.low.tolist()],
                "high": [1.0, *table.high.tolist()],
            }
        columns = (*names, "interval", "entering", "relapses", "free of relapse", "95 % low", "95 % high")
        return Result([ResultTable(self.title, columns, rows)], missing_note(left_out), curves)

    @staticmethod
    def _counts(sums: dict[str, Any], group: dict[str, str]) -> list[tuple[float, float, float]]:
        """Entering, relapse, left; up to the first interval of which something is not known."""
        place = {name: level for name, level in group.items() if level != "all"}

        def count(interval: str, what: str) -> float | None:
            cell = sums.get(key_of(interval=interval, what=what, **place))
            return None if cell is None else float(cell["n"])

        counts = []
        for name, following in pairwise(_NAMES):
            entering, relapses, later = count(name, "entering"), count(name, "relapse"), count(following, "entering")
            if entering is None or relapses is None or later is None:
                break
            counts.append((entering, relapses, entering - relapses - later))
        return counts


TIME_TO_RELAPSE = TimeToRelapse()

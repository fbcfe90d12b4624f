"""Analyses that are tables: cohort counts, summaries of variables by group, Table 1, lesion volumes, quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.enclave.analysis import Result, ResultTable, Round, missing_note, pooled
from dawson.enclave.cells import Cell, Sums, key_of, number_cell, parts_of
from dawson.enclave.people_table import People
from dawson.enclave.request import Request
from dawson.errors import EnclaveError

Members = NDArray[np.bool_]
TABLE_1 = ("age", "sex", "aqp4", "mog", "edss", "disease_duration", "phenotype", "treatment", "lesion_count", "lesion_volume_ml")


def group_cells(people: People, group_by: Sequence[str]) -> dict[str, tuple[Members, tuple[str, ...]]]:
    """Sets of people by group: everybody, by each variable, and by all together; each with the keys of the sets it is a part of."""
    everybody = np.ones(len(people), bool)
    groups: dict[str, tuple[Members, tuple[str, ...]]] = {"all": (everybody, ())}
    levels = {name: people.levels(name) for name in group_by}
    for name, (names, values) in levels.items():
        groups |= {key_of(**{name: level}): (values == level, ("all",)) for level in names}
    if len(levels) > 1:
        for combined in product(*(names for names, _ in levels.values())):
            place = dict(zip(levels, combined, strict=True))
            members = np.logical_and.reduce([levels[name][1] == level for name, level in place.items()])
            groups[key_of(**place)] = (members, tuple(key_of(**{name: level}) for name, level in place.items()))
    return groups


@dataclass(frozen=True)
class Counts:
    """How many people there are, by up to two variables."""

    name: str = "counts"
    title: str = "Cohort counts"
    wants: str = "`group_by`: none, one or two variables"
    default_groups: tuple[str, ...] = ()

    def check(self, request: Request) -> None:
        """Nothing but groups is needed."""
        only(request, "group_by")

    def cells(self, people: People, request: Request, rounds: Sequence[Round]) -> list[Cell]:
        """Everybody, each group, each pair of groups."""
        groups = group_cells(people, request.group_by or self.default_groups)
        return [Cell(key, members, parents=parents) for key, (members, parents) in groups.items()]

    def result(self, request: Request, rounds: Sequence[Round]) -> Result:
        """One row a group."""
        names = list(request.group_by or self.default_groups)
        sums, left_out = pooled(rounds[-1])
        rows = [(*(parts_of(key).get(name, "all") for name in names), _whole(cell["n"])) for key, cell in sums.items()]
        return Result([ResultTable(self.title, (*names, "people"), rows)], missing_note(left_out))


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation of numbers, shares of categories, by group.

    Parameters
    ----------
    name, title, wants : str
    default_variables, default_groups : tuple of str
        What a request that names none is about; variables that a site does not have are left out of a default.
    """

    name: str = "summary"
    title: str = "Summary by group"
    wants: str = "`variables`, and `group_by`: none, one or two variables"
    default_variables: tuple[str, ...] = ()
    default_groups: tuple[str, ...] = ()

    def check(self, request: Request) -> None:
        """Variables are needed where there is no default."""
        only(request, "group_by", "variables")
        if not (request.variables or self.default_variables):
            raise EnclaveError(f"{self.title} needs variables.", "Name them: --variable edss --variable age")

    def cells(self, people: People, request: Request, rounds: Sequence[Round]) -> list[Cell]:
        """Of each variable in each group: a number's sums, or a set of people for each level."""
        groups = group_cells(people, request.group_by or self.default_groups)
        variables = request.variables or tuple(name for name in self.default_variables if name in people.columns)
        return [cell for name in variables for cell in self._of_variable(people, name, groups)]

    @staticmethod
    def _of_variable(people: People, name: str, groups: dict[str, tuple[Members, tuple[str, ...]]]) -> list[Cell]:
        def key(group: str, **more: str) -> str:
            return key_of(variable=name, **more, **parts_of(group))

        if people.column(name).kind in ("number", "integer"):
            values = people.numbers(name)
            return [number_cell(name, key(group), members, values) for group, (members, _) in groups.items()]
        levels, values_of = people.levels(name)
        known = values_of != ""
        cells = []
        for group, (members, parents) in groups.items():
            cells.append(Cell(key(group), members & known, parents=tuple(key(parent) for parent in parents), needs=(name,)))
            cells += [
                Cell(key(group, level=level), members & (values_of == level), parents=(key(group),), needs=(name,)) for level in levels
            ]
        return cells

    def result(self, request: Request, rounds: Sequence[Round]) -> Result:
        """A row for each variable and level, a column block for each group."""
        sums, left_out = pooled(rounds[-1])
        names = list(request.group_by or self.default_groups)
        rows: list[tuple[Any, ...]] = []
        for key, cell in sums.items():
            parts = parts_of(key)
            group = tuple(parts.get(name, "all") for name in names)
            level = parts.get("level")
            if level is None:
                rows.append((parts["variable"], "", *group, _whole(cell["n"]), *_moments(cell), None))
            else:
                base = sums.get(key_of(variable=parts["variable"], **{name: parts[name] for name in names if name in parts}))
                share = _share(cell, base)
                rows.append((parts["variable"], level, *group, _whole(cell["n"]), None, None, share))
        columns = ("variable", "level", *names, "people", "mean", "sd", "share")
        return Result([ResultTable(self.title, columns, rows)], missing_note(left_out))


def only(request: Request, *allowed: str) -> None:
    """Refuse a request that names what its analysis does not use.

    Raises
    ------
    EnclaveError
    """
    given = {
        "group_by": request.group_by,
        "variables": request.variables,
        "levels": request.levels,
        "outcome": request.outcome,
        "outcome_level": request.outcome_level,
        "model_sha256": request.model_sha256,
    }
    extra = [name for name, value in given.items() if value and name not in allowed]
    if extra:
        raise EnclaveError(
            f"{request.analysis} has no use for {', '.join(extra)}.", "Leave it out, so that nobody asks for more than needed."
        )


def _whole(value: Any) -> int | float:
    number = float(value)
    return int(number) if number.is_integer() else round(number, 1)


def _moments(cell: Sums) -> tuple[float | None, float | None]:
    if "sum" not in cell:
        return None, None
    n, total, squares = (float(cell[name]) for name in ("n", "sum", "squares"))  # type: ignore[arg-type]
    if n <= 0:
        return None, None
    variance = (squares - total**2 / n) / (n - 1) if n > 1 else math.nan
    return total / n, math.sqrt(max(0.0, variance)) if n > 1 else None


def _share(cell: Sums, base: Sums | None) -> float | None:
    if base is None or not float(base["n"]):  # type: ignore[arg-type]
        return None
    return float(cell["n"]) / float(base["n"])  # type: ignore[arg-type]


COUNTS = Counts()
SUMMARY = Summary()
TABLE1 = Summary(
    "table-1",
    "Table 1 by diagnosis",
    "nothing; `variables` and `group_by` may be named",
    default_variables=TABLE_1,
    default_groups=("diagnosis",),
)
LESION_VOLUME = Summary(
    "lesion-volume",
    "Lesion number and volume by phenotype",
    "nothing; `group_by` may be named",
    default_variables=("lesion_count", "lesion_volume_ml"),
    default_groups=("phenotype",),
)
QUALITY = Counts("quality", "Quality decisions", "nothing; `group_by` may be named", default_groups=("quality",))

"""What an analysis is: what it needs, which sums it asks of each site, what it makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dawson.enclave.cells import Cell, Sums
from dawson.enclave.people_table import People
from dawson.enclave.request import Request

Contribution = Mapping[str, Sums]
"""Released cells of one site: key to n and sums."""

Round = Mapping[str, Contribution]
"""Contributions of one round, by site."""


@dataclass(frozen=True)
class ResultTable:
    """A table of a result.

    Parameters
    ----------
    title : str
    columns : tuple of str
    rows : list of tuple
        Numbers and texts; None where something was not released.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Result:
    """What an analysis made of the answers of all sites.

    Parameters
    ----------
    tables : list of ResultTable
    notes : list of str
        What is missing and why, as far as it may be known.
    curves : dict of str to dict
        Lines to draw: name to x, y, low, high.
    """

    tables: list[ResultTable]
    notes: list[str] = field(default_factory=list)
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)


class Analysis(Protocol):
    """An entry of the catalogue.

    Parameters
    ----------
    name, title : str
    wants : str
        What a request has to name, in a sentence.
    """

    name: str
    title: str
    wants: str

    def check(self, request: Request) -> None:
        """Refuse a request that lacks something or holds what this analysis does not know, with an EnclaveError."""

    def cells(self, people: People, request: Request, rounds: Sequence[Round]) -> list[Cell]:
        """What is asked of a site after some rounds, in the order of its worth."""

    def result(self, request: Request, rounds: Sequence[Round]) -> Result | None:
        """What comes of it; None where another round is needed."""


def pooled(contributions: Round) -> tuple[dict[str, Sums], list[str]]:
    """Sums over all sites of the cells that every site released, and the keys of the others.

    A cell that one site withheld is left out: the rest would be another quantity, and the difference to what a site knows of itself
    another's.

    Parameters
    ----------
    contributions : mapping of str to mapping
        By site.

    Returns
    -------
    dict of str to dict
    list of str
        Sorted.
    """
    import numpy as np

    every = {key for contribution in contributions.values() for key in contribution}
    complete = [
        key for key in next(iter(contributions.values()), {}) if all(key in contribution for contribution in contributions.values())
    ]
    sums: dict[str, Sums] = {}
    for key in complete:
        parts = [contribution[key] for contribution in contributions.values()]
        sums[key] = {name: np.sum([np.asarray(part[name], float) for part in parts], axis=0).tolist() for name in parts[0]}
    return sums, sorted(every - set(complete))


def missing_note(left_out: Sequence[str]) -> list[str]:
    """One sentence on cells that some sites released and others did not; none where there are none."""
    return [f"{len(left_out)} entries were withheld by at least one site and are left out for all."] if left_out else []

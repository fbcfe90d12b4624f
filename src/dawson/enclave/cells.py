"""What an analysis asks of a site: sums over sets of people, each with all that the disclosure rules need to judge it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Members = NDArray[np.bool_]
Floats = NDArray[np.float64]
Sums = dict[str, float | list[float] | list[list[float]]]


@dataclass(frozen=True, eq=False)
class Cell:
    """One set of people and the sums over it.

    Parameters
    ----------
    key : str
        Which set: parts joined by a bar, such as ``diagnosis=MS|sex=F``. The same words at every site.
    members : ndarray of bool, shape (n,)
        Who is in, of all people of the site.
    sums : dict
        What is released beside the number of people.
    contributions : tuple of ndarray, each (members,)
        What each member adds, for the rules about sums that few people make up.
    parents : tuple of str
        Keys of cells of which this is one part: it tells something of everybody in them where nobody is in another part.
    weights : ndarray (members,) or None
        How much each member counts; not all may rest on a few.
    coefficients : int
        Of a regression that the sums allow.
    needs : tuple of str
        Variables that its members have to have a value of, beside those in its key.
    whole : bool
        Part of a block that is released entirely or not at all.
    shown : bool
        False: only judged, because `sums` of another cell tell it.
    """

    key: str
    members: Members
    sums: Sums = field(default_factory=dict)
    contributions: tuple[Floats, ...] = ()
    parents: tuple[str, ...] = ()
    weights: Floats | None = None
    coefficients: int = 0
    needs: tuple[str, ...] = ()
    whole: bool = False
    shown: bool = True

    @property
    def people(self) -> int:
        """How many are in."""
        return int(self.members.sum())


def key_of(**parts: str) -> str:
    """A key from names and levels, such as ``diagnosis=MS|sex=F``; all people are ``all``."""
    return "|".join(f"{name}={level}" for name, level in parts.items()) or "all"


def parts_of(key: str) -> dict[str, str]:
    """What `key_of` was given."""
    return {} if key == "all" else dict(part.split("=", 1) for part in key.split("|"))


def number_cell(name: str, key: str, members: Members, values: Floats) -> Cell:
    """Number of people, sum and sum of squares of a number that they all have.

    Parameters
    ----------
    name : str
        Of the number.
    key : str
    members : ndarray of bool, shape (n,)
    values : ndarray, shape (n,)
        NaN where missing; the cell holds the people who have one.
    """
    known = members & np.isfinite(values)
    own = values[known]
    sums: Sums = {"sum": float(own.sum()), "squares": float((own**2).sum())}
    return Cell(key, known, sums, spread_of(own), needs=(name,))


def spread_of(values: Floats) -> tuple[Floats, ...]:
    """Contributions to judge a sum of values by: their magnitudes, and how far each is from the middle."""
    return (values, (values - np.median(values)) ** 2) if len(values) else (values,)

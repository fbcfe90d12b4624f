"""Whether released sums over sets of people, taken together, tell a sum over only a few of them.

A release says the sum of something over a set of people; a count is the sum of ones. Whoever holds several may add and subtract them, and
learns every linear combination. It discloses where what is left is a sum over one or a few people: the total without all but one, a table
whose margins give its empty place away, a hundred overlapping questions. Auditing of sum queries: Chin and Ozsoyoglu, IEEE Trans Softw
Eng 8 (1982) 574.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Members = NDArray[np.bool_]
_Floats = NDArray[np.float64]

_RANK_TOLERANCE = 1e-9
_SLACK = 1e-6
# How hard is tried to rule a disclosure out, in numbers that are the same on every machine.
_MOST_PROBLEMS, _MOST_NODES = 6, 300


@dataclass(frozen=True)
class Disclosure:
    """What a combination of releases would tell.

    Parameters
    ----------
    people : int
        Over how many people the sum would be known; 0 where it was too hard to rule out.
    """

    people: int


def disclosure_of(released: Members, minimum: int) -> Disclosure | None:
    """Whether some combination of releases is a sum over fewer people than allowed.

    Parameters
    ----------
    released : ndarray of bool, shape (releases, people)
        Who is in each.
    minimum : int
        The fewest people over whom a sum may be known.

    Returns
    -------
    Disclosure or None
        None where no combination is a sum over 1 to `minimum` - 1 people, with any weights. Where that takes too
        long to find out, it counts as a disclosure.

    Examples
    --------
    >>> everybody = np.ones((1, 12), bool)
    >>> all_but_one = everybody.copy()
    >>> all_but_one[0, 0] = False
    >>> disclosure_of(everybody, 10) is None
    True
    >>> disclosure_of(np.vstack([everybody, all_but_one]), 10)
    Disclosure(people=1)
    """
    released = np.atleast_2d(np.asarray(released, bool))
    if not released.size:
        return None
    # Nobody can tell apart people who are in the same releases: what counts is these groups and their sizes.
    groups, sizes = np.unique(released, axis=1, return_counts=True)
    inside = groups.any(axis=0)
    groups, sizes = groups[:, inside], sizes[inside]
    small = sizes < minimum
    if not small.any():
        return None
    # What is left of the releases when they are combined so that no large group is in: sums over small groups only.
    if not small.all():
        from scipy.linalg import null_space

        combinations = null_space(groups[:, ~small].T.astype(float), rcond=_RANK_TOLERANCE)
        only_small = combinations.T @ groups[:, small]
    else:
        only_small = groups.astype(float)
    return _smallest(_independent(only_small), sizes[small], minimum)


def _independent(rows: _Floats) -> _Floats:
    """An orthonormal basis of what rows span."""
    if not rows.size:
        return np.zeros((0, rows.shape[1]))
    _, strengths, basis = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(basis[strengths > _RANK_TOLERANCE * max(1.0, strengths[0])], np.float64)


def _smallest(basis: _Floats, sizes: NDArray[np.int64], minimum: int) -> Disclosure | None:
    """A combination of rows over fewer people than `minimum`, where there is one.

    For every group the combination in which it has the largest weight, 1, and the fewest people have any: a mixed-integer linear problem,
    solved only where its linear relaxation, in which a person counts by weight, does not rule the group out.
    """
    used = np.flatnonzero(np.abs(basis).max(axis=0, initial=0) > _RANK_TOLERANCE)
    if len(basis) == 1:
        people = int(sizes[used].sum())
        return Disclosure(people) if people < minimum else None
    problems = 0
    for place in used.tolist():
        if sizes[place] < minimum and _fewest_by_weight(basis, sizes, place) < minimum - _SLACK:
            problems += 1
            if problems > _MOST_PROBLEMS:
                return Disclosure(0)
            people = _fewest(basis, sizes, place, minimum)
            if people < minimum:
                return Disclosure(people)
    return None


def _fewest_by_weight(basis: _Floats, sizes: NDArray[np.int64], place: int) -> float:
    from scipy.optimize import linprog

    # unknown: weights of the basis, free; magnitudes of the groups, at most 1
    rank, groups = basis.shape
    cost = np.concatenate([np.zeros(rank), sizes])
    above = np.hstack([basis.T, -np.eye(groups)])
    below = np.hstack([-basis.T, -np.eye(groups)])
    told = np.concatenate([basis[:, place], np.zeros(groups)])[None]
    bounds = [(None, None)] * rank + [(0, 1)] * groups
    found = linprog(cost, np.vstack([above, below]), np.zeros(2 * groups), told, [1.0], bounds, method="highs")
    return float(found.fun) if found.status == 0 else (float("inf") if found.status == 2 else 0.0)


def _fewest(basis: _Floats, sizes: NDArray[np.int64], place: int, minimum: int) -> int:
    from scipy.optimize import Bounds, LinearConstraint, milp

    rank, groups = basis.shape
    # unknown: weights of the basis, free; whether a group is in, 0 or 1
    cost = np.concatenate([np.zeros(rank), sizes])
    constraints = [
        LinearConstraint(np.hstack([basis.T, -np.eye(groups)]), -np.inf, 1e-9),
        LinearConstraint(np.hstack([basis.T, np.eye(groups)]), -1e-9, np.inf),
        LinearConstraint(np.concatenate([basis[:, place], np.zeros(groups)])[None], 1.0, 1.0),
        LinearConstraint(np.concatenate([np.zeros(rank), sizes])[None], 0, minimum - 1),
    ]
    bounds = Bounds(np.concatenate([np.full(rank, -np.inf), np.zeros(groups)]), np.concatenate([np.full(rank, np.inf), np.ones(groups)]))
    whole = np.concatenate([np.zeros(rank), np.ones(groups)])
    found = milp(cost, constraints=constraints, bounds=bounds, integrality=whole, options={"node_limit": _MOST_NODES})
    if found.status == 2:
        return minimum
    return round(float(found.fun)) if found.status == 0 else 0


class SumAudit:
    """Sets of people whose sums are known, and which may still join them.

    Parameters
    ----------
    released : ndarray of bool, shape (releases, people)
    minimum : int
        The fewest people over whom a sum may be known.
    """

    def __init__(self, released: Members, minimum: int) -> None:
        self._sets = np.unique(np.asarray(released, bool), axis=0)
        self._minimum = minimum

    def copy(self) -> SumAudit:
        """Another that knows the same."""
        return SumAudit(self._sets, self._minimum)

    def admits(self, members: Members) -> bool:
        """Whether a sum over these people tells, with all that is known, no sum over fewer than `minimum`."""
        if (self._sets == members).all(axis=1).any():
            return True
        return disclosure_of(np.vstack([self._sets, members]), self._minimum) is None

    def add(self, members: Members) -> None:
        """From now on the sum over these people is known."""
        if not (self._sets == members).all(axis=1).any():
            self._sets = np.vstack([self._sets, members])

"""Which counts of people a report for others must keep to itself, so that no small one can be worked out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dawson.report.formatting import is_number
from dawson.report.sharing import is_small

if TYPE_CHECKING:
    from dawson.report.flow import Flow


@dataclass(frozen=True)
class Secrets:
    """What is not shown to others.

    Parameters
    ----------
    people : frozenset of str
        Classes whose numbers of people are hidden; the total is hidden where there is one.
    scans : frozenset of str
        The same for numbers of scans.
    followed, tested : frozenset of str
        Classes of which it is hidden how many have a follow-up scan, and how many were tested.
    tested_total : bool
        The number of all test patients is hidden.
    on_disk : bool
        What the dataset holds is hidden.
    stages : bool
        How many scans were excluded is hidden.
    """

    people: frozenset[str]
    scans: frozenset[str]
    followed: frozenset[str]
    tested: frozenset[str]
    tested_total: bool
    on_disk: bool
    stages: bool


def secrets_of(flow: Flow) -> Secrets:
    """What must be hidden: counts from 1 to 4, and whatever would give one away by a sum or a difference.

    Parameters
    ----------
    flow : Flow
        Its `on_disk` may be (0, 0) where it is not going to be shown.
    """
    counts = flow.by_class
    number = {name: row[0] for name, row in counts.items()}
    people = with_next_smallest([name for name, row in counts.items() if is_small(row[0]) or is_small(row[1])], number)
    scans = with_next_smallest(
        [name for name, row in counts.items() if name in people or is_small(row[1] - row[0])],
        {name: row[1] for name, row in counts.items()},
    )
    followed = {name for name, (n, _, single, _) in counts.items() if name in people or is_small(single) or is_small(n - single)}
    tested = with_next_smallest(
        [name for name, (n, _, _, drawn) in counts.items() if name in people or is_small(drawn) or is_small(n - drawn)],
        {name: row[3] for name, row in counts.items()},
    )
    drawn = sum(row[3] for row in counts.values())
    leaves = [*flow.excluded.values(), flow.not_selected]
    left = flow.on_disk[0] - flow.analysed[0]
    return Secrets(
        people=people,
        scans=scans,
        followed=frozenset(followed),
        tested=tested,
        tested_total=bool(people) or is_small(drawn) or is_small(flow.analysed[0] - drawn),
        # The dataset less what was left out is what was analysed.
        on_disk=bool(people or scans) or is_small(left) or any(map(is_small, leaves)),
        stages=any(map(is_small, flow.excluded.values())),
    )


def with_next_smallest(hidden: Sequence[str], sizes: Mapping[str, int]) -> frozenset[str]:
    """One hidden class could be worked out from a total, so the next smallest goes with it.

    Examples
    --------
    >>> sorted(with_next_smallest(["a"], {"a": 2, "b": 30, "c": 20}))
    ['a', 'c']
    """
    others = sorted((name for name in sizes if name not in hidden), key=lambda name: sizes[name])
    return frozenset([*hidden, *others[: len(hidden) == 1]])


def masked_matrix(matrix: Sequence[Sequence[int]], hide_all: bool) -> list[list[int | None]]:
    """A confusion matrix for others: None in every cell of a row that has a count from 1 to 4, as the rest would tell it.

    Parameters
    ----------
    matrix : sequence of sequence of int
        Rows are the true classes.
    hide_all : bool
        Numbers of test patients are hidden, so that no row may be shown.

    Examples
    --------
    >>> masked_matrix([[12, 3], [5, 9]], False)
    [[None, None], [5, 9]]
    """
    return [[None if hide_all or any(map(is_small, row)) else count for count in row] for row in matrix]


def tells_few(share: Any, n: Any) -> bool:
    """Whether a share of n people tells of 1 to 4 of them: the count is the share times n, and the rest is n without it.

    Parameters
    ----------
    share : float or None
        In [0, 1]; None is no share and tells nothing.
    n : int or None

    Examples
    --------
    >>> tells_few(0.9, 20), tells_few(0.5, 20), tells_few(1.0, 20), tells_few(1.0, 3)
    (True, False, False, True)
    """
    if not is_number(share) or not is_number(n):
        return False
    count = round(share * n)
    return is_small(count) or is_small(round(n) - count)

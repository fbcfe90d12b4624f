"""Which lesion of one scan is which lesion of the next: links by overlap, merges, splits, and numbers that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class LinkedGroup:
    """Lesions of two scans that belong together because they overlap, directly or through each other.

    Parameters
    ----------
    first, second : tuple of int
        Instance numbers; one of them may be empty.
    """

    first: tuple[int, ...]
    second: tuple[int, ...]

    @property
    def event(self) -> str:
        """`merge` where several became fewer, `split` where one became several, `merge and split`, or empty."""
        if len(self.first) > 1 and len(self.second) > 1:
            return "merge and split"
        if len(self.first) > 1 and self.second:
            return "merge"
        return "split" if len(self.second) > 1 and self.first else ""


@dataclass
class Tracks:
    """Lesions over all sessions.

    Parameters
    ----------
    numbers : list of dict of int to int
        For each session: instance number to track number.
    came_from, went_into : list of dict of int to int
        For each session: instance to the track that it split from, or that it merges into at the next session.
    returned : list of set of int
        For each session: instances that lie where a track of an earlier session, not of the one just before, had ended.
    """

    numbers: list[dict[int, int]] = field(default_factory=list)
    came_from: list[dict[int, int]] = field(default_factory=list)
    went_into: list[dict[int, int]] = field(default_factory=list)
    returned: list[set[int]] = field(default_factory=list)


def overlaps(first: NDArray[Any], second: NDArray[Any]) -> dict[tuple[int, int], int]:
    """Voxels that each pair of instances shares, of pairs that share any.

    Parameters
    ----------
    first, second : ndarray of int (x, y, z)
        Instance maps on one grid.
    """
    both = (first > 0) & (second > 0)
    pairs, counts = np.unique(np.stack([first[both], second[both]], axis=1), axis=0, return_counts=True)
    return {(int(one), int(other)): int(count) for (one, other), count in zip(pairs, counts, strict=True)}


def link_instances(first: NDArray[Any], second: NDArray[Any], minimum_share: float = 0.0) -> tuple[LinkedGroup, ...]:
    """Group the lesions of two scans by overlap.

    Parameters
    ----------
    first, second : ndarray of int (x, y, z)
        Instance maps on one grid.
    minimum_share : float
        Of the smaller of two instances' voxels: what they must share at least to be linked. One voxel always is needed.

    Returns
    -------
    tuple of LinkedGroup
        Connected parts of the graph, every instance in exactly one; in the order of their lowest number in the first scan, then the
        second.
    """
    sizes = [np.bincount(numbers[numbers > 0].ravel()) for numbers in (first, second)]
    known = [np.flatnonzero(size) for size in sizes]
    row = {int(number): place for place, number in enumerate(known[0])}
    column = {int(number): len(row) + place for place, number in enumerate(known[1])}
    edges = [
        (row[one], column[other])
        for (one, other), count in overlaps(first, second).items()
        if count >= minimum_share * min(sizes[0][one], sizes[1][other])
    ]
    total = len(row) + len(column)
    if not total:
        return ()
    ends = np.array(edges, dtype=int).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(total, total))
    _, part = connected_components(graph, directed=False)
    members: dict[int, tuple[list[int], list[int]]] = {}
    for side, places in enumerate((row, column)):
        for number, place in places.items():
            members.setdefault(int(part[place]), ([], []))[side].append(number)
    groups = [LinkedGroup(tuple(sorted(one)), tuple(sorted(other))) for one, other in members.values()]
    return tuple(sorted(groups, key=lambda group: (not group.first, group.first or group.second)))


def track_instances(sessions: Sequence[NDArray[Any]], minimum_share: float = 0.0) -> Tracks:
    """Give every lesion a number that it keeps from session to session.

    In a group of linked lesions each lesion of the later session takes the number of the earlier one with which it shares most
    voxels, every number once, the largest overlap first. Where several merge, the others' numbers end there (`went_into`); where one
    splits, the smaller parts get numbers of their own (`came_from`). A lesion that was not there at the session just before but
    overlaps one that ended earlier takes that number again (`returned`): a lesion missed once stays one lesion.

    Parameters
    ----------
    sessions : sequence of ndarray of int (x, y, z)
        Instance maps on one grid, in order of time.
    minimum_share : float
        See `link_instances`.
    """
    tracks = Tracks()
    following = 1
    last_place: NDArray[np.int32] | None = None
    for number, instances in enumerate(sessions):
        own: dict[int, int] = {}
        origin: dict[int, int] = {}
        back: set[int] = set()
        if number:
            before = tracks.numbers[number - 1]
            shared = overlaps(sessions[number - 1], instances)
            for group in link_instances(sessions[number - 1], instances, minimum_share):
                taken = _by_overlap(group, shared)
                own |= {late: before[early] for late, early in taken.items()}
                into = {early: late for late, early in taken.items()}
                for early in group.first:
                    if group.second and early not in into:
                        best = max(group.second, key=lambda late: (shared.get((early, late), 0), -late))
                        tracks.went_into[number - 1][early] = own[best]
                for late in group.second:
                    if group.first and late not in own:
                        best = max(group.first, key=lambda early: (shared.get((early, late), 0), -early))
                        origin[late] = before[best]
        present = set(tracks.numbers[number - 1].values()) if number else set()
        for instance in (int(value) for value in np.unique(instances[instances > 0]) if int(value) not in own):
            earlier = _ended_here(last_place, instances == instance, present | set(own.values())) if instance not in origin else 0
            if earlier:
                own[instance] = earlier
                back.add(instance)
            else:
                own[instance] = following
                following += 1
        tracks.numbers.append(own)
        tracks.came_from.append(origin)
        tracks.went_into.append({})
        tracks.returned.append(back)
        last_place = _remembered(last_place, instances, own)
    return tracks


def _by_overlap(group: LinkedGroup, shared: dict[tuple[int, int], int]) -> dict[int, int]:
    """Later instance to earlier instance, each at most once, the largest overlap first."""
    pairs = [(early, late) for early in group.first for late in group.second if (early, late) in shared]
    taken: dict[int, int] = {}
    for early, late in sorted(pairs, key=lambda pair: (-shared[pair], pair)):
        if late not in taken and early not in taken.values():
            taken[late] = early
    return taken


def _ended_here(last_place: NDArray[np.int32] | None, lesion: NDArray[np.bool_], in_use: set[int]) -> int:
    """Track that was last seen at a lesion's place and that no other lesion of the session has; 0 where there is none."""
    if last_place is None:
        return 0
    counts = np.bincount(last_place[lesion])
    counts[0] = 0
    counts[[track for track in in_use if track < counts.size]] = 0
    return int(np.argmax(counts)) if counts.any() else 0


def _remembered(last_place: NDArray[np.int32] | None, instances: NDArray[Any], own: dict[int, int]) -> NDArray[np.int32]:
    """Track number last seen at each voxel."""
    table = np.zeros(int(instances.max(initial=0)) + 1, dtype=np.int32)
    for instance, track in own.items():
        table[instance] = track
    now = table[np.asarray(instances, dtype=np.intp)]
    return now if last_place is None else np.where(now > 0, now, last_place)

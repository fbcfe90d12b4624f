"""Files of one series put together as images: by what the values say, not by where rounding happens to cut them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dawson.intake.headers import Header
from dawson.intake.sources import Entry

# Echoes of one sequence lie a millisecond or more apart; within one image the time is the same but for rounding.
_SAME_ECHO_MS, _MOST_ECHO_MS = 0.2, 0.5
_SAME_DIRECTION = 0.02
# Turned by more than this, slices a head apart would miss their places by a tenth of a millimetre.
_MOST_TURNED = 1e-3
_MOST_PIXEL_MM = 1e-3
_MOST_PARTS = 64
_PARALLEL = 0.98
_SAME_PLACE_MM = 0.1


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """One file of a series: where it is, which instance, and where its slices lie."""

    entry: Entry
    instance_uid: str
    positions: tuple[tuple[float, ...], ...]


@dataclass
class Group:
    """Files of one series that agree, while they are collected.

    Parameters
    ----------
    header : Header
        Of the first file.
    files : dict of str to SeriesFile
        By instance.
    copies : int
    unsafe : str
    values : dict of str to (tuple, tuple)
        Least and most of what should be equal: echo, direction, pixel.
    frames_differ : bool
    split : str
        Why it may be half of an image.
    """

    header: Header
    files: dict[str, SeriesFile] = field(default_factory=dict)
    copies: int = 0
    unsafe: str = ""
    values: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=dict)
    frames_differ: bool = False
    split: str = ""

    def add(self, entry: Entry, header: Header) -> None:
        """One file more."""
        self.unsafe = self.unsafe or header.unsafe
        self.frames_differ = self.frames_differ or header.frames_differ
        self._widen("echo", () if header.te_ms is None else (header.te_ms,))
        self._widen("direction", header.orientation)
        self._widen("pixel", header.pixel_mm)
        if header.instance_uid in self.files:
            self.copies += 1
        else:
            self.files[header.instance_uid] = SeriesFile(entry, header.instance_uid, header.positions)

    def join(self, other: Group) -> None:
        """The files of another group."""
        self.unsafe, self.frames_differ = self.unsafe or other.unsafe, self.frames_differ or other.frames_differ
        self.copies += other.copies + len(self.files.keys() & other.files.keys())
        self.files = {**other.files, **self.files}
        for name, (least, most) in other.values.items():
            self._widen(name, least)
            self._widen(name, most)

    def _widen(self, name: str, value: tuple[float, ...]) -> None:
        least, most = self.values.get(name, (value, value))
        if len(value) != len(least):
            self.frames_differ = True
        else:
            self.values[name] = (tuple(map(min, least, value)), tuple(map(max, most, value)))

    def spread(self, name: str) -> float:
        """How far the values of its files lie apart."""
        least, most = self.values.get(name, ((), ()))
        return max((high - low for low, high in zip(least, most, strict=True)), default=0.0)

    @property
    def uneven(self) -> str:
        """Why its files are not of one grid; empty where they are."""
        if self.split:
            return self.split
        if self.frames_differ or self.spread("pixel") > _MOST_PIXEL_MM:
            return "its files differ in pixel size or direction"
        if self.spread("direction") > _MOST_TURNED:
            return "its slices are turned against each other"
        return "its files differ in echo time" if self.spread("echo") > _MOST_ECHO_MS else ""


def rounded(header: Header) -> tuple[object, ...]:
    """A first, coarse key within a series; `gathered` joins what it cuts apart."""
    return None if header.te_ms is None else round(header.te_ms, 1), tuple(round(value, 2) + 0.0 for value in header.orientation)


def gathered(groups: Iterable[Group]) -> list[Group]:
    """Groups of one series, component, echo number and matrix joined where echo time and direction are the same within tolerance.

    What then may still be halves of one image is marked by `split`.

    Parameters
    ----------
    groups : iterable of Group
        They are changed.
    """
    parts = [part for echo in _by_echo(groups) for part in _by_direction(echo)]
    for part in parts if len(parts) > _MOST_PARTS else _halves(parts):
        part.split = "the files of this series do not fit together: it may be a part of an image"
    return parts


def _by_echo(groups: Iterable[Group]) -> list[list[Group]]:
    known: list[list[Group]] = []
    unknown = []
    last = -1e9
    for group in sorted(groups, key=lambda item: item.header.te_ms or 0.0):
        echo = group.header.te_ms
        if echo is None:
            unknown.append(group)
        elif echo - last <= _SAME_ECHO_MS:
            known[-1].append(group)
        else:
            known.append([group])
        last = last if echo is None else group.values["echo"][1][0]
    return [*known, *([unknown] if unknown else [])]


def _by_direction(groups: list[Group]) -> list[Group]:
    parts: list[Group] = []
    for group in groups:
        direction = np.array(group.header.orientation)
        near = next((part for part in parts if _near(direction, np.array(part.header.orientation))), None)
        if near is None and len(parts) <= _MOST_PARTS:
            parts.append(group)
        else:
            (near or parts[-1]).join(group)
    return parts


def _near(first: np.ndarray, second: np.ndarray) -> bool:
    return len(first) == len(second) and bool((np.abs(first - second) <= _SAME_DIRECTION).all())


def _halves(parts: list[Group]) -> list[Group]:
    """Parts whose slices lie between, or next to, those of another part with the same normal."""
    lines = [_line(part) for part in parts]
    found: set[int] = set()
    for one in range(len(parts)):
        for other in range(one):
            if _belong_together(lines[one], lines[other]):
                found |= {one, other}
    return [parts[at] for at in sorted(found)]


def _line(part: Group) -> tuple[np.ndarray, np.ndarray]:
    """Normal of the slices, and their corners."""
    places = np.array([place for item in part.files.values() for place in item.positions], dtype=float)
    if len(part.header.orientation) != 6 or not len(places):
        return np.zeros(3), np.zeros((0, 3))
    return np.cross(part.header.orientation[:3], part.header.orientation[3:]), places


def _belong_together(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    normal = one[0]
    if not len(one[1]) or not len(other[1]):
        return True
    if abs(float(normal @ other[0])) < _PARALLEL:
        return False
    first, second = np.sort(one[1] @ normal), np.sort(other[1] @ normal)
    # Echoes of one image lie at the same places.
    if len(first) == len(second) and bool((np.abs(first - second) <= _SAME_PLACE_MM).all()):
        return False
    steps = np.diff(np.sort(np.concatenate([first, second])))
    largest = max([float(np.max(np.diff(line))) for line in (first, second) if len(line) > 1], default=float(np.max(steps, initial=0.0)))
    gap = max(second[0] - first[-1], first[0] - second[-1])
    return bool(gap <= 1.5 * largest)

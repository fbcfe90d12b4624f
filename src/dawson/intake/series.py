"""Series found in a source: files by patient, study and series, split where one series holds several images."""

from __future__ import annotations

import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dawson.intake.grouping import Group, SeriesFile, gathered, rounded
from dawson.intake.header_values import plain_number
from dawson.intake.headers import Header, UnreadableError, read_header
from dawson.intake.sources import Entry, Refused, Source
from dawson.progress import progress

_EVEN = 0.05
_ASIDE_MM = 0.1
_LEAST_VOXEL_MM, _MOST_VOXEL_MM = 0.05, 50.0
_PLANES = ("sagittal", "coronal", "axial")
# Patient, issuer, study and series; component, echo number and matrix; echo time and direction, rounded.
_Groups = defaultdict[tuple[str, ...], defaultdict[tuple[object, ...], dict[tuple[object, ...], Group]]]


@dataclass(frozen=True)
class Series:
    """What dcm2niix would make one image of.

    Parameters
    ----------
    header : Header
        Of the first file.
    files : tuple of SeriesFile
        In the order of their names; one of each instance.
    part : str
        Tells it from others of the same series UID: echo, component, orientation; empty where there are no others.
    copies : int
        Files that held an instance once more.
    unsafe : str
        Why the pixels of any of its files may show a name, or are no MR image; empty where none does.
    damaged : int
        Further files of the series that are cut off.
    uneven : str
        Why its files are not of one grid, or may be a part of an image; empty where they are whole.
    """

    header: Header
    files: tuple[SeriesFile, ...]
    part: str = ""
    copies: int = 0
    unsafe: str = ""
    damaged: int = 0
    uneven: str = ""

    @cached_property
    def distances_mm(self) -> np.ndarray:
        """Place of every slice along the normal of the slices, in order; empty where unknown."""
        places = [place for item in self.files for place in item.positions]
        if len(self.header.orientation) != 6 or not places:
            return np.array([])
        normal = np.cross(self.header.orientation[:3], self.header.orientation[3:])
        return np.sort(np.array(places) @ normal)

    @property
    def slices(self) -> int:
        """Slices, by the frames of its files."""
        return len(self.files) * self.header.frames

    @property
    def step_mm(self) -> float | None:
        """Median distance of neighbouring slices."""
        steps = np.diff(self.distances_mm)
        steps = steps[steps > 1e-3]
        return float(np.median(steps)) if len(steps) else None

    @property
    def voxel_mm(self) -> tuple[float, ...]:
        """Pixel sizes and the distance of slices; empty where unknown."""
        step = self.step_mm or self.header.spacing_mm or self.header.thickness_mm
        return (*self.header.pixel_mm, step) if len(self.header.pixel_mm) == 2 and step else ()

    @property
    def coverage_mm(self) -> float:
        """Extent along the normal of the slices."""
        return (self.slices * self.voxel_mm[2]) if self.voxel_mm else 0.0

    @property
    def plane(self) -> str:
        """Plane of the slices, by the nearest axis; empty where unknown."""
        if len(self.header.orientation) != 6:
            return ""
        normal = np.cross(self.header.orientation[:3], self.header.orientation[3:])
        return _PLANES[int(np.argmax(np.abs(normal)))]

    @property
    def fault(self) -> str:
        """Why its files make no whole volume; empty where they do."""
        if self.damaged:
            return f"{self.damaged} more of its files {'are' if self.damaged > 1 else 'is'} cut off"
        if self.uneven:
            return self.uneven
        places = self.distances_mm
        if len(places) != self.slices or len(self.header.pixel_mm) != 2:
            return "the place of its slices is not in the headers"
        if not self._is_grid:
            return "the directions or sizes of its pixels are none that a scanner writes"
        if len(places) < 2:
            return ""
        steps = np.diff(places)
        if (steps <= 1e-3).any():
            return "several slices lie at one place: it is no single volume"
        median = float(np.median(steps))
        if (np.abs(steps - median) > _EVEN * median).any():
            return "its slices are not evenly spaced; some are missing"
        return "its slices lie aside of each other, or step by none that a scanner makes" if self._is_skewed(median) else ""

    @property
    def _is_grid(self) -> bool:
        """Whether row and column are directions at right angles, and pixels of a size that there is."""
        row, column = np.array(self.header.orientation[:3]), np.array(self.header.orientation[3:])
        straight = abs(row @ row - 1) < 1e-2 and abs(column @ column - 1) < 1e-2 and abs(row @ column) < 1e-3
        return bool(straight) and all(_LEAST_VOXEL_MM <= size <= _MOST_VOXEL_MM for size in self.header.pixel_mm)

    def _is_skewed(self, step: float) -> bool:
        """Whether slices do not follow each other along their normal."""
        normal = np.cross(self.header.orientation[:3], self.header.orientation[3:])
        normal /= np.linalg.norm(normal)
        places = np.array([place for item in self.files for place in item.positions])
        aside = places - np.outer(places @ normal, normal)
        away = np.linalg.norm(aside - np.median(aside, axis=0), axis=1)
        return bool(away.max() >= _ASIDE_MM) or not _LEAST_VOXEL_MM <= step <= _MOST_VOXEL_MM

    @property
    def affine(self) -> np.ndarray:
        """Index of column, row and slice to mm (LPS), (4, 4); only for a series without fault and of two slices or more."""
        row, column = np.array(self.header.orientation[:3]), np.array(self.header.orientation[3:])
        places = sorted((place for item in self.files for place in item.positions), key=lambda place: float(np.cross(row, column) @ place))
        step = (np.array(places[-1]) - np.array(places[0])) / (len(places) - 1)
        affine = np.eye(4)
        affine[:3] = np.column_stack([row * self.header.pixel_mm[1], column * self.header.pixel_mm[0], step, places[0]])
        return affine


@dataclass(frozen=True)
class Found:
    """Everything that a source holds.

    Parameters
    ----------
    series : tuple of Series
        In the order of patient, date, time and number.
    refused : tuple of Refused
        Files that are not taken, each with its reason.
    files : int
        Looked at.
    """

    series: tuple[Series, ...]
    refused: tuple[Refused, ...]
    files: int


def find_series(source: Source) -> Found:
    """Read every header of a source and put the files together by series.

    Parameters
    ----------
    source : Source

    Raises
    ------
    IntakeError
        The source is beyond its limits.
    """
    entries: list[Entry] = []
    refused: list[Refused] = []
    for item in source.entries():
        if isinstance(item, Refused):
            refused.append(item)
        else:
            entries.append(item)
    looked_at = len(entries) + len(refused)
    groups: _Groups = defaultdict(lambda: defaultdict(dict))
    damaged: Counter[str] = Counter()
    with progress("Reading headers", len(entries)) as advance:
        for entry in entries:
            try:
                with source.open(entry, budget=source.limits.enhanced_header_bytes * 2) as stream:
                    header = read_header(stream, entry.size, source.limits)
                _add(groups, entry, header)
            except UnreadableError as error:
                refused.append(Refused(entry.name, str(error)))
                damaged.update([error.series_uid] if error.series_uid else [])
            except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
                refused.append(Refused(entry.name, f"the file cannot be read ({type(error).__name__})"))
            advance()
    return Found(tuple(_series(groups, damaged)), tuple(refused), looked_at)


def _add(groups: _Groups, entry: Entry, header: Header) -> None:
    whose = (plain_number(header.patient_id), plain_number(header.issuer), header.study_uid, header.series_uid)
    part = (header.component, header.echo, header.rows, header.columns)
    groups[whose][part].setdefault(rounded(header), Group(header)).add(entry, header)


def _series(groups: _Groups, damaged: Counter[str]) -> Iterable[Series]:
    found = []
    for whose, parts in groups.items():
        together = [group for cells in parts.values() for group in gathered(cells.values())]
        found += [(whose, group, len(together) > 1) for group in together]

    def place(item: tuple[tuple[str, ...], Group, bool]) -> tuple[object, ...]:
        header = item[1].header
        order = (header.component, header.echo or 0, header.te_ms or 0.0, header.orientation, header.rows, header.columns)
        return item[0][0], header.date, header.study_uid, header.series_number or 0, header.time, header.series_uid, *order

    for _, group, several in sorted(found, key=place):
        header = group.header
        words = [
            header.component,
            f"echo {header.echo or '?'}, {header.te_ms or 0:g} ms",
            f"{_turned(header)}{header.rows}x{header.columns}",
        ]
        yield Series(
            header,
            tuple(group.files.values()),
            ", ".join(words) if several else "",
            group.copies,
            group.unsafe,
            damaged[header.series_uid],
            group.uneven,
        )


def _turned(header: Header) -> str:
    return "".join(f"{value:.2f} " for value in header.orientation)

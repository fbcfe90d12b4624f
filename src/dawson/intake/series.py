"""Series found in a source: files by patient, study and series, split where one series holds several images."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dawson.intake.headers import Header, UnreadableError, read_header
from dawson.intake.sources import Entry, Refused, Source
from dawson.progress import progress

_EVEN = 0.05
_PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """One file of a series: where it is, which instance, and where its slices lie."""

    entry: Entry
    instance_uid: str
    positions: tuple[tuple[float, ...], ...]


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
    """

    header: Header
    files: tuple[SeriesFile, ...]
    part: str = ""
    copies: int = 0
    unsafe: str = ""
    damaged: int = 0

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
        places = self.distances_mm
        if len(places) != self.slices or len(self.header.pixel_mm) != 2:
            return "the place of its slices is not in the headers"
        if len(places) < 2:
            return ""
        steps = np.diff(places)
        if (steps <= 1e-3).any():
            return "several slices lie at one place: it is no single volume"
        median = float(np.median(steps))
        if (np.abs(steps - median) > _EVEN * median).any():
            return "its slices are not evenly spaced; some are missing"
        return ""


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


@dataclass
class _Group:
    """Files of one series UID and part, while they are collected."""

    header: Header
    files: dict[str, SeriesFile] = field(default_factory=dict)
    copies: int = 0
    unsafe: str = ""


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
    groups: dict[tuple[object, ...], _Group] = {}
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


def _add(groups: dict[tuple[object, ...], _Group], entry: Entry, header: Header) -> None:
    turned = tuple(round(value, 2) + 0.0 for value in header.orientation)
    # By echo time too: two echoes of one number, or without any, are two images as well.
    part = (header.component, header.echo, None if header.te_ms is None else round(header.te_ms, 1), turned, header.rows, header.columns)
    key = (header.patient_id, header.issuer, header.study_uid, header.series_uid, *part)
    group = groups.setdefault(key, _Group(header))
    group.unsafe = group.unsafe or header.unsafe
    if header.instance_uid in group.files:
        group.copies += 1
    else:
        group.files[header.instance_uid] = SeriesFile(entry, header.instance_uid, header.positions)


def _series(groups: dict[tuple[object, ...], _Group], damaged: Counter[str]) -> Iterable[Series]:
    parts = Counter(key[:4] for key in groups)

    def place(item: tuple[tuple[object, ...], _Group]) -> tuple[object, ...]:
        header = item[1].header
        return header.patient_id, header.date, header.study_uid, header.series_number or 0, header.time, str(item[0][3:])

    for key, group in sorted(groups.items(), key=place):
        header = group.header
        several = parts[key[:4]] > 1
        words = [
            header.component,
            f"echo {header.echo or '?'}, {header.te_ms or 0:g} ms",
            f"{_turned(header)}{header.rows}x{header.columns}",
        ]
        yield Series(
            header, tuple(group.files.values()), ", ".join(words) if several else "", group.copies, group.unsafe, damaged[header.series_uid]
        )


def _turned(header: Header) -> str:
    return "".join(f"{value:.2f} " for value in header.orientation)

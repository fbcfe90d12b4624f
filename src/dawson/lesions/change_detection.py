"""What became of each lesion between two scans: new, enlarging, shrinking, resolved or stable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import ConfigError
from dawson.imaging.instance_links import LinkedGroup, link_instances
from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.subtraction import Subtraction

CODES = {"new": 1, "enlarging": 2, "shrinking": 3, "resolved": 4, "stable": 5}
"""Values of the change map."""

DETECTORS = ("masks", "subtraction")

# Arch Neurol 1992;49:261 (doi:10.1001/archneur.1992.00530270075021): a lesion's area must change by 45.2 % below 0.67 cm2, by 24.2 %
# above, to be more than repeated measurement makes of it.
_SMALL_AREA_MM2 = 67.0
_SMALL_CHANGE, _LARGE_CHANGE = 1.452, 1.242
# Share of a two-voxel ring that lies in an old lesion: 0.2 for a shell round a ball of 5 mm that grew by 2 mm, 0.07 for a ball of 3 mm
# that touches it.
_BESIDE = 0.15


@dataclass(frozen=True)
class ChangeSettings:
    """What counts as a change.

    Parameters
    ----------
    detector : {"subtraction", "masks"}
        `masks` believes the two masks; `subtraction` asks of every change in them that the scans show it as well, tells a new lesion
        that touches an old one by what appeared in the scans, and finds changed tissue by itself where there are no masks.
    minimum_mm3 : float
        Smallest new or resolved lesion; smaller ones are left out. 3 mm3 is the default of the evaluation tool of the MSSEG
        challenges (Commowick et al. 2018, doi:10.1038/s41598-018-31911-7).
    confirm_z : float
        Mean z of the subtraction over a new (resolved) lesion, or over the tissue that a lesion gained (lost), from which on the
        scans agree.
    seed_z, grow_z, tissue_z : float
        Changed tissue in the subtraction: connected voxels beyond `grow_z`, one of them beyond `seed_z`, their mean beyond `tissue_z`.
    bright : float
        Brightness that such tissue must have in the scan in which it is lesion, in robust standard deviations over the median of
        normal-appearing tissue.
    tissue_mm3 : float
        Smallest piece of changed tissue: by default a ball of 3 mm diameter, the least long axis of a lesion in MS
        (Filippi et al. 2019, doi:10.1093/brain/awz144).
    minimum_share : float
        Of the smaller lesion: overlap from which on lesions of two scans are one.
    """

    detector: str = "subtraction"
    minimum_mm3: float = 3.0
    confirm_z: float = 4.0
    seed_z: float = 6.0
    grow_z: float = 3.0
    bright: float = 1.5
    tissue_z: float = 5.0
    tissue_mm3: float = 14.0
    minimum_share: float = 0.0

    def __post_init__(self) -> None:
        if self.detector not in DETECTORS:
            raise ConfigError(f"There is no change detector {self.detector!r}.", f"Choose one of {', '.join(DETECTORS)}.")


@dataclass(frozen=True)
class LesionChange:
    """One lesion, or several that merged or split, at two scans.

    Parameters
    ----------
    change : {"new", "enlarging", "shrinking", "resolved", "stable"}
    first, second : tuple of int
        Instance numbers at the two scans.
    first_mm3, second_mm3 : float
        Volumes.
    gained_z, lost_z : float
        Mean z of the subtraction over what the lesion gained, and of its negative over what it lost; NaN where there is nothing.
    event : str
        `merge`, `split`, `merge and split`, `joined` (one with another lesion in the mask, apart in the subtraction) or empty.
    doubt : str
        What the masks say and the scans do not show, such as `new in the masks only`; empty where they agree.
    """

    change: str
    first: tuple[int, ...]
    second: tuple[int, ...]
    first_mm3: float
    second_mm3: float
    gained_z: float = float("nan")
    lost_z: float = float("nan")
    event: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Changes:
    """All changes between two scans.

    Parameters
    ----------
    lesions : tuple of LesionChange
    codes : ndarray of uint8 (x, y, z)
        `CODES` at the voxels of each lesion of either scan; 0 elsewhere.
    first, second : ndarray of int32 (x, y, z)
        The instances that `lesions` names: connected parts of the masks by number, then those that were cut off them.
    joined : pair of dict of int to int
        At each scan: instance that was cut off, to the instance that it is joined with in the mask.
    """

    lesions: tuple[LesionChange, ...]
    codes: NDArray[np.uint8]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    joined: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))

    def count(self, change: str) -> int:
        """Lesions of a change; several that merged or split count once."""
        return sum(lesion.change == change for lesion in self.lesions)


def detect_changes(
    first: NDArray[np.bool_], second: NDArray[np.bool_], voxel_mm3: float, settings: ChangeSettings, scans: Subtraction | None = None
) -> Changes:
    """Compare the lesion masks of two scans on one grid, with the scans' subtraction as a witness.

    Parameters
    ----------
    first, second : ndarray of bool (x, y, z)
        Lesion masks.
    voxel_mm3 : float
    settings : ChangeSettings
    scans : Subtraction, optional
        Needed by the detector `subtraction`.

    Raises
    ------
    ConfigError
        The detector needs a subtraction and there is none.
    """
    if settings.detector == "subtraction" and scans is None:
        raise ConfigError("The change detector 'subtraction' needs the scans.", "Use the detector 'masks' where there are masks only.")
    instances = [lesion_instances(first), lesion_instances(second)]
    joined: tuple[dict[int, int], dict[int, int]] = ({}, {})
    confirm = settings.detector == "subtraction"
    if scans is not None and confirm:
        tissue = detect_changed_tissue(scans, voxel_mm3, settings)
        for side, (mask, other, pieces) in enumerate(((first, second, tissue.first), (second, first, tissue.second))):
            whole = np.isin(
                pieces, [number for lesion in tissue.lesions if lesion.change in ("new", "resolved") for number in _on(lesion, side)]
            )
            instances[side], cut = _cut_off(instances[side], np.where(whole & mask & ~other, pieces, 0), settings.tissue_mm3 / voxel_mm3)
            joined[side].update(cut)
    places = [list(ndimage.find_objects(numbers)) for numbers in instances]
    codes = np.zeros(first.shape, dtype=np.uint8)
    found: list[LesionChange] = []
    for group in link_instances(instances[0], instances[1], settings.minimum_share):
        box = _box_of(group, places)
        masks = [np.isin(numbers[box], own) for numbers, own in zip(instances, (group.first, group.second), strict=True)]
        z = None if scans is None else scans.z[box]
        lesion = _judge(group, masks[0], masks[1], z, voxel_mm3, settings, confirm)
        if lesion is None:
            continue
        if not joined[0].keys().isdisjoint(group.first) or not joined[1].keys().isdisjoint(group.second):
            lesion = replace(lesion, event="joined")
        found.append(lesion)
        codes[box][masks[0] | masks[1]] = CODES[lesion.change]
    return Changes(tuple(found), codes, instances[0], instances[1], joined)


def detect_changed_tissue(scans: Subtraction, voxel_mm3: float, settings: ChangeSettings) -> Changes:
    """Changed tissue from the subtraction alone, where nobody outlined lesions.

    What appeared is called new where the first scan is not bright around it, else enlarging; what disappeared is called resolved or
    shrinking likewise.

    Parameters
    ----------
    scans : Subtraction
        Two voxels at the brain's border are left out, where the extractions of the two scans differ.
    voxel_mm3 : float
    settings : ChangeSettings
    """
    inner = ndimage.binary_erosion(scans.brain, iterations=2)
    codes = np.zeros(scans.brain.shape, dtype=np.uint8)
    instances: list[NDArray[np.int32]] = []
    found: list[LesionChange] = []
    for side, (z, lesion, other) in enumerate(((-scans.z, scans.first, scans.second), (scans.z, scans.second, scans.first))):
        tissue = _grown((z > settings.grow_z) & inner & (lesion > settings.bright), z > settings.seed_z)
        numbers = _without_small(lesion_instances(tissue), settings.tissue_mm3 / voxel_mm3)
        instances.append(numbers)
        for number, box in enumerate(ndimage.find_objects(numbers), start=1):
            wide = tuple(slice(max(0, part.start - 2), part.stop + 2) for part in box)
            piece = numbers[wide] == number
            volume, mean = float(piece.sum()) * voxel_mm3, float(z[wide][piece].mean())
            if mean < settings.tissue_z:
                numbers[wide][piece] = 0
                continue
            ring = ndimage.binary_dilation(piece, iterations=2) & ~piece & inner[wide]
            # what grew round a lesion has that lesion on its inside; what only touches one has it on a small part of the ring
            beside = bool(ring.any()) and float((other[wide][ring] > settings.bright).mean()) > _BESIDE
            appeared = side == 1
            change = ("enlarging" if beside else "new") if appeared else ("shrinking" if beside else "resolved")
            sides = ((), (number,), 0.0, volume, mean, float("nan")) if appeared else ((number,), (), volume, 0.0, float("nan"), mean)
            found.append(LesionChange(change, *sides))
            codes[wide][piece] = CODES[change]
    return Changes(tuple(found), codes, instances[0], instances[1])


def _judge(
    group: LinkedGroup,
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    z: NDArray[np.float32] | None,
    voxel_mm3: float,
    settings: ChangeSettings,
    confirm: bool,
) -> LesionChange | None:
    """What became of one group; None where it is too small to be counted."""
    volumes = float(first.sum()) * voxel_mm3, float(second.sum()) * voxel_mm3
    if max(volumes) < settings.minimum_mm3:
        return None
    gained, lost = second & ~first, first & ~second
    gained_z = float(z[gained].mean()) if z is not None and gained.any() else float("nan")
    lost_z = float(-z[lost].mean()) if z is not None and lost.any() else float("nan")
    change = _by_volume(*volumes)
    doubt = ""
    if confirm and change != "stable":
        evidence = gained_z if change in ("new", "enlarging") else lost_z
        if not evidence >= settings.confirm_z:
            change, doubt = "stable", f"{change} in the masks only"
    return LesionChange(change, group.first, group.second, *volumes, gained_z, lost_z, group.event, doubt)


def _by_volume(first_mm3: float, second_mm3: float) -> str:
    if first_mm3 == 0:
        return "new"
    if second_mm3 == 0:
        return "resolved"
    if second_mm3 >= first_mm3 * enlargement_needed(first_mm3):
        return "enlarging"
    return "shrinking" if first_mm3 >= second_mm3 * enlargement_needed(second_mm3) else "stable"


def enlargement_needed(smaller_mm3: float) -> float:
    """Ratio of volumes from which on a lesion has changed, for the smaller of its volumes.

    From the changes of area that repeated measurement alone rarely makes, see the head of this file; a ball's volume grows as its
    area to the power of 1.5, and the area is that of its largest section.
    """
    area = np.pi * (3 * smaller_mm3 / (4 * np.pi)) ** (2 / 3)
    return float((_SMALL_CHANGE if area < _SMALL_AREA_MM2 else _LARGE_CHANGE) ** 1.5)


def _grown(low: NDArray[np.bool_], high: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected parts of `low` that hold a voxel of `high`."""
    parts = lesion_instances(low)
    kept = np.zeros(int(parts.max(initial=0)) + 1, dtype=bool)
    kept[np.unique(parts[high & low])] = True
    kept[0] = False
    return np.asarray(kept[parts], dtype=bool)


def _without_small(numbers: NDArray[np.int32], voxels: float) -> NDArray[np.int32]:
    sizes = np.bincount(numbers.ravel())
    keep = sizes >= voxels
    keep[0] = False
    renumbered = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return renumbered[numbers]


def _cut_off(numbers: NDArray[np.int32], pieces: NDArray[np.int32], voxels: float) -> tuple[NDArray[np.int32], dict[int, int]]:
    """Give pieces of lesions numbers of their own, where enough of the lesion is left over; with the lesion that each was cut off."""
    cut = numbers.copy()
    origin: dict[int, int] = {}
    sizes = np.bincount(numbers.ravel())
    following = int(numbers.max(initial=0)) + 1
    for piece in np.unique(pieces[pieces > 0]):
        for number in np.unique(numbers[pieces == piece]):
            part = (pieces == piece) & (numbers == number)
            # a piece that is most of its lesion is the lesion
            if number and part.sum() >= voxels and part.sum() < 0.5 * sizes[number]:
                cut[part] = following
                origin[following] = int(number)
                following += 1
    return cut, origin


def _on(lesion: LesionChange, side: int) -> tuple[int, ...]:
    return lesion.second if side else lesion.first


def _box_of(group: LinkedGroup, places: list[list[Any]]) -> tuple[slice, ...]:
    boxes = [places[side][number - 1] for side, own in enumerate((group.first, group.second)) for number in own]
    return tuple(slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)) for axis in range(3))

"""What became of each lesion between two scans: new, enlarging, shrinking, resolved or stable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import ConfigError
from dawson.imaging.instance_links import LinkedGroup, link_instances
from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.subtraction import Subtraction
from dawson.lesions.changed_tissue import detect_changed_tissue
from dawson.lesions.changes import CODES, Changes, ChangeSettings, LesionChange

# Arch Neurol 1992;49:261 (doi:10.1001/archneur.1992.00530270075021): a lesion's area must change by 45.2 % below 0.67 cm2, by 24.2 %
# above, to be more than repeated measurement makes of it.
_SMALL_AREA_MM2 = 67.0
_SMALL_CHANGE, _LARGE_CHANGE = 1.452, 1.242


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

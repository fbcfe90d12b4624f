"""Changed tissue from the subtraction of two scans alone, where nobody outlined lesions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.subtraction import Subtraction
from dawson.lesions.changes import CODES, Changes, ChangeSettings, LesionChange

# Share of a two-voxel ring that lies in an old lesion: 0.2 for a shell round a ball of 5 mm that grew by 2 mm, 0.07 for a ball of 3 mm
# that touches it.
_BESIDE = 0.15


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

"""Distortion against what is usual: every scanner bends its images a little, always at the same places."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

# Air in the frontal sinuses bends the field most, at the base of the frontal lobes (mm in template space).
SINUSES_MM, SINUSES_REACH_MM = (0.0, 62.0, -32.0), 40.0
# a block is judged where so many others of the group have it
_LEAST_OTHERS = 6

Blocks = Mapping[str, Sequence[float]]


def unusual_shifts(
    blocks: Sequence[Blocks], groups: Sequence[str], minimum: int, only: Collection[str] | None = None
) -> NDArray[np.float64]:
    """The largest difference of a scan's local shifts from the median of the other scans of its group, block by block.

    Parameters
    ----------
    blocks : sequence of mapping
        Of each scan: number of a block to its shift (x, y, z) in mm; empty where it could not be measured.
    groups : sequence of str
        Site and scanner of each scan.
    minimum : int
        Least scans of a group; those of smaller groups are compared with the whole study.
    only : collection of str, optional
        Blocks to look at; all by default.

    Returns
    -------
    ndarray of float (n,)
        In mm; NaN where a scan has no shifts, or too few others have.

    Examples
    --------
    >>> usual = [{"1": [0.0, 0.2, 0.0], "2": [0.0, 0.0, 0.0]}] * 7
    >>> unusual_shifts([*usual, {"1": [0.0, 0.2, 0.0], "2": [0.0, 0.6, 0.8]}], ["a"] * 8, 8).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    """
    names = sorted({name for one in blocks for name in one if only is None or name in only})
    shifts = np.full((len(blocks), len(names), 3), nan)
    place_of = {name: place for place, name in enumerate(names)}
    for scan, one in enumerate(blocks):
        for name in place_of.keys() & one.keys():
            shifts[scan, place_of[name]] = one[name]
    measured = np.isfinite(shifts[:, :, 0]).any(axis=1)
    group = np.asarray(groups)
    result = np.full(len(blocks), nan)
    for scan in map(int, np.flatnonzero(measured)):
        others = measured & (group == group[scan])
        others = others if others.sum() >= minimum else measured.copy()
        others[scan] = False
        if others.sum() < minimum - 1:
            continue
        known = np.isfinite(shifts[scan, :, 0]) & (np.isfinite(shifts[others, :, 0]).sum(axis=0) >= _LEAST_OTHERS)
        if known.any():
            usual = np.nanmedian(shifts[np.ix_(others, known)], axis=0)
            result[scan] = float(np.linalg.norm(shifts[scan, known] - usual, axis=1).max())
    return result

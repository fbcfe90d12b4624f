"""Distortion against what is usual: every scanner bends its images a little, always at the same places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np
from numpy.typing import NDArray

# a place is judged where so many others of the group have it
_LEAST_OTHERS = 6

Bends = Mapping[str, Sequence[float]]


def unusual_bends(bends: Sequence[Bends], groups: Sequence[str], minimum: int, place: str) -> NDArray[np.float64]:
    """How far the displacement at a place of air lies from the median of the other scans of the group.

    Parameters
    ----------
    bends : sequence of mapping
        Of each scan: place to its displacement (x, y, z) in mm, see `dawson.imaging.air_bend`; empty where it could not be measured.
    groups : sequence of str
        Site and scanner of each scan.
    minimum : int
        Least scans of a group; those of smaller groups are compared with the whole study.
    place : str

    Returns
    -------
    ndarray of float (n,)
        In mm; NaN where a scan has no such displacement, or too few others have.

    Examples
    --------
    >>> usual = [{"frontal": [0.0, 0.2, 0.0]}] * 7
    >>> unusual_bends([*usual, {"frontal": [0.0, 0.8, 0.8]}], ["a"] * 8, 8, "frontal").round(3).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    """
    found = np.array([one.get(place, [nan] * 3) for one in bends], float).reshape(len(bends), 3)
    measured = np.isfinite(found[:, 0])
    group = np.asarray(groups)
    result = np.full(len(bends), nan)
    for scan in map(int, np.flatnonzero(measured)):
        others = measured & (group == group[scan])
        others = others if others.sum() >= minimum else measured.copy()
        others[scan] = False
        if others.sum() >= max(minimum - 1, _LEAST_OTHERS):
            result[scan] = float(np.linalg.norm(found[scan] - np.median(found[others], axis=0)))
    return result

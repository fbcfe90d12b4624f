"""What became of a lesion between two scans, and what counts as a change."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dawson.errors import ConfigError

CODES = {"new": 1, "enlarging": 2, "shrinking": 3, "resolved": 4, "stable": 5}
"""Values of the change map."""

DETECTORS = ("masks", "subtraction")


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

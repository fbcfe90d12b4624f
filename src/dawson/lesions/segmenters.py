"""Who can find lesions: segmenters by name, each one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dawson.errors import ConfigError

if TYPE_CHECKING:
    from dawson.lesions.measure_intervals import MeasureIntervals

SEGMENTERS: dict[str, str] = {
    "dawson": "dawson.lesions.network_segmenter:DAWSON",
    "classical": "dawson.lesions.classical:CLASSICAL",
    "lstai": "dawson.lesions.lst_ai:LST_AI",
    "mindglide": "dawson.lesions.mindglide:MINDGLIDE",
}
"""Name to `module:attribute`."""


@dataclass(frozen=True)
class Segmentation:
    """What a segmenter says of one scan.

    Parameters
    ----------
    probability : ndarray of float32 (x, y, z)
        Of lesion, on the grid of the FLAIR.
    members : ndarray of float32 (m, x, y, z) or None
        Of each member of an ensemble.
    threshold : float
        Probability from which a voxel is lesion.
    maker : str
        What its files are called by (`desc-`).
    minimum_mm3 : float
        Smaller lesions are dropped from the mask.
    intervals : MeasureIntervals or None
        Of lesion count and volume, where the segmenter knows how far it is off.
    """

    probability: NDArray[np.float32]
    members: NDArray[np.float32] | None
    threshold: float
    maker: str
    minimum_mm3: float = 0.0
    intervals: MeasureIntervals | None = None

    def mask(self, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
        """Lesions (x, y, z): above the threshold, without those that are too small."""
        from dawson.imaging.lesion_metrics import without_small

        found = self.probability >= self.threshold
        return without_small(found, spacing_mm, self.minimum_mm3) if self.minimum_mm3 > 0 else found


class Segmenter(Protocol):
    """Finds lesions in one scan."""

    maker: str

    def segment(self, flair: Any, t1w: Any | None, brain: NDArray[np.bool_], threads: int = 1) -> Segmentation:
        """Segment brain-extracted images (nibabel) on one grid, `brain` being their mask; T1w may be None."""
        ...


def segmenter_named(name: str) -> Segmenter:
    """The segmenter of a name.

    Raises
    ------
    ConfigError
        Nobody is called so.
    """
    if name not in SEGMENTERS:
        raise ConfigError(f"No lesion segmenter is called {name!r}.", f"There are: {', '.join(SEGMENTERS)}.")
    module, attribute = SEGMENTERS[name].split(":")
    found: Segmenter = getattr(import_module(module), attribute)
    return found


def identity(segmenter: Segmenter) -> Mapping[str, Any]:
    """What results of a segmenter depend on besides the images, such as the digest of its model: results of another are made again."""
    told = getattr(segmenter, "identity", None)
    return dict(told()) if callable(told) else {}

"""The classical segmenter, which needs no model: FLAIR outliers in the tissue of the template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.flair_outliers import OutlierSettings, segment_outliers
from dawson.lesions.segmenters import Segmentation

# Raised whenever the same images no longer give the same lesions.
_METHOD = 1


@dataclass(frozen=True)
class ClassicalSegmenter:
    """`dawson.imaging.flair_outliers` as a segmenter.

    Parameters
    ----------
    settings : OutlierSettings
    maker : str
    """

    settings: OutlierSettings = field(default_factory=OutlierSettings)
    maker: str = "classical"

    def segment(self, flair: Any, t1w: Any | None, brain: NDArray[np.bool_], threads: int = 1) -> Segmentation:
        """Find lesions in brain-extracted images in template space; one thread whatever `threads` says."""
        found = segment_outliers(flair, t1w, brain, self.settings)
        return Segmentation(found.probability, None, 0.5, self.maker, self.settings.minimum_mm3)

    def identity(self) -> Mapping[str, Any]:
        """Settings and version of the method."""
        return {"method": _METHOD, **asdict(self.settings)}


CLASSICAL = ClassicalSegmenter()

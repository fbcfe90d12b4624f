"""Brightness of channel images made comparable between scanners, by what the training images of a fold look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.errors import ConfigError
from dawson.imaging.nyul import NyulScale, apply_nyul, fit_nyul
from dawson.imaging.white_stripe import white_stripe

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class IntensityScale:
    """How the images of a run are harmonised.

    Parameters
    ----------
    method : {"nyul", "whitestripe"}
    nyul : NyulScale or None
        The standard scale, in the unit of the channel images.
    centre, spread : float
        Of the training brains in units of their white stripes. All images are shifted and scaled by these alike, so that the
        network gets numbers of the size that it expects.
    """

    method: str
    nyul: NyulScale | None = None
    centre: float = 0.0
    spread: float = 1.0

    def apply(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """One channel image, shape (channels, rows, columns), harmonised; 0 outside the brain, which is where it is 0."""
        brain = image != 0
        if self.nyul is not None:
            return apply_nyul(self.nyul, image, brain)
        done = white_stripe(image, brain, "FLAIR")[0]
        return np.where(brain, (done - np.float32(self.centre)) / np.float32(self.spread), np.float32(0)).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """The scale as numbers and text, for a model that is handed on."""
        if self.nyul is not None:
            return {"method": self.method, "percentiles": list(self.nyul.percentiles), "landmarks": list(self.nyul.landmarks)}
        return {"method": self.method, "centre": self.centre, "spread": self.spread}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> IntensityScale:
        """Read what `to_json` wrote."""
        if content["method"] == "nyul":
            return cls("nyul", NyulScale(tuple(content["percentiles"]), tuple(content["landmarks"])))
        return cls(str(content["method"]), None, float(content["centre"]), float(content["spread"]))


def fit_intensity(method: str, training: NDArray[np.float32]) -> IntensityScale:
    """Learn a scale from training images.

    Nyul's standard scale has its ends where the training images have theirs on average. WhiteStripe learns nothing of an image
    from others; only the unit is that of the training images.

    Parameters
    ----------
    method : {"nyul", "whitestripe"}
    training : ndarray of float32, shape (images, channels, rows, columns)
        0 outside the brain.

    Raises
    ------
    ConfigError
        There is no such method.
    PreprocessingError
        An image has no brain or one brightness only.
    """
    brains = training != 0
    if method == "nyul":
        return IntensityScale("nyul", fit_nyul(list(training), list(brains), ends=None))
    if method == "whitestripe":
        striped = [white_stripe(image, brain, "FLAIR")[0][brain] for image, brain in zip(training, brains, strict=True)]
        centre = float(np.mean([values.mean(dtype=np.float64) for values in striped]))
        spread = float(np.mean([values.std(dtype=np.float64) for values in striped]))
        return IntensityScale("whitestripe", None, centre, spread)
    raise ConfigError(f"There is no harmonisation of intensity {method!r}.", "Use none, nyul or whitestripe.")


def harmonised(scale: IntensityScale | None, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images (images, channels, rows, columns) on a scale; without one the very array that was given."""
    return images if scale is None else np.stack([scale.apply(image) for image in images])

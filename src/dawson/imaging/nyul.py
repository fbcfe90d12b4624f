"""Nyul's landmarks: the histogram of every image brought to one that was learnt from some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dawson.errors import PreprocessingError

PERCENTILES = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)
"""Landmarks in use: the ends of the scale and the deciles."""

# Landmarks of one brightness (a histogram with a spike) are told apart by this share of the scale, which keeps the map defined.
_LEAST_STEP = 1e-9


@dataclass(frozen=True)
class NyulScale:
    """A standard scale.

    Parameters
    ----------
    percentiles : tuple of float
        Of the brain's brightness, increasing.
    landmarks : tuple of float
        Brightness on the standard scale at each.
    """

    percentiles: tuple[float, ...]
    landmarks: tuple[float, ...]


def fit_nyul(
    images: Sequence[NDArray[np.floating]],
    brains: Sequence[NDArray[np.bool_]],
    *,
    percentiles: Sequence[float] = PERCENTILES,
    ends: tuple[float, float] | None = (1.0, 100.0),
) -> NyulScale:
    """Learn the standard scale: the mean landmarks of some images, each stretched to the same two ends first.

    Parameters
    ----------
    images : sequence of ndarray
        One or more; of any shapes, which may differ.
    brains : sequence of ndarray of bool
        Of the images' shapes.
    percentiles : sequence of float
        Two or more, increasing, in percent.
    ends : pair of float, optional
        Where the first and the last percentile lie on the standard scale; None takes their means over the images, so that the
        scale keeps the images' own unit.

    Returns
    -------
    NyulScale

    Raises
    ------
    PreprocessingError
        There is no image, an image has no brain, or one brightness only.
    ValueError
        The percentiles or the ends are no increasing numbers.

    References
    ----------
    Nyul LG, Udupa JK, Zhang X. New variants of a method of MRI scale standardization. IEEE Trans Med Imaging 19 (2000) 143-150; deciles
    and ends as in Shah M et al. Evaluating intensity normalization on MRIs of human brain with multiple sclerosis. Med Image Anal 15
    (2011) 267-282.
    """
    if len(percentiles) < 2 or (np.diff(percentiles) <= 0).any() or not 0 <= percentiles[0] < percentiles[-1] <= 100:
        raise ValueError(f"percentiles must increase from 0 to 100, not {tuple(percentiles)}")
    if not images:
        raise PreprocessingError("There is no image to learn a standard scale from.")
    found = np.stack([_landmarks(image, brain, percentiles) for image, brain in zip(images, brains, strict=True)])
    low, high = (float(found[:, 0].mean()), float(found[:, -1].mean())) if ends is None else ends
    if not low < high:
        raise ValueError(f"the ends of the scale must increase, not {low:g} and {high:g}")
    relative = (found - found[:, :1]) / (found[:, -1:] - found[:, :1])
    landmarks = low + (high - low) * relative.mean(axis=0)
    return NyulScale(tuple(float(value) for value in percentiles), tuple(landmarks.tolist()))


def apply_nyul(scale: NyulScale, image: NDArray[np.floating], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Bring an image to a standard scale: piecewise linear between its own landmarks, the outer pieces going on beyond the ends.

    Parameters
    ----------
    scale : NyulScale
    image : ndarray
    brain : ndarray of bool, same shape

    Returns
    -------
    ndarray of float32, same shape
        0 outside the brain.

    Raises
    ------
    PreprocessingError
        There is no brain, or it has one brightness only.
    """
    own = _landmarks(image, brain, scale.percentiles)
    target = np.asarray(scale.landmarks)
    own = own + np.arange(len(own)) * _LEAST_STEP * (own[-1] - own[0])
    inside = np.asarray(image, dtype=np.float64)[brain]
    slopes = np.diff(target) / np.diff(own)
    piece = np.clip(np.searchsorted(own, inside, side="right") - 1, 0, len(slopes) - 1)
    result = np.zeros(image.shape, dtype=np.float32)
    result[brain] = target[piece] + slopes[piece] * (inside - own[piece])
    return result


def _landmarks(image: ArrayLike, brain: NDArray[np.bool_], percentiles: Sequence[float]) -> NDArray[np.float64]:
    inside = np.asarray(image, dtype=np.float64)[brain]
    if inside.size == 0:
        raise PreprocessingError("There is no brain voxel to take landmarks from.", "Look at the brain mask.")
    found = np.percentile(inside, percentiles)
    if not found[-1] > found[0]:
        raise PreprocessingError("The brain has one brightness only.", "Look at the scan.")
    return np.asarray(found, dtype=np.float64)

"""Brightness as the network sees it, and what lesions add to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import ImageError

BLACK, WHITE = -5.0, 9.0
"""Robust z-scores are kept between these; outside the brain is black."""

# Quartiles of a normal distribution lie this many standard deviations apart.
_QUARTILES_APART = 1.349
_BACKGROUND_MM = 4.0
_FLUID = -1.5


def standardise(values: NDArray[np.floating], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Robust z-score inside the brain by median and quartiles, which lesions do not move; black outside.

    Parameters
    ----------
    values : ndarray (x, y, z)
    brain : ndarray of bool, same shape

    Returns
    -------
    ndarray of float32, same shape
        Between `BLACK` and `WHITE`.

    Raises
    ------
    ImageError
        There is no brain, or it has one brightness only.
    """
    inside = np.asarray(values, np.float32)[brain]
    inside = np.where(np.isfinite(inside), inside, 0)
    low, middle, high = np.percentile(inside, (25, 50, 75)) if inside.size else (0.0, 0.0, 0.0)
    if not high - low > 1e-6 * max(1.0, abs(float(middle))):
        raise ImageError("the scan", "has no brain, or a brain of one brightness only.", "Look at the brain mask.")
    result = np.full(values.shape, BLACK, np.float32)
    result[brain] = np.clip((inside - middle) * (_QUARTILES_APART / (high - low)), BLACK, WHITE)
    return result


def lesion_excess(image: NDArray[np.float32], lesion: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """What lesions add to an image: its difference from the brain around them, tapered at their edges, 0 elsewhere.

    The brain around a lesion is the mean of what is neither lesion nor fluid within some millimetres (a normalised convolution).

    Parameters
    ----------
    image : ndarray of float32 (x, y, z)
        Robust z-scores on a 1 mm grid.
    lesion : ndarray of float32 (x, y, z)
        Probability of lesion.
    brain : ndarray of bool (x, y, z)
    """
    excess = np.zeros_like(image)
    if not (lesion > 0.5).any():
        return excess
    there_is = (lesion > 0.25).astype(np.float32)
    # whole on the lesion, its corners too, and falling off beyond it, where the scanner's blur has carried it
    taper = np.maximum(there_is, np.clip(2.0 * ndimage.gaussian_filter(there_is, 1.0), 0, 1))
    around = (brain & (taper < 0.1) & (image > _FLUID)).astype(np.float32)
    # the brain around is smooth: its mean is computed on a grid of half the resolution
    weight, total = (ndimage.gaussian_filter(_halved(part), _BACKGROUND_MM / 2) for part in (around, image * around))
    there = np.nonzero(taper > 0)
    places = np.stack(there).astype(np.float32) / 2 - 0.25
    weights, totals = (ndimage.map_coordinates(part, places, order=1, mode="nearest") for part in (weight, total))
    excess[there] = np.where(weights > 1e-3, taper[there] * (image[there] - totals / np.maximum(weights, 1e-3)), 0)
    return excess


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of blocks of 2 x 2 x 2 voxels; an odd side is filled up with zeros."""
    padded = np.pad(values, [(0, size % 2) for size in values.shape])
    x, y, z = (size // 2 for size in padded.shape)
    return np.asarray(padded.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5)), np.float32)

"""WhiteStripe: brightness in units of normal-appearing white matter, found in the histogram without segmentation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dawson.errors import PreprocessingError

Contrast = Literal["T1w", "FLAIR"]

WIDTH = 0.05
"""Share of the brain's voxels on either side of the white-matter peak that make the stripe."""

# A smooth histogram: Gaussian kernels on this many points, as wide as one interval of the range between these percentiles.
_POINTS, _RANGE = 80, (0.5, 99.5)
# The brightest tail (vessels, fat left by the extraction) may have a peak of its own, which is no tissue.
_TAIL_PERCENTILE = 96.0


def white_matter_peak(inside: NDArray[np.floating], contrast: Contrast) -> float:
    """Brightness of white matter, from the brain's histogram.

    On T1w white matter is the brightest tissue: the last peak, the brightest 4 % apart. On FLAIR it lies in the largest peak.

    Parameters
    ----------
    inside : ndarray, shape (voxels,)
        Brightness of the brain.
    contrast : {"T1w", "FLAIR"}

    Raises
    ------
    PreprocessingError
        There is no brain, or it has one brightness only.
    """
    values = np.asarray(inside, dtype=np.float64).ravel()
    if contrast == "T1w" and values.size:
        values = values[values <= np.percentile(values, _TAIL_PERCENTILE)]
    grid, density = _smooth_histogram(values)
    if contrast == "T1w":
        # A peak at an end of the grid counts too: a histogram that only rises has its last peak there.
        padded = np.concatenate([[-np.inf], density, [-np.inf]])
        peaks = np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:]))
        return float(grid[peaks[-1]])
    return float(grid[int(np.argmax(density))])


def white_stripe(
    image: NDArray[np.floating], brain: NDArray[np.bool_], contrast: Contrast, *, width: float = WIDTH
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Subtract the mean of the white stripe and divide by its standard deviation.

    Parameters
    ----------
    image : ndarray
    brain : ndarray of bool, same shape
    contrast : {"T1w", "FLAIR"}
    width : float
        Share of the brain's voxels on either side of the peak.

    Returns
    -------
    normalised : ndarray of float32, same shape
        0 outside the brain; in the brain 0 is white matter. The unit is small, since the stripe is narrow: grey matter lies many
        units away.
    stripe : ndarray of bool, same shape
        The voxels of the stripe.

    Raises
    ------
    PreprocessingError
        There is no brain, it has one brightness only, or the stripe has.
    ValueError
        The width is no share.

    References
    ----------
    Shinohara RT et al. Statistical normalization techniques for magnetic resonance imaging. NeuroImage Clin 6 (2014) 9-19.
    """
    if not 0 < width < 0.5:
        raise ValueError(f"width is a share of the voxels between 0 and 0.5, not {width}")
    values = np.asarray(image, dtype=np.float64)
    inside = values[brain]
    peak = white_matter_peak(inside, contrast)
    middle = float((inside < peak).mean())
    low, high = np.quantile(inside, (max(middle - width, 0.0), min(middle + width, 1.0)))
    stripe = brain & (values > low) & (values < high)
    mean, spread = (float(values[stripe].mean()), float(values[stripe].std())) if stripe.any() else (0.0, 0.0)
    if not spread > 0:
        raise PreprocessingError("The white stripe has one brightness only.", "Look at the scan.")
    result = np.zeros(values.shape, dtype=np.float32)
    result[brain] = (inside - mean) / spread
    return result, np.asarray(stripe)


def _smooth_histogram(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of brightness and the density there. The range is that of all but the outermost 1 %, so that no spike sets the width."""
    if values.size == 0:
        raise PreprocessingError("There is no brain voxel to normalise.", "Look at the brain mask.")
    low, high = np.percentile(values, _RANGE)
    if not high > low:
        raise PreprocessingError("The brain has one brightness only.", "Look at the scan.")
    fine = 16 * _POINTS
    counts, edges = np.histogram(values, bins=fine, range=(low, high))
    centres = (edges[1:] + edges[:-1]) / 2
    grid = np.linspace(low, high, _POINTS)
    bandwidth = (high - low) / _POINTS
    kernel = np.exp(-0.5 * ((grid[:, None] - centres) / bandwidth) ** 2)
    return grid, np.asarray(kernel @ counts)

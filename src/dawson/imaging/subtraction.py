"""Two FLAIR scans of one brain made comparable, and their difference in units of its own noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import PreprocessingError

# What N4 leaves of the coils' bias varies over centimetres; lesions, even large ones, over less.
_BIAS_SIGMA_MM = 15.0
# The window over which noise is taken to be the same, and the blur before the difference is judged.
_NOISE_SIGMA_MM = 8.0
_BLUR_SIGMA_MM = 0.7
# A difference beyond this many times the usual one is change, not noise, and does not widen the noise.
_CLIP = 3.0
_MAD = 1.4826
# Mean absolute value of standard normal noise that is clipped at `_CLIP`.
_MEAN_CLIPPED = 0.7971
_GRADIENT_BINS = 12
_FEWEST_VOXELS = 1000


@dataclass(frozen=True)
class Subtraction:
    """Difference of two scans on one grid.

    Parameters
    ----------
    brain : ndarray of bool (x, y, z)
        Where both scans show brain.
    first, second : ndarray of float32 (x, y, z)
        The scans, comparable: median 0 and robust standard deviation 1 in their normal-appearing tissue; 0 outside the brain.
    difference : ndarray of float32 (x, y, z)
        Second minus first, lightly blurred.
    z : ndarray of float32 (x, y, z)
        The difference over its own local noise.
    noise : float
        Median of that noise in units of `first` and `second`.
    edge_mm : float
        Misalignment that explains how much larger the differences are at edges that both scans have.
    """

    brain: NDArray[np.bool_]
    first: NDArray[np.float32]
    second: NDArray[np.float32]
    difference: NDArray[np.float32]
    z: NDArray[np.float32]
    noise: float
    edge_mm: float


def subtract(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    brain: NDArray[np.bool_],
    spacing_mm: float,
    lesions: NDArray[np.bool_] | None = None,
) -> Subtraction:
    """Make two scans comparable, and subtract the first from the second.

    Every step treats both alike, so that exchanging the scans changes the sign of the result and nothing else.

    1. Differential bias: the logarithm of their ratio in normal-appearing tissue, smoothed over centimetres, is shared out, half to
       each (Lewis and Fox 2004, doi:10.1016/j.neuroimage.2004.04.030, correct it likewise).
    2. Brightness: each is brought to median 0 and robust standard deviation 1 (1.4826 times the median absolute deviation) in
       normal-appearing tissue. As a map from one to the other this is the line of reduced major axis, with robust moments.
    3. Noise: the mean absolute difference in a Gaussian window, differences beyond three times the usual clipped; to its square the
       square of a misalignment times the gradient that both scans share is added, since edges differ more than flat tissue. A new
       lesion has an edge in one scan only, which counts for nothing.

    Parameters
    ----------
    first, second : ndarray of float32 (x, y, z)
        FLAIR, without bias field as far as one could remove it; positive inside the brain.
    brain : ndarray of bool (x, y, z)
        Where both show brain.
    spacing_mm : float
        Edge of the cubic voxels.
    lesions : ndarray of bool (x, y, z), optional
        Lesions of either scan, to be left out of normal-appearing tissue.

    Raises
    ------
    PreprocessingError
        The brains share too little, or a scan has one brightness only.
    """
    inner = ndimage.binary_erosion(brain, iterations=2)
    normal = _normal_tissue(first, second, inner, lesions)
    if normal.sum() < _FEWEST_VOXELS:
        raise PreprocessingError("The two scans share too little brain to be compared.", "Look at both scans and their brain masks.")
    half = _half_log_ratio(first, second, normal, spacing_mm)
    one = _standardised(first * np.exp(half), normal, brain)
    other = _standardised(second * np.exp(-half), normal, brain)
    sigma = _BLUR_SIGMA_MM / spacing_mm
    inside = ndimage.gaussian_filter(brain.astype(np.float32), sigma)
    blurred = [
        np.where(brain, ndimage.gaussian_filter(image, sigma) / np.maximum(inside, 1e-3), 0).astype(np.float32) for image in (one, other)
    ]
    difference = np.where(brain, blurred[1] - blurred[0], 0).astype(np.float32)
    difference[brain] -= np.median(difference[normal])
    local = _local_noise(difference, brain, spacing_mm)
    edges = np.minimum(*(_gradient(image, spacing_mm) for image in blurred))
    edge_mm = _misalignment(difference, edges, local, inner)
    noise = np.sqrt(local**2 + (edge_mm * edges) ** 2)
    z = np.where(brain, difference / np.maximum(noise, 1e-6), 0).astype(np.float32)
    return Subtraction(brain, one, other, difference, z, float(np.median(noise[normal])), edge_mm)


def _normal_tissue(
    first: NDArray[np.float32], second: NDArray[np.float32], inner: NDArray[np.bool_], lesions: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Tissue between fluid and lesions in both scans: within the middle of the brain's brightness."""
    inner = inner & (first > 0) & (second > 0)
    if lesions is not None:
        inner &= ~ndimage.binary_dilation(lesions, iterations=2)
    if not inner.any():
        return inner
    # both limits from the same voxels: one after the other would depend on the order of the scans
    within = [(image > 0.6 * np.median(image[inner])) & (image < 1.5 * np.median(image[inner])) for image in (first, second)]
    return np.asarray(inner & within[0] & within[1], dtype=bool)


def _half_log_ratio(
    first: NDArray[np.float32], second: NDArray[np.float32], normal: NDArray[np.bool_], spacing_mm: float
) -> NDArray[np.float32]:
    """Half of the smooth logarithm of second over first, without its mean."""
    ratio = np.zeros(first.shape, dtype=np.float32)
    values = np.log(second[normal]) - np.log(first[normal])
    values -= np.median(values)
    spread = _MAD * np.median(np.abs(values))
    ratio[normal] = np.clip(values, -_CLIP * spread, _CLIP * spread)
    return (_smoothed(ratio, normal, _BIAS_SIGMA_MM / spacing_mm) / 2).astype(np.float32)


def _standardised(values: NDArray[np.float32], normal: NDArray[np.bool_], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    middle = float(np.median(values[normal]))
    spread = _MAD * float(np.median(np.abs(values[normal] - middle)))
    if spread <= 0:
        raise PreprocessingError("A scan has one brightness only.", "Look at the scan.")
    return np.where(brain, (values - middle) / spread, 0).astype(np.float32)


def _local_noise(difference: NDArray[np.float32], brain: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.float32]:
    usual = _MAD * float(np.median(np.abs(difference[brain])))
    clipped = np.where(brain, np.minimum(np.abs(difference), _CLIP * usual), 0).astype(np.float32)
    local = _smoothed(clipped, brain, _NOISE_SIGMA_MM / spacing_mm) / _MEAN_CLIPPED
    # a quiet corner must not make a step of the scanner's quantisation into change
    return np.asarray(np.maximum(local, 0.5 * usual), dtype=np.float32)


def _misalignment(
    difference: NDArray[np.float32], edges: NDArray[np.float32], local: NDArray[np.float32], inner: NDArray[np.bool_]
) -> float:
    """Displacement (mm) by which the robust variance of the difference grows with the square of the shared gradient."""
    gradient, values, floor = edges[inner], np.abs(difference[inner]), local[inner]
    limits = np.quantile(gradient, np.linspace(0, 1, _GRADIENT_BINS + 1))
    place = np.clip(np.searchsorted(limits, gradient, side="right") - 1, 0, _GRADIENT_BINS - 1)
    squares, excess = [], []
    for number in range(_GRADIENT_BINS):
        own = place == number
        if own.any():
            squares.append(float(np.mean(gradient[own] ** 2)))
            excess.append((_MAD * float(np.median(values[own]))) ** 2 - float(np.median(floor[own])) ** 2)
    slope, _ = np.polyfit(squares, excess, 1) if len(squares) > 1 and np.ptp(squares) > 0 else (0.0, 0.0)
    return float(np.sqrt(max(slope, 0.0)))


def _gradient(image: NDArray[np.float32], spacing_mm: float) -> NDArray[np.float32]:
    squares = np.zeros(image.shape, dtype=np.float32)
    for axis in range(3):
        squares += (np.gradient(image, spacing_mm, axis=axis) ** 2).astype(np.float32)
    return np.asarray(np.sqrt(squares), dtype=np.float32)


def _smoothed(values: NDArray[np.float32], where: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """Gaussian mean of what lies in a mask; 0 far from it.

    Worked out on every few voxels where the Gaussian is wide: it has no finer detail, and takes a small part of the time.
    """
    step = max(1, int(sigma / 3))
    part = (slice(None, None, step),) * 3
    weights = ndimage.gaussian_filter(where[part].astype(np.float32), sigma / step, truncate=3)
    sums = ndimage.gaussian_filter(np.where(where[part], values[part], 0).astype(np.float32), sigma / step, truncate=3)
    mean = np.where(weights > 1e-4, sums / np.maximum(weights, 1e-4), 0).astype(np.float32)
    if step == 1:
        return mean
    places = np.meshgrid(*(np.arange(size, dtype=np.float32) / step for size in values.shape), indexing="ij")
    return np.asarray(ndimage.map_coordinates(mean, places, order=1, mode="nearest"), dtype=np.float32)

"""Three tissues of a brain in template space: a Gaussian mixture with the template's maps as priors and a smooth bias field.

The model is that of Van Leemput: every voxel is fluid, grey or white matter with the template's share as its prior; brightness is
Gaussian within a tissue, times a smooth field; a voxel far from all of them says nothing about any (which is how lesions stay out).
Voxels on a border are a mixture of their own, whose brightness lies anywhere between the two tissues' (Shattuck): without it fluid
takes half the cortex.

References
----------
Van Leemput K, et al. Automated model-based tissue classification of MR images of the brain. IEEE Trans Med Imaging 18 (1999) 897-908.
Van Leemput K, et al. Automated segmentation of multiple sclerosis lesions by model outlier detection. IEEE Trans Med Imaging 20 (2001)
677-688.
Shattuck DW, et al. Magnetic resonance image tissue classification using a partial volume model. NeuroImage 13 (2001) 856-876.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import PreprocessingError
from dawson.imaging.region_atlas import region_atlas

TISSUES = ("csf", "gm", "wm")
"""Order of every array over tissues."""

# Of brains that are not the template's.
_PRIOR_BLUR_MM = 1.5
_PRIOR_FLOOR = 0.02
# Borders: which tissues meet there, as places in TISSUES.
_BORDERS = ((0, 1), (1, 2))
# Beyond this many standard deviations from every tissue a voxel says nothing (Van Leemput's kappa).
_TYPICAL_SD = 3.0
_ROUNDS, _BIAS_FROM, _BIAS_EVERY = 24, 3, 3
_BIAS_STEP_MM, _BIAS_MM = 4.0, 25.0
# The fit sees this many voxels, evenly spread; the result is for all of them.
_FITTED_VOXELS = 150_000
_LEAST_VOXELS = 1000

Priors = NDArray[np.float32]


@dataclass(frozen=True)
class TissueModel:
    """What a brain's brightness says about its tissues.

    Parameters
    ----------
    shares : ndarray of float32 (3, n)
        How much of every brain voxel is fluid, grey and white matter, in the order of `numpy.nonzero`; they add up to 1.
    typical : ndarray of float32 (n,)
        Near 1 where the voxel looks like a tissue that may be there, near 0 where it looks like none.
    values : ndarray of float32 (n,)
        Brightness without the bias field.
    means, deviations : ndarray (3,)
        Of every tissue's brightness.
    """

    shares: NDArray[np.float32]
    typical: NDArray[np.float32]
    values: NDArray[np.float32]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]


def tissue_priors(brain: NDArray[np.bool_], affine: NDArray[np.float64]) -> Priors:
    """The template's shares of fluid, grey and white matter at every brain voxel.

    Parameters
    ----------
    brain : ndarray of bool (x, y, z)
        In template space, on any grid.
    affine : ndarray (4, 4)
        From its voxels to template mm.

    Returns
    -------
    ndarray of float32 (3, n)
        They add up to 1; none is 0, since a patient's border is never quite the template's.
    """
    return priors_at(np.asarray(np.argwhere(brain) @ affine[:3, :3].T + affine[:3, 3]))


def priors_at(points_mm: NDArray[np.float64]) -> Priors:
    """The template's shares of fluid, grey and white matter at points (n, 3) in template mm; see `tissue_priors`."""
    voxels, inside = region_atlas().voxels(points_mm)
    found = np.stack([part[tuple(voxels.T)] for part in _blurred()])
    # beyond the template's brain there is most often fluid
    found[:, ~inside] = np.array([[0.8], [0.15], [0.05]], dtype=np.float32)
    found += np.float32(_PRIOR_FLOOR)
    return np.asarray(found / found.sum(axis=0), dtype=np.float32)


def fit_tissues(
    image: NDArray[Any], brain: NDArray[np.bool_], priors: Priors, spacing_mm: float = 1.0, exclude: NDArray[np.bool_] | None = None
) -> TissueModel:
    """Fit the three tissues to an image.

    Parameters
    ----------
    image : ndarray (x, y, z)
        T1w or FLAIR, positive in the brain.
    brain : ndarray of bool (x, y, z)
    priors : ndarray of float32 (3, n)
        See `tissue_priors`.
    spacing_mm : float
        Mean edge of a voxel, for the smoothness of the bias field.
    exclude : ndarray of bool (x, y, z), optional
        Voxels that do not enter the fit, such as lesions; they get their shares like the others.

    Raises
    ------
    PreprocessingError
        There is next to no brain, or it has one brightness only.
    """
    raw = np.asarray(image, dtype=np.float32)[brain]
    if raw.size < _LEAST_VOXELS or float(np.ptp(raw)) <= 0:
        raise PreprocessingError("There is too little brain, or it has one brightness only: no tissue can be told.", "Look at the scan.")
    # zero and negative values come of interpolation at the edge
    logs = np.log(np.maximum(raw, np.float32(np.percentile(raw, 99) * 1e-3)))
    fitted = np.arange(raw.size) if exclude is None else np.flatnonzero(~exclude[brain])
    fitted = fitted[:: max(1, fitted.size // _FITTED_VOXELS)]
    field = _Field(brain, spacing_mm)
    part_logs, part_priors = logs[fitted], _with_borders(priors[:, fitted])
    here = field.voxels[fitted]
    bias = np.zeros_like(part_logs)
    pure, typical = part_priors[:3], np.ones_like(part_logs)
    for turn in range(_ROUNDS):
        values = np.exp(part_logs - bias)
        means, deviations = _moments(values, pure * typical)
        members, typical = _members(values, part_priors, means, deviations)
        pure = members[:3]
        if turn >= _BIAS_FROM and (turn - _BIAS_FROM) % _BIAS_EVERY == 0:
            precision = (np.maximum(means, 1e-6) / deviations).astype(np.float32)[:, None] ** 2 * pure * typical
            left = part_logs - np.log(np.maximum(means, 1e-6)).astype(np.float32)[:, None]
            field.learn(here, (left * precision).sum(axis=0), precision.sum(axis=0))
            bias = field.at(here)
    values = np.exp(logs - field.at(field.voxels))
    members, typical = _members(values, _with_borders(priors), means, deviations)
    return TissueModel(_shares(values, members, means), typical, values, means, deviations)


def _with_borders(priors: Priors) -> Priors:
    """Priors of the tissues and of the borders between two of them: most where both are as likely."""
    borders = [2 * np.sqrt(priors[one] * priors[other]) * 0.5 for one, other in _BORDERS]
    every = np.stack([*priors, *borders])
    return np.asarray(every / every.sum(axis=0), dtype=np.float32)


def _members(
    values: NDArray[np.float32], priors: Priors, means: NDArray[np.float64], deviations: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities of tissues and borders, and how typical each voxel is of them."""
    variances = deviations**2
    centres = [*means, *((means[one] + means[other]) / 2 for one, other in _BORDERS)]
    spreads = [*deviations, *(np.sqrt((variances[a] + variances[b]) / 2 + (means[a] - means[b]) ** 2 / 12) for a, b in _BORDERS)]
    # in place: five arrays of a whole brain are enough
    density = np.empty_like(priors)
    floor = np.zeros_like(values)
    for place, (centre, spread) in enumerate(zip(centres, spreads, strict=True)):
        weight = priors[place] / np.float32(spread)
        density[place] = weight * np.exp(-0.5 * ((values - np.float32(centre)) / np.float32(spread)) ** 2)
        floor += weight * np.float32(np.exp(-0.5 * _TYPICAL_SD**2))
    total = density.sum(axis=0)
    typical = total / (total + floor)
    return np.divide(density, np.maximum(total, np.float32(1e-30)), out=density), np.asarray(typical, dtype=np.float32)


def _shares(values: NDArray[np.float32], members: NDArray[np.float32], means: NDArray[np.float64]) -> NDArray[np.float32]:
    """Shares of the tissues: a border voxel is as much of either as its brightness says."""
    shares = members[:3].copy()
    for place, (one, other) in enumerate(_BORDERS, start=3):
        part = np.clip((values - np.float32(means[one])) / np.float32(means[other] - means[one]), 0, 1)
        shares[one] += members[place] * (1 - part)
        shares[other] += members[place] * part
    return np.asarray(shares / np.maximum(shares.sum(axis=0), np.float32(1e-12)), dtype=np.float32)


def _moments(values: NDArray[np.float32], weights: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = weights.sum(axis=1, dtype=np.float64) + 1e-9
    means = (weights * values).sum(axis=1, dtype=np.float64) / total
    spread = (weights * (values - means[:, None].astype(np.float32)) ** 2).sum(axis=1, dtype=np.float64) / total
    return means, np.sqrt(np.maximum(spread, (1e-3 * means) ** 2 + 1e-12))


class _Field:
    """The logarithm of a smooth field over the brain, on a coarse grid."""

    def __init__(self, brain: NDArray[np.bool_], spacing_mm: float) -> None:
        self._step = max(1, round(_BIAS_STEP_MM / spacing_mm))
        self._sigma = _BIAS_MM / (self._step * spacing_mm)
        self._shape = tuple(-(-size // self._step) for size in brain.shape)
        self._coarse: NDArray[np.float32] = np.zeros(self._shape, dtype=np.float32)
        self.voxels = np.argwhere(brain)

    def learn(self, voxels: NDArray[np.intp], left: NDArray[np.float32], weight: NDArray[np.float32]) -> None:
        """Smooth what is left of the log brightness (already times its weight) at some voxels."""
        bins = np.ravel_multi_index(tuple((voxels // self._step).T), self._shape)
        sums = [np.bincount(bins, part, int(np.prod(self._shape))).reshape(self._shape) for part in (left, weight)]
        smooth = [ndimage.gaussian_filter(part, self._sigma, mode="constant") for part in sums]
        ratio = smooth[0] / np.maximum(smooth[1], 1e-9 * smooth[1].max())
        self._coarse = (ratio - (ratio * sums[1]).sum() / sums[1].sum()).astype(np.float32)

    def at(self, voxels: NDArray[np.intp]) -> NDArray[np.float32]:
        """The field at voxels (n, 3)."""
        places = (voxels.T - (self._step - 1) / 2) / self._step
        return np.asarray(ndimage.map_coordinates(self._coarse, places, order=1, mode="nearest"), dtype=np.float32)


@lru_cache(maxsize=1)
def _blurred() -> tuple[NDArray[np.float32], ...]:
    atlas = region_atlas()
    return tuple(ndimage.gaussian_filter(part, _PRIOR_BLUR_MM) for part in (atlas.csf, atlas.gm, atlas.wm))

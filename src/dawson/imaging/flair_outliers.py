"""Lesions without a network: what on FLAIR is too bright for the tissue that lies there.

1. T1w (FLAIR where there is none) is told into three tissues with the template's maps as priors (`tissue_model`).
2. Every voxel's FLAIR, bias field removed, is set against normal-appearing grey matter, the brightest tissue of a healthy brain:
   z in robust standard deviations (Souplet's threshold is of this kind, and LST's lesion belief map compares with tissue means too).
3. Places where healthy brains are bright or a template is unsure ask for more: cortex and its rim, fluid and the lining of ventricles
   with the choroid plexus, the septum between the lateral ventricles (the false positives that LST and lesion-TOADS name).
4. Lesions are connected voxels beyond `grow_z` with one of them beyond `seed_z`, of `minimum_mm3` or more.

The figures of `OutlierSettings` were chosen on simulated scans.

References
----------
Souplet JC, et al. An automatic segmentation of T2-FLAIR multiple sclerosis lesions. MIDAS Journal, MS lesion segmentation challenge (2008).
Van Leemput K, et al. IEEE Trans Med Imaging 20 (2001) 677-688.
Schmidt P, et al. An automated tool for detection of FLAIR-hyperintense white-matter lesions in MS. NeuroImage 59 (2012) 3774-3783.
Shiee N, et al. A topology-preserving approach to the segmentation of brain images with MS lesions. NeuroImage 49 (2010) 1524-1535.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import PreprocessingError
from dawson.imaging.lesion_metrics import without_small
from dawson.imaging.region_atlas import region_atlas
from dawson.imaging.tissue_model import TissueModel, fit_tissues, tissue_priors

# Normal-appearing grey matter: this sure of T1w and template together, and of a brightness that its tissue may have.
_SURE_GREY = 0.7
_TYPICAL = 0.5
_LEAST_GREY = 500
# Between the lateral ventricles: this near to the midline and to a ventricle.
_SEPTUM_HALF_MM, _SEPTUM_NEAR_MM = 4.0, 6.0
_SEPTUM_MM = ((-30.0, 30.0), (2.0, 26.0))


@dataclass(frozen=True)
class OutlierSettings:
    """What counts as too bright.

    Parameters
    ----------
    seed_z, grow_z : float
        Over normal-appearing grey matter, in robust standard deviations: the brightest voxel of a lesion, and all of its voxels.
    cortex_z : float
        So much more where the template has nothing but grey matter; in proportion where it has some.
    fluid_z : float
        So much more where there is nothing but fluid, by the template or by the scan.
    septum_z : float
        So much more between the lateral ventricles.
    minimum_mm3 : float
        Smaller lesions are left out.
    softness_z : float
        Over how many standard deviations the probability rises around `grow_z`.
    """

    seed_z: float = 7.0
    grow_z: float = 4.5
    cortex_z: float = 3.0
    fluid_z: float = 4.0
    septum_z: float = 6.0
    minimum_mm3: float = 5.0
    softness_z: float = 1.0


@dataclass(frozen=True)
class Outliers:
    """What was found.

    Parameters
    ----------
    probability : ndarray of float32 (x, y, z)
        Of lesion: how far a voxel is beyond the limit of its place; above one half in the mask and, at most, in lesions that are too
        small. It is a scaled distance, not a calibrated frequency.
    mask : ndarray of bool (x, y, z)
    z : ndarray of float32 (x, y, z)
        FLAIR over normal-appearing grey matter in robust standard deviations, less what the place asks; 0 outside the brain.
    """

    probability: NDArray[np.float32]
    mask: NDArray[np.bool_]
    z: NDArray[np.float32]


def segment_outliers(flair: Any, t1w: Any | None, brain: NDArray[np.bool_], settings: OutlierSettings | None = None) -> Outliers:
    """Find lesions in brain-extracted images in template space.

    Parameters
    ----------
    flair, t1w : nibabel.Nifti1Image
        On one grid, of any voxel size; T1w may be None, which costs some false lesions in fluid and cortex.
    brain : ndarray of bool (x, y, z)
    settings : OutlierSettings, optional

    Raises
    ------
    PreprocessingError
        There is too little brain, or no grey matter to compare with.
    ValueError
        The images are not on one grid.
    """
    settings = settings or OutlierSettings()
    affine = np.asarray(flair.affine, dtype=np.float64)
    if flair.shape != brain.shape or (t1w is not None and (t1w.shape != flair.shape or not np.allclose(t1w.affine, affine, atol=1e-3))):
        raise ValueError(f"FLAIR {flair.shape}, T1w {None if t1w is None else t1w.shape} and brain {brain.shape} are not on one grid")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    priors = tissue_priors(brain, affine)
    edge = float(np.cbrt(spacing.prod()))
    bright = fit_tissues(np.asarray(flair.dataobj), brain, priors, edge)
    tissues = bright if t1w is None else fit_tissues(np.asarray(t1w.dataobj), brain, priors, edge)
    z = np.zeros(brain.shape, dtype=np.float32)
    z[brain] = _over_grey(bright, tissues, priors) - _asked(tissues, priors, brain, affine, settings)
    probability = _probability(z, brain, settings)
    return Outliers(probability, without_small(probability > 0.5, spacing, settings.minimum_mm3), z)


def _over_grey(bright: TissueModel, tissues: TissueModel, priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """FLAIR over normal-appearing grey matter, in robust standard deviations."""
    grey = (tissues.shares[1] * priors[1] > _SURE_GREY) & (bright.typical > _TYPICAL)
    if int(grey.sum()) < _LEAST_GREY:
        raise PreprocessingError("There is no grey matter to compare FLAIR with.", "Look at the scan and at its place on the template.")
    normal = bright.values[grey]
    middle = float(np.median(normal))
    spread = 1.4826 * float(np.median(np.abs(normal - middle)))
    return np.asarray((bright.values - np.float32(middle)) / np.float32(max(spread, 1e-6 * abs(middle))), dtype=np.float32)


def _asked(
    tissues: TissueModel, priors: NDArray[np.float32], brain: NDArray[np.bool_], affine: NDArray[np.float64], settings: OutlierSettings
) -> NDArray[np.float32]:
    """What each place asks for beyond the limits."""
    cortex = priors[1] / np.maximum(priors[1] + priors[2], np.float32(1e-6))
    fluid = np.maximum(priors[0], tissues.shares[0])
    points = np.argwhere(brain) @ affine[:3, :3].T + affine[:3, 3]
    voxels, inside = region_atlas().voxels(points)
    at = tuple(voxels.T)
    (back, front), (low, high) = _SEPTUM_MM
    septum = inside & (np.abs(points[:, 0]) <= _SEPTUM_HALF_MM) & (region_atlas().distance["lateral"][at] <= _SEPTUM_NEAR_MM)
    septum &= (points[:, 1] > back) & (points[:, 1] < front) & (points[:, 2] > low) & (points[:, 2] < high)
    asked = np.float32(settings.cortex_z) * cortex + np.float32(settings.fluid_z) * fluid
    return np.asarray(asked + np.float32(settings.septum_z) * septum, dtype=np.float32)


def _probability(z: NDArray[np.float32], brain: NDArray[np.bool_], settings: OutlierSettings) -> NDArray[np.float32]:
    """Rises through one half at `grow_z`; halved where a connected part has no seed."""
    probability = np.zeros(z.shape, dtype=np.float32)
    probability[brain] = 1 / (1 + np.exp(np.clip((np.float32(settings.grow_z) - z[brain]) / np.float32(settings.softness_z), -30, 30)))
    parts, n_parts = ndimage.label(probability > 0.5, np.ones((3, 3, 3), dtype=np.int8))
    peaks = np.asarray(ndimage.maximum(z, parts, np.arange(n_parts + 1)), dtype=np.float64)
    dull = peaks < settings.seed_z
    dull[0] = False
    probability[dull[parts]] *= np.float32(0.5)
    return probability

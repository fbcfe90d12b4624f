"""Image quality by numbers: MRIQC's measures under their names, written as closed formulas over arrays.

Definitions are those of MRIQC (Esteban et al., PLoS One 2017, doi:10.1371/journal.pone.0184661; documentation of
`mriqc.qc.anatomical`). Each function takes the values of regions, so that it knows nothing of files or of how a region was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.image_quality_background import artefact_mask, robust_sd, surroundings

DIETRICH = float(np.sqrt((4 - np.pi) / 2))
"""What turns the standard deviation of Rayleigh noise in air into that of the channels (Dietrich et al. 2007, eq. A.12)."""


def snr(values: NDArray[np.floating]) -> float:
    """Signal-to-noise ratio inside one tissue: median / (standard deviation * sqrt(n / (n - 1))), MRIQC's `snr_*`.

    Parameters
    ----------
    values : ndarray (n,)
        Brightness of the tissue's voxels.

    Returns
    -------
    float
        NaN for fewer than two voxels or where all are equal.
    """
    n = values.size
    spread = float(values.std()) if n > 1 else 0.0
    return float(np.median(values)) / (spread * np.sqrt(n / (n - 1))) if spread > 0 else float("nan")


def snr_dietrich(tissue_median: float, air: NDArray[np.floating]) -> float:
    """Signal-to-noise ratio against the air, 0.655 * median / spread of the air, MRIQC's `snrd_*`.

    Parameters
    ----------
    tissue_median : float
    air : ndarray (n,)
        Its spread is the median absolute deviation as MRIQC takes it (times 1.4826), or the standard deviation where that is 0.

    Returns
    -------
    float
        NaN where the air has no spread: it was filled by software.
    """
    spread = robust_sd(air)
    if not spread > 0:
        spread = float(air.std()) if air.size else 0.0
    return DIETRICH * tissue_median / spread if spread > 0 else float("nan")


def cnr(wm: NDArray[np.floating], gm: NDArray[np.floating], air_sd: float) -> float:
    """Contrast-to-noise ratio |WM - GM| / sqrt(sd_air^2 + sd_WM^2 + sd_GM^2), with medians (Magnotta & Friedman 2006).

    Parameters
    ----------
    wm, gm : ndarray (n,)
    air_sd : float
        Standard deviation of the air.
    """
    if min(wm.size, gm.size) < 2:
        return float("nan")
    noise = float(np.sqrt(air_sd**2 + float(wm.std()) ** 2 + float(gm.std()) ** 2))
    return abs(float(np.median(wm)) - float(np.median(gm))) / noise if noise > 0 else float("nan")


def cjv(wm: NDArray[np.floating], gm: NDArray[np.floating]) -> float:
    """Coefficient of joint variation (MAD_WM + MAD_GM) / |median_WM - median_GM| (Ganzetti et al. 2016). Lower is better.

    Returns
    -------
    float
        NaN where both medians are the same.
    """
    if min(wm.size, gm.size) < 2:
        return float("nan")
    distance = abs(float(np.median(wm)) - float(np.median(gm)))
    return (robust_sd(wm) + robust_sd(gm)) / distance if distance > 0 else float("nan")


def efc(values: NDArray[np.floating]) -> float:
    """Entropy focus criterion (Atkinson et al. 1997), over its maximum. Lower is better.

    Parameters
    ----------
    values : ndarray, any shape
        The whole raw image, air included; negative values count as 0.

    Returns
    -------
    float
        0 when all energy lies in one voxel, 1 when every voxel is the same; NaN for an image of zeros.
    """
    flat = np.maximum(np.asarray(values, dtype=np.float64).ravel(), 0.0)
    energy = float(np.sqrt(flat @ flat))
    if flat.size < 2 or energy == 0:
        return float("nan")
    share = flat[flat > 0] / energy
    largest = np.sqrt(flat.size) * np.log(np.sqrt(flat.size))
    return float(-(share @ np.log(share)) / largest)


def fber(head: NDArray[np.floating], air: NDArray[np.floating]) -> float:
    """Foreground-background energy ratio: median squared value in the head over that in the air (Shehzad et al. 2015).

    Returns
    -------
    float
        NaN where the air holds no energy or there is no air.
    """
    if head.size == 0 or air.size == 0:
        return float("nan")
    outside = float(np.median(np.asarray(air, np.float64) ** 2))
    return float(np.median(np.asarray(head, np.float64) ** 2)) / outside if outside > 0 else float("nan")


def qi_1(air: NDArray[np.bool_], artefacts: NDArray[np.bool_]) -> float:
    """Share of the air that holds signal instead of noise (Mortamet et al. 2009, quality index 1). Lower is better.

    Parameters
    ----------
    air, artefacts : ndarray of bool
        All air, and those of its voxels that `artefact_mask` marks.

    Examples
    --------
    >>> qi_1(np.array([True, True, True, True, False]), np.array([True, False, False, False, False]))
    0.25
    """
    count = int(air.sum())
    return int((air & artefacts).sum()) / count if count else float("nan")


def wm2max(wm_median: float, values: NDArray[np.floating]) -> float:
    """White matter over the 99.95th percentile of the whole image; low where fat or vessels shine. About 0.6 to 0.8."""
    top = float(np.percentile(values, 99.95)) if values.size else 0.0
    return wm_median / top if top > 0 else float("nan")


def inu(field: NDArray[np.floating]) -> dict[str, float]:
    """Intensity non-uniformity: median and range of the bias field inside the brain.

    Parameters
    ----------
    field : ndarray (n,)
        Multiplicative field (raw / corrected) of the brain's voxels.

    Returns
    -------
    dict
        `inu_med`, and `inu_range`, the 95th minus the 5th percentile, as MRIQC gives them.
    """
    if field.size == 0:
        return {"inu_med": float("nan"), "inu_range": float("nan")}
    low, middle, high = np.percentile(field, [5.0, 50.0, 95.0])
    return {"inu_med": float(middle), "inu_range": float(high - low)}


def fwhm(values: NDArray[np.floating], mask: NDArray[np.bool_]) -> dict[str, float]:
    """Full width at half maximum of the image's smoothness, in voxels (Forman et al. 1995, as AFNI's 3dFWHMx has it).

    From the variance of the differences of neighbours, v_d, and of the values, v: sqrt(-2 ln 2 / ln(1 - v_d / (2 v))).

    Parameters
    ----------
    values : ndarray (x, y, z)
    mask : ndarray of bool (x, y, z)
        Only pairs with both voxels inside count.

    Returns
    -------
    dict
        `fwhm_x`, `fwhm_y`, `fwhm_z` (NaN where neighbours are not alike at all) and `fwhm_avg`, their geometric mean.
    """
    box = tuple(slice(int(where.min()), int(where.max()) + 1) for where in np.nonzero(mask)) if mask.any() else (slice(None),) * 3
    inside, mask = np.asarray(values[box], dtype=np.float64), mask[box]
    spread = float(inside[mask].var()) if mask.any() else 0.0
    widths = []
    for axis in range(3):
        pair = np.logical_and(*(np.take(mask, range(start, mask.shape[axis] - 1 + start), axis) for start in (0, 1)))
        step = np.diff(inside, axis=axis)[pair]
        ratio = float(step.var()) / (2 * spread) if spread > 0 and step.size > 1 else float("nan")
        widths.append(float(np.sqrt(-2 * np.log(2) / np.log1p(-ratio))) if 0 < ratio < 1 else float("nan"))
    average = float(np.exp(np.mean(np.log(widths)))) if np.isfinite(widths).all() else float("nan")
    return {"fwhm_x": widths[0], "fwhm_y": widths[1], "fwhm_z": widths[2], "fwhm_avg": average}


def icvs(posteriors: NDArray[np.floating]) -> dict[str, float]:
    """Fractions of the intracranial volume by tissue, MRIQC's `icvs_*`.

    Parameters
    ----------
    posteriors : ndarray (n, 3)
        Share of fluid, grey and white matter of every voxel of the brain.
    """
    total = float(posteriors.sum())
    return {f"icvs_{name}": float(posteriors[:, k].sum()) / total if total else float("nan") for k, name in enumerate(("csf", "gm", "wm"))}


def summary(values: NDArray[np.floating], region: str) -> dict[str, float]:
    """MRIQC's `summary_*` of a region: mean, stdv, median, mad, p05, p95, k (excess kurtosis), n.

    Parameters
    ----------
    values : ndarray (n,)
    region : str
        `bg`, `csf`, `gm` or `wm`.
    """
    n = int(values.size)
    if n == 0:
        return {f"summary_{region}_n": 0.0}
    mean, sd = float(values.mean()), float(values.std())
    low, middle, high = np.percentile(values, [5.0, 50.0, 95.0])
    kurtosis = float((((values - mean) / sd) ** 4).mean()) - 3.0 if sd > 0 else float("nan")
    figures: Mapping[str, float] = {
        "mean": mean,
        "stdv": sd,
        "median": float(middle),
        "mad": robust_sd(values),
        "p05": float(low),
        "p95": float(high),
        "k": kurtosis,
        "n": float(n),
    }
    return {f"summary_{region}_{name}": value for name, value in figures.items()}


def quick_quality(image: Any) -> dict[str, float]:
    """What a raw scan says of itself before any preprocessing, in a second or two.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        As `read_volume` gives it: RAS order, float32.

    Returns
    -------
    dict of str to float
        `efc`, `fber`, `qi_1` (MRIQC), `snr_background` (median of the head over the spread of the air, as `snrd_*`),
        `air_filled` (share of the air that software filled), `coverage_mm` (extent of the field of view along the axis closest to
        feet-head), `head_mm` (extent of the head along it), `spacing_x`, `spacing_y`, `spacing_z`. NaN where it cannot be
        measured, such as noise where the air was set to zero.
    """
    values = np.asarray(image.dataobj, dtype=np.float32)
    matrix = np.asarray(image.affine, dtype=np.float64)[:3, :3]
    x, y, z = (float(size) for size in np.sqrt((matrix**2).sum(axis=0)))
    around = surroundings(values, (x, y, z))
    head, air = values[around.head], values[around.air] if around.has_air else values[:0].ravel()
    planes = np.flatnonzero(around.head.any(axis=(0, 1)))
    return {
        "efc": efc(values),
        "fber": fber(head, air),
        "qi_1": qi_1(around.air, artefact_mask(values, around.air)) if around.has_air else float("nan"),
        "snr_background": snr_dietrich(float(np.median(head)), air) if head.size else float("nan"),
        "air_filled": around.filled_share,
        "coverage_mm": values.shape[2] * z,
        "head_mm": float(planes[-1] - planes[0] + 1) * z if planes.size else 0.0,
        "spacing_x": x,
        "spacing_y": y,
        "spacing_z": z,
    }

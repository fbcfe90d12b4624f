"""Quality inside the brain: tissues by brightness and place together, their contrasts, and what INNI measures of them.

INNI, the Italian Neuroimaging Network Initiative, judges scans of people with MS by head position, inhomogeneity, grey-white contrast on
T1w, contrast of white matter and lesions on FLAIR, artefacts and distortion (423 scans of 4 centres).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.image_quality import cjv, cnr, icvs, snr, snr_dietrich, summary
from dawson.imaging.image_quality_background import robust_sd

TISSUES = ("csf", "gm", "wm")
# MRIQC's threshold for a voxel that counts as one tissue
SURE = 0.85
_ROUNDS = 20
_LEARN_FROM = 30_000
_FLOOR = 0.005
_LEAST_VOXELS = 50
# vessels, rests of dura and lesions outside a mask would widen a class
_TAILS = (0.5, 99.5)


def tissue_posteriors(values: NDArray[np.floating], priors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of fluid, grey and white matter in voxels: a Gaussian for each tissue, weighed by what lies at that place.

    As the place decides which class is which, an image with the wrong contrast keeps its tissues, and their order of
    brightness shows that it is wrong (Ashburner & Friston, NeuroImage 2005, without the deformation and the bias field).

    Parameters
    ----------
    values : ndarray (n,)
        Brightness without the bias field.
    priors : ndarray (n, 3)
        Probability of fluid, grey and white matter at each voxel's place, from the template.

    Returns
    -------
    ndarray (n, 3)
        Rows sum to 1.
    """
    weights = np.clip(np.asarray(priors, np.float64), _FLOOR, None)
    weights /= weights.sum(axis=1, keepdims=True)
    clipped = np.clip(np.asarray(values, np.float64), *np.percentile(values, _TAILS))[:, None]
    least = max(1e-3 * float(clipped.std()), 1e-12)
    # the Gaussians are learnt from a part: a stride instead of chance gives the same answer every time
    step = max(1, clipped.size // _LEARN_FROM)
    few, few_weights = clipped[::step], weights[::step]
    posterior = few_weights
    mean = sd = np.zeros(3)
    for _ in range(_ROUNDS):
        total = posterior.sum(axis=0)
        mean = (posterior * few).sum(axis=0) / total
        sd = np.maximum(np.sqrt((posterior * (few - mean) ** 2).sum(axis=0) / total), least)
        posterior = _posterior(few, few_weights, mean, sd)
    return _posterior(clipped, weights, mean, sd)


def _posterior(
    values: NDArray[np.float64], weights: NDArray[np.float64], mean: NDArray[np.float64], sd: NDArray[np.float64]
) -> NDArray[np.float64]:
    logs = np.log(weights) - np.log(sd) - 0.5 * ((values - mean) / sd) ** 2
    likely: NDArray[np.float64] = np.exp(logs - logs.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    return likely


def tissue_measures(
    values: NDArray[np.floating],
    posteriors: NDArray[np.floating],
    lesion: NDArray[np.bool_] | None = None,
    air: NDArray[np.floating] | None = None,
) -> dict[str, float]:
    """Measures of one contrast that need to know the tissues.

    Parameters
    ----------
    values : ndarray (n,)
        Brightness of brain voxels without the bias field.
    posteriors : ndarray (n, 3)
        From `tissue_posteriors`.
    lesion : ndarray of bool (n,), optional
        Voxels of lesions; they enter no tissue.
    air : ndarray (m,), optional
        Brightness of the air; without it `snrd_*` and `cnr` are left out.

    Returns
    -------
    dict of str to float
        MRIQC's `snr_*`, `snrd_*`, `cnr`, `cjv`, `icvs_*`, `summary_*`; and after INNI, relative to normal-appearing white
        matter (NAWM): `gm_nawm_contrast` = 1 - GM / NAWM, `csf_nawm_ratio` = CSF / NAWM, and with lesions
        `nawm_lesion_contrast` = lesion / NAWM - 1. Medians throughout.
    """
    healthy = np.ones(values.size, dtype=bool) if lesion is None else ~lesion
    regions = {name: values[healthy & (posteriors[:, place] > SURE)] for place, name in enumerate(TISSUES)}
    figures = icvs(posteriors)
    for name, region in regions.items():
        figures |= summary(region, name)
        figures[f"snr_{name}"] = snr(region) if region.size >= _LEAST_VOXELS else float("nan")
    figures["snr_total"] = float(np.mean([figures[f"snr_{name}"] for name in TISSUES]))
    csf, gm, wm = (regions[name] for name in TISSUES)
    if min(gm.size, wm.size) < _LEAST_VOXELS:
        return figures
    figures["cjv"] = cjv(wm, gm)
    white = float(np.median(wm))
    if white > 0:
        figures["gm_nawm_contrast"] = 1.0 - float(np.median(gm)) / white
        if csf.size >= _LEAST_VOXELS:
            figures["csf_nawm_ratio"] = float(np.median(csf)) / white
        if lesion is not None and int(lesion.sum()) > 0:
            figures["nawm_lesion_contrast"] = float(np.median(values[lesion])) / white - 1.0
    if air is not None and air.size:
        figures["cnr"] = cnr(wm, gm, robust_sd(air) or float(air.std()))
        figures |= {f"snrd_{name}": snr_dietrich(float(np.median(region)), air) for name, region in regions.items() if region.size}
        figures["snrd_total"] = float(np.mean([figures.get(f"snrd_{name}", np.nan) for name in TISSUES]))
    return figures

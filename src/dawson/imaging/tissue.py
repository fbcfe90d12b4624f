"""How well a scan lies on the template: overlap of tissue, correlation, mutual information."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.errors import PreprocessingError
from dawson.imaging.template import template_image, template_mask, tissue_map

_BINS = 32
# enough for a mixture of three; a stride instead of chance keeps the figure the same every time
_MIXTURE_VOXELS = 30_000
# bright vessels and rests of dura would otherwise widen a class
_MIXTURE_PERCENTILES = (2.0, 98.0)

# FLAIR brightness of grey matter, white matter and fluid, relative to grey matter (long repetition and echo, fluid nulled)
FLAIR_CONTRAST = {"gm": 1.0, "wm": 0.78, "csf": 0.22}


def wm_dice(t1w: Any, resolution_mm: float = 1.0) -> float:
    """Dice overlap of a scan's white matter with the template's.

    Three-class Gaussian mixture of the T1w brightness inside the template mask; the brightest class against the
    template's white-matter map > 0.5.

    Parameters
    ----------
    t1w : nibabel.Nifti1Image
        T1w on the template's grid of `resolution_mm`, 0 where there is no brain.
    resolution_mm : float

    Raises
    ------
    PreprocessingError
        There is too little brain inside the template mask.
    """
    from sklearn.mixture import GaussianMixture

    values = _on_template(t1w, resolution_mm)
    mask = template_mask(resolution_mm)
    inside = values[mask].astype(np.float64)
    seen = inside[inside != 0]
    if seen.size < 0.25 * inside.size:
        raise PreprocessingError("Less than a quarter of the template brain is covered by the scan.", "Look at the contact sheet.")
    low, high = np.percentile(seen, _MIXTURE_PERCENTILES)
    sample = np.clip(seen[:: max(1, seen.size // _MIXTURE_VOXELS)], low, high)[:, None]
    # grey and white matter of thick slices overlap: the default tolerance stops long before the likelihood's maximum,
    # where another start gives another answer (white-matter Dice 0.60 to 0.75 on one scan)
    mixture = GaussianMixture(3, tol=1e-5, max_iter=1000, random_state=0).fit(sample)
    classes = mixture.predict(np.clip(inside, low, high)[:, None])
    white = (classes == int(np.argmax(mixture.means_[:, 0]))) & (inside != 0)
    return dice(white, tissue_map("wm", resolution_mm)[mask] > 0.5)


def template_correlation(t1w: Any, resolution_mm: float = 1.0) -> float:
    """Pearson correlation of a T1w scan with the T1w template inside the template mask.

    It means something for T1w only: FLAIR has another contrast, for which `template_mutual_information` is there.
    """
    mask = template_mask(resolution_mm)
    template = np.asarray(template_image(resolution_mm).dataobj, dtype=np.float64)[mask]
    return float(np.corrcoef(_on_template(t1w, resolution_mm)[mask], template)[0, 1])


def template_mutual_information(image: Any, resolution_mm: float = 1.0) -> float:
    """Normalised mutual information of a scan of any contrast with the T1w template inside the template mask.

    Returns
    -------
    float
        0 (independent) to 1 (one tells the other); see `mutual_information`.
    """
    mask = template_mask(resolution_mm)
    template = np.asarray(template_image(resolution_mm).dataobj, dtype=np.float32)[mask]
    return mutual_information(template, _on_template(image, resolution_mm)[mask].astype(np.float32))


def brain_dice(brain: Any, resolution_mm: float = 1.0) -> float:
    """Dice overlap of a scan's brain mask with the template's; says nothing of what lies inside."""
    return dice(_on_template(brain, resolution_mm) > 0.5, template_mask(resolution_mm))


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Dice overlap of two masks, 2 |A and B| / (|A| + |B|); 1 where both are empty.

    Examples
    --------
    >>> dice(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    total = int(first.sum()) + int(second.sum())
    return 2.0 * int((first & second).sum()) / total if total else 1.0


def mutual_information(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Symmetric uncertainty 2 I(A; B) / (H(A) + H(B)) of two lists of values, from 32 x 32 bins.

    Parameters
    ----------
    first, second : ndarray (n,)

    Returns
    -------
    float
        0 to 1; 0 where one of them is constant.
    """
    counts, _, _ = np.histogram2d(first.ravel(), second.ravel(), bins=_BINS)
    joint = counts / counts.sum()
    entropies = [_entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0)), _entropy(joint.ravel())]
    total = entropies[0] + entropies[1]
    return 2.0 * (total - entropies[2]) / total if min(entropies[:2]) > 0 else 0.0


def flair_template(resolution_mm: float = 1.0) -> Any:
    """A template with the contrast of FLAIR, made from the tissue maps: grey matter brighter than white, fluid dark.

    The T1w template has grey and white matter the other way round, so that a FLAIR scan alone is better registered to
    this one.

    Returns
    -------
    nibabel.Nifti1Image
        float32 on the template's grid, 0 outside the brain.
    """
    mask = template_mask(resolution_mm)
    grey, white = tissue_map("gm", resolution_mm), tissue_map("wm", resolution_mm)
    total = np.maximum(grey + white, 1.0)
    grey, white = grey / total, white / total
    fluid = 1.0 - grey - white
    image = FLAIR_CONTRAST["gm"] * grey + FLAIR_CONTRAST["wm"] * white + FLAIR_CONTRAST["csf"] * fluid
    return nib.Nifti1Image(np.where(mask, image, 0.0).astype(np.float32), template_image(resolution_mm).affine)


def _entropy(shares: NDArray[np.float64]) -> float:
    present = shares[shares > 0]
    return float(-(present * np.log(present)).sum())


def _on_template(image: Any, resolution_mm: float) -> NDArray[np.float32]:
    expected = template_image(resolution_mm)
    values = np.asarray(image.dataobj, dtype=np.float32)
    if values.shape != expected.shape or not np.allclose(image.affine, expected.affine, atol=1e-3):
        raise PreprocessingError(
            f"The image is on a grid of {values.shape}, the template of {resolution_mm:g} mm on one of {expected.shape}.",
            "Resample it onto the template's grid first.",
        )
    return values

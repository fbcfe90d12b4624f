"""How much of a brain's volume went between two scans.

Two ways, neither of which is SIENA; their percentages are not to be mixed with published ones.

`jacobian_change`
    One scan is deformed onto the other and the volume factor of the deformation (its Jacobian determinant) is averaged over grey and
    white matter (tensor-based morphometry; Boyes 2006 for its use as a percentage). It is done in both directions, and what these
    disagree by is given too. Scale is free: a scanner whose gradients drift between the scans changes the figure, which methods that
    see the skull can correct.
`fraction_change`
    Difference of two brain parenchymal fractions, each measured by itself. Cheap, and noisier: a segmentation's error of one per cent
    is one per cent here.

References
----------
Boyes RG, et al. Cerebral atrophy measurements using Jacobian integration: comparison with the boundary shift integral. NeuroImage 32
(2006) 159-169.
Smith SM, et al. Accurate, robust, and automated longitudinal and cross-sectional brain change analysis. NeuroImage 17 (2002) 479-489.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.errors import PreprocessingError
from dawson.imaging.brain_volumes import jacobian_map
from dawson.imaging.registration import register_to_template
from dawson.imaging.resample import isotropic


@dataclass(frozen=True)
class VolumeChange:
    """Change of brain volume between two scans.

    Parameters
    ----------
    percent : float
        Of the earlier volume; negative where volume was lost.
    inconsistency_percent : float
        Half of what the two directions disagree by: a lower bound of the error, not an interval.
    """

    percent: float
    inconsistency_percent: float


def jacobian_change(
    first: Any,
    second: Any,
    first_tissue: NDArray[np.float32],
    second_tissue: NDArray[np.float32],
    method: str = "greedy",
    spacing_mm: float = 2.0,
    threads: int = 1,
) -> VolumeChange:
    """Change of brain volume from the deformation between two scans of one person.

    Parameters
    ----------
    first, second : nibabel.Nifti1Image
        Brain-extracted images of one contrast, 0 outside the brain, in the same or in different positions; lesions are best filled.
    first_tissue, second_tissue : ndarray of float32 (x, y, z)
        Share of grey and white matter on the grid of each.
    method, spacing_mm, threads
        See `dawson.imaging.registration.register_to_template`.

    Raises
    ------
    PreprocessingError
        A deformation folds, or there is no brain tissue.
    """
    forward = _growth(first, second, first_tissue, method, spacing_mm, threads)
    backward = _growth(second, first, second_tissue, method, spacing_mm, threads)
    return combined(forward, backward)


def combined(forward: float, backward: float) -> VolumeChange:
    """The change that two volume factors, one for each direction, agree on.

    Examples
    --------
    >>> combined(0.98, 1 / 0.98).percent
    -2.0000000000000018
    >>> combined(0.98, 1.0).inconsistency_percent
    1.0101353658759733
    """
    return VolumeChange(100 * (exp((log(forward) - log(backward)) / 2) - 1), 100 * abs(log(forward) + log(backward)) / 2)


def fraction_change(first: float, second: float) -> float:
    """Percentage by which a brain parenchymal fraction (or a normalised volume) changed.

    Examples
    --------
    >>> round(fraction_change(0.85, 0.833), 6)
    -2.0
    """
    return 100 * (second / first - 1)


def _growth(fixed: Any, moving: Any, tissue: NDArray[np.float32], method: str, spacing_mm: float, threads: int) -> float:
    """Volume in the moving scan over volume in the fixed one, of what is tissue in the fixed one."""
    small = isotropic(fixed, spacing_mm)
    share = np.clip(np.asarray(isotropic(nib.Nifti1Image(tissue, fixed.affine), spacing_mm).dataobj), 0, 1)
    if not share.sum() > 0:
        raise PreprocessingError("There is no brain tissue to follow between the scans.", "Look at the scans and their brain masks.")
    mask = nib.Nifti1Image((np.asarray(small.dataobj) > 0).astype(np.uint8), small.affine)
    found = register_to_template(small, mask, moving, method, spacing_mm, threads)
    factor = jacobian_map(small.shape, np.asarray(small.affine, dtype=np.float64), found.warp, found.affine)
    return float((share * factor).sum(dtype=np.float64) / share.sum(dtype=np.float64))

"""Whether the voxels of which a segmentation is unsure are those that it gets wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.lesion_metrics import NDSC_RATIO

_POINTS = 200


@dataclass(frozen=True)
class Retention:
    """Normalised Dice when the most uncertain voxels are handed to somebody who knows the truth.

    Parameters
    ----------
    retained : ndarray of float (points,)
        Share of the voxels that keep the prediction, rising to 1; denser near 1, as lesions are a small share of the brain.
    ndsc : ndarray of float (points,)
        Normalised Dice then; the last is that of the prediction itself.
    """

    retained: NDArray[np.float64]
    ndsc: NDArray[np.float64]

    @property
    def aac(self) -> float:
        """Area above the curve (R-AAC), 0 to 1: lower is better, by better masks or by uncertainty that finds their faults."""
        return float(1.0 - np.trapezoid(self.ndsc, self.retained))


def retention(
    prediction: NDArray[Any], truth: NDArray[Any], uncertainty: NDArray[np.floating], inside: NDArray[np.bool_], ratio: float = NDSC_RATIO
) -> Retention:
    """The retention curve of one scan, as the Shifts challenge draws it.

    Parameters
    ----------
    prediction, truth : ndarray (x, y, z)
        Lesion above one half.
    uncertainty : ndarray of float (x, y, z)
        The greater the more uncertain; of equal voxels the first in memory is kept longer.
    inside : ndarray of bool (x, y, z)
        The brain: voxels that count.
    ratio : float
        See `dawson.imaging.lesion_metrics.ndsc`.

    References
    ----------
    Malinin A et al. Shifts 2.0: extending the dataset of real distributional shifts. arXiv:2206.15407 (2022), and its code
    (`ndsc_aac_metric`: 200 shares, spaced by the logarithm).

    Examples
    --------
    >>> truth = np.array([1, 0, 0, 0]); wrong = np.array([1, 1, 0, 0])
    >>> sure, everywhere = np.array([0.0, 1.0, 0.0, 0.0]), np.ones(4, bool)
    >>> curve = retention(wrong, truth, sure, everywhere, ratio=0.25)
    >>> float(curve.ndsc[-1].round(3)), float(curve.ndsc[0])
    (0.667, 1.0)
    """
    order = np.argsort(np.asarray(uncertainty)[inside], kind="stable")
    guess, true = ((np.asarray(mask)[inside] > 0.5)[order] for mask in (prediction, truth))
    present, absent = int(true.sum()), int((~true).sum())
    factor = (1 - ratio) * present / (ratio * absent) if present and absent else 1.0
    hit, false = (np.concatenate([[0], np.cumsum(one)]) for one in (guess & true, guess & ~true))
    missed = np.concatenate([[0], np.cumsum(~guess & true)])
    retained = np.log(np.arange(1, _POINTS + 1)) / np.log(_POINTS)
    kept = (retained * true.size).astype(np.intp)
    # what is not kept is as in the truth
    tp = hit[kept] + present - (hit[kept] + missed[kept])
    total = factor * false[kept] + 2 * tp + missed[kept]
    return Retention(retained, np.where(total > 0, 2 * tp / np.maximum(total, 1e-12), 1.0))

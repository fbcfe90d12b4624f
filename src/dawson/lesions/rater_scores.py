"""How the raters of one scan compare with each other: each against the consensus of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.lesion_metrics import compare_masks
from dawson.imaging.staple import CroppedMasks, Method, mask_consensus
from dawson.imaging.surface_distance import outline_bias
from dawson.statistics.agreement import kappa_of_table

SMALL_ML = 0.1
"""Below this volume a lesion counts as small."""


@dataclass(frozen=True)
class RaterScore:
    """One rater on one scan against the consensus of the other raters.

    Parameters
    ----------
    rater : str
    dice, lesion_recall, lesion_precision, lesion_f1 : float
        See `dawson.imaging.lesion_metrics.MaskComparison`; a lesion is found when a voxel of it is hit.
    volume_ml, others_ml : float
        Volume of the rater's mask and of the others' consensus.
    outline_bias_mm : float
        Signed mean surface distance of the lesions that both have; positive draws wider. NaN without such lesions.
    n_false : int
        Lesions that hit nothing of the others' consensus.
    n_missed, n_small, n_missed_small : int
        Lesions of the others' consensus that are missed, that are small, and both.
    staple_sensitivity, staple_specificity : float
        Of all raters together, among the voxels that one of them marked and their neighbours.
    kappa : float
        Cohen's, over the voxels of the cropped box.
    """

    rater: str
    dice: float
    lesion_recall: float
    lesion_precision: float
    lesion_f1: float
    volume_ml: float
    others_ml: float
    outline_bias_mm: float
    n_false: int
    n_missed: int
    n_small: int
    n_missed_small: int
    staple_sensitivity: float
    staple_specificity: float
    kappa: float


def score_raters(
    cropped: CroppedMasks, raters: Sequence[str], spacing_mm: tuple[float, float, float], method: Method = "staple"
) -> list[RaterScore]:
    """Score every rater of a scan.

    Parameters
    ----------
    cropped : CroppedMasks
        One mask of each rater.
    raters : sequence of str
        Their labels, in this order.
    spacing_mm : (float, float, float)
    method : {"staple", "majority", "soft"}
        Consensus of the others. Of two raters the other's mask is the consensus.

    Raises
    ------
    ValueError
        There are fewer than two raters.
    """
    if len(raters) < 2 or len(cropped.masks) != len(raters):
        raise ValueError(f"{len(cropped.masks)} masks of {len(raters)} raters: one of each of two or more is needed")
    together = mask_consensus(cropped, "staple")
    found = []
    for number, rater in enumerate(raters):
        own = cropped.masks[number]
        others = mask_consensus(cropped.without(number), method).mask[cropped.box]
        score = compare_masks(own, others, spacing_mm)
        small, missed_small = _small(own, others, float(np.prod(spacing_mm)) / 1000.0)
        found.append(
            RaterScore(
                rater=rater,
                dice=score.dice,
                lesion_recall=score.lesion_recall,
                lesion_precision=score.lesion_precision,
                lesion_f1=score.lesion_f1,
                volume_ml=score.predicted_ml,
                others_ml=score.truth_ml,
                outline_bias_mm=outline_bias(own, others, spacing_mm),
                n_false=score.n_false,
                n_missed=score.n_truth - score.n_found,
                n_small=small,
                n_missed_small=missed_small,
                staple_sensitivity=together.sensitivity[number],
                staple_specificity=together.specificity[number],
                kappa=_kappa(own, others),
            )
        )
    return found


def lesion_votes(cropped: CroppedMasks) -> NDArray[np.int8]:
    """Who marked which lesion: (lesions, raters), 1 where a rater has a voxel of it.

    The lesions are the connected parts (26 neighbours) of what at least one rater marked, so that every row has a 1; lesions that
    one rater draws as one and another as two are one.
    """
    numbers = lesion_instances(np.asarray(cropped.masks.any(axis=0)))
    lesions = np.arange(1, numbers.max(initial=0) + 1)
    if not lesions.size:
        return np.empty((0, len(cropped.masks)), dtype=np.int8)
    return np.stack([np.asarray(ndimage.maximum(mask, numbers, lesions)) for mask in cropped.masks], axis=1).astype(np.int8)


def _small(own: NDArray[np.bool_], others: NDArray[np.bool_], voxel_ml: float) -> tuple[int, int]:
    numbers = lesion_instances(others)
    sizes = np.bincount(numbers.ravel())
    small = (sizes * voxel_ml < SMALL_ML) & (np.arange(sizes.size) > 0)
    hit = np.zeros(sizes.size, dtype=bool)
    hit[np.unique(numbers[own])] = True
    return int(small.sum()), int((small & ~hit).sum())


def _kappa(one: NDArray[np.bool_], other: NDArray[Any]) -> float:
    both, own, theirs = (int(part.sum()) for part in (one & other, one, other))
    table = np.array([[one.size - own - theirs + both, theirs - both], [own - both, both]], dtype=np.float64)
    return kappa_of_table(table) if table.sum() else float("nan")

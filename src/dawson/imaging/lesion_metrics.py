"""How well a lesion mask agrees with another: overlap, surfaces, volumes, and lesion by lesion.

The conventions of every score stand here once; training, annotation and challenges use these functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.boxes import union_box
from dawson.imaging.lesion_instances import lesion_instances
from dawson.imaging.surface_distance import assd, hd95, surface_distances
from dawson.imaging.tissue import dice

IOU_THRESHOLD = 0.25
"""Least overlap (intersection over union) of two lesions that are the same one, in the stricter of the two lesion scores."""

NDSC_RATIO = 0.001
"""Share of lesion voxels at which nDSC equals Dice (Shifts challenge)."""


@dataclass(frozen=True)
class MaskComparison:
    """Scores of one predicted mask against one true mask.

    Overlap and lesion scores are 1 where both masks are empty and 0 where one of them is.

    Parameters
    ----------
    dice : float
        2 TP / (2 TP + FP + FN) over voxels.
    jaccard : float
        TP / (TP + FP + FN).
    ppv, tpr : float
        TP / (TP + FP), TP / (TP + FN).
    truth_ml, predicted_ml : float
        Volumes.
    avd : float
        Absolute volume difference as a share of the true volume; 0 where both are empty, NaN where only the truth is.
    hd95_mm, assd_mm : float
        95 % Hausdorff distance and average symmetric surface distance; 0 where both masks are empty, the diagonal of the image where
        one is: the worst that can be.
    n_truth, n_predicted : int
        Lesions, connected parts of 26 neighbours.
    n_found : int
        True lesions of which at least one voxel is predicted.
    n_false : int
        Predicted lesions without a true voxel.
    n_matched_iou25 : int
        Pairs of a true and a predicted lesion, each in one pair at most, with an intersection over union of 0.25 or more.
    """

    dice: float
    jaccard: float
    ppv: float
    tpr: float
    truth_ml: float
    predicted_ml: float
    avd: float
    hd95_mm: float
    assd_mm: float
    n_truth: int
    n_predicted: int
    n_found: int
    n_false: int
    n_matched_iou25: int

    @property
    def lesion_recall(self) -> float:
        """Share of the true lesions that are found by at least one voxel (LTPR)."""
        return _share(self.n_found, self.n_truth, self.n_predicted)

    @property
    def lesion_precision(self) -> float:
        """Share of the predicted lesions that hit a true voxel (1 - LFPR)."""
        return _share(self.n_predicted - self.n_false, self.n_predicted, self.n_truth)

    @property
    def lesion_f1(self) -> float:
        """Harmonic mean of `lesion_recall` and `lesion_precision`."""
        recall, precision = self.lesion_recall, self.lesion_precision
        return 2 * recall * precision / (recall + precision) if recall + precision else 0.0

    @property
    def lesion_f1_iou25(self) -> float:
        """2 pairs / (true + predicted lesions), by one-to-one pairs of IoU >= 0.25."""
        total = self.n_truth + self.n_predicted
        return 2 * self.n_matched_iou25 / total if total else 1.0

    @property
    def lesion_recall_iou25(self) -> float:
        """Pairs of IoU >= 0.25 over true lesions."""
        return _share(self.n_matched_iou25, self.n_truth, self.n_predicted)

    @property
    def lesion_precision_iou25(self) -> float:
        """Pairs of IoU >= 0.25 over predicted lesions."""
        return _share(self.n_matched_iou25, self.n_predicted, self.n_truth)

    @property
    def volume_difference_ml(self) -> float:
        """Predicted minus true volume."""
        return self.predicted_ml - self.truth_ml

    @property
    def isbi2015_parts(self) -> float:
        """DSC/8 + PPV/8 + (1 - LFPR)/4 + LTPR/4: what one scan adds to the ISBI-2015 score, 3/4 at most (see `lesion_scores`)."""
        return self.dice / 8 + self.ppv / 8 + self.lesion_precision / 4 + self.lesion_recall / 4


def compare_masks(prediction: NDArray[Any], truth: NDArray[Any], spacing_mm: Sequence[float]) -> MaskComparison:
    """Every score of a pair of masks.

    Parameters
    ----------
    prediction, truth : ndarray (x, y, z)
        Lesion above one half.
    spacing_mm : sequence of float
        Size of a voxel along each axis.

    Returns
    -------
    MaskComparison

    Raises
    ------
    ValueError
        The shapes differ, or are not of three dimensions, or the spacing does not fit.

    Examples
    --------
    >>> truth = np.zeros((8, 8, 8), dtype=bool)
    >>> truth[2:4, 2:4, 2:4] = True
    >>> compare_masks(np.roll(truth, 1, axis=0), truth, (1.0, 1.0, 1.0)).dice
    0.5
    """
    guess, true = np.asarray(prediction) > 0.5, np.asarray(truth) > 0.5
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if guess.ndim != 3 or guess.shape != true.shape:
        raise ValueError(f"masks of shapes {guess.shape} and {true.shape}: two of one three-dimensional grid are needed")
    if spacing.shape != (3,) or not np.all(spacing > 0):
        raise ValueError(f"spacing {tuple(spacing_mm)} is not three positive sizes in mm")
    diagonal = float(np.linalg.norm(spacing * guess.shape))
    # Lesions fill a small part of the head: everything below is counted in their box.
    box = union_box(guess, true)
    guess, true = guess[box], true[box]
    both, predicted, present = (int(mask.sum()) for mask in (guess & true, guess, true))
    distances = surface_distances(guess, true, spacing_mm) if predicted and present else None
    worst = diagonal if predicted or present else 0.0
    voxel_ml = float(np.prod(spacing)) / 1000.0
    true_lesions, guessed_lesions = lesion_instances(true), lesion_instances(guess)
    n_truth, n_predicted = int(true_lesions.max(initial=0)), int(guessed_lesions.max(initial=0))
    return MaskComparison(
        dice=dice(guess, true),
        jaccard=_share(both, predicted + present - both, 0),
        ppv=_share(both, predicted, present),
        tpr=_share(both, present, predicted),
        truth_ml=present * voxel_ml,
        predicted_ml=predicted * voxel_ml,
        avd=abs(predicted - present) / present if present else (float("nan") if predicted else 0.0),
        hd95_mm=hd95(*distances) if distances else worst,
        assd_mm=assd(*distances) if distances else worst,
        n_truth=n_truth,
        n_predicted=n_predicted,
        n_found=np.unique(true_lesions[true & guess]).size,
        n_false=n_predicted - np.unique(guessed_lesions[true & guess]).size,
        n_matched_iou25=len(matched_lesions(guessed_lesions, true_lesions, IOU_THRESHOLD)),
    )


def matched_lesions(predicted: NDArray[Any], truth: NDArray[Any], iou: float = IOU_THRESHOLD) -> list[tuple[int, int, float]]:
    """Pairs of lesions that are the same one.

    Each lesion is in one pair at most. Of all such pairings of overlaps at or above the threshold the one with the most pairs is
    taken, and of several that with the largest sum of overlaps.

    Parameters
    ----------
    predicted, truth : ndarray of int (x, y, z)
        Number of the lesion at each voxel, 0 where there is none.
    iou : float
        Least intersection over union, above 0.

    Returns
    -------
    list of (int, int, float)
        Predicted number, true number, intersection over union.

    Raises
    ------
    ValueError
        The threshold is not above 0 and at most 1.
    """
    from scipy.optimize import linear_sum_assignment

    if not 0 < iou <= 1:
        raise ValueError(f"an intersection over union of {iou} is no threshold: above 0, 1 at most")
    shared = (predicted > 0) & (truth > 0)
    pairs, common = np.unique(np.stack([predicted[shared], truth[shared]], axis=1), axis=0, return_counts=True)
    if not len(pairs):
        return []
    sizes = [np.bincount(numbers[numbers > 0].ravel().astype(np.int64)) for numbers in (predicted, truth)]
    overlap = common / (sizes[0][pairs[:, 0]] + sizes[1][pairs[:, 1]] - common)
    kept = overlap >= iou
    if not kept.any():
        return []
    pairs, overlap = pairs[kept], overlap[kept]
    rows, row = np.unique(pairs[:, 0], return_inverse=True)
    columns, column = np.unique(pairs[:, 1], return_inverse=True)
    # A pair more outweighs any sum of overlaps, each of which is 1 at most.
    gain = np.zeros((rows.size, columns.size))
    gain[row, column] = 1.0 + overlap / (len(pairs) + 1)
    chosen = [(i, j) for i, j in zip(*linear_sum_assignment(gain, maximize=True), strict=True) if gain[i, j] > 0]
    value = {(i, j): float(part) for i, j, part in zip(row, column, overlap, strict=True)}
    return [(int(rows[i]), int(columns[j]), value[i, j]) for i, j in chosen]


def ndsc(prediction: NDArray[Any], truth: NDArray[Any], inside: NDArray[np.bool_] | None = None, ratio: float = NDSC_RATIO) -> float:
    """Normalised Dice: Dice as if lesions filled the same share of every scan, so that scans of few and many lesions compare.

    Parameters
    ----------
    prediction, truth : ndarray (any shape)
        Lesion above one half.
    inside : ndarray of bool, optional
        Voxels that count, usually the brain; all of them without it.
    ratio : float
        The share r of lesion voxels to which it is normalised.

    Returns
    -------
    float
        2 TP / (k FP + 2 TP + FN), k = (1 - r) sum(truth) / (r (N - sum(truth))); 1 where both are empty. Where only the truth is empty,
        or fills everything, k is 1.

    References
    ----------
    Raina V et al. Tackling bias in the Dice similarity coefficient: introducing nDSC for white matter lesion segmentation. ISBI 2023.
    Malinin A et al. Shifts 2.0, arXiv:2206.15407.

    Examples
    --------
    >>> ndsc(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0]), ratio=0.25)
    0.6666666666666666
    """
    guess, true = np.asarray(prediction) > 0.5, np.asarray(truth) > 0.5
    if inside is not None:
        guess, true = guess[inside], true[inside]
    present, absent = int(true.sum()), int(true.size - true.sum())
    tp, fp = int((guess & true).sum()), int((guess & ~true).sum())
    factor = (1 - ratio) * present / (ratio * absent) if present and absent else 1.0
    total = factor * fp + tp + present
    return 2 * tp / total if total else 1.0


def without_small(mask: NDArray[Any], spacing_mm: Sequence[float], smallest_mm3: float) -> NDArray[np.bool_]:
    """A mask without its lesions (26 neighbours) below a volume; one of just this volume stays."""
    numbers = lesion_instances(mask)
    large = (
        ndimage.sum_labels(numbers > 0, numbers, np.arange(numbers.max(initial=0) + 1)) * float(np.prod(spacing_mm)) >= smallest_mm3 - 1e-9
    )
    large[0] = False
    return np.asarray(large[numbers])


def _share(part: int, whole: int, other: int) -> float:
    """`part` of `whole`; of nothing 1 where there is no `other` either, else 0."""
    return part / whole if whole else float(not other)

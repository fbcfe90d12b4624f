"""Scores of a whole set of scans as challenges define them: ISBI 2015, and new lesions as MSSEG-2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.lesion_metrics import MaskComparison, compare_masks, without_small


@dataclass(frozen=True)
class Isbi2015:
    """The ISBI-2015 score of a set of scans and what it is made of.

    Parameters
    ----------
    score : float
        DSC/8 + PPV/8 + (1 - LFPR)/4 + LTPR/4 + VC/4, of the means over scans; 1 is perfect. NaN where the correlation is.
    dice, ppv, lesion_precision, lesion_recall : float
        Means over scans.
    volume_correlation : float
        Pearson correlation of the volumes over scans; NaN with fewer than two scans, or where one side has no spread.
    without_volumes : float
        The first four terms times 4/3, which single scans have too.
    """

    score: float
    dice: float
    ppv: float
    lesion_precision: float
    lesion_recall: float
    volume_correlation: float
    without_volumes: float


def isbi2015(comparisons: Sequence[MaskComparison]) -> Isbi2015:
    """The ISBI-2015 score of a set.

    Parameters
    ----------
    comparisons : sequence of MaskComparison
        One of each scan. Of a single one only `without_volumes` has a value: a correlation needs several.

    Raises
    ------
    ValueError
        There is no scan.

    Notes
    -----
    The challenge scaled this sum further, so that the second rater had 90 points; that needs its raters and is not done here.

    References
    ----------
    Carass A et al. Longitudinal multiple sclerosis lesion segmentation: resource and challenge. NeuroImage 148 (2017) 77-102.
    """
    if not comparisons:
        raise ValueError("a score of a set needs at least one scan")
    dice, ppv, precision, recall = (
        _mean([getattr(one, name) for one in comparisons]) for name in ("dice", "ppv", "lesion_precision", "lesion_recall")
    )
    correlation = _correlation([one.predicted_ml for one in comparisons], [one.truth_ml for one in comparisons])
    parts = _mean([one.isbi2015_parts for one in comparisons])
    return Isbi2015(parts + correlation / 4, dice, ppv, precision, recall, correlation, parts * 4 / 3)


@dataclass(frozen=True)
class NewLesions:
    """How new lesions between two scans were found, as MSSEG-2 counts.

    Parameters
    ----------
    any_new : bool
        Whether there is a new lesion at all: F1 and Dice are of such cases only, the false ones alone of the others.
    f1, f1_iou25, dice : float
        NaN where there is no new lesion.
    n_new, n_found : int
    n_false : int
        Predicted lesions that hit none.
    false_ml : float
        Their volume in a case without new lesions (all that is predicted), else NaN.
    """

    any_new: bool
    f1: float
    f1_iou25: float
    dice: float
    n_new: int
    n_found: int
    n_false: int
    false_ml: float


def compare_new_lesions(
    prediction: NDArray[Any], truth: NDArray[Any], spacing_mm: Sequence[float], smallest_mm3: float = 0.0
) -> NewLesions:
    """Score masks of new lesions of one case.

    Parameters
    ----------
    prediction, truth : ndarray (x, y, z)
        New lesions above one half.
    spacing_mm : sequence of float
    smallest_mm3 : float
        Lesions below this volume are taken out of both masks first (MSSEG-2 took 3 mm3).

    References
    ----------
    Commowick O et al. Multiple sclerosis lesions segmentation from multiple experts: the MICCAI 2016 challenge dataset. NeuroImage 244
    (2021) 118589, and the MSSEG-2 challenge (2021), whose rule to match lesions by shares of overlap is not used: here a lesion is
    found when a voxel of it is hit, and by an intersection over union of 0.25 in the second F1.
    """
    guess, true = (without_small(mask, spacing_mm, smallest_mm3) for mask in (prediction, truth))
    found = compare_masks(guess, true, spacing_mm)
    if found.n_truth == 0:
        nan = float("nan")
        return NewLesions(False, nan, nan, nan, 0, 0, found.n_false, found.predicted_ml)
    return NewLesions(True, found.lesion_f1, found.lesion_f1_iou25, found.dice, found.n_truth, found.n_found, found.n_false, float("nan"))


@dataclass(frozen=True)
class NewLesionSummary:
    """New lesions of a set of cases: means over cases, apart for those with and without new lesions.

    Parameters
    ----------
    n_with, n_without : int
        Cases.
    f1, f1_iou25, dice : float
        Means over cases with new lesions; NaN without any.
    false_per_case, false_ml_per_case : float
        Means over cases without new lesions; NaN without any.
    clean_cases : int
        Cases without new lesions in which none was predicted.
    """

    n_with: int
    n_without: int
    f1: float
    f1_iou25: float
    dice: float
    false_per_case: float
    false_ml_per_case: float
    clean_cases: int


def summarise_new_lesions(cases: Sequence[NewLesions]) -> NewLesionSummary:
    """Means over cases as MSSEG-2 reports them."""
    new, none = [case for case in cases if case.any_new], [case for case in cases if not case.any_new]
    return NewLesionSummary(
        n_with=len(new),
        n_without=len(none),
        f1=_mean([case.f1 for case in new]),
        f1_iou25=_mean([case.f1_iou25 for case in new]),
        dice=_mean([case.dice for case in new]),
        false_per_case=_mean([float(case.n_false) for case in none]),
        false_ml_per_case=_mean([case.false_ml for case in none]),
        clean_cases=sum(case.n_false == 0 for case in none),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _correlation(first: Sequence[float], second: Sequence[float]) -> float:
    one, two = np.asarray(first) - np.mean(first), np.asarray(second) - np.mean(second)
    spread = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum()) / spread if spread > 0 else float("nan")

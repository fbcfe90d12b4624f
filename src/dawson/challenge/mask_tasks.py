"""Tasks whose answer is a mask: lesions of one scan, lesions of the cortex, new lesions between two scans."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dawson.challenge.task import Metric, Scores, Task
from dawson.imaging.lesion_metrics import compare_masks, ndsc
from dawson.imaging.lesion_scores import compare_new_lesions

SMALLEST_NEW_MM3 = 3.0
"""Lesions below this volume do not count as new, as in MSSEG-2."""


def score_lesions(prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> Scores:
    """Figures of one scan.

    Examples
    --------
    >>> mask = np.zeros((8, 8, 8), bool); mask[2:4, 2:4, 2:4] = True
    >>> found = score_lesions(mask, mask, (1.0, 1.0, 1.0))
    >>> found["dice"], found["lesion_f1"], found["hd95"]
    (1.0, 1.0, 0.0)
    """
    found = compare_masks(prediction, truth, spacing_mm)
    return {
        "dice": found.dice,
        "ndsc": ndsc(prediction, truth),
        "lesion_f1": found.lesion_f1,
        "lesion_f1_iou25": found.lesion_f1_iou25,
        "lesion_recall": found.lesion_recall,
        "lesion_precision": found.lesion_precision,
        "hd95": found.hd95_mm,
        "assd": found.assd_mm,
        "volume_error": abs(found.volume_difference_ml),
        "isbi_parts": found.isbi2015_parts * 4 / 3,
    }


def score_new_lesions(prediction: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> Scores:
    """Figures of one pair of scans; F1 and Dice are NaN where nothing is new, false lesions and their volume where something is."""
    found = compare_new_lesions(prediction, truth, spacing_mm, SMALLEST_NEW_MM3)
    nothing_new = not found.any_new
    return {
        "new_f1": found.f1,
        "new_f1_iou25": found.f1_iou25,
        "new_dice": found.dice,
        "false_lesions": float(found.n_false) if nothing_new else math.nan,
        "false_ml": found.false_ml,
    }


_LESION_METRICS = (
    Metric("dice", "Dice"),
    Metric("lesion_f1", "Lesion F1 (a voxel hit)"),
    Metric("lesion_f1_iou25", "Lesion F1 (IoU 0.25)"),
    Metric("ndsc", "Normalised Dice"),
    Metric("lesion_recall", "Lesion recall"),
    Metric("lesion_precision", "Lesion precision"),
    Metric("hd95", "Hausdorff distance 95 %, mm", higher_is_better=False, worst=math.inf),
    Metric("assd", "Surface distance, mm", higher_is_better=False, worst=math.inf),
    Metric("volume_error", "Volume error, mL", higher_is_better=False, worst=math.inf),
    Metric("isbi_parts", "ISBI-2015 score without its volume correlation"),
)

LESION_SEGMENTATION = Task("lesion-segmentation", "White-matter lesions", "mask", _LESION_METRICS, label="lesion", score_mask=score_lesions)
CORTICAL_LESIONS = Task("cortical-lesions", "Cortical lesions", "mask", _LESION_METRICS, label="corticalLesion", score_mask=score_lesions)
NEW_LESIONS = Task(
    "new-lesions",
    "New lesions between two scans",
    "mask",
    (
        Metric("new_f1", "F1 of new lesions (a voxel hit)"),
        Metric("new_f1_iou25", "F1 of new lesions (IoU 0.25)"),
        Metric("new_dice", "Dice of new lesions"),
        Metric("false_lesions", "False new lesions where nothing is new", higher_is_better=False, worst=math.inf),
        Metric("false_ml", "Volume of false new lesions where nothing is new, mL", higher_is_better=False, worst=math.inf),
    ),
    label="newLesion",
    visits=2,
    score_mask=score_new_lesions,
)

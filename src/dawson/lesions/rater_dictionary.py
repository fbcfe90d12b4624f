"""What every column of raters.tsv, rater_scans.tsv and rater_agreement.tsv means."""

from __future__ import annotations

from typing import Any

from dawson.lesions.rater_scores import SMALL_ML

_KEYS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "The participant"},
    "session_id": {"Description": "The session"},
    "rater": {"Description": "Label of the rater: LABEL of desc-raterLABEL, or the whole of desc-expert..."},
}
_SCORES: dict[str, dict[str, Any]] = {
    "dice": {"Description": "Dice overlap with the consensus of the other raters of the same scan"},
    "lesion_recall": {"Description": "Share of the others' lesions of which a voxel is marked (26 neighbours)"},
    "lesion_precision": {"Description": "Share of the rater's lesions that hit one of the others'"},
    "lesion_f1": {"Description": "Harmonic mean of lesion_recall and lesion_precision"},
    "outline_bias_mm": {
        "Description": "Signed mean surface distance to the others' consensus of the lesions that both have; positive draws wider",
        "Units": "mm",
    },
    "staple_sensitivity": {
        "Description": "STAPLE's sensitivity of the rater, all raters together, among the voxels that a rater marked and their neighbours"
    },
    "staple_specificity": {
        "Description": "STAPLE's specificity, among the voxels that a rater marked and their neighbours: far below one over the whole brain"
    },
    "kappa": {"Description": "Cohen's kappa with the others' consensus over the voxels of the masks' box and its margin"},
    "repeat_dice": {"Description": "Dice of the rater's second mask of a scan (run2) with the first"},
    "repeat_lesion_f1": {"Description": "Lesion F1 of the second mask with the first"},
    "simulated": {"Description": "The rater is a computer program that simulates one", "Levels": {"true": "yes", "false": "no"}},
}

SCANS: dict[str, dict[str, Any]] = {
    **_KEYS,
    **_SCORES,
    "volume_ml": {"Description": "Volume of the rater's mask", "Units": "mL"},
    "others_ml": {"Description": "Volume of the consensus of the other raters", "Units": "mL"},
    "n_false": {"Description": "Lesions of the rater that hit none of the others'"},
    "n_missed": {"Description": "Lesions of the others' consensus that the rater missed"},
    "n_small": {"Description": f"Lesions of the others' consensus below {SMALL_ML:g} mL"},
    "n_missed_small": {"Description": f"Lesions of the others' consensus below {SMALL_ML:g} mL that the rater missed"},
    "repeat_volume_difference_ml": {"Description": "Volume of the second mask minus that of the first", "Units": "mL"},
}

RATERS: dict[str, dict[str, Any]] = {
    "rater": _KEYS["rater"],
    "n_scans": {"Description": "Scans that the rater and at least one other rated"},
    "n_participants": {"Description": "Participants of these scans"},
    **{
        name: {**entry, "Description": f"{entry['Description']}; mean over scans"} for name, entry in _SCORES.items() if name != "simulated"
    },
    "dice_low": {"Description": "Lower bound of dice, 95 %, bootstrap over participants"},
    "dice_high": {"Description": "Upper bound of dice"},
    "lesion_f1_low": {"Description": "Lower bound of lesion_f1, 95 %, bootstrap over participants"},
    "lesion_f1_high": {"Description": "Upper bound of lesion_f1"},
    "volume_bias_ml": {"Description": "Volume minus that of the others' consensus; mean over scans", "Units": "mL"},
    "volume_bias_percent": {"Description": "The same of all scans together, as a share of the others' volume", "Units": "percent"},
    "missed_per_scan": {"Description": "Lesions of the others' consensus that the rater missed; mean over scans"},
    "missed_small_share": {
        "Description": f"Share of the others' lesions below {SMALL_ML:g} mL that the rater missed, of all scans together"
    },
    "false_per_scan": {"Description": "Lesions of the rater that hit none of the others'; mean over scans"},
    "n_repeated": {"Description": "Scans that the rater drew twice"},
    "repeat_volume_difference_ml": {"Description": "Absolute difference of the two volumes; mean over scans", "Units": "mL"},
    "outlier": {"Description": "The rater is apart from the others of the panel", "Levels": {"true": "yes", "false": "no"}},
    "outlier_z": {"Description": "Largest robust z against the other raters on the side of worse; from 3 on most scans a rater is apart"},
    "reason": {"Description": "What sets the rater apart, the gravest first, or why the rater is not judged"},
    "simulated": _SCORES["simulated"],
}

AGREEMENT: dict[str, dict[str, Any]] = {
    "figure": {
        "Description": "What is measured of the panel",
        "Levels": {
            "krippendorff_alpha_lesions": "Krippendorff's alpha (nominal) of marked or not, over lesions that at least one rater marked: "
            "places that all left blank are no items, so that it lies far below a kappa of voxels",
            "icc_2_1_volume": "intraclass correlation ICC(2,1) of lesion volumes, of scans that all raters rated",
        },
    },
    "estimate": {"Description": "The figure"},
    "low": {"Description": "Lower bound, 95 %"},
    "high": {"Description": "Upper bound, 95 %"},
    "method": {"Description": "How the bounds were found; participants are drawn, raters are taken as fixed"},
    "n": {"Description": "Lesions or scans"},
    "participants": {"Description": "Their participants"},
}

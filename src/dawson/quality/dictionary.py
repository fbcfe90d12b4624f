"""What every column of quality.tsv means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dawson.imaging.air_bend import AIR_PLACES
from dawson.quality.outliers import IMAGE_MEASURES, SCAN_MEASURES, Judged

_COLUMNS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "The participant"},
    "session_id": {"Description": "The session"},
    "decision": {
        "Description": "The machine's decision",
        "Levels": {"accept": "nothing speaks against the scan", "review": "a person should look", "reject": "not to be used"},
    },
    "score": {"Description": "Largest directed robust z, raised to the limits of the study file by plausibility rules; higher is worse"},
    "reason": {"Description": "What speaks against the scan, the gravest first"},
    "protocol": {"Description": "Deviations from protocol.toml; they are named and do not enter the decision"},
    "compared_with": {"Description": "Site and scanner whose scans this one is compared with, or the whole study where they are too few"},
    "group": {"Description": "Site and scanner of the scan"},
    "simulated": {"Description": "The scan's sidecar says that a computer program made it", "Levels": {"true": "yes", "false": "no"}},
    "absent": {"Description": "Groups of measures that could not be had, and why"},
    "verdict": {
        "Description": "A person's verdict; it counts in place of the decision",
        "Levels": {"accept": "use the scan", "reject": "do not use it"},
    },
    "verdict_by": {"Description": "Who gave the verdict"},
    "verdict_reason": {"Description": "Why"},
    "verdict_date": {"Description": "When, UTC"},
    **{
        f"bend_{name}_mm": {
            "Description": f"Displacement of FLAIR against T1w {place.words}, less that of the group's other scans (distortion)",
            "Units": "mm",
        }
        for name, place in AIR_PLACES.items()
    },
    "wm_dice": {"Description": "White matter against the template's, from preprocess.tsv"},
    "template_correlation": {"Description": "Correlation with the T1w template, from preprocess.tsv"},
    "template_brain_dice": {"Description": "Brain mask against the template's, from preprocess.tsv"},
    "flair_t1w_information": {"Description": "Mutual information of FLAIR and T1w after rigid registration, from preprocess.tsv"},
}
_TISSUE = {"csf": "cerebrospinal fluid", "gm": "grey matter", "wm": "white matter", "bg": "air around the head", "total": "all tissues"}
_STATISTIC = {
    "mean": "mean",
    "stdv": "standard deviation",
    "median": "median",
    "mad": "median absolute deviation times 1.4826",
    "p05": "5th percentile",
    "p95": "95th percentile",
    "k": "excess kurtosis",
    "n": "number of voxels",
}
_MEASURES: dict[str, tuple[str, str]] = {
    "efc": ("Entropy focus criterion (MRIQC): 0 for one bright voxel, 1 for a flat image; lower is better", ""),
    "fber": ("Foreground-background energy ratio (MRIQC); higher is better", ""),
    "qi_1": ("Share of the air that holds signal (MRIQC, Mortamet 2009); lower is better", ""),
    "cnr": ("Contrast-to-noise ratio of grey and white matter (MRIQC); higher is better", ""),
    "cjv": ("Coefficient of joint variation of grey and white matter (MRIQC); lower is better", ""),
    "wm2max": ("White matter over the 99.95th percentile of the image (MRIQC)", ""),
    "inu_med": ("Median of the bias field inside the brain (MRIQC)", ""),
    "inu_range": ("95th minus 5th percentile of the bias field inside the brain (MRIQC; INNI's inhomogeneity)", ""),
    "fwhm_avg": ("Full width at half maximum of the image's smoothness, mean of the axes (MRIQC)", "voxel"),
    "gm_nawm_contrast": ("1 - grey matter / normal-appearing white matter (INNI, on T1w)", ""),
    "csf_nawm_ratio": ("Fluid / normal-appearing white matter", ""),
    "nawm_lesion_contrast": ("Lesion / normal-appearing white matter - 1 (INNI, on FLAIR)", ""),
    "air_structure": (
        "Brightest 5 % of blocks of air against the usual block, in standard deviations of a voxel's noise; lower is better",
        "",
    ),
    "air_streak_x": ("Log of the energy of air right and left of the head over that of the corners; 0 for noise, lower is better", ""),
    "air_streak_y": ("Log of the energy of air before and behind the head over that of the corners; 0 for noise, lower is better", ""),
    "air_streak_z": ("Log of the energy of air above and below the head over that of the corners; 0 for noise, lower is better", ""),
    "air_filled": ("Share of the air around the head that software filled", ""),
    "coverage_mm": ("Field of view from feet to head", "mm"),
    "brain_ml": ("Volume of the brain mask", "mL"),
    "cut_top": ("Area of the brain mask at the upper border of the field of view over its largest section", ""),
    "cut_bottom": ("Area of the brain mask at the lower border of the field of view over its largest section", ""),
    "cut_side": ("Area of the brain mask at the worst of the other four borders over its largest section", ""),
}


def describe(columns: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The BIDS dictionary of quality.tsv.

    Parameters
    ----------
    columns : iterable of str

    Returns
    -------
    dict
        Column to Description and, where they have them, Units and Levels.
    """
    return {str(name): _described(str(name)) for name in columns}


def _described(name: str) -> dict[str, Any]:
    if name in _COLUMNS:
        return _with_direction(_COLUMNS[name], SCAN_MEASURES.get(name))
    contrast, _, measure = name.partition("_")
    return _with_direction({"Description": f"{contrast}: {_measure(measure)}", **_units(measure)}, IMAGE_MEASURES.get(measure))


def _with_direction(entry: dict[str, Any], judged: Judged | None) -> dict[str, Any]:
    if judged is None:
        return entry
    worse = {"low": "a low value", "high": "a high value", "both": "a value far from the others"}[judged.worse]
    return {**entry, "Description": f"{entry['Description']}. Judged: {worse} speaks against the scan"}


def _measure(name: str) -> str:
    if name in _MEASURES:
        return _MEASURES[name][0]
    first, _, rest = name.partition("_")
    if first == "summary":
        region, _, statistic = rest.partition("_")
        return f"{_STATISTIC[statistic]} of {_TISSUE[region]} (MRIQC)"
    if first in ("snr", "snrd"):
        return f"signal-to-noise ratio of {_TISSUE[rest]}{', noise from the air' if first == 'snrd' else ''} (MRIQC)"
    if first == "icvs":
        return f"share of {_TISSUE[rest]} in the brain mask (MRIQC)"
    if first == "fwhm":
        return f"full width at half maximum along {rest} (MRIQC)"
    if first == "spacing":
        return f"voxel size along {rest}"
    if first == "position":
        return f"middle of the brain from the isocentre along {rest.removesuffix('_mm')} (INNI)"
    raise KeyError(f"quality.tsv has a column {name!r} that nobody described")


def _units(name: str) -> dict[str, str]:
    if name in _MEASURES:
        return {"Units": _MEASURES[name][1]} if _MEASURES[name][1] else {}
    if name.startswith(("spacing_", "position_")):
        return {"Units": "mm"}
    return {"Units": "voxel"} if name.startswith("fwhm_") else {}

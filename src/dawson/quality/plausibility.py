"""Absolute rules: what no scan of an adult's head can be, whatever the other scans of its site are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Grade = Literal["reject", "review"]

# Where a limit has no source it is ours. Intracranial volumes of adults lie near 1,500 mL (SD about 140) and hardly ever reach 2,100;
# what is wide of that is a mask that took neck and skin with it, or lost half the brain.
BRAIN_ML: dict[Grade, tuple[float, float]] = {"review": (950.0, 2200.0), "reject": (750.0, 2350.0)}
# of two contrasts of one head; two brain masks of one person agree within a few per cent
BRAIN_ML_RATIO = 1.15
# Share of the largest cross-section in which the mask touches the field of view. Clinical thick-slice scans often end in the outermost
# gyri (up to a fifth of the largest section in the real scans this was looked at on), which the slices of the channel image do not
# reach; a quarter means that a centimetre or more is missing. Below, the brain stem leaves the field of view in every scan.
CUT: dict[str, dict[Grade, float]] = {
    "cut_top": {"review": 0.20, "reject": 0.45},
    "cut_bottom": {"review": 0.25, "reject": 0.50},
    "cut_side": {"review": 0.05, "reject": 0.35},
}
_CUT_WORDS = {"cut_top": "at the top", "cut_bottom": "at the bottom", "cut_side": "at a side"}
# good registrations of real thick-slice scans reach 0.67 and more
WM_DICE: dict[Grade, float] = {"review": 0.60, "reject": 0.40}
BRAIN_DICE: dict[Grade, float] = {"review": 0.92, "reject": 0.85}


@dataclass(frozen=True)
class Finding:
    """Something that speaks against a scan.

    Parameters
    ----------
    grade : {"reject", "review"}
    measure : str
        Column it is about.
    text : str
    way : float
        How far a finding for review is on the way to rejection, 0 to 1; orders scans only.
    """

    grade: Grade
    measure: str
    text: str
    way: float = 0.0


def implausible(measures: Mapping[str, float], preprocessed: Mapping[str, Any]) -> list[Finding]:
    """Apply the rules to one scan.

    Parameters
    ----------
    measures : mapping of str to float
        As `ScanMeasures` has them.
    preprocessed : mapping
        The scan's row of `preprocess.tsv`; empty where there is none.

    Returns
    -------
    list of Finding
        The gravest first.
    """
    found: list[Finding] = []
    for contrast in ("T1w", "FLAIR"):
        found += _volume(contrast, measures.get(f"{contrast}_brain_ml"))
        found += _cuts(contrast, measures)
        found += _contrast(contrast, measures)
    volumes = [measures[name] for name in ("T1w_brain_ml", "FLAIR_brain_ml") if name in measures]
    if len(volumes) == 2 and max(volumes) > BRAIN_ML_RATIO * min(volumes):
        said = f"brain masks of T1w ({volumes[0]:.0f} mL) and FLAIR ({volumes[1]:.0f} mL) do not agree"
        found.append(Finding("review", "brain_ml", said))
    found += _fit(preprocessed)
    return sorted(found, key=lambda finding: finding.grade != "reject")


def _volume(contrast: str, volume: float | None) -> list[Finding]:
    if volume is None:
        return []
    for grade in ("reject", "review"):
        low, high = BRAIN_ML[grade]
        if not low <= volume <= high:
            said = f"{contrast} brain mask of {volume:.0f} mL, outside {low:.0f} to {high:.0f} mL"
            return [Finding(grade, f"{contrast}_brain_ml", said)]
    return []


def _cuts(contrast: str, measures: Mapping[str, float]) -> list[Finding]:
    found = []
    for name, limits in CUT.items():
        value = measures.get(f"{contrast}_{name}")
        if value is None or value <= limits["review"]:
            continue
        grade: Grade = "reject" if value > limits["reject"] else "review"
        said = f"{contrast} field of view cuts the brain {_CUT_WORDS[name]} ({100 * value:.0f} % of its largest section)"
        way = min(1.0, (value - limits["review"]) / (limits["reject"] - limits["review"]))
        found.append(Finding(grade, f"{contrast}_{name}", said, way))
    return found


def _contrast(contrast: str, measures: Mapping[str, float]) -> list[Finding]:
    """On T1w white matter is the brightest tissue and fluid the darkest; on FLAIR fluid is dark and grey matter not darker than white."""
    grey, fluid = measures.get(f"{contrast}_gm_nawm_contrast"), measures.get(f"{contrast}_csf_nawm_ratio")
    found = []
    if contrast == "T1w" and grey is not None and grey <= 0:
        found.append(Finding("reject", "T1w_gm_nawm_contrast", "T1w has white matter no brighter than grey matter: not a T1w image"))
    if contrast == "FLAIR" and grey is not None and grey > 0.15:
        found.append(
            Finding("reject", "FLAIR_gm_nawm_contrast", "FLAIR has white matter much brighter than grey matter: not a FLAIR image")
        )
    if fluid is not None and fluid >= 1.0:
        found.append(
            Finding(
                "reject", f"{contrast}_csf_nawm_ratio", f"{contrast} has fluid as bright as white matter: another contrast, or not nulled"
            )
        )
    return found


def _fit(row: Mapping[str, Any]) -> list[Finding]:
    found = []
    if str(row.get("status", "")) == "failed":
        # for a person: preprocessing passes over rejected scans, and this one may only need another try
        found.append(Finding("review", "preprocessing", f"preprocessing failed: {row.get('reason') or 'no reason given'}"))
    for name, limits, title in (
        ("wm_dice", WM_DICE, "white matter overlaps the template's"),
        ("template_brain_dice", BRAIN_DICE, "brain overlaps the template's"),
    ):
        value = row.get(name)
        if isinstance(value, int | float) and value == value and value < limits["review"]:
            grade: Grade = "reject" if value < limits["reject"] else "review"
            found.append(Finding(grade, name, f"{title} by {value:.2f} only"))
    jacobian = row.get("min_jacobian")
    if isinstance(jacobian, int | float) and jacobian <= 0:
        found.append(Finding("review", "min_jacobian", "the warp to the template folds"))
    return found

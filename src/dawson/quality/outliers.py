"""How far a scan lies from those of its scanner: robust z by group, leaving the scan itself out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import nan
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.air_bend import AIR_PLACES
from dawson.quality.plausibility import Grade

if TYPE_CHECKING:
    import pandas as pd

WHOLE_STUDY = "whole study"
# The spread of a small group is a poor guess: it counts as many scans as there are, against so many of the whole study.
_PRIOR_SCANS = 16.0
# Of normal values, a median absolute deviation tells as much as a standard deviation of this share of them (Rousseeuw & Croux, JASA 1993).
_EFFICIENCY = 0.37
# z is scaled so that this one is as rare as under a normal distribution, however poorly the spread is known
_RARE_Z = 3.5


@dataclass(frozen=True)
class Judged:
    """How a measure speaks about quality.

    Parameters
    ----------
    worse : {"low", "high", "both"}
        On which side a scan is suspicious.
    scale : {"log", "linear"}
        On which scale scans of a group spread evenly.
    floor : float
        Least spread (natural logarithm, or the measure's unit), so that a very even group does not make trifles outliers.
    gravest : {"reject", "review"}
        The most that the measure alone can bring about.
    words : str
        What an outlier is called.
    """

    worse: Literal["low", "high", "both"]
    scale: Literal["log", "linear"]
    floor: float
    gravest: Grade
    words: str


IMAGE_MEASURES: dict[str, Judged] = {
    "snr_wm": Judged("low", "log", 0.08, "reject", "little signal over noise in white matter"),
    "snrd_wm": Judged("low", "log", 0.10, "reject", "little signal over the noise of the air"),
    "fber": Judged("low", "log", 0.20, "reject", "much energy in the air around the head"),
    "qi_1": Judged("high", "linear", 0.003, "reject", "signal where only air is (ghosts, motion)"),
    "air_structure": Judged("high", "linear", 0.015, "reject", "shapes in the air around the head (ghosts, motion)"),
    **{
        f"air_streak_{axis}": Judged("high", "linear", 0.007, "reject", "the head smeared over the air beside it (motion)")
        for axis in "xyz"
    },
    "efc": Judged("high", "linear", 0.015, "reject", "blurred or ghosted (entropy)"),
    "cjv": Judged("high", "log", 0.06, "reject", "grey and white matter run into each other"),
    "inu_range": Judged("high", "linear", 0.04, "reject", "uneven brightness (bias field)"),
    "fwhm_avg": Judged("both", "log", 0.025, "reject", "sharpness unlike that of its group"),
    "gm_nawm_contrast": Judged("both", "linear", 0.02, "reject", "grey-white contrast unlike that of its group"),
    "csf_nawm_ratio": Judged("both", "linear", 0.04, "reject", "brightness of fluid unlike that of its group"),
    "wm2max": Judged("both", "linear", 0.015, "review", "white matter beside fat and vessels unlike that of its group"),
    "nawm_lesion_contrast": Judged("low", "linear", 0.08, "review", "lesions hardly brighter than white matter"),
    "cut_top": Judged("high", "linear", 0.03, "reject", "more of the brain's top missing than usual"),
    "cut_bottom": Judged("high", "linear", 0.04, "reject", "more of the brain's base missing than usual"),
    "position_z_mm": Judged("both", "linear", 8.0, "review", "head far from where it usually lies in the scanner"),
}
SCAN_MEASURES: dict[str, Judged] = {
    **{
        f"bend_{name}_mm": Judged(
            "high", "linear", 0.6, "reject", f"T1w and FLAIR lie beside each other {place.words}, unlike those of its group (distortion)"
        )
        for name, place in AIR_PLACES.items()
    },
    "wm_dice": Judged("low", "linear", 0.015, "review", "registration fits the template less well than usual"),
    "template_correlation": Judged("low", "linear", 0.015, "review", "registered image is less like the template than usual"),
    "template_brain_dice": Judged("low", "linear", 0.006, "review", "brain mask fits the template less well than usual"),
    "flair_t1w_information": Judged("low", "linear", 0.02, "review", "FLAIR tells less of T1w than usual"),
}


def judged_columns() -> dict[str, Judged]:
    """Every column that is judged: those of each image with its contrast before, then those of the scan."""
    images = {f"{contrast}_{name}": judged for contrast in ("T1w", "FLAIR") for name, judged in IMAGE_MEASURES.items()}
    # white matter on FLAIR is judged by what surrounds it less well: the contrast to lesions is there alone
    images.pop("T1w_nawm_lesion_contrast")
    return images | SCAN_MEASURES


def directed_z(table: pd.DataFrame, groups: pd.Series, minimum: int) -> pd.DataFrame:
    """Robust z of every judged measure, positive on the side of worse quality.

    z = (x - median) / (s c sqrt(1 + pi / (2 n))), with the median of the n other scans of the group; s is their median absolute
    deviation times 1.4826, drawn towards the study's pooled spread within groups the fewer scans there are; c makes a z of 3.5 as
    rare as it should be where s is guessed from few scans (Student's t). The scan itself is left out of all (it would hide itself).
    A group of fewer than `minimum` scans is judged against the whole study, and a study
    of fewer is not judged by outliers at all: the spread of a handful of scans from several scanners is no spread of quality.

    Parameters
    ----------
    table : DataFrame
        One row a scan, judged measures as columns where they are known.
    groups : Series of str
        Site and scanner of each row.
    minimum : int
        Least scans of a group.

    Returns
    -------
    DataFrame
        Index of `table`, one column for each judged measure that is in it; NaN where it cannot be said.
    """
    import pandas as pd

    result = {}
    for name, judged in judged_columns().items():
        if name not in table:
            continue
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(float)
        if judged.scale == "log":
            values = np.log(np.where(values > 0, values, nan))
        z = _robust_z(values, groups.to_numpy(str), minimum, judged.floor)
        result[name] = {"low": -z, "high": z, "both": np.abs(z)}[judged.worse]
    return pd.DataFrame(result, index=table.index)


def judged_against(groups: pd.Series, minimum: int) -> pd.Series:
    """Whom each scan is compared with: its group, or the whole study where the group is too small."""
    counts = groups.map(groups.value_counts())
    return groups.where(counts >= minimum, WHOLE_STUDY)


def _robust_z(values: NDArray[np.float64], groups: NDArray[np.str_], minimum: int, floor: float) -> NDArray[np.float64]:
    known = np.isfinite(values)
    sizes = {name: int((known & (groups == name)).sum()) for name in np.unique(groups)}
    large = np.asarray([sizes[name] >= minimum for name in groups])
    away = np.abs(values - _medians(values, groups, known))
    z = np.full(values.size, nan)
    for place in np.flatnonzero(known):
        others = known & (groups == groups[place]) if large[place] else known.copy()
        others[place] = False
        n = int(others.sum())
        if n < minimum - 1:
            continue
        middle = float(np.median(values[others]))
        own = 1.4826 * float(np.median(np.abs(values[others] - middle)))
        spread, counted = own, float(n)
        if large[place]:
            # the pooled spread has many scans: the one that is judged moves it little, but is left out all the same
            rest = known & large
            rest[place] = False
            pooled = 1.4826 * float(np.median(away[rest]))
            counted += _PRIOR_SCANS
            spread = float(np.sqrt((n * own**2 + _PRIOR_SCANS * pooled**2) / counted))
        z[place] = (values[place] - middle) / (max(spread, floor) * np.sqrt(1 + np.pi / (2 * n))) / _heavier_tail(counted)
    return z


@lru_cache(maxsize=4096)
def _heavier_tail(scans: float) -> float:
    """How much further than normal values those lie whose spread is guessed from so many scans, at the z that is rare."""
    from scipy.stats import norm, t

    return float(t.isf(norm.sf(_RARE_Z), max(1.0, _EFFICIENCY * scans)) / _RARE_Z)


def _medians(values: NDArray[np.float64], groups: NDArray[np.str_], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    middle = np.full(values.size, nan)
    for name in np.unique(groups):
        here = groups == name
        if (here & known).any():
            middle[here] = np.median(values[here & known])
    return middle


def band(values: NDArray[np.float64], judged: Judged, review_z: float) -> tuple[float, float]:
    """Between which values a group's scans are not suspicious by one measure, for a picture: the group with all its scans.

    Parameters
    ----------
    values : ndarray (n,)
        Finite.
    judged : Judged
    review_z : float

    Returns
    -------
    low, high : float
        The end on the side that says nothing is the last value there.
    """
    scaled = np.log(values[values > 0]) if judged.scale == "log" else values
    middle = float(np.median(scaled))
    spread = max(1.4826 * float(np.median(np.abs(scaled - middle))), judged.floor)
    low, high = middle - review_z * spread, middle + review_z * spread
    low = float(scaled.min()) if judged.worse == "high" else low
    high = float(scaled.max()) if judged.worse == "low" else high
    return (float(np.exp(low)), float(np.exp(high))) if judged.scale == "log" else (low, high)

"""Which rater does not belong to the others: one robust rule, and its reason in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 3.0
"""From which robust z a rater is apart (Leys et al., J Exp Soc Psychol 49 (2013) 764-766)."""

SAME_SIDE = 0.75
"""Least share of a rater's scans on which the difference must have the same sign."""

LEAST_SCANS, LEAST_RATERS = 3, 3


@dataclass(frozen=True)
class Judged:
    """A column of the table of raters by scan that can set a rater apart.

    Parameters
    ----------
    worse : {"low", "high", "both"}
    floor : float
        Least spread between raters in the column's unit, so that a very even panel does not make trifles outliers.
    words : str
        What is said, with the rater's mean and the usual one of the others.
    """

    worse: Literal["low", "high", "both"]
    floor: float
    words: str


JUDGED: dict[str, Judged] = {
    "dice": Judged("low", 0.05, "agrees little with the others' consensus: Dice {own:.2f}, the others {usual:.2f}"),
    "lesion_recall": Judged("low", 0.12, "misses lesions: finds {own_percent:.0f} % of them, the others {usual_percent:.0f} %"),
    "n_false": Judged("high", 1.5, "marks lesions where nobody else does: {own:.1f} a scan, the others {usual:.1f}"),
    "outline_bias_mm": Judged("both", 0.20, "outlines {direction} than the others: by {apart:.2f} mm"),
}


@dataclass(frozen=True)
class RaterVerdict:
    """What the rule says of one rater.

    Parameters
    ----------
    outlier : bool
    reason : str
        Why, the gravest first; for others empty, or why nothing can be said.
    z : float
        The largest robust z on the side of worse; NaN where nothing can be said.
    """

    outlier: bool
    reason: str
    z: float


def judge_raters(table: pd.DataFrame) -> dict[str, RaterVerdict]:
    """Name raters who are apart from the others of the panel.

    For each judged column the median of all raters of a scan is taken off, since scans differ in difficulty; the mean of what is left
    over a rater's scans is compared with that of the others: z = (own - median) / s, s being their median absolute deviation times
    1.4826 and not below the column's floor. A rater is an outlier when a z reaches 3 on the side of worse and the rater differs from
    the median of the others with that sign on three quarters of the scans. Nobody is one whose Dice is above the median of the
    others: who sees more than the rest marks what nobody else does, and may be right.

    Parameters
    ----------
    table : DataFrame
        One row a rater and scan: rater, participant_id, session_id and the columns of `JUDGED`.

    Returns
    -------
    dict of str to RaterVerdict
        Raters of fewer than three scans with two other raters are not judged, nor a panel of two: nobody could say which of them is
        apart.
    """
    raters = sorted(table["rater"].unique())
    found: dict[str, list[tuple[float, str]]] = {rater: [] for rater in raters}
    judged: dict[str, bool] = dict.fromkeys(raters, False)
    better: set[str] = set()  # Dice comes first in JUDGED
    for column, rule in JUDGED.items():
        wide = table.pivot_table(index=["participant_id", "session_id"], columns="rater", values=column, aggfunc="first")
        level = wide.sub(wide.median(axis=1), axis=0)[wide.notna().sum(axis=1) >= LEAST_RATERS]
        means = {str(rater): float(values.mean()) for rater, values in level.items() if values.notna().sum() >= LEAST_SCANS}
        for rater, own in means.items():
            others = np.asarray([mean for name, mean in means.items() if name != rater])
            if others.size < LEAST_RATERS - 1:
                continue
            judged[rater] = True
            middle = float(np.median(others))
            spread = max(1.4826 * float(np.median(np.abs(others - middle))), rule.floor)
            z = (own - middle) / spread
            worse = {"low": -z, "high": z, "both": abs(z)}[rule.worse]
            apart = level[rater] - level.drop(columns=rater).median(axis=1)
            same_side = float((np.sign(apart.dropna()) == np.sign(z)).mean())
            usual = float(wide[[name for name in means if name != rater]].median(axis=1).mean())
            words = _said(rule, float(wide[rater].mean()), usual, own - middle) if worse >= THRESHOLD and same_side >= SAME_SIDE else ""
            if column == "dice" and own > middle:
                better.add(rater)
            found[rater].append((float(worse), words if rater not in better else ""))
    return {rater: _verdict(found[rater], judged[rater], len(raters)) for rater in raters}


def _said(rule: Judged, own: float, usual: float, apart: float) -> str:
    return rule.words.format(
        own=own,
        usual=usual,
        own_percent=100 * own,
        usual_percent=100 * usual,
        apart=abs(apart),
        direction="wider" if apart > 0 else "tighter",
    )


def _verdict(found: Sequence[tuple[float, str]], judged: bool, n_raters: int) -> RaterVerdict:
    if not judged:
        why = "a panel of two tells nobody apart" if n_raters < LEAST_RATERS else f"fewer than {LEAST_SCANS} scans with two other raters"
        return RaterVerdict(False, f"not judged: {why}", float("nan"))
    reasons = [words for _, words in sorted(found, reverse=True) if words]
    return RaterVerdict(bool(reasons), "; ".join(reasons), max(z for z, _ in found))

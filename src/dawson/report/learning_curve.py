"""What would more patients give? Performance by number of training patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dawson.report.findings import reason_of
from dawson.report.formatting import as_entry, estimate, is_number

_COLUMNS = ("kind", "n_train", "auc", "auc_low", "auc_high", "accuracy", "accuracy_low", "accuracy_high")


@dataclass(frozen=True)
class LearningCurve:
    """The section "Would more patients help?".

    Parameters
    ----------
    reason : str
        Why there is no curve.
    sentence, note : str
    rows : list of mapping
        n_train, auc, accuracy: text.
    """

    reason: str
    sentence: str
    note: str
    rows: list[dict[str, str]]


def learning_section(curve: Mapping[str, Any] | None, count_shown: bool = True) -> LearningCurve | None:
    """What the page says of learning_curve.json; None where the run has none.

    Parameters
    ----------
    curve : mapping or None
    count_shown : bool
        Whether numbers of patients may be told; without them there is no curve.
    """
    if curve is None:
        return None
    if reason := reason_of(curve) or ("" if count_shown else "it would give hidden numbers of people away."):
        return LearningCurve(reason, "", "", [])
    points = sorted(curve.get("points") or [], key=lambda point: float(point["n_train"]))
    rows = [
        {"n_train": f"{point['n_train']:g}"} | {name: estimate(name, as_entry(point.get(name))) for name in ("auc", "accuracy")}
        for point in points
    ]
    further = curve.get("extrapolation")
    return LearningCurve("", f"{_sentence(rows)}{_further(further)}", str(curve.get("note") or ""), rows)


def _sentence(rows: list[dict[str, str]]) -> str:
    if len(rows) < 2:
        return "One size of the training set says nothing of others."
    last, before = rows[-1], rows[-2]
    start = f"With {rows[0]['n_train']} training patients the AUC was {rows[0]['auc']}"
    middle = f", with {before['n_train']} it was {before['auc']}," if len(rows) > 2 else ""
    return f"{start}{middle} and with {last['n_train']} it was {last['auc']}."


def _further(point: Any) -> str:
    """Where the fitted law leads, named as what it is."""
    entry = as_entry(point.get("auc")) if isinstance(point, Mapping) else {}
    if not is_number(entry.get("estimate")):
        return ""
    return f" A fitted law leads to {estimate('auc', entry)} with {point['n_train']:g}: an extrapolation, not a measurement."


def learning_table(curve: Mapping[str, Any] | None) -> pd.DataFrame:
    """The numbers of the figure: the points, and the law through them.

    Returns
    -------
    DataFrame
        kind (measured, fitted, extrapolated), n_train, then auc and accuracy with _low and _high; no rows where there is nothing.
    """
    content = curve or {}
    rows = []
    for point in sorted(content.get("points") or [], key=lambda point: float(point["n_train"])):
        row: dict[str, Any] = {"kind": "measured", "n_train": point["n_train"]}
        for name in ("auc", "accuracy"):
            entry = as_entry(point.get(name))
            bounds = (("", "estimate"), ("_low", "low"), ("_high", "high"))
            row |= {f"{name}{end}": entry.get(key) if is_number(entry.get(key)) else np.nan for end, key in bounds}
        rows.append(row)
    if law := content.get("curve"):
        for n_train, auc, low, high in zip(law["n_train"], law["auc"], law["low"], law["high"], strict=True):
            kind = "fitted" if n_train <= law["extrapolated_above"] else "extrapolated"
            rows.append({"kind": kind, "n_train": n_train, "auc": auc, "auc_low": low, "auc_high": high})
    return pd.DataFrame(rows, columns=list(_COLUMNS))

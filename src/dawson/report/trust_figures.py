"""Figures of the section "How sure is it?": reliability before and after calibration, and error by share answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dawson.report.disclosure import tells_few, with_next_smallest
from dawson.report.findings import part_of
from dawson.report.formatting import is_number
from dawson.report.sharing import is_small
from dawson.report.style import INK, MUTED, PALETTE, RULE, drawing, to_svg

if TYPE_CHECKING:
    from markupsafe import Markup

STAGES = {"before": ("As trained", PALETTE[1], "s"), "after": ("Calibrated", PALETTE[0], "o")}
BIN_COLUMNS = ("mean_probability", "observed", "low", "high", "n")


def reliability_table(trust: Mapping[str, Any] | None, share: bool = False) -> pd.DataFrame:
    """The points of the reliability plot.

    Parameters
    ----------
    trust : mapping or None
        trust.json.
    share : bool
        Leave out bins from which a count of 1 to 4 people could be worked out, and the column n.

    Returns
    -------
    DataFrame
        stage (before, after), mean_probability, observed, low, high, n; no rows where there is no calibration.
    """
    bins = part_of(trust, "calibration").get("reliability") or {}
    rows = [
        {"stage": stage} | {name: item.get(name) for name in BIN_COLUMNS}
        for stage in STAGES
        for item in _kept(bins.get(stage) or [], share)
        if is_number(item.get("mean_probability")) and is_number(item.get("observed"))
    ]
    table = pd.DataFrame(rows, columns=["stage", *BIN_COLUMNS])
    return table.drop(columns="n") if share else table


def _kept(bins: Sequence[Mapping[str, Any]], share: bool) -> list[Mapping[str, Any]]:
    if not share:
        return list(bins)
    sizes = {str(place): int(item.get("n") or 0) for place, item in enumerate(bins)}
    few = [str(place) for place, item in enumerate(bins) if is_small(sizes[str(place)]) or tells_few(item.get("observed"), item.get("n"))]
    hidden = with_next_smallest(few, sizes)
    return [item for place, item in enumerate(bins) if str(place) not in hidden]


def reliability_figure(table: pd.DataFrame, positive: str, note: str = "") -> Markup | None:
    """How often the positive class was true where the model gave it that probability; None without points.

    Parameters
    ----------
    table : DataFrame
        From `reliability_table`.
    positive : str
    note : str
        What stands in the plot itself, such as "Simulated patients".
    """
    if table.empty:
        return None
    with drawing(4.0, 3.8) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="What is said comes true")
        for (stage, (label, colour, marker)), shift in zip(STAGES.items(), (-0.006, 0.006), strict=True):
            part = table[table["stage"] == stage]
            if part.empty:
                continue
            x = part["mean_probability"].to_numpy(float) + shift  # so that two whiskers do not hide each other
            low, high = part["low"].to_numpy(float), part["high"].to_numpy(float)
            axes.vlines(x, low, high, color=colour, linewidth=1.2, alpha=0.6)
            axes.plot(x, part["observed"].to_numpy(float), marker, color=colour, markersize=5.5, label=label)
        axes.set(
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
            xlabel=f"Probability of {positive} (mean of the group)",
            ylabel=f"Share of the group with {positive}",
            aspect="equal",
        )
        axes.grid(color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(loc="upper left")
        if note:
            axes.set_title(note, color=PALETTE[1], fontsize=8.5)
        return to_svg(figure, "reliability", f"Reliability of the probability of {positive}, before and after calibration")


def risk_table(trust: Mapping[str, Any] | None, n: int, share: bool = False) -> pd.DataFrame:
    """Error among the patients of whom the model is surest, by how many are answered.

    Parameters
    ----------
    trust : mapping or None
    n : int
        Test patients, for `share`.
    share : bool
        At tenths only, without points from which a count of 1 to 4 people could be worked out.

    Returns
    -------
    DataFrame
        answered (share of the patients), error (share of those answered).
    """
    curve = part_of(trust, "abstention").get("risk_coverage") or {}
    table = pd.DataFrame({"answered": curve.get("coverage") or [], "error": curve.get("risk") or []}, dtype=float)
    if not share or table.empty:
        return table
    places = sorted({int(np.argmin(np.abs(table["answered"] - tenth / 10))) for tenth in range(1, 11)})
    rows = table.iloc[places]
    people = [round(answered * n) for answered in rows["answered"].astype(float)]
    told = [is_small(count) or tells_few(error, count) for count, error in zip(people, rows["error"].astype(float), strict=True)]
    return rows[~np.array(told, dtype=bool)].reset_index(drop=True)


def answers_all(table: pd.DataFrame) -> bool:
    """Whether the last point of the curve is about everybody, which a shared table may have had to leave out."""
    return len(table) > 0 and bool(np.isclose(table["answered"].iloc[-1], 1.0))


def risk_figure(table: pd.DataFrame, note: str = "") -> Markup | None:
    """The risk-coverage curve; None without points, or with a single one that is not about everybody."""
    if table.empty or (len(table) == 1 and not answers_all(table)):
        return None
    answered, error = 100 * table["answered"].to_numpy(float), 100 * table["error"].to_numpy(float)
    with drawing(4.0, 3.0) as figure:
        axes = figure.add_subplot()
        axes.plot(answered, error, color=PALETTE[0], drawstyle="steps-post")
        if answers_all(table):
            axes.plot(answered[-1], error[-1], "o", color=INK, markersize=5.5, label="When it must always answer")
            axes.legend(loc="upper left")
        axes.set(xlim=(0, 102), ylim=(0, max(10.0, 1.15 * float(error.max()))), xlabel="Patients answered, the surest first, %")
        axes.set_ylabel("Wrong among them, %")
        axes.grid(color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        if note:
            axes.set_title(note, color=PALETTE[1], fontsize=8.5)
        return to_svg(figure, "risk-coverage", "Error by the share of patients that the model answers")

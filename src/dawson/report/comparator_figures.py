"""Figures of models and groups side by side: forest plots of the AUC, and net benefit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dawson.report.comparators import reference_of, spelled
from dawson.report.formatting import as_entry, estimate, is_number
from dawson.report.style import INK, MUTED, PALETTE, RULE, drawing, to_svg

if TYPE_CHECKING:
    from markupsafe import Markup

# So many models can be told apart by colour and line.
_LINES = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1)), (0, (1, 2.5)))
FOREST_COLUMNS = ("name", "size", "estimate", "low", "high", "main")


def models_table(comparison: Mapping[str, Any] | None) -> pd.DataFrame:
    """AUC of each model, the network first as the file has it.

    Returns
    -------
    DataFrame
        name, size (empty), estimate, low, high, main (whether it is the network); no rows where there is nothing.
    """
    models = (comparison or {}).get("models") or {}
    reference = reference_of(list(models))
    rows = [_forest_row(spelled(str(name)), "", model.get("auc"), name == reference) for name, model in models.items()]
    return pd.DataFrame(rows, columns=list(FOREST_COLUMNS))


def _forest_row(name: str, size: str, value: Any, main: bool) -> dict[str, Any]:
    entry = as_entry(value)
    bounds = {key: entry.get(key) if is_number(entry.get(key)) else np.nan for key in ("estimate", "low", "high")}
    return {"name": name, "size": size, "main": main} | bounds


def forest_figure(table: pd.DataFrame, name: str, title: str, note: str = "", line: float | None = None) -> Markup | None:
    """One row a model or group: AUC with its interval, the numbers written at the right.

    Parameters
    ----------
    table : DataFrame
        name, size, estimate, low, high, main; a row without an estimate is a heading.
    name : str
        Of the figure.
    title : str
        What the figure shows, for those who do not see it.
    note : str
        As for `roc_figure`.
    line : float, optional
        Where a dashed line stands, such as the AUC of everybody.
    """
    if not np.isfinite(table["estimate"].to_numpy(float)).any():
        return None
    with drawing(6.2, 0.75 + 0.27 * len(table)) as figure:
        axes = figure.add_subplot()
        left = min(0.5, float(np.nanmin(table[["estimate", "low"]].to_numpy(float))))
        axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        if is_number(line):
            axes.axvline(line, color=PALETTE[0], linewidth=1, linestyle=(0, (2, 2)))
        rows: list[dict[Any, Any]] = table.to_dict("records")
        for place, row in enumerate(rows):
            colour = PALETTE[0] if row["main"] else PALETTE[1]
            if is_number(row["estimate"]):
                if is_number(row["low"]) and is_number(row["high"]):
                    axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2, solid_capstyle="butt")
                axes.plot(row["estimate"], place, "s" if row["main"] else "o", color=colour, markersize=5.5)
            words = estimate("auc", row) if is_number(row["estimate"]) else "too few" if row["size"] else ""
            axes.annotate(words, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8.5, color=INK)
        axes.set_yticks(range(len(rows)), [f"{row['name']}  ({row['size']})" if row["size"] else row["name"] for row in rows])
        for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
            heading = not is_number(row["estimate"]) and not row["size"]
            tick.set_fontweight("bold" if row["main"] or heading else "normal")
        axes.set(xlim=(max(0.0, left - 0.04), 1.01), ylim=(len(table) - 0.45, -0.6), xlabel="AUC (dashed at 0.5: chance)")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        if note:
            axes.set_title(note, color=PALETTE[1], fontsize=8.5)
        return to_svg(figure, name, title)


def net_benefit_table(comparison: Mapping[str, Any] | None) -> pd.DataFrame:
    """Net benefit of each model at each threshold, beside treating all and none.

    Returns
    -------
    DataFrame
        threshold, then a column a model, all and none; no rows where there is nothing.
    """
    part = (comparison or {}).get("net_benefit") or {}
    columns = {spelled(str(name)): values for name, values in (part.get("models") or {}).items()}
    if not part.get("thresholds") or not columns:
        return pd.DataFrame(columns=["threshold"])
    extra = {name: part[name] for name in ("all", "none") if part.get(name)}
    return pd.DataFrame({"threshold": part["thresholds"]} | columns | extra, dtype=float)


def net_benefit_figure(table: pd.DataFrame, positive: str, note: str = "") -> Markup | None:
    """Decision curves; None without points."""
    if table.empty:
        return None
    x = 100 * table["threshold"].to_numpy(float)
    models = [str(name) for name in table.columns if name not in ("threshold", "all", "none")]
    with drawing(4.6, 3.6) as figure:
        axes = figure.add_subplot()
        if "all" in table:
            axes.plot(x, table["all"].to_numpy(float), color=MUTED, linewidth=1.2, label=f"Take everybody for {positive}")
        axes.axhline(0, color=INK, linewidth=1, label="Take nobody for it")
        for place, name in enumerate(models):
            axes.plot(
                x, table[name].to_numpy(float), color=PALETTE[place % len(PALETTE)], linestyle=_LINES[place % len(_LINES)], label=name
            )
        top = float(np.nanmax(table[models].to_numpy(float)))
        # Treating all falls without end; what matters lies above zero.
        axes.set(xlim=(float(x.min()), float(x.max())), ylim=(-0.25 * top - 0.01, 1.2 * top + 0.02))
        axes.set(xlabel=f"Threshold: {positive} is acted on from this probability, %", ylabel="Net benefit, true positives a patient")
        axes.grid(color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=2)
        if note:
            axes.set_title(note, color=PALETTE[1], fontsize=8.5)
        return to_svg(figure, "net-benefit", f"Net benefit for {positive} by threshold")

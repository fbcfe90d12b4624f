"""Line plots of a study report: ROC, figures of merit over repeats, patients' probabilities, training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.report.formatting import NAMES, is_number, plain
from dawson.report.style import INK, MUTED, PALETTE, RULE, drawing, to_svg

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

HEADLINE_COLOUR, REPEATS_COLOUR, CORRECTED_COLOUR, PUBLISHED_COLOUR = PALETTE[0], PALETTE[1], PALETTE[4], INK


def roc_figure(metrics: Mapping[str, Any], note: str = "") -> Markup | None:
    """ROC curve of the patients with its bootstrap band, None where metrics.json has none.

    With more than two classes it is that of the positive class against the rest, and so is the area written beside it.

    Parameters
    ----------
    metrics : mapping
        metrics.json.
    note : str
        What stands in the plot itself, such as "simulated patients": a figure may be cut out of its page.
    """
    roc = metrics.get("roc")
    if not roc:
        return None
    fpr, tpr = np.asarray(roc["fpr"], float), np.asarray(roc["tpr"], float)
    level = f"{100 * metrics['confidence']:g} %"
    binary = len(metrics["classes"]) == 2
    area = plain("auc", _headline(metrics, "auc") if binary else _of_positive(metrics, "auc"))
    about = "Patients" if binary else f"{metrics['positive']} against the rest"
    with drawing(4.2, 4.0) as figure:
        axes = figure.add_subplot()
        if roc.get("low") and roc.get("high"):
            axes.fill_between(
                fpr,
                np.asarray(roc["low"], float),
                np.asarray(roc["high"], float),
                color=HEADLINE_COLOUR,
                alpha=0.16,
                linewidth=0,
                label=f"{level} band, bootstrap over patients",
                step=None,
            )
        axes.plot(
            fpr,
            tpr,
            color=HEADLINE_COLOUR,
            label=f"{about} (AUC {area})",
            solid_joinstyle="round",
        )
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), label="Chance")
        sensitivity, specificity = _headline(metrics, "sensitivity"), _headline(metrics, "specificity")
        if binary and is_number(sensitivity) and is_number(specificity):
            axes.plot(1 - specificity, sensitivity, "o", color=INK, markersize=6, zorder=5, label="Operating point")
        published = metrics.get("published") or {}
        points = [published.get(name, {}).get("estimate") for name in ("sensitivity", "specificity")]
        if binary and all(is_number(point) for point in points):
            axes.plot(1 - points[1], points[0], "D", color=PALETTE[1], markersize=6, zorder=5, label="Published (Seok 2023)")
        axes.set(
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            xlabel="1 − specificity",
            ylabel=f"Sensitivity for {metrics['positive']}",
            aspect="equal",
        )
        axes.grid(color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(loc="lower right")
        if note:
            axes.set_title(note, color=PALETTE[1], fontsize=8.5)
        return to_svg(figure, "roc", f"ROC curve, {about}, AUC {area}")


def _headline(metrics: Mapping[str, Any], name: str) -> Any:
    return (metrics["headline"].get(name) or {}).get("estimate")


def _of_positive(metrics: Mapping[str, Any], name: str) -> Any:
    return (metrics["per_class"][metrics["positive"]].get(name) or {}).get("estimate")


def repeats_figure(metrics: Mapping[str, Any], name: str, note: str = "") -> Markup | None:
    """One figure of merit in every repeat, with the three intervals and the published one beside it.

    Parameters
    ----------
    metrics : mapping
        metrics.json.
    name : str
        The figure of merit.
    note : str
        As for `roc_figure`.
    """
    values = np.array([row[name] for row in metrics["repeats"] if is_number(row.get(name))], float)
    scale = 1.0 if name == "auc" else 100.0
    several = metrics["n_repeats"] > 1  # one test set has no interval over test sets
    intervals = [
        ("Patients (headline)", metrics["headline"].get(name), HEADLINE_COLOUR, "o"),
        ("Over repeats", metrics["over_repeats"].get(name) if several else None, REPEATS_COLOUR, "s"),
        ("Nadeau–Bengio", metrics["nadeau_bengio"].get(name) if several else None, CORRECTED_COLOUR, "^"),
        ("Seok 2023", (metrics.get("published") or {}).get(name), PUBLISHED_COLOUR, "D"),
    ]
    shown = [(label, entry, colour, marker) for label, entry, colour, marker in intervals if entry and is_number(entry.get("estimate"))]
    if not values.size and not shown:
        return None
    with drawing(3.55, 2.35) as figure:
        axes = figure.add_subplot()
        rows = [f"Each of {len(values)}", *[label for label, *_ in shown]]
        published = (metrics.get("published") or {}).get(name, {}).get("estimate")
        if is_number(published):
            axes.axvline(scale * published, color=PUBLISHED_COLOUR, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        if values.size:
            heights = _spread(values)
            axes.plot(
                scale * values,
                -0.36 * heights,
                "o",
                color=REPEATS_COLOUR,
                markersize=3.2,
                alpha=0.45,
                markeredgewidth=0,
            )
        for row, (_, entry, colour, marker) in enumerate(shown, start=1):
            middle = scale * entry["estimate"]
            if is_number(entry.get("low")) and is_number(entry.get("high")):
                axes.plot(
                    [scale * entry["low"], scale * entry["high"]],
                    [row, row],
                    color=colour,
                    linewidth=2.4,
                    solid_capstyle="butt",
                )
            axes.plot(middle, row, marker, color=colour, markersize=5.5)
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.45, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_title(NAMES[name] + ("" if name == "auc" else ", %") + (f" · {note}" if note else ""))
        return to_svg(figure, f"repeats-{name}", f"{NAMES[name]} in each repeat and its intervals")


def _spread(values: np.ndarray) -> np.ndarray:
    """Heights in [-1, 1] that keep equal values apart: each takes the next free place above or below the line."""
    bins = np.round((values - values.min()) / max(float(np.ptp(values)), 1e-9) * 40).astype(int)
    heights = np.zeros(len(values))
    for place in np.unique(bins):
        members = np.flatnonzero(bins == place)
        heights[members] = np.arange(len(members)) - (len(members) - 1) / 2
    return heights / max(1.0, float(np.abs(heights).max()))


def patients_figure(patients: pd.DataFrame, classes: Sequence[str], positive: str, colours: Mapping[str, str], note: str = "") -> Markup:
    """Mean probability of the positive class of each test patient, by true class.

    Parameters
    ----------
    patients : DataFrame
        Columns label and probability (of the positive class), one row a patient.
    """
    with drawing(5.2, 0.8 + 0.65 * len(classes)) as figure:
        axes = figure.add_subplot()
        for row, name in enumerate(classes):
            values = patients.loc[patients["label"] == name, "probability"].to_numpy(float)
            if values.size:
                axes.plot(
                    values,
                    row + 0.3 * _spread(values),
                    "o",
                    color=colours[name],
                    markersize=4.5,
                    alpha=0.7,
                    markeredgewidth=0,
                )
                axes.plot([np.median(values)] * 2, [row - 0.38, row + 0.38], color=INK, linewidth=1.4)
        axes.axvline(1 / len(classes), color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_yticks(range(len(classes)), [f"{name} (n = {int((patients['label'] == name).sum())})" for name in classes])
        axes.set(
            xlim=(-0.02, 1.02),
            ylim=(len(classes) - 0.45, -0.55),
            xlabel=f"Mean out-of-sample probability of {positive}",
        )
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        if note:
            axes.set_title(note, color=PALETTE[1], fontsize=8.5)
        return to_svg(figure, "patients", "Probabilities of the test patients by true class")


def training_figures(runs: Sequence[Mapping[str, Any]], note: str = "", most_lines: int = 25) -> list[Markup]:
    """Loss and validation AUC by epoch: every network faint (at most `most_lines`), the median strong."""
    histories = [run["history"] for run in runs if run.get("history")]
    if not histories:
        return []
    panels = [
        (
            "loss",
            "Cross-entropy",
            (("train_loss", "Training", PALETTE[0]), ("validation_loss", "Validation", PALETTE[1])),
        ),
        ("auc", "AUC", (("validation_auc", "Validation", PALETTE[1]),)),
    ]
    drawn = []
    for name, title, curves in panels:
        with drawing(3.55, 2.6) as figure:
            axes = figure.add_subplot()
            for column, label, colour in curves:
                table = _by_epoch(histories, column)
                if not np.isfinite(table).any():
                    continue
                epochs = np.arange(1, table.shape[1] + 1)
                for line in table[:: max(1, len(table) // most_lines)]:
                    axes.plot(epochs, line, color=colour, linewidth=0.6, alpha=0.25)
                axes.plot(epochs, _median(table), color=colour, label=f"{label}, median of {len(table)}")
            if axes.lines:
                axes.set(xlabel="Epoch")
                axes.set_title(title + (f" · {note}" if note else ""))
                axes.grid(color=RULE, linewidth=0.6)
                axes.legend(loc="best")
                drawn.append(to_svg(figure, f"training-{name}", f"{title} by epoch"))
    return drawn


def _by_epoch(histories: Sequence[Sequence[Mapping[str, Any]]], column: str) -> np.ndarray:
    """One row a network, one column an epoch; NaN where a value is missing."""
    table = np.full((len(histories), max(len(history) for history in histories)), np.nan)
    for row, history in enumerate(histories):
        for place, epoch in enumerate(history):
            if is_number(epoch.get(column)):
                table[row, place] = epoch[column]
    return table


def _median(table: np.ndarray) -> np.ndarray:
    known = np.isfinite(table).any(axis=0)
    middle = np.full(table.shape[1], np.nan)
    middle[known] = np.nanmedian(table[:, known], axis=0)
    return middle

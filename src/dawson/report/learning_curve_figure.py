"""The learning curve: what each number of training patients gave, and where the power law through it leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.report.formatting import NAMES, is_number
from dawson.report.style import MUTED, PALETTE, RULE, drawing, to_svg

if TYPE_CHECKING:
    from markupsafe import Markup

AREA_COLOUR, ACCURACY_COLOUR = PALETTE[0], PALETTE[1]


def learning_curve_figure(curve: Mapping[str, Any], note: str = "") -> Markup | None:
    """AUC and accuracy by number of training patients with their intervals, and the fitted law with its band.

    The law is drawn whole as far as there are points and dashed beyond, where it is an extrapolation.

    Parameters
    ----------
    curve : mapping
        learning_curve.json.
    note : str
        What stands in the plot itself, such as "simulated patients": a figure may be cut out of its page.

    Returns
    -------
    Markup or None
        None where there is no point.
    """
    points = curve.get("points") or []
    if not points:
        return None
    with drawing(4.8, 3.4) as figure:
        axes = figure.add_subplot()
        law = curve.get("curve")
        if law:
            _draw_law(axes, law)
        for name, colour, marker, shift in (("auc", AREA_COLOUR, "o", 0.985), ("accuracy", ACCURACY_COLOUR, "s", 1.015)):
            shown = [(shift * point["n_train"], point[name]) for point in points if is_number((point.get(name) or {}).get("estimate"))]
            for size, entry in shown:
                if is_number(entry.get("low")) and is_number(entry.get("high")):
                    axes.plot([size, size], [entry["low"], entry["high"]], color=colour, linewidth=1.6, alpha=0.7, solid_capstyle="butt")
            if shown:
                sizes, entries = zip(*shown, strict=True)
                axes.plot(sizes, [entry["estimate"] for entry in entries], marker, color=colour, markersize=5.5, label=NAMES[name])
        axes.axhline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xscale("log")
        marks = sorted({float(point["n_train"]) for point in points} | ({float(law["n_train"][-1])} if law else set()))
        axes.set_xticks(marks, [f"{mark:g}" for mark in marks])
        axes.minorticks_off()
        axes.set(xlabel="Training patients (logarithmic)", ylabel="AUC; accuracy as a fraction")
        axes.set_ylim(top=1.02)
        axes.grid(color=RULE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(loc="lower right")
        if note:
            axes.set_title(note, color=PALETTE[1], fontsize=8.5)
        return to_svg(figure, "learning-curve-fitted", "AUC and accuracy by number of training patients, with the fitted power law")


def _draw_law(axes: Any, law: Mapping[str, Any]) -> None:
    sizes, middle = np.asarray(law["n_train"], float), np.asarray(law["auc"], float)
    low, high = (np.array([np.nan if value is None else value for value in law[end]], float) for end in ("low", "high"))
    seen = sizes <= float(law["extrapolated_above"]) * (1 + 1e-9)
    beyond = sizes >= float(law["extrapolated_above"]) * (1 - 1e-9)
    axes.fill_between(sizes[seen], low[seen], high[seen], color=AREA_COLOUR, alpha=0.16, linewidth=0)
    axes.fill_between(sizes[beyond], low[beyond], high[beyond], color=AREA_COLOUR, alpha=0.08, linewidth=0)
    axes.plot(sizes[seen], middle[seen], color=AREA_COLOUR, linewidth=1.2)
    axes.plot(sizes[beyond], middle[beyond], color=AREA_COLOUR, linewidth=1.2, linestyle=(0, (3, 3)), label="extrapolated")

"""Figures of quality: one small picture a measure, every scan a point in the column of its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dawson.report.style import MUTED, PALETTE, RULE, drawing, to_svg

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

# decision to colour and mark: told apart without colour too
MARKS = {"accept": (PALETTE[0], "o"), "review": (PALETTE[4], "^"), "reject": (PALETTE[1], "X")}
_JITTER = 0.16


def strip_plot(
    values: pd.Series, groups: Sequence[str], decisions: Sequence[str], title: str, name: str, limits: Mapping[str, tuple[float, float]]
) -> Markup:
    """Every scan's value by group.

    Parameters
    ----------
    values : Series of float
        NaN for scans without the measure.
    groups, decisions : sequence of str
        Of each value.
    title : str
    name : str
        Unique in the page.
    limits : mapping of str to (float, float)
        Group to the values between which a scan is not sent to a person on this measure alone.
    """
    order = sorted(set(groups))
    place = {group: index for index, group in enumerate(order)}
    number = values.to_numpy(float)
    # the place across says nothing: it is spread evenly so that points do not hide each other, the same every time
    spread = (np.arange(number.size) * 0.618034 % 1.0 - 0.5) * 2 * _JITTER
    across = np.asarray([place[group] for group in groups]) + spread
    with drawing(max(2.6, 1.0 + 0.75 * len(order)), 2.5) as figure:
        axes = figure.add_subplot()
        for group, (low, high) in limits.items():
            if group in place:
                axes.fill_between([place[group] - 0.4, place[group] + 0.4], low, high, color=RULE, alpha=0.55, linewidth=0)
        for decision, (colour, mark) in MARKS.items():
            chosen = np.asarray([one == decision for one in decisions]) & np.isfinite(number)
            size = 16 if decision == "accept" else 30
            axes.scatter(across[chosen], number[chosen], s=size, c=colour, marker=mark, alpha=0.8, linewidths=0, label=decision)
        axes.set_xticks(range(len(order)), [_short(group) for group in order])
        axes.set_xlim(-0.6, len(order) - 0.4)
        shown = number[np.isfinite(number)]
        bounds = [*shown, *[edge for pair in limits.values() for edge in pair if np.isfinite(edge)]]
        room = 0.05 * (max(bounds) - min(bounds)) or 1.0
        axes.set_ylim(min(bounds) - room, max(bounds) + room)
        axes.set_title(title)
        axes.grid(axis="y", color=RULE, linewidth=0.6)
        axes.tick_params(colors=MUTED)
        said = f"{title} of {shown.size} scans in {len(order)} groups, from {shown.min():.3g} to {shown.max():.3g}."
        return to_svg(figure, name, said)


def _short(group: str) -> str:
    return group if len(group) <= 11 else group[:10] + "…"

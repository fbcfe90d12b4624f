"""Figures of a leaderboard: how firm the ranks are, who beats whom, and the scores case by case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from dawson.report.style import MUTED, PALETTE, RULE, drawing, to_svg
from dawson.statistics.challenge_ranking import RankStability

_ROW_INCHES = 0.3


def stability_figure(names: Sequence[str], stability: RankStability, ident: str, note: str = "") -> Markup:
    """Ranks of entries when the patients are drawn again: the larger a dot, the more often.

    Parameters
    ----------
    names : sequence of str
        Of entries, in the order of `stability`.
    stability : RankStability
    ident : str
        Unique in the page.
    note : str
        Stands below the figure, such as that data are simulated.
    """
    order = np.argsort(stability.ranks, kind="stable")
    with drawing(5.2, 0.9 + _ROW_INCHES * len(names)) as figure:
        axes = figure.add_subplot()
        for row, entry in enumerate(order):
            shares = stability.shares[entry]
            places = np.flatnonzero(shares > 0)
            axes.scatter(places + 1, np.full(places.size, row), s=150 * shares[places], color=PALETTE[0], linewidths=0, zorder=3)
            axes.plot([stability.low[entry], stability.high[entry]], [row, row], color=MUTED, linewidth=1.2, zorder=2)
            axes.plot(stability.ranks[entry], row, "x", color=PALETTE[1], markersize=5, zorder=4)
        axes.set_yticks(range(len(order)), [_short(names[entry]) for entry in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.set_xticks(_places(len(order)))
        axes.set_xlim(0.4, len(order) + 0.6)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.set_xlabel(f"rank over {stability.kendall_tau.size} bootstraps of patients (cross: all patients){_after(note)}")
        return to_svg(figure, ident, "Ranks of the entries when the patients are drawn again")


def beats_figure(names: Sequence[str], ranks: NDArray[np.float64], beats: NDArray[np.bool_], ident: str, note: str = "") -> Markup:
    """Which entry is significantly better than which: a filled square where the row beats the column."""
    order = np.argsort(ranks, kind="stable")
    side = 1.5 + _ROW_INCHES * len(names)
    with drawing(min(7.0, side + 1.2), side) as figure:
        axes = figure.add_subplot()
        axes.imshow(beats[np.ix_(order, order)], cmap=_two_colours(), vmin=0, vmax=1)
        labels = [_short(names[entry]) for entry in order]
        axes.set_yticks(range(len(order)), labels)
        axes.set_xticks(range(len(order)), labels, rotation=60, ha="right")
        axes.set_xlabel(f"filled: the row is better than the column{_after(note)}")
        return to_svg(figure, ident, "Which entries are significantly better than which")


def cases_figure(
    names: Sequence[str], ranks: NDArray[np.float64], scores: NDArray[np.float64], title: str, ident: str, note: str = ""
) -> Markup:
    """Scores of every case: a dot a case, the median as a bar; missing answers are not drawn."""
    order = np.argsort(ranks, kind="stable")
    with drawing(5.2, 0.9 + _ROW_INCHES * len(names)) as figure:
        axes = figure.add_subplot()
        for row, entry in enumerate(order):
            known = scores[entry][np.isfinite(scores[entry])]
            # spread by place, not by chance: the same scores give the same picture
            spread = 0.28 * (((np.arange(known.size) * 0.618) % 1) - 0.5)
            axes.plot(known, row + spread, "o", color=PALETTE[0], markersize=3, alpha=0.5, markeredgewidth=0)
            if known.size:
                axes.plot([np.median(known)] * 2, [row - 0.3, row + 0.3], color=PALETTE[1], linewidth=2)
        axes.set_yticks(range(len(order)), [_short(names[entry]) for entry in order])
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.set_xlabel(f"{title}, each case (bar: median){_after(note)}")
        return to_svg(figure, ident, f"{title} of every case")


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:27]}…"


def _places(count: int) -> list[int]:
    step = max(1, round(count / 12))
    return list(range(1, count + 1, step))


def _after(note: str) -> str:
    return f"\n{note}" if note else ""


def _two_colours() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap(["#ffffff", PALETTE[0]])

"""The splits as a picture: who is tested in which repeat, and in which fold the others validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup, escape

from dawson.report.sharing import hidden_count
from dawson.report.style import MUTED, open_svg

TEST_COLOUR = "#D55E00"
UNUSED_COLOUR = "#ffffff"
FOLD_COLOURS = ("#08415c", "#2b6f92", "#5f9dbd", "#9cc4d9", "#cfe3ed")


def split_picture(splits: pd.DataFrame, labels: Mapping[str, str], classes: Sequence[str], most_repeats: int = 12) -> Markup:
    """One column a participant (by class, those without follow-up first), one row a repeat.

    Parameters
    ----------
    splits : DataFrame
        repeat, fold, participant_id, session_id, role.
    labels : mapping of participant to class
    classes : sequence of str
    most_repeats : int
        Rows that are drawn.
    """
    scans = splits[["participant_id", "session_id"]].drop_duplicates().groupby("participant_id").size()
    people = sorted(scans.index, key=lambda who: (_place(labels.get(str(who), ""), classes), scans[who] > 1, str(who)))
    column = {who: index for index, who in enumerate(people)}
    repeats = sorted(splits["repeat"].unique())[:most_repeats]
    cell = min(12.0, max(3.0, 560.0 / max(1, len(people))))
    row_height, left, top = 14.0, 62.0, 22.0
    width, height = left + cell * len(people) + 2, top + row_height * len(repeats) + 4
    paths: dict[str, list[str]] = {}
    for row, repeat in enumerate(repeats):
        part = splits[splits["repeat"] == repeat]
        colours = dict.fromkeys(people, UNUSED_COLOUR)
        for who, fold in part.loc[part["role"] == "validation", ["participant_id", "fold"]].itertuples(index=False):
            colours[who] = FOLD_COLOURS[int(fold) % len(FOLD_COLOURS)]
        colours.update(dict.fromkeys(part.loc[part["role"] == "test", "participant_id"], TEST_COLOUR))
        for who, colour in colours.items():
            x, y = left + cell * column[who], top + row_height * row
            paths.setdefault(colour, []).append(f"M{x:.1f} {y:.1f}h{cell - 0.4:.1f}v{row_height - 2:g}h-{cell - 0.4:.1f}z")
    parts = [open_svg(width, height, "Role of each participant in the first repeats", "splits")]
    parts += [f'<path d="{"".join(shapes)}" fill="{colour}"/>' for colour, shapes in sorted(paths.items())]
    for row, repeat in enumerate(repeats):
        parts.append(f'<text x="0" y="{top + row_height * row + 10:.1f}" font-size="10.5" fill="{MUTED}">repeat {repeat}</text>')
    start = 0
    for name in classes:
        count = sum(labels.get(str(who)) == name for who in people)
        if count:
            x = left + cell * start
            parts.append(f'<text x="{x:.1f}" y="13" font-size="12" font-weight="700">{escape(name)}</text>')
            if start:
                parts.append(f'<path d="M{x - 0.4:.1f} 0V{height:.1f}" stroke="{MUTED}"/>')
        start += count
    return Markup("".join(parts) + "</svg>")


def _place(label: str, classes: Sequence[str]) -> int:
    return list(classes).index(label) if label in classes else len(classes)


def split_sizes(splits: pd.DataFrame, labels: Mapping[str, str], classes: Sequence[str], share: bool = False) -> list[dict[str, object]]:
    """Participants and scans by role and class, as they are on average over repeats and folds.

    Returns
    -------
    list of dict
        role, and for each class "participants" and "scans" as text (a range where it varies).
    """
    table = splits.assign(label=splits["participant_id"].map(lambda who: labels.get(str(who), "")))
    rows: list[dict[str, object]] = []
    for role in ("train", "validation", "test"):
        part = table[table["role"] == role]
        if part.empty:
            continue
        cells = {}
        for name in classes:
            grouped = part[part["label"] == name].groupby(["repeat", "fold"])
            people, scans = grouped["participant_id"].nunique(), grouped.size()
            cells[name] = (_range(people, share), _range(scans, share))
        rows.append({"role": role, "cells": cells})
    return rows


def _range(counts: pd.Series, share: bool) -> str:
    if counts.empty:
        return "0"
    ends = [int(counts.min()), int(counts.max())]
    texts = [str(hidden_count(end)) if share else str(end) for end in ends]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]}–{texts[1]}"

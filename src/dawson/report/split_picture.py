"""The splits as a picture: who is tested in which repeat, and in which fold the others validate."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from dawson.report.sharing import HIDDEN, is_small
from dawson.report.style import MUTED, open_svg

TEST_COLOUR = "#D55E00"
UNUSED_COLOUR = "#ffffff"
_DARKEST, _PALEST = (8, 65, 92), (207, 227, 237)


def fold_colours(folds: int) -> list[str]:
    """A shade for each fold, dark to pale.

    Examples
    --------
    >>> fold_colours(3)
    ['#08415c', '#6c92a4', '#cfe3ed']
    """
    steps = [index / max(1, folds - 1) for index in range(folds)]
    return [
        "#" + "".join(f"{round(dark + step * (pale - dark)):02x}" for dark, pale in zip(_DARKEST, _PALEST, strict=True)) for step in steps
    ]


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
    shades = fold_colours(int(splits["fold"].max()) + 1)
    for row, repeat in enumerate(repeats):
        part = splits[splits["repeat"] == repeat]
        colours = dict.fromkeys(people, UNUSED_COLOUR)
        for who, fold in part.loc[part["role"] == "validation", ["participant_id", "fold"]].itertuples(index=False):
            colours[who] = shades[int(fold)]
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


def split_sizes(
    splits: pd.DataFrame, labels: Mapping[str, str], classes: Sequence[str], share: bool = False, hidden: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Participants and scans by role and class, as they are over repeats and folds.

    Parameters
    ----------
    splits, labels, classes
        As for `split_picture`.
    share : bool
        Hide a class in all roles where one count of it is from 1 to 4: the size of the class less the other roles would
        give it away.
    hidden : collection of str
        Classes to hide with `share` for other reasons.

    Returns
    -------
    list of dict
        role, and for each class "participants" and "scans" as text (a range where it varies).
    """
    table = splits.assign(label=splits["participant_id"].map(lambda who: labels.get(str(who), "")))
    rows: list[dict[str, Any]] = []
    secret = set(hidden)
    for role in ("train", "validation", "test"):
        part = table[table["role"] == role]
        if part.empty:
            continue
        cells = {}
        for name in classes:
            grouped = part[part["label"] == name].groupby(["repeat", "fold"])
            people, scans = grouped["participant_id"].nunique(), grouped.size()
            cells[name] = (_range(people), _range(scans))
            if any(is_small(int(count)) for counts in (people, scans) for count in counts):
                secret.add(name)
        rows.append({"role": role, "cells": cells})
    if share:
        for row in rows:
            row["cells"] = {name: (HIDDEN, HIDDEN) if name in secret else cell for name, cell in row["cells"].items()}
    return rows


def _range(counts: pd.Series) -> str:
    if counts.empty:
        return "0"
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low}–{high}"

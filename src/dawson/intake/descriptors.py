"""Labels instead of descriptions: what a series or study is called, from a closed list, never its free text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dawson.intake.written_dates import plain

_LONGEST = 512


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@cache
def labels() -> frozenset[str]:
    """Every label that can be written in place of a description."""
    table = _table()
    series = {entry["label"] for entry in table["series"]} | {table["other_series"]}
    contrast = {f"{label} contrast" for label in table["contrast"]["labels"]}
    return frozenset(series | contrast | {entry["label"] for entry in table["study"]} | {table["other_study"]})


def series_label(descriptions: Sequence[str], contrast_agent: bool = False) -> str:
    """Label of a series.

    Parameters
    ----------
    descriptions : sequence of str
        Series description, protocol name, sequence name: the first one that any pattern knows decides.
    contrast_agent : bool
        Whether the header names a contrast agent.

    Returns
    -------
    str
        A label of `descriptors.toml`, or its `other_series`.

    Examples
    --------
    >>> series_label(["Sag 3D T2 FLAIR, Mrs Miller"])
    'FLAIR'
    >>> series_label(["AX T1 SE +Gd"])
    'T1w contrast'
    """
    table = _table()
    texts = [_words(text) for text in descriptions]
    for text in texts:
        for entry in table["series"]:
            if _found(entry["patterns"], text):
                return entry["label"] + (" contrast" if _contrast(entry["label"], texts, contrast_agent) else "")
    return str(table["other_series"])


def study_label(descriptions: Sequence[str]) -> str:
    """Label of a study: which part of the body, from `descriptors.toml`."""
    text = _words(" ".join(descriptions))
    for entry in _table()["study"]:
        if _found(entry["patterns"], text):
            return str(entry["label"])
    return str(_table()["other_study"])


def _contrast(label: str, texts: Sequence[str], agent: bool) -> bool:
    rule = _table()["contrast"]
    if label not in rule["labels"]:
        return False
    text = " ".join(texts)
    return not _found(rule["without"], text) and (agent or any(_found(rule["patterns"], one) for one in texts))


def _words(text: str) -> str:
    # The plus and the star say something here ("+Gd", "T2*"); all other punctuation separates words.
    return re.sub(r"[^\w+*]+|_", " ", plain(text[:_LONGEST])).strip()


def _found(patterns: Sequence[str], text: str) -> bool:
    return any(_compiled(pattern).search(text) for pattern in patterns)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)

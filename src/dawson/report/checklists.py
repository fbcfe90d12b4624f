"""TRIPOD+AI and CLAIM 2024, filled from what Dawson knows; the rest is marked for the author.

The items are told in our own words in tripod_ai.toml and claim_2024.toml. Item numbers, topics and what is asked in TRIPOD+AI
(Collins et al., BMJ 2024;385:e078378, table 2: 27 items, 52 with their parts) were read from a transcription of that table; those
of CLAIM 2024 (Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300: 44 items) from a published summary and from a paper's
filled checklist, which agree on all 44; the journals' own tables were not seen, and nothing is from memory alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dawson.cohort.leakage import guard

if TYPE_CHECKING:
    import pandas as pd

FILES = ("tripod_ai.toml", "claim_2024.toml")
FOR_THE_AUTHOR = "For the author"


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Parameters
    ----------
    number, section, topic, asks : str
    answer : str
        Name of the fact that answers it, empty where Dawson cannot.
    author : bool or str
        Whether, or what, the author has to add.
    """

    number: str
    section: str
    topic: str
    asks: str
    answer: str = ""
    author: bool | str = False


@dataclass(frozen=True)
class Checklist:
    """A published checklist: name, citation and items."""

    name: str
    citation: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Entry:
    """An item with its answer; `author` is true or says what remains to be added."""

    item: Item
    answer: str
    author: bool | str
    new_section: bool


@dataclass(frozen=True)
class Filled:
    """A checklist with its answers."""

    name: str
    citation: str
    entries: tuple[Entry, ...]

    @property
    def answered(self) -> int:
        """Items to which Dawson gives at least a part of the answer."""
        return sum(bool(entry.answer) for entry in self.entries)

    @property
    def open(self) -> int:
        """Items that the author has to answer or complete."""
        return sum(bool(entry.author) for entry in self.entries)


@cache
def read_checklists() -> tuple[Checklist, ...]:
    """Both checklists, as their data files have them."""
    found = []
    for file in FILES:
        content = tomllib.loads((Path(__file__).parent / file).read_text(encoding="utf-8"))
        found.append(Checklist(content["name"], content["citation"], tuple(Item(**item) for item in content["items"])))
    return tuple(found)


def fill(checklist: Checklist, facts: Mapping[str, str]) -> Filled:
    """Put the facts into a checklist.

    Parameters
    ----------
    checklist : Checklist
    facts : mapping of str to str
        From `checklist_facts.facts_of`. A fact that is missing or empty leaves its item to the author.
    """
    entries, section = [], ""
    for item in checklist.items:
        answer = facts.get(item.answer, "")
        entries.append(Entry(item, answer, item.author or not answer, item.section != section))
        section = item.section
    return Filled(checklist.name, checklist.citation, tuple(entries))


def guard_statement(splits: pd.DataFrame) -> str:
    """Call the guard on the splits, and say what it found.

    Raises
    ------
    LeakageError
        Somebody is in two partitions: then there must be no report.
    """
    guard(splits)
    repeats = splits["repeat"].nunique()
    return (
        f"No person is in two partitions: the guard read the splits of all {repeats} test set{'s' if repeats != 1 else ''} again when this "
        "was written and found nobody with two of the roles train, validation and test in one fold, and nobody who is tested in a repeat "
        "and trained or validated with in another fold of it. Before training and before evaluation it also compared the images' content, "
        "so that one person under two names is one person."
    )


def as_markdown(filled: Sequence[Filled], simulated: bool) -> str:
    """Both checklists as the Markdown file beside the report."""
    lines = ["# Checklists", ""]
    if simulated:
        lines += ["> **Simulated data.** Every patient and scan in this study was made by a computer program.", ""]
    lines += ["Items in our words; the wording of the source counts.", ""]
    for one in filled:
        lines += [f"## {one.name}", "", one.citation, "", "| Item | What is asked | Answer |", "|---|---|---|"]
        for entry in one.entries:
            asked = f"**{entry.item.topic}.** {entry.item.asks}"
            lines.append(f"| {entry.item.number} | {_cell(asked)} | {_cell(answer_text(entry))} |")
        lines.append("")
    return "\n".join(lines)


def answer_text(entry: Entry) -> str:
    """The answer with what is left to the author, as one text."""
    left = "" if not entry.author else f"**{FOR_THE_AUTHOR}**" if entry.author is True else f"**{FOR_THE_AUTHOR}:** {entry.author}"
    return " ".join(part for part in (entry.answer, left) if part)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

"""Which cells of an answer are safe to leave the site, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawson.enclave.cells import Cell, Sums, key_of, parts_of
from dawson.enclave.policy import DisclosureRules
from dawson.statistics.dominance import is_dominated, is_guessable
from dawson.statistics.query_audit import SumAudit

Members = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Told:
    """A set of people over whom something becomes known.

    Parameters
    ----------
    members : ndarray of bool, shape (n,)
    definition : str
    family : str
        Empty: sums over these people. The name of a variable: how it is spread among them, which says something of each one who is in one
        set and not in another, whether or not that one has the value that was counted.
    """

    members: Members
    definition: str
    family: str = ""


@dataclass(frozen=True, eq=False)
class Question:
    """What cells are asked of: people by conditions that all have to hold.

    Parameters
    ----------
    where : str
    conditions : list of (frozenset of str, ndarray of bool (n,))
        Those of `where`: the variables that each is about, and for whom it holds.
    level : callable
        From name and level to an ndarray of bool (n,), for the conditions in a cell's key; None for a part that is no level.
    known : callable
        From the name of a variable to who has a value of it that counts.
    """

    where: str
    conditions: Sequence[tuple[frozenset[str], Members]]
    level: Callable[[str, str], Members | None]
    known: Callable[[str], Members]

    def told(self, cell: Cell) -> list[Told]:
        """The set of a cell, and for each variable of its conditions the people who meet all the others."""
        definition = definition_of(self.where, cell.key)
        everybody = np.logical_and.reduce([np.ones(len(cell.members), bool), *(self.known(name) for name in cell.needs)])
        conditions = list(self.conditions)
        of_intervals = False
        for name, level in _conditions_in(cell.key).items():
            there = self.level(name, level)
            if there is None:
                of_intervals = True
            else:
                conditions.append((frozenset([name]), there))
        rows = [Told(cell.members, definition)]
        variables = sorted(set().union(*(names for names, _ in conditions)))
        for variable in variables:
            others = [there for names, there in conditions if variable not in names]
            rows.append(Told(np.logical_and.reduce([everybody, *others]), definition, variable))
        if of_intervals:
            rows.append(Told(np.logical_and.reduce([everybody, *(there for _, there in conditions)]), definition, "time"))
        return rows


@dataclass(frozen=True, eq=False)
class Judged:
    """An answer after the rules.

    Parameters
    ----------
    released : dict of str to dict
        Key to n and sums, of the cells that are safe.
    withheld : dict of str to str
        Key to the rule that kept it back; for the site's eyes only.
    told : list of Told
        Whose sums are told, for the history of questions.
    """

    released: dict[str, Sums]
    withheld: dict[str, str]
    told: list[Told]


@dataclass(frozen=True, eq=False)
class History:
    """Whose sums left the site before.

    Parameters
    ----------
    people : tuple of str
        Everybody in any of them or in the site now, by keyed digest.
    families : dict of str to ndarray of bool, shape (k, people)
        Sets by family, see `Told`.
    definitions : dict of str to tuple of str
        Of each set of a family, see `definition_of`.
    """

    people: tuple[str, ...]
    families: dict[str, Members]
    definitions: dict[str, tuple[str, ...]]


def judge(cells: Sequence[Cell], rules: DisclosureRules, history: History, question: Question) -> Judged:
    """Apply every rule to the cells of one answer.

    Parameters
    ----------
    cells : sequence of Cell
        In any order; those of a block are released all or none.
    rules : DisclosureRules
    history : History
        Sets whose sums are out already.
    question : Question
        What the cells are asked of.

    Returns
    -------
    Judged
    """
    by_key = {cell.key: cell for cell in cells}
    withheld: dict[str, str] = {}
    for cell in cells:
        reason = _alone(cell, by_key, rules) or _same_people(cell, rules, history, question.where)
        if reason:
            withheld[cell.key] = reason
    withheld = _with_blocks(withheld, cells)
    audits = {family: SumAudit(sets, rules.minimum) for family, sets in history.families.items()}
    told: list[Told] = []
    # blocks first, which have all or nothing to lose; then the groups, before what is told of them, and large sets before small ones
    left = [cell for cell in cells if cell.key not in withheld]
    blocks: list[list[Cell]] = [block] if (block := [cell for cell in left if cell.whole]) else []
    for group in [*blocks, *([cell] for cell in sorted(left, key=_worth) if not cell.whole)]:
        rows = [row for cell in group for row in question.told(cell)]
        trial = _joined(audits, rows, len(history.people), rules.minimum)
        if trial is None:
            withheld |= {cell.key: "together with other answers it would tell about a few people" for cell in group}
        else:
            audits = trial
            told += rows
    released = {cell.key: {"n": float(cell.people), **cell.sums} for cell in cells if cell.shown and cell.key not in withheld}
    return Judged(released, withheld, told)


def _worth(cell: Cell) -> tuple[bool, int, int]:
    return "level" in parts_of(cell.key), len(_conditions_in(cell.key)), -cell.people


def _joined(audits: dict[str, SumAudit], rows: Sequence[Told], people: int, minimum: int) -> dict[str, SumAudit] | None:
    """The audits with more sets, or None where one of them would tell too much."""
    trial = {family: audit.copy() for family, audit in audits.items()}
    for row in rows:
        audit = trial.setdefault(row.family, SumAudit(np.zeros((0, people), bool), minimum))
        members = _padded(row.members, people)
        if not audit.admits(members):
            return None
        audit.add(members)
    return trial


def definition_of(where: str, key: str) -> str:
    """Which people a cell is about, in words that are the same for every analysis that asks about them."""
    return " ".join(where.split()) + "|" + key_of(**dict(sorted(_conditions_in(key).items())))


def _conditions_in(key: str) -> dict[str, str]:
    parts = parts_of(key)
    variable, level = parts.pop("variable", ""), parts.pop("level", "")
    parts.pop("columns", None)
    if level:
        parts[variable] = level
    return parts


def _same_people(cell: Cell, rules: DisclosureRules, history: History, where: str) -> str:
    """Whether other words chose exactly the same people before: then everybody whom the one names is what the other says."""
    sets = history.families.get("")
    if rules.uniform == "show" or sets is None:
        return ""
    places = np.flatnonzero((sets == _padded(cell.members, len(history.people))).all(axis=1))
    same = [history.definitions[""][place] for place in places]
    return "it holds exactly the people of another answer" if same and definition_of(where, cell.key) not in same else ""


def _with_blocks(withheld: dict[str, str], cells: Sequence[Cell]) -> dict[str, str]:
    """With every cell of a block of which one is withheld."""
    lost = [cell.key for cell in cells if cell.whole and cell.key in withheld]
    if not lost:
        return withheld
    return {cell.key: f"part of it: {withheld[lost[0]]}" for cell in cells if cell.whole} | withheld


def _padded(members: Members, people: int) -> Members:
    """Members among everybody of the history, in which the people of now come first."""
    row = np.zeros(people, bool)
    row[: len(members)] = members
    return row


def _alone(cell: Cell, by_key: dict[str, Cell], rules: DisclosureRules) -> str:
    """Why a cell may not be released by itself; empty where it may."""
    if cell.people < rules.minimum:
        return f"fewer than {rules.minimum} people"
    if cell.coefficients and cell.people < cell.coefficients * rules.people_per_coefficient:
        return f"fewer than {rules.people_per_coefficient} people for each coefficient"
    if rules.uniform == "suppress" and any(by_key[parent].people == cell.people for parent in cell.parents if parent in by_key):
        return "it holds everybody of its group"
    if cell.weights is not None and _effective(cell.weights) < rules.minimum:
        return "it rests on a few people"
    if cell.contributions:
        if len(np.unique(cell.contributions[0])) <= rules.distinct:
            return f"no more than {rules.distinct} different values"
        for values in cell.contributions:
            if is_dominated(values, rules.dominant_people, rules.dominant_share):
                return f"{rules.dominant_people} people make up most of it"
            if is_guessable(values, rules.guess_ratio):
                return "one person could work out another's value"
    return ""


def _effective(weights: NDArray[np.float64]) -> float:
    """How many people of equal weight would count as much."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0

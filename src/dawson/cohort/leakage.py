"""The guard that every trainer and evaluator calls: nobody is on both sides of a split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from dawson.cohort.splits import COLUMNS, ROLES
from dawson.errors import LeakageError

_BITS = {"train": 1, "validation": 2, "test": 4, "unused": 0}
_SEEN_IN_TRAINING = _BITS["train"] | _BITS["validation"]
_FIX = "Make the splits again with dawson.cohort.splits; never edit the table by hand."
Integers = npt.NDArray[np.int64]


def guard(splits: pd.DataFrame, hashes: Mapping[tuple[str, str], str] | None = None) -> None:
    """Refuse a table of splits in which anybody leaks.

    A person leaks who has two of the roles train, validation and test in one repeat and fold, or who is tested in one
    fold and trained or validated with in another fold of the same repeat (its models are averaged). People who share
    an image, byte for byte of its voxels, are taken for one person. Rows that are unused conflict with nothing.

    Parameters
    ----------
    splits : DataFrame
        repeat, fold, participant_id, session_id, role.
    hashes : mapping of (participant_id, session_id) to str, optional
        Content hash of each image; images without one are judged by the person only.

    Raises
    ------
    LeakageError
        Naming the person, or the persons with the same image; or the table is not one of splits.
    """
    repeats, folds, people, names, bits = _read(splits)
    linked, twins = _linked(splits, people, names, hashes)
    _check(repeats, folds, linked, bits, names, twins)


def split_digest(splits: pd.DataFrame) -> str:
    """SHA-256 of a table of splits, the same whatever the order of its rows and further columns."""
    table = pd.DataFrame(
        {
            "repeat": splits["repeat"].astype(int),
            "fold": splits["fold"].astype(int),
            **{name: splits[name].fillna("").astype(str) for name in COLUMNS[2:]},
        }
    ).sort_values(list(COLUMNS), kind="stable")
    return hashlib.sha256(table.to_csv(sep="\t", index=False, lineterminator="\n").encode()).hexdigest()


def _read(splits: pd.DataFrame) -> tuple[Integers, Integers, Integers, pd.Index, Integers]:
    lacking = [name for name in COLUMNS if name not in splits.columns]
    if lacking:
        raise LeakageError(f"The table of splits has no column {', '.join(lacking)}.", _FIX)
    bits = splits["role"].map(_BITS)
    if bits.isna().any():
        unknown = sorted({str(role) for role in splits.loc[bits.isna(), "role"]})
        raise LeakageError(f"The table of splits has the unknown role {', '.join(unknown)}; known are {', '.join(ROLES)}.", _FIX)
    people, names = pd.factorize(splits["participant_id"])
    if (people < 0).any() or "" in names:
        raise LeakageError("The table of splits has a row without participant_id.", _FIX)
    if splits[["repeat", "fold"]].isna().to_numpy().any():
        raise LeakageError("The table of splits has a row without repeat or fold.", _FIX)
    numbers = [np.asarray(column, np.int64) for column in (splits["repeat"], splits["fold"], people, bits)]
    return numbers[0], numbers[1], numbers[2], pd.Index(names), numbers[3]


def _linked(
    splits: pd.DataFrame, people: Integers, names: pd.Index, hashes: Mapping[tuple[str, str], str] | None
) -> tuple[Integers, dict[int, list[str]]]:
    """People with a common image as one: for each row a number, and for each such number its persons' names."""
    if not hashes:
        return people, {}
    owners: dict[str, set[int]] = {}
    position = {str(name): place for place, name in enumerate(names)}
    # All hashes of the people in the table count, also of images that this table leaves out: a twin image ties its
    # owners.
    for (person, _), content in hashes.items():
        if content and person in position:
            owners.setdefault(content, set()).add(position[person])
    leader = np.arange(len(names))
    for shared in owners.values():
        if len(shared) > 1:
            roots = {int(leader[place]) for place in shared}
            leader[np.isin(leader, list(roots))] = min(roots)
    twins = {
        int(root): sorted(str(name) for name in names[leader == root])
        for root, count in zip(*np.unique(leader, return_counts=True), strict=True)
        if count > 1
    }
    return leader[people], twins


def _check(repeats: Integers, folds: Integers, people: Integers, bits: Integers, names: pd.Index, twins: dict[int, list[str]]) -> None:
    """Raise for the first person with two roles, within a fold or between the folds of a repeat."""
    used = bits > 0
    if not used.any():
        return
    repeats, folds, people, bits = repeats[used], folds[used], people[used], bits[used]
    order = np.lexsort((folds, people, repeats))
    repeats, folds, people, bits = repeats[order], folds[order], people[order], bits[order]
    new_person = np.r_[True, (np.diff(repeats) != 0) | (np.diff(people) != 0)]
    new_fold = new_person | np.r_[True, np.diff(folds) != 0]
    by_fold, starts = np.bitwise_or.reduceat(bits, np.flatnonzero(new_fold)), np.flatnonzero(new_fold)
    two = (by_fold & (by_fold - 1)) != 0
    if two.any():
        at = starts[np.argmax(two)]
        roles = " and ".join(role for role in ROLES if _BITS[role] & by_fold[np.argmax(two)])
        raise LeakageError(f"{_who(int(people[at]), names, twins)} in {roles} of repeat {repeats[at]}, fold {folds[at]}.", _FIX)
    by_repeat, starts = np.bitwise_or.reduceat(bits, np.flatnonzero(new_person)), np.flatnonzero(new_person)
    across = ((by_repeat & _BITS["test"]) != 0) & ((by_repeat & _SEEN_IN_TRAINING) != 0)
    if across.any():
        at = starts[np.argmax(across)]
        raise LeakageError(
            f"{_who(int(people[at]), names, twins)} tested in one fold of repeat {repeats[at]} and trained or validated with in another.",
            _FIX,
        )


def _who(person: int, names: pd.Index, twins: dict[int, list[str]]) -> str:
    if person in twins:
        return f"{' and '.join(twins[person])} have the same image and are"
    return f"{names[person]} is"

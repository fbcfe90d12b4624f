"""What a report for others leaves out: everything about one person, and counts so small that they are about one person.

A count from 1 to 4 is hidden; a zero is not, since it is about nobody. Where a row or column total would give the
hidden count away, its neighbours are hidden with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from dawson.errors import DawsonError

SMALLEST_COUNT = 5
HIDDEN = "hidden"
QUANTITY_LEVELS = ("mean (SD)", "median [quartiles]")
_COUNT = re.compile(r"^\s*(\d+)\s*(?:\(|$)")
_PRIVATE_KEY = re.compile(r"host|user|path|folder|command|argv|cwd|home|login|images", re.IGNORECASE)


def is_small(count: int) -> bool:
    """Whether a count of people is too small to be shown to others."""
    return 0 < count < SMALLEST_COUNT


def hidden_count(count: int) -> int | str:
    """The count, or words in its place.

    Examples
    --------
    >>> hidden_count(12), hidden_count(3), hidden_count(0)
    (12, 'fewer than 5', 0)
    """
    return f"fewer than {SMALLEST_COUNT}" if is_small(count) else count


def hide_small_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Table 1 of `dawson.cohort.describe.table_one` with its small counts hidden.

    Parameters
    ----------
    table : DataFrame of str
        part, variable, level, missing, overall, one column a class, p, test.

    Returns
    -------
    DataFrame
        Where a row has a small count in any class or in all, it is hidden in all of them (the total would give it
        away); if it is the only hidden row of its variable, or if few values are missing, the next smallest row is
        hidden too (the size of the class would). A part with fewer than five of a class loses all its cells, and so
        does a part whose size differs by fewer than five from that of a part before it.
    """
    shown = table.astype(object)
    columns = [str(name) for name in shown.columns if name not in ("part", "variable", "level", "missing", "p", "test")]
    totals: dict[str, dict[str, int]] = {}
    for title, part in shown.groupby("part", sort=False):
        heads = part[part["variable"] == "n"]
        sizes = {name: int(_count(heads[name].iloc[0]) or 0) if len(heads) else 0 for name in columns}
        for variable, block in part.groupby("variable", sort=False):
            hidden = [block.index[0]] if variable == "n" and any(map(is_small, sizes.values())) else []
            if variable != "n" and not block["level"].isin(QUANTITY_LEVELS).any():
                hidden = _rows_to_hide(block[columns].map(_count), sizes)
            shown.loc[hidden, columns] = HIDDEN
        few = any(is_small(sizes[name]) for name in columns)
        # A few more scans than people: so many people have a follow-up.
        near = any(is_small(abs(sizes[name] - other[name])) for other in totals.values() for name in columns if other[name])
        totals[str(title)] = sizes
        if few or near:
            shown.loc[part.index, columns] = HIDDEN
    shown["missing"] = [HIDDEN if str(cell).isdigit() and is_small(int(cell)) else cell for cell in shown["missing"]]
    return shown


def _rows_to_hide(counts: pd.DataFrame, sizes: Mapping[str, int]) -> list[Any]:
    """Which levels of one variable must not be shown; `counts` has one row a level, one column a class."""
    filled = counts.fillna(0).astype(float)
    hidden = [row for row in filled.index if any(is_small(int(n)) for n in filled.loc[row])]
    # What a class has beyond the levels shown: missing values, or a level that is not listed.
    few_beyond = any(is_small(size - int(filled[name].sum())) for name, size in sizes.items())
    others = sorted((row for row in filled.index if row not in hidden), key=lambda row: float(filled.loc[row].to_numpy(float).sum()))
    if others and (len(hidden) == 1 or (few_beyond and not hidden)):
        hidden.append(others[0])
    return hidden


def _count(cell: Any) -> float | None:
    """The count in "12 (34.5)" or "12"; None for anything else, such as a mean."""
    match = _COUNT.match(str(cell))
    return float(match.group(1)) if match else None


def without_private(flat: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Rows of an environment table that tell nothing of a person's machine, name or folders."""
    return [(key, value) for key, value in flat if not _PRIVATE_KEY.search(key) and "/" not in value and "\\" not in value]


def as_named(identifiers: Iterable[Any]) -> set[str]:
    """Everybody's identifier, with and without its prefix where that can still be told from a number.

    Examples
    --------
    >>> sorted(as_named(["sub-P001", "sub-01"]))
    ['P001', 'sub-01', 'sub-P001']
    """
    named = {str(who) for who in identifiers if str(who)}
    bare = {who.removeprefix("sub-") for who in named}
    return named | {who for who in bare if any(c.isalpha() for c in who) and any(c.isdigit() for c in who) and len(who) >= 4}


def refuse_individuals(page: str, identifiers: Collection[str], what: str = "The report for sharing") -> None:
    """The last look before a page goes to others.

    Parameters
    ----------
    page : str
    identifiers : collection of str
        Of all people.
    what : str
        What the page is, for the message.

    Raises
    ------
    DawsonError
        An identifier of a person or an embedded picture is in the page.
    """
    if "data:image" in page:
        raise DawsonError(f"{what} holds a picture of a scan and was not written.", "Please report this as a bug.")
    for identifier in identifiers:
        if identifier and re.search(_alone(identifier), page):
            raise DawsonError(
                f"{what} names {identifier} and was not written.",
                "A study, class or column name must not hold the identifier of a participant.",
            )


def _alone(identifier: str) -> str:
    # An underscore ends a name: sub-01_ses-01 names sub-01.
    return rf"(?<![A-Za-z0-9-]){re.escape(identifier)}(?![A-Za-z0-9])"

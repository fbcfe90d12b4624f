"""Table 1: the people of the study by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dawson.cohort.dataset import Cohort
from dawson.report.sharing import hide_small_cells

_SHOWN = {"variable": "", "level": "", "missing": "Missing", "overall": "All", "p": "P", "test": "Test"}


@dataclass(frozen=True)
class PeopleTable:
    """Table 1, ready to be shown.

    Parameters
    ----------
    columns : list of str
        Headings; the first column names variable and level.
    parts : list of (str, list of list of str)
        Name of the part (participants, scans) and its rows.
    tests : list of list of str
        Which test was made for which variable and why; its header first.
    note : str
        What the numbers are.
    """

    columns: list[str]
    parts: list[tuple[str, list[list[str]]]]
    tests: list[list[str]]
    note: str


def table_of_people(cohort: Cohort, diagnosis_column: str, classes: Sequence[str], share: bool) -> PeopleTable:
    """Table 1 of a cohort; with `share`, without small counts."""
    from dawson.cohort.describe import table_one

    described = table_one(cohort, diagnosis_column, classes)
    table = described.table
    if share:
        table = hide_small_cells(table)
    parts = []
    for part, rows in table.groupby("part", sort=False):
        lines, before = [], None
        for row in rows.drop(columns="part").astype(str).to_numpy().tolist():
            variable, level, *cells = row
            # The name of a variable stands once; its further levels are indented under it.
            first = f"{variable}, {level}" if variable != before and level else variable if variable != before else f"\u2003{level}"
            lines.append([first, *cells])
            before = variable
        parts.append((str(part), lines))
    columns = [_SHOWN.get(str(name), str(name)) for name in table.columns if name not in ("part", "variable")]
    tests = described.tests.copy()
    tests["p"] = tests["p"].map(lambda p: "<0.001" if p < 0.001 else f"{p:.3f}" if p == p else "")
    return PeopleTable(
        columns=columns,
        parts=parts,
        tests=[[str(name) for name in tests.columns], *tests.astype(str).to_numpy().tolist()] if len(tests) else [],
        note=described.note,
    )

"""One thing that is wrong with a clinic's table: row, column, value, what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CellProblem:
    """One cell, or with row 1 a whole column, that cannot come into the study as it is.

    Parameters
    ----------
    kind : {"error", "conflict", "warning"}
        A conflict is a value that differs from what the study has.
    row : int
        As a spreadsheet counts, the header being 1.
    column, value, participant_id : str
        The column by its header.
    problem, fix : str
        The end of the sentence "COLUMN = VALUE ..." and what to do.
    """

    kind: Literal["error", "conflict", "warning"]
    row: int
    column: str
    value: str
    participant_id: str
    problem: str
    fix: str

    def __str__(self) -> str:
        who = f" of {self.participant_id}" if self.participant_id else ""
        what = f"{self.column} = {self.value!r}" if self.value else self.column
        return f"row {self.row}: {what}{who} {self.problem}. {self.fix}".strip()

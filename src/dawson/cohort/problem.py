"""One thing that is wrong with a cohort: where, what, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """A finding of the reader or the validator.

    Parameters
    ----------
    severity : {"error", "warning"}
        An error takes the scan or the person out of the study, or makes a figure wrong; a warning asks for a look.
    where : str
        The file (relative to the dataset's root) or the person.
    problem : str
        What is wrong, a sentence without its full stop.
    fix : str
        What the user can do.
    participant_id : str
        Whom it concerns; empty for the dataset as a whole.
    """

    severity: Severity
    where: str
    problem: str
    fix: str
    participant_id: str = ""

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.problem}. {self.fix}".strip()


def problem_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Problems as a table, errors first, with the columns severity, participant_id, where, problem, fix."""
    columns = ["severity", "participant_id", "where", "problem", "fix"]
    table = pd.DataFrame([asdict(problem) for problem in problems], columns=columns)
    return table.sort_values("severity", kind="stable", ignore_index=True)

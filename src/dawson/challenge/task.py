"""What a challenge may ask, each task with its metrics; found by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dawson.errors import ConfigError

TASKS = {
    "lesion-segmentation": "dawson.challenge.mask_tasks:LESION_SEGMENTATION",
    "new-lesions": "dawson.challenge.mask_tasks:NEW_LESIONS",
    "cortical-lesions": "dawson.challenge.mask_tasks:CORTICAL_LESIONS",
    "volumes": "dawson.challenge.table_tasks:VOLUMES",
    "diagnosis": "dawson.challenge.table_tasks:DIAGNOSIS",
    "outcome": "dawson.challenge.table_tasks:OUTCOME",
    "conversion": "dawson.challenge.table_tasks:CONVERSION",
}

Scores = dict[str, float]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One figure of merit.

    Parameters
    ----------
    name : str
        Column of the score tables.
    title : str
        As people read it, with its unit.
    higher_is_better : bool
    worst : float
        What a missing answer counts as; infinite where there is no worst.
    of : {"case", "set"}
        Whether every case has one, or only all cases together, such as an AUC. Figures of the second kind are ranked by their value
        alone: there is nothing to rank or to test case by case.
    """

    name: str
    title: str
    higher_is_better: bool = True
    worst: float = 0.0
    of: Literal["case", "set"] = "case"


@dataclass(frozen=True)
class Task:
    """A kind of challenge.

    Parameters
    ----------
    name, title : str
    answer : {"mask", "table"}
        Whether an entry is a zip of one mask a case, or a table of one row a case.
    metrics : tuple of Metric
        The first is the default of a challenge.
    label : str
        What the truth's file is called (`label-`), for masks.
    visits : int
        Sessions that one case shows.
    columns : callable, optional
        Takes the targets of the challenge; names what a submitted table must hold besides `case`. Tables only.
    check_row : callable, optional
        A submitted row, whose values keep their limits, and the targets; says what else is wrong with it, or nothing. Tables only.
    score_mask : callable, optional
        Predicted and true mask, spacing in mm; figures of a case. Masks only.
    score_row : callable, optional
        Predicted row, true row, the targets; figures of a case. Tables only.
    score_set : callable, optional
        Predicted rows, true rows, the targets; figures of all cases together, NaN where there are none. Tables only.

    Notes
    -----
    Targets are the columns of the truth that are to be told, or its classes where the answer is a probability of each.
    """

    name: str
    title: str
    answer: Literal["mask", "table"]
    metrics: tuple[Metric, ...]
    label: str = ""
    visits: int = 1
    columns: Callable[[Sequence[str]], tuple[Column, ...]] | None = None
    check_row: Callable[[Row, Sequence[str]], str] | None = None
    score_mask: Callable[[NDArray[np.bool_], NDArray[np.bool_], tuple[float, ...]], Scores] | None = None
    score_row: Callable[[Row, Row, Sequence[str]], Scores] | None = None
    score_set: Callable[[Sequence[Row], Sequence[Row], Sequence[str]], Scores] | None = None

    def metric(self, name: str) -> Metric:
        """A metric of this task.

        Raises
        ------
        ConfigError
            It has none of this name.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise ConfigError(
            f"The task {self.name} has no metric {name!r}.", f"Choose among {', '.join(metric.name for metric in self.metrics)}."
        )


@dataclass(frozen=True)
class Column:
    """A column of a submitted table.

    Parameters
    ----------
    name : str
    low, high : float
        Limits that an answer must keep.
    """

    name: str
    low: float = -np.inf
    high: float = np.inf


def task_named(name: str) -> Task:
    """A task by its name.

    Raises
    ------
    ConfigError
        There is none.

    Examples
    --------
    >>> task_named("new-lesions").visits
    2
    """
    if name not in TASKS:
        raise ConfigError(f"There is no challenge task {name!r}.", f"Choose among {', '.join(TASKS)}.")
    module, attribute = TASKS[name].split(":")
    task: Task = getattr(import_module(module), attribute)
    return task

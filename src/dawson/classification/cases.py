"""Patients with truth, probabilities and calls, and the figures of merit over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.statistics.delong import delong_interval
from dawson.statistics.figures import binary_figures, macro_figures, none_if_undefined
from dawson.statistics.interval import Interval
from dawson.statistics.patient_intervals import binary_intervals, macro_intervals

# Two classes: called positive at this probability and above.
OPERATING_POINT = 0.5


def calls(probability: NDArray[np.float64], positive: int) -> NDArray[np.intp]:
    """The class that each case is called.

    Parameters
    ----------
    probability : ndarray, shape (n, classes)
    positive : int
        Index of the positive class; it wins a tie of two classes.

    Returns
    -------
    ndarray of int, shape (n,)
        Two classes: positive at a probability of one half and above. More: the most probable one, the first of equals.
    """
    if probability.shape[1] == 2:
        return np.where(probability[:, positive] >= OPERATING_POINT, positive, 1 - positive).astype(np.intp)
    return np.asarray(probability.argmax(axis=1), dtype=np.intp)


class Cases:
    """Patients with truth, probabilities and calls as arrays; `positive` is the index of the positive class.

    Parameters
    ----------
    table : DataFrame
        One row a patient: label, probability_CLASS for each class.
    classes : sequence of str
    positive : str
    """

    def __init__(self, table: pd.DataFrame, classes: Sequence[str], positive: str) -> None:
        self.table = table
        self.classes = tuple(classes)
        self.positive = self.classes.index(positive)
        self.truth = table["label"].map({name: k for k, name in enumerate(classes)}).to_numpy(dtype=np.intp)
        self.probability = table[[f"probability_{name}" for name in classes]].to_numpy(dtype=np.float64)
        self.called = calls(self.probability, self.positive)

    @property
    def figures(self) -> dict[str, float]:
        """The six figures: of the positive class for two classes, macro averages for more."""
        if len(self.classes) > 2:
            return macro_figures(self.truth, self.probability, self.called)
        truth, score, called = self.against(self.positive)
        return binary_figures(truth, score, called)

    def against(self, k: int) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]]:
        """Truth, score and call of class k against the rest."""
        return self.truth == k, self.probability[:, k], self.called == k


def headline_intervals(patients: Cases, counts: NDArray[np.float64], level: float) -> tuple[dict[str, Interval], Interval]:
    """The headline intervals over patients, and the bootstrap's for the area; every class must occur.

    Parameters
    ----------
    patients : Cases
    counts : ndarray, shape (n_bootstraps, n)
        From `statistics.bootstrap.draw_counts`, drawn within class.
    level : float
        Two-sided level.
    """
    if len(patients.classes) > 2:
        macro = macro_intervals(patients.truth, patients.probability, patients.called, counts, level)
        return macro, macro["auc"]
    truth, score, called = patients.against(patients.positive)
    result = binary_intervals(truth, score, called, counts, level)
    return result | {"auc": delong_interval(truth, score, level)}, result["auc"]


def entry(interval: Interval) -> dict[str, Any]:
    """An interval as the JSON files have it; None where undefined."""
    return {
        "estimate": none_if_undefined(interval.estimate),
        "low": none_if_undefined(interval.low),
        "high": none_if_undefined(interval.high),
        "method": interval.method,
    }

"""Temperature: fitted on out-of-fold logits of the patients who were not tested, judged on those who were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.classification.cases import Cases, entry
from dawson.classification.out_of_sample import repeat_means
from dawson.classification.soft_targets import target_columns
from dawson.config import EvaluationSection
from dawson.errors import ExperimentError, TooFewParticipantsError
from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.calibration import apply_temperature, calibration_intervals, fit_temperature, negative_log_likelihood
from dawson.statistics.ratios import ratio_interval

ABOUT = (
    "one temperature for each repeat, fitted on the out-of-fold logits of its validation participants (one row each, the mean over "
    "their scans); it divides the logits of every fold model, whose probabilities are then averaged as everywhere else. Figures are "
    "of one repeat's model: every test of a patient counts, and patients are resampled with all their tests, whatever their class"
)
FIGURES = ("nll", "brier", "ece", "slope", "intercept")


@dataclass(frozen=True)
class HeldOut:
    """People with the logits of models that did not train on them, one row each.

    Parameters
    ----------
    participant_id : ndarray of str, shape (n,)
    fold : ndarray of int, shape (n,)
        The fold whose model the logits are of.
    truth : ndarray of int, shape (n,)
        Index of the class.
    logits : ndarray, shape (n, classes)
        Mean over the person's scans.
    targets : ndarray, shape (n, classes), or None
        The person's class probabilities where labels are soft.
    """

    participant_id: NDArray[np.object_]
    fold: NDArray[np.intp]
    truth: NDArray[np.intp]
    logits: NDArray[np.float64]
    targets: NDArray[np.float64] | None = None

    def temperature(self) -> float:
        """The temperature that suits these people best, by their soft labels where they have such."""
        return fit_temperature(self.logits, self.truth if self.targets is None else self.targets)

    def counts(self, classes: int) -> NDArray[np.intp]:
        """Number of people of each class, shape (classes,)."""
        return np.bincount(self.truth, minlength=classes)


def held_out(predictions: pd.DataFrame, classes: Sequence[str], role: str = "validation") -> dict[int, HeldOut]:
    """The people of one role, by repeat.

    Parameters
    ----------
    predictions : DataFrame
        As in predictions.tsv.
    classes : sequence of str
    role : {"validation", "test"}
        A validation participant has one row a repeat, that of the fold that left him or her out; a test participant one for each
        fold.

    Raises
    ------
    ExperimentError
        A logit is missing.
    """
    columns = [f"logit_{name}" for name in classes]
    rows = predictions[predictions["role"] == role]
    if missing := [name for name in columns if name not in rows or rows[name].isna().any()]:
        raise ExperimentError(f"The predictions have no {', '.join(missing)} for every row.", "Run the study again with this version.")
    soft = target_columns(rows, classes)
    people = rows.groupby(["repeat", "fold", "participant_id", "label"], sort=True)[[*columns, *soft]].mean().reset_index()
    index = {name: k for k, name in enumerate(classes)}
    return {
        int(part["repeat"].iloc[0]): HeldOut(
            part["participant_id"].to_numpy(dtype=object),
            part["fold"].to_numpy().astype(np.intp),
            part["label"].map(index).to_numpy().astype(np.intp),
            part[columns].to_numpy(dtype=np.float64),
            part[soft].to_numpy(dtype=np.float64) if soft else None,
        )
        for _, part in people.groupby("repeat")
    }


def temperatures(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[int, float]:
    """The temperature of each repeat, from its validation rows.

    Raises
    ------
    TooFewParticipantsError
        A repeat has no validation participant of some class.
    ExperimentError
        A logit is missing.
    """
    found = held_out(predictions, classes)
    for repeat in sorted(set(predictions["repeat"])):
        counts = found[repeat].counts(len(classes)) if repeat in found else np.zeros(len(classes))
        if (counts == 0).any():
            absent = ", ".join(name for name, n in zip(classes, counts, strict=True) if n == 0)
            raise TooFewParticipantsError(f"Repeat {repeat} has no validation participant with {absent} to fit a temperature on.")
    return {repeat: people.temperature() for repeat, people in found.items()}


def with_temperature(predictions: pd.DataFrame, temperature: Mapping[int, float], classes: Sequence[str]) -> pd.DataFrame:
    """The predictions with the probabilities that the logits give at their repeat's temperature.

    Parameters
    ----------
    predictions : DataFrame
        As in predictions.tsv.
    temperature : mapping of int to float
        By repeat; 1 leaves the probabilities as they are, but for their rounding.
    classes : sequence of str
    """
    logits = predictions[[f"logit_{name}" for name in classes]].to_numpy(dtype=np.float64)
    each = predictions["repeat"].map(temperature).to_numpy(dtype=np.float64)
    probability = apply_temperature(logits / each[:, None], 1.0)
    return predictions.assign(**{f"probability_{name}": probability[:, k] for k, name in enumerate(classes)})


def calibration_part(
    predictions: pd.DataFrame, classes: Sequence[str], positive: str, section: EvaluationSection, seed: int = 0
) -> dict[str, Any]:
    """What a temperature does for the probabilities out of sample: the part `calibration` of trust.json.

    Raises
    ------
    TooFewParticipantsError, ExperimentError
        As `temperatures`; or labels are soft, against which bins, slope and intercept are not defined.
    """
    if target_columns(predictions, classes):
        raise ExperimentError(
            "Calibration against a diagnosis is not defined for soft labels.",
            "metrics.json has Brier score and likelihood against the soft labels; the model carries a temperature that was fitted to them.",
        )
    found = temperatures(predictions, classes)
    tests = predictions[predictions["role"] == "test"]
    # Both from logits: stored probabilities are rounded, which a likelihood does not forgive.
    single = {"before": with_temperature(tests, dict.fromkeys(found, 1.0), classes), "after": with_temperature(tests, found, classes)}
    averaged = {name: repeat_means(table) for name, table in single.items()}
    # Of a network by itself, for which the temperature was fitted, and of the mean of the fold models' probabilities, which is used.
    alone, together = ({name: _losses(table, classes, positive) for name, table in tables.items()} for tables in (single, averaged))
    values = np.array(list(found.values()))
    figures = {name: calibration_figures(table, classes, positive, section, seed) for name, table in averaged.items()}
    return {
        "method": "temperature",
        "about": ABOUT,
        "positive": positive,
        "temperature": {"median": float(np.median(values)), "min": float(values.min()), "max": float(values.max())},
        "before": {name: figures["before"][name] for name in FIGURES},
        "after": {name: figures["after"][name] for name in FIGURES},
        "reliability": {name: figures[name]["reliability"] for name in ("before", "after")},
        "nll_improved_repeats": _improved(together),
        "single_networks": {
            "nll": {name: float(np.mean(losses)) for name, losses in alone.items()},
            "nll_improved_repeats": _improved(alone),
        },
    }


def _losses(tests: pd.DataFrame, classes: Sequence[str], positive: str) -> list[float]:
    """Negative log-likelihood of the rows of each repeat."""
    cases = [Cases(part, classes, positive) for _, part in tests.groupby("repeat")]
    return [negative_log_likelihood(case.probability, case.truth) for case in cases]


def _improved(losses: Mapping[str, Sequence[float]]) -> dict[str, int]:
    """In how many repeats the loss fell."""
    return {"improved": sum(b > a for b, a in zip(losses["before"], losses["after"], strict=True)), "of": len(losses["before"])}


def calibration_figures(
    tests: pd.DataFrame, classes: Sequence[str], positive: str, section: EvaluationSection, seed: int = 0
) -> dict[str, Any]:
    """Likelihood, Brier score, calibration error, slope, intercept and the points of a reliability plot.

    Parameters
    ----------
    tests : DataFrame
        One row a patient and repeat: participant_id, label, probability_CLASS.
    classes : sequence of str
    positive : str
        The class whose probability is binned and regressed.
    section : EvaluationSection
    seed : int
        Of the bootstrap.
    """
    cases = Cases(tests, classes, positive)
    names, person = np.unique(tests["participant_id"].astype(str), return_inverse=True)
    # Not within class: how often a class occurs is part of what a probability says.
    counts = draw_counts(np.zeros(len(names)), section.bootstraps, seed)
    bins, level = section.calibration_bins, section.confidence
    # Rounded probabilities of nearly nothing and nearly one must still sum to one.
    probability = cases.probability / cases.probability.sum(axis=1, keepdims=True)
    found = calibration_intervals(probability, cases.truth, cases.positive, counts[:, person], level, bins)
    # Every test counts, as in the figures above; in shares of the most tests that anybody had.
    most = np.bincount(person).max()
    score, true = probability[:, cases.positive], cases.truth == cases.positive
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], score)
    points = []
    for number in np.unique(place):
        inside = place == number
        below, above = (np.bincount(person[chosen], minlength=len(names)) / most for chosen in (inside, inside & true))
        observed = ratio_interval(above, below, counts, level)
        points.append(
            {
                "mean_probability": float(score[inside].mean()),
                "observed": observed.estimate,
                "low": entry(observed)["low"],
                "high": entry(observed)["high"],
                "n": int((below > 0).sum()),
            }
        )
    return {name: entry(interval) for name, interval in found.items()} | {"reliability": points}

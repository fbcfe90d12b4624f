"""Tasks whose answer is a table: volumes of the brain, the diagnosis, a clinical outcome."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dawson.challenge.task import Column, Metric, Row, Scores, Task

SUM_TOLERANCE = 0.01
"""How far probabilities of a row may be from adding up to 1: tables are written with few digits."""


def _values(targets: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(name) for name in targets)


def _volumes(targets: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(name, low=0.0) for name in targets)


def _probabilities(targets: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(f"probability_{name}", 0.0, 1.0) for name in targets)


def _conversion(targets: Sequence[str]) -> tuple[Column, ...]:
    return tuple(Column(f"probability_{name}", 0.0, 1.0) for name in targets[:1])


def _sum_is_one(row: Row, targets: Sequence[str]) -> str:
    total = sum(float(row[column.name]) for column in _probabilities(targets))
    return "" if abs(total - 1) <= SUM_TOLERANCE else f"its probabilities add up to {total:.3f}, not to 1"


def score_volumes(predicted: Row, true: Row, targets: Sequence[str]) -> Scores:
    """Absolute error of each volume as a percentage of the true one, in the mean.

    Examples
    --------
    >>> score_volumes({"brain_ml": 990.0}, {"brain_ml": 1000.0}, ["brain_ml"])
    {'percent_error': 1.0}
    """
    return {
        "percent_error": float(np.mean([100 * abs(float(predicted[name]) - float(true[name])) / float(true[name]) for name in targets]))
    }


def agree_volumes(predicted: Sequence[Row], true: Sequence[Row], targets: Sequence[str]) -> Scores:
    """ICC(2,1), absolute agreement with the truth, in the mean over volumes; NaN with fewer than three cases."""
    from dawson.statistics.volume_agreement import icc_2_1

    if len(true) < 3:
        return {"icc": math.nan}
    pairs = [[(float(guess[name]), float(known[name])) for guess, known in zip(predicted, true, strict=True)] for name in targets]
    return {"icc": float(np.mean([icc_2_1(of_one) for of_one in pairs]))}


def score_diagnosis(predicted: Row, true: Row, targets: Sequence[str]) -> Scores:
    """Brier score (sum over classes, 0 to 2), whether the likeliest class is right (a tie is half), and log loss.

    Examples
    --------
    >>> found = score_diagnosis({"probability_MS": 0.8, "probability_NMOSD": 0.2}, {"diagnosis": "MS"}, ["MS", "NMOSD"])
    >>> {name: round(value, 3) for name, value in found.items()}
    {'brier': 0.08, 'accuracy': 1.0, 'log_loss': 0.223}
    """
    given = np.array([float(predicted[f"probability_{name}"]) for name in targets])
    given = given / given.sum()
    is_true = np.array([name == true["diagnosis"] for name in targets])
    likeliest = given == given.max()
    return {
        "brier": float(((given - is_true) ** 2).sum()),
        "accuracy": float(is_true[likeliest].any()) / float(likeliest.sum()),
        "log_loss": -math.log(max(float(given[is_true][0]), 1e-6)),
    }


def rank_diagnosis(predicted: Sequence[Row], true: Sequence[Row], targets: Sequence[str]) -> Scores:
    """AUC; of more than two classes the mean of each class against the others. NaN where a class is absent."""
    each = []
    for name in targets if len(targets) > 2 else targets[:1]:
        each.append(_auc([row["diagnosis"] == name for row in true], [float(row[f"probability_{name}"]) for row in predicted]))
    return {"auc": float(np.mean(each))}


def score_outcome(predicted: Row, true: Row, targets: Sequence[str]) -> Scores:
    """Absolute error, in the units of the outcome, in the mean over outcomes.

    Examples
    --------
    >>> score_outcome({"edss": 2.5}, {"edss": 4.0}, ["edss"])
    {'absolute_error': 1.5}
    """
    return {"absolute_error": float(np.mean([abs(float(predicted[name]) - float(true[name])) for name in targets]))}


def order_outcomes(predicted: Sequence[Row], true: Sequence[Row], targets: Sequence[str]) -> Scores:
    """Spearman's rank correlation, in the mean over outcomes; 0 where all predictions are equal, NaN where all truths are."""
    from scipy.stats import spearmanr

    found = []
    for name in targets:
        guess, known = [float(row[name]) for row in predicted], [float(row[name]) for row in true]
        if len(set(known)) < 2:
            return {"spearman": math.nan}
        found.append(float(spearmanr(guess, known).statistic) if len(set(guess)) > 1 else 0.0)
    return {"spearman": float(np.mean(found))}


def score_conversion(predicted: Row, true: Row, targets: Sequence[str]) -> Scores:
    """Brier score and log loss of the probability that the event happens.

    Examples
    --------
    >>> score_conversion({"probability_converted": 0.5}, {"converted": "1"}, ["converted"])["brier"]
    0.25
    """
    came, given = happened(true[targets[0]]), float(predicted[f"probability_{targets[0]}"])
    return {"brier": (given - came) ** 2, "log_loss": -math.log(max(given if came else 1 - given, 1e-6))}


def rank_conversions(predicted: Sequence[Row], true: Sequence[Row], targets: Sequence[str]) -> Scores:
    """AUC of the probability that the event happens; NaN where it always or never does."""
    name = targets[0]
    return {"auc": _auc([happened(row[name]) for row in true], [float(row[f"probability_{name}"]) for row in predicted])}


def happened(value: object) -> bool:
    """Whether a true value of the task `conversion` says that the event came."""
    return str(value).strip().lower() in ("1", "1.0", "yes", "true")


def _auc(truth: Sequence[bool], score: Sequence[float]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score)) if len(set(truth)) == 2 else math.nan


_AUC = Metric("auc", "AUC", of="set", worst=0.0)
_LOG_LOSS = Metric("log_loss", "Log loss", higher_is_better=False, worst=-math.log(1e-6))

VOLUMES = Task(
    "volumes",
    "Volumes of the brain and its parts",
    "table",
    (
        Metric("percent_error", "Volume error, %", higher_is_better=False, worst=math.inf),
        Metric("icc", "ICC (absolute agreement)", of="set", worst=-1.0),
    ),
    columns=_volumes,
    score_row=score_volumes,
    score_set=agree_volumes,
)
DIAGNOSIS = Task(
    "diagnosis",
    "Diagnosis",
    "table",
    (_AUC, Metric("brier", "Brier score", higher_is_better=False, worst=2.0), Metric("accuracy", "Accuracy"), _LOG_LOSS),
    columns=_probabilities,
    check_row=_sum_is_one,
    score_row=score_diagnosis,
    score_set=rank_diagnosis,
)
OUTCOME = Task(
    "outcome",
    "Clinical outcome",
    "table",
    (
        Metric("absolute_error", "Absolute error", higher_is_better=False, worst=math.inf),
        Metric("spearman", "Rank correlation", of="set", worst=-1.0),
    ),
    columns=_values,
    score_row=score_outcome,
    score_set=order_outcomes,
)
CONVERSION = Task(
    "conversion",
    "Whether a clinical event happens",
    "table",
    (_AUC, Metric("brier", "Brier score", higher_is_better=False, worst=1.0), _LOG_LOSS),
    columns=_conversion,
    score_row=score_conversion,
    score_set=rank_conversions,
)

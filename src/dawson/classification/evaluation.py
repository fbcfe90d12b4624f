"""Judge a study: from the predictions table to every figure of merit with its interval: metrics.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.classification.cases import Cases, calls, entry, headline_intervals
from dawson.classification.out_of_sample import checked_test_rows, patient_means, repeat_means, test_probabilities
from dawson.classification.published import published_for
from dawson.classification.soft_targets import decisive_rows, soft_figures, target_columns
from dawson.config import EvaluationSection
from dawson.errors import ExperimentError
from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.delong import delong_interval
from dawson.statistics.figures import FIGURES, confusion_matrix, none_if_undefined
from dawson.statistics.one_model import one_model_intervals, one_model_macro_intervals
from dawson.statistics.patient_intervals import binary_intervals, predictive_intervals
from dawson.statistics.repeats import nadeau_bengio_interval, naive_interval
from dawson.statistics.roc import roc_with_band

__all__ = ["calls", "evaluate", "patient_means", "test_probabilities"]


def evaluate(
    predictions: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    classes: Sequence[str],
    positive: str,
    section: EvaluationSection,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures of merit of one model.

    The headline is over the distinct test patients, each with the mean of the out-of-sample probabilities: the
    intervals resample people, who are what a study has too few of. That judges the ensemble of all repeats; what the
    model of one repeat does, each patient's mean correctness says (one_model). Per-repeat figures are over the patients
    of that repeat. Where labels are soft, the truth is the most probable class, people without a class above one half are
    left out, and `soft_labels` has what is over everybody.

    Parameters
    ----------
    predictions : DataFrame
        As in predictions.tsv.
    splits : DataFrame
        As in splits.tsv.
    classes : sequence of str
        The diagnoses, two or more.
    positive : str
        The class whose detection is the sensitivity.
    section : EvaluationSection
        Confidence level, number of bootstraps, a prevalence to show predictive values at.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        As described in docs/reference/files; None where a figure is undefined.

    Raises
    ------
    LeakageError
        Somebody is on both sides of a split, or was predicted in another role than the splits give.
    ExperimentError
        The predictions are empty, incomplete or not usable; the message names the person.
    """
    names = tuple(classes)
    if positive not in names or len(names) < 2:
        raise ExperimentError(f"{positive!r} is not one of two or more classes: {', '.join(names)}.", "Correct [study] in the study file.")
    everybody = checked_test_rows(predictions, splits, names)
    test = decisive_rows(everybody, names)
    patients = Cases(patient_means(test), names, positive)
    rounds = {int(part["repeat"].iloc[0]): Cases(part, names, positive) for _, part in repeat_means(test).groupby("repeat")}
    counts = draw_counts(patients.truth, section.bootstraps, seed)
    sizes = _sizes(splits, list(rounds))
    values = {name: np.array([cases.figures[name] for cases in rounds.values()]) for name in FIGURES}
    level = section.confidence
    headline, auc_bootstrap = headline_intervals(patients, counts, level)
    return {
        "classes": list(names),
        "positive": positive,
        "confidence": level,
        "n_repeats": len(rounds),
        "n_folds": int(test["fold"].nunique()),
        "n_test_participants": {name: int((patients.truth == k).sum()) for k, name in enumerate(names)},
        "n_test_draws": {
            "min": int(patients.table["repeats"].min()),
            "median": float(patients.table["repeats"].median()),
            "max": int(patients.table["repeats"].max()),
        },
        "headline": {name: entry(headline[name]) for name in FIGURES},
        "headline_auc_bootstrap": entry(auc_bootstrap),
        "one_model": _one_model(patients, list(rounds.values()), counts, level),
        "over_repeats": {name: entry(naive_interval(values[name], level).clipped()) | {"sd": _sd(values[name])} for name in FIGURES},
        "nadeau_bengio": {
            name: entry(nadeau_bengio_interval(values[name], sizes["n_train"], sizes["n_test"], level).clipped()) for name in FIGURES
        },
        "single_fold": _single_folds(test, names, positive),
        "at_prevalence": _at_prevalence(patients, counts, section),
        "confusion": {
            "classes": list(names),
            "matrix": confusion_matrix(patients.truth, patients.called, len(names)).tolist(),
        },
        "per_class": _per_class(patients, counts, level),
        "roc": _roc(patients, section, seed),
        "repeats": [
            {"repeat": repeat, "n_test": len(cases.truth)} | {name: none_if_undefined(cases.figures[name]) for name in FIGURES}
            for repeat, cases in rounds.items()
        ],
        "published": _published(names, positive),
        "sizes": sizes,
    } | _soft_labels(everybody, names, section, seed)


def _soft_labels(test: pd.DataFrame, classes: Sequence[str], section: EvaluationSection, seed: int) -> dict[str, Any]:
    """Agreement with the soft truth where there is one; nothing to add to the metrics of a study without."""
    if not target_columns(test, classes):
        return {}
    return {"soft_labels": soft_figures(patient_means(test), test, classes, section, seed)}


def _one_model(patients: Cases, rounds: Sequence[Cases], counts: NDArray[np.float64], level: float) -> dict[str, dict[str, Any]]:
    """The figures of one repeat's model (the mean of its fold models), every patient counting the same."""
    place = {name: index for index, name in enumerate(patients.table["participant_id"])}
    probability = np.full((len(rounds), len(place), len(patients.classes)), np.nan)
    called = np.full((len(rounds), len(place)), -1, dtype=np.intp)
    for index, cases in enumerate(rounds):
        columns = cases.table["participant_id"].map(place).to_numpy(dtype=np.intp)
        probability[index, columns], called[index, columns] = cases.probability, cases.called
    if len(patients.classes) > 2:
        result = one_model_macro_intervals(patients.truth, probability, called, counts, level)
    else:
        k = patients.positive
        result = one_model_intervals(patients.truth == k, probability[:, :, k], called == k, counts, level)
    return {name: entry(result[name]) for name in FIGURES}


def _per_class(patients: Cases, counts: NDArray[np.float64], level: float) -> dict[str, Any]:
    result = {}
    for k, name in enumerate(patients.classes):
        truth, score, called = patients.against(k)
        intervals = binary_intervals(truth, score, called, counts, level)
        intervals["auc"] = delong_interval(truth, score, level)
        result[name] = {figure: entry(intervals[figure]) for figure in FIGURES}
    return result


def _at_prevalence(patients: Cases, counts: NDArray[np.float64], section: EvaluationSection) -> list[dict[str, Any]]:
    truth, _, called = patients.against(patients.positive)
    wanted = [("of the test patients", float(truth.mean()))]
    if section.prevalence is not None:
        wanted.append(("given", section.prevalence))
    return [
        {"prevalence": prevalence, "name": name}
        | {
            figure: entry(interval)
            for figure, interval in predictive_intervals(truth, called, counts, prevalence, section.confidence).items()
        }
        for name, prevalence in wanted
    ]


def _single_folds(test: pd.DataFrame, classes: Sequence[str], positive: str) -> dict[str, Any]:
    """Mean and standard deviation of the figures of single fold models, each over the patients of its repeat."""
    rows = [Cases(repeat_means(part), classes, positive).figures for _, part in test.groupby(["repeat", "fold"])]
    values = {name: np.array([row[name] for row in rows]) for name in FIGURES}
    return {name: {"estimate": none_if_undefined(naive_interval(values[name]).estimate), "sd": _sd(values[name])} for name in FIGURES}


def _roc(patients: Cases, section: EvaluationSection, seed: int) -> dict[str, list[float]]:
    truth, score, _ = patients.against(patients.positive)
    curve = roc_with_band(truth, score, n_bootstraps=section.bootstraps, seed=seed, confidence=section.confidence)
    return {name: getattr(curve, name).tolist() for name in ("fpr", "tpr", "low", "high")}


def _sizes(splits: pd.DataFrame, repeats: Sequence[int]) -> dict[str, float]:
    """Mean numbers of participants: those who trained or chose a model of the repeat, and those who were tested."""
    used = splits[splits["repeat"].isin(repeats)]
    trained = used[used["role"].isin(["train", "validation"])].groupby("repeat")["participant_id"].nunique()
    tested = used[used["role"] == "test"].groupby("repeat")["participant_id"].nunique()
    if trained.empty:
        raise ExperimentError("The splits have nobody to train on.", "Make the splits again.")
    return {"n_train": float(trained.mean()), "n_test": float(tested.mean())}


def _published(classes: tuple[str, ...], positive: str) -> dict[str, Any]:
    """A paper's figures where it compared the same classes, else nothing: beside another they mislead."""
    paper = published_for(classes, positive)
    if paper is None:
        return {}
    figures: Mapping[str, tuple[float, float, float]] = paper.figures
    return {"citation": paper.citation} | {
        name: dict(zip(("estimate", "low", "high"), values, strict=True)) for name, values in figures.items()
    }


def _sd(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return none_if_undefined(float(known.std(ddof=1)) if known.size > 1 else math.nan)

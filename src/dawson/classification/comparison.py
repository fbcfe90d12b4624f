"""Models on identical splits side by side: figures, paired tests over patients, net benefit: comparison.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.classification.cases import Cases, entry, headline_intervals
from dawson.classification.comparators import comparator, comparator_names
from dawson.classification.out_of_sample import checked_test_rows, patient_means, repeat_means
from dawson.classification.soft_targets import decisive_rows
from dawson.cohort.leakage import split_digest
from dawson.config import EvaluationSection, read_config
from dawson.errors import ExperimentError
from dawson.files import read_tsv
from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.decision_curve import net_benefit, treat_all
from dawson.statistics.delong import delong_interval
from dawson.statistics.figures import auc, none_if_undefined
from dawson.statistics.interval import Comparison, Interval
from dawson.statistics.paired import headline_test, naive_t, paired_bootstrap
from dawson.statistics.proportions import holm
from dawson.statistics.repeats import nadeau_bengio_test

NETWORK = "network"
"""Name of the study's network in a comparison with its comparators."""

FIGURES = ("auc", "accuracy")
HEADLINE_TESTS = {"auc": "delong", "accuracy": "mcnemar"}
"""The test of each figure that holds its level under the draws of a study (docs/benchmarks, paired tests)."""

THRESHOLDS = np.arange(1, 91) / 100
_KEYS = ["participant_id", "session_id"]


@dataclass(frozen=True)
class _Model:
    """One model's test results: a row for each repeat, fold and image; from these each patient's mean, and each repeat's patients."""

    name: str
    test: pd.DataFrame

    @cached_property
    def means(self) -> pd.DataFrame:
        return patient_means(self.test)

    @cached_property
    def rounds(self) -> pd.DataFrame:
        return repeat_means(self.test)


def comparison_tables(predictions: pd.DataFrame, comparators: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The network's predictions and comparators.tsv as one table a model, the network first.

    Parameters
    ----------
    predictions, comparators : DataFrame
        As in predictions.tsv and comparators.tsv; of comparators the people of whom the predictions are.
    """
    comparators = comparators[comparators["participant_id"].astype(str).isin(set(predictions["participant_id"].astype(str)))]
    models = comparators["model"].astype(str)
    return {NETWORK: predictions} | {str(name): comparators[models == name] for name in models.unique()}


def compare_models(
    tables: Mapping[str, pd.DataFrame],
    splits: pd.DataFrame,
    classes: Sequence[str],
    positive: str,
    section: EvaluationSection,
    seed: int = 0,
    descriptions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Judge several models on the same splits.

    Only repeats that every model has count. A pair is tested over the patients whom both models tested, each patient by the mean
    probability over the repeats; net benefit is over the patients whom all tested. With more than two classes the area and the net
    benefit are those of the positive class against the rest, and accuracy is of all classes.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Predictions of each model as in predictions.tsv. A table may lack images (those without a lesion mask, say), but an image that
        is there must be there in every repeat and fold that tests it.
    splits : DataFrame
        As in splits.tsv.
    classes : sequence of str
    positive : str
    section : EvaluationSection
    seed : int
        Of the bootstrap.
    descriptions : mapping of str to str, optional
        What each model is; comparators have their own.

    Returns
    -------
    dict
        As described in docs/reference/files; differences are first minus second, None where undefined. `p_holm` of a pair is
        the p of the headline test (`HEADLINE_TESTS`), adjusted over all pairs of the figure.

    Raises
    ------
    LeakageError
        From the guard, or predictions in another role than the splits give.
    ExperimentError
        A table is incomplete, or has no test patient of some class.
    """
    names = tuple(classes)
    repeats = set.intersection(*(set(table["repeat"].unique()) for table in tables.values()))
    if not repeats:
        raise ExperimentError("The models have no repeat in common.", "Finish the experiments with `dawson study run`.")
    models = [_model(name, table[table["repeat"].isin(repeats)], splits, names) for name, table in tables.items()]
    pairs = [_pair(one, two, splits, names, positive, section, seed) for one, two in combinations(models, 2)]
    flat = [result for pair in pairs for result in pair]
    for figure in FIGURES:
        chosen = [result for result in flat if result["figure"] == figure]
        raw = [np.nan if (p := result["p"][HEADLINE_TESTS[figure]]) is None else p for result in chosen]
        for result, value in zip(chosen, holm(raw), strict=True):
            result["p_holm"] = none_if_undefined(float(value))
    said = descriptions or {}
    return {
        "classes": list(names),
        "positive": positive,
        "models": {
            model.name: {"description": _description(model.name, said)} | _figures(model, names, positive, section, seed)
            for model in models
        },
        "pairs": flat,
        "net_benefit": _net_benefit(models, positive, section),
    }


def compare_experiments(folders: Sequence[Path], section: EvaluationSection | None = None, seed: int = 0) -> dict[str, Any]:
    """Judge the networks of several experiments that were made on the same splits.

    Parameters
    ----------
    folders : sequence of Path
        Of two experiments or more, each with config.toml, splits.tsv and predictions.tsv; models are named after them.
    section : EvaluationSection, optional
        By default that of the first experiment.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        As `compare_models`.

    Raises
    ------
    ExperimentError
        Fewer than two experiments, one is incomplete, or classes or splits differ.
    """
    if len(folders) < 2 or len({folder.name for folder in folders}) < len(folders):
        raise ExperimentError("A comparison needs two experiments or more, each named once.", "Name them: dawson study compare A B.")
    for folder in folders:
        for file in ("config.toml", "splits.tsv", "predictions.tsv"):
            if not (folder / file).is_file():
                raise ExperimentError(f"Experiment {folder.name} has no {file}.", "Finish it with `dawson study run`, or correct the name.")
    first = folders[0]
    configs = [read_config(folder / "config.toml") for folder in folders]
    plans = [read_tsv(folder / "splits.tsv") for folder in folders]
    for folder, config, plan in zip(folders[1:], configs[1:], plans[1:], strict=True):
        if (config.study.classes, config.study.positive) != (configs[0].study.classes, configs[0].study.positive):
            raise ExperimentError(f"{first.name} and {folder.name} do not classify the same: their classes differ.")
        if split_digest(plan) != split_digest(plans[0]):
            raise ExperimentError(
                f"{first.name} and {folder.name} were not made on the same splits: {_differing(plans[0], plan)}.",
                "Run both with the same [split] settings on the same images; a paired test needs the same patients in the same roles.",
            )
    tables = {
        folder.name: decisive_rows(read_tsv(folder / "predictions.tsv", text=("label", "model", "role")), configs[0].study.classes)
        for folder in folders
    }
    descriptions = {
        folder.name: f"network {config.training.network}, {config.training.epochs} epochs"
        for folder, config in zip(folders, configs, strict=True)
    }
    study = configs[0].study
    return compare_models(tables, plans[0], study.classes, study.positive, section or configs[0].evaluation, seed, descriptions)


def _differing(one: pd.DataFrame, two: pd.DataFrame) -> str:
    """In what two tables of splits differ, as a reader would look for it."""
    for what, keys in (("repeats", ["repeat"]), ("folds", ["fold"]), ("participants", ["participant_id"]), ("images", _KEYS)):
        first, second = (len(table[keys].drop_duplicates()) for table in (one, two))
        if first != second:
            return f"{first} against {second} {what}"
    return "the same people have other roles, or there are other people"


def _model(name: str, table: pd.DataFrame, splits: pd.DataFrame, classes: tuple[str, ...]) -> _Model:
    checked = table.drop(columns="model", errors="ignore")
    there = _images(checked)
    plan = splits[_images(splits).isin(set(there))]
    try:
        test = checked_test_rows(checked, plan, classes)
    except ExperimentError as error:
        raise ExperimentError(f"{name}: {error.message}", error.fix) from None
    return _Model(name, test)


def _on_common_images(models: Sequence[_Model]) -> list[_Model]:
    """The models over the images that all of them tested: another image of a patient is another task."""
    keys = [pd.MultiIndex.from_frame(model.test[["repeat", *_KEYS]].fillna("").astype(str)) for model in models]
    common = reduce(lambda one, two: one.intersection(two), (key.unique() for key in keys))
    return [_Model(model.name, model.test[key.isin(common)].reset_index(drop=True)) for model, key in zip(models, keys, strict=True)]


def _images(table: pd.DataFrame) -> pd.Series:
    return pd.Series(list(zip(table["participant_id"].astype(str), table["session_id"].fillna("").astype(str), strict=True)), table.index)


def _figures(model: _Model, classes: tuple[str, ...], positive: str, section: EvaluationSection, seed: int) -> dict[str, Any]:
    cases = Cases(model.means, classes, positive)
    counts = draw_counts(cases.truth, section.bootstraps, seed)
    truth, score, _ = cases.against(cases.positive)
    area = delong_interval(truth, score, section.confidence)
    if len(classes) > 2:
        area = Interval(area.estimate, area.low, area.high, f"{positive} against the rest; {area.method}", area.confidence)
    accuracy = headline_intervals(cases, counts, section.confidence)[0]["accuracy"]
    return {"auc": entry(area), "accuracy": entry(accuracy), "n": len(cases.truth)}


def _pair(
    one: _Model, two: _Model, splits: pd.DataFrame, classes: tuple[str, ...], positive: str, section: EvaluationSection, seed: int
) -> list[dict[str, Any]]:
    """The results of one pair, one for each figure."""
    one, two = _on_common_images((one, two))
    if one.test.empty:
        raise ExperimentError(f"{one.name} and {two.name} have no test image in common.", "Compare them with other models only.")
    people = np.intersect1d(one.means["participant_id"], two.means["participant_id"])
    first, second = (Cases(_of(model.means, people), classes, positive) for model in (one, two))
    if len(people) == 0 or len(np.unique(first.truth)) < len(classes):
        raise ExperimentError(f"{one.name} and {two.name} have too few test patients in common.", "Compare them with other models only.")
    if not np.array_equal(first.truth, second.truth):
        raise ExperimentError(f"{one.name} and {two.name} give a patient two labels.", "Compare models of one study.")
    counts = draw_counts(first.truth, section.bootstraps, seed)
    rounds = [_by_repeat(model.rounds, people, classes, positive) for model in (one, two)]
    repeats = sorted(set(rounds[0]) & set(rounds[1]))
    sizes = _sizes(splits, people, repeats)
    level, k = section.confidence, first.positive
    truth = first.truth == k
    areas = (truth, first.probability[:, k], second.probability[:, k])
    # Of two classes, one column, so that a tie is called as everywhere else.
    calls = areas if len(classes) == 2 else (first.truth, first.probability, second.probability)
    results = []
    for figure in FIGURES:
        values = [np.array([part[repeat][figure] for repeat in repeats]) for part in rounds]
        true, one_said, two_said = areas if figure == "auc" else calls
        headline, bootstrap = (
            headline_test(true, one_said, two_said, figure, level),
            paired_bootstrap(true, one_said, two_said, figure, counts, level),
        )
        corrected, naive = nadeau_bengio_test(values[0], values[1], *sizes, level), naive_t(values[0], values[1], level)
        results.append(
            {
                "first": one.name,
                "second": two.name,
                "figure": figure,
                "difference": _difference(bootstrap),
                "p": {
                    HEADLINE_TESTS[figure]: none_if_undefined(headline.p_value),
                    "bootstrap": none_if_undefined(bootstrap.p_value),
                },
                "nadeau_bengio": {"difference": _difference(corrected), "p": none_if_undefined(corrected.p_value)},
                "naive_t": {"p": none_if_undefined(naive.p_value)},
                "n_patients": len(people),
            }
        )
    return results


def _of(table: pd.DataFrame, people: NDArray[Any]) -> pd.DataFrame:
    return table[table["participant_id"].isin(people)].sort_values("participant_id").reset_index(drop=True)


def _by_repeat(rounds: pd.DataFrame, people: NDArray[Any], classes: tuple[str, ...], positive: str) -> dict[int, dict[str, float]]:
    """Area and accuracy of each repeat over some patients; NaN for the area of a repeat that tested one class only."""
    found = {}
    for repeat, part in _of(rounds, people).groupby("repeat"):
        cases = Cases(part, classes, positive)
        truth, score, _ = cases.against(cases.positive)
        found[int(str(repeat))] = {"auc": auc(truth, score), "accuracy": float((cases.called == cases.truth).mean())}
    return found


def _sizes(splits: pd.DataFrame, people: NDArray[Any], repeats: Sequence[int]) -> tuple[float, float]:
    """Mean numbers over the repeats of participants who trained or chose a model, and of the compared ones who were tested."""
    used = splits[splits["repeat"].isin(repeats)]
    learned = used[used["role"].isin(["train", "validation"])].groupby("repeat")["participant_id"].nunique()
    tested = used[(used["role"] == "test") & used["participant_id"].isin(people)].groupby("repeat")["participant_id"].nunique()
    return float(learned.mean()), float(tested.mean())


def _net_benefit(models: Sequence[_Model], positive: str, section: EvaluationSection) -> dict[str, Any]:
    """Net benefit of every model over the patients whom all of them tested."""
    models = _on_common_images(models)
    if models[0].test.empty:
        return {"reason": "The models have no test image in common."}
    people = models[0].means["participant_id"].to_numpy()
    tables = {model.name: _of(model.means, people) for model in models}
    truth = (tables[models[0].name]["label"] == positive).to_numpy()
    if not truth.any() or truth.all():
        return {"reason": "The models have too few test patients in common."}
    prevalence = float(truth.mean()) if section.prevalence is None else section.prevalence
    return {
        "prevalence": prevalence,
        "thresholds": THRESHOLDS.tolist(),
        "n_patients": len(people),
        "models": {
            name: net_benefit(truth, table[f"probability_{positive}"].to_numpy(dtype=np.float64), THRESHOLDS, prevalence).tolist()
            for name, table in tables.items()
        },
        "all": treat_all(prevalence, THRESHOLDS).tolist(),
        "none": [0.0] * len(THRESHOLDS),
    }


def _description(name: str, said: Mapping[str, str]) -> str:
    if name in said:
        return said[name]
    return comparator(name).description if name in comparator_names() else "the network, its fold models' probabilities averaged"


def _difference(test: Comparison) -> dict[str, Any]:
    return {
        "estimate": none_if_undefined(test.difference),
        "low": none_if_undefined(test.low),
        "high": none_if_undefined(test.high),
        "method": test.method,
    }

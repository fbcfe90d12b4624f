"""Figures of merit by site, sex, age, clinical status and whatever else the study file names: subgroups.json."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from dawson.classification.cases import Cases, entry
from dawson.classification.out_of_sample import test_probabilities
from dawson.cohort.dictionary import as_numbers
from dawson.config import EvaluationSection
from dawson.errors import ConfigError
from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.delong import delong_interval
from dawson.statistics.patient_intervals import binary_intervals
from dawson.statistics.proportions import exact_binomial

# Shown where the tables have them; clinical status and age are those at the scan.
USUAL = ("sex", "age", "clinical_status", "aqp4", "phenotype")
AGE_EDGES_YEARS = (30, 45, 60)
# With fewer people of a class an area under the curve rests on almost nothing.
SMALLEST_FOR_AUC = 5
MOST_LEVELS = 12
NOT_RECORDED = "not recorded"


def check_subgroups(columns: Sequence[str], section: EvaluationSection) -> None:
    """Refuse a study file that names a column that the tables do not have, before anything is computed.

    Raises
    ------
    ConfigError
    """
    if missing := [name for name in section.subgroups if name not in columns]:
        raise ConfigError(
            f"[evaluation] subgroups names {', '.join(missing)}, which neither participants.tsv nor sessions.tsv has.",
            f"Columns: {', '.join(sorted(map(str, columns)))}.",
        )


def subgroup_figures(
    predictions: pd.DataFrame,
    images: pd.DataFrame,
    *,
    classes: Sequence[str],
    positive: str,
    section: EvaluationSection,
    site_column: str = "site",
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Figures of every level of every variable, over distinct test patients with their mean out-of-sample probability.

    Parameters
    ----------
    predictions : DataFrame
        As in predictions.tsv.
    images : DataFrame
        One row an image: participant_id, session_id, and the columns of the participants and sessions tables. What differs between
        the scans of a patient (clinical status) puts the patient into each level with the scans of that level only.
    classes : sequence of str
    positive : str
        The class that sensitivity, specificity and area are about, against all others.
    section : EvaluationSection
    site_column : str
    seed : int
        Of the bootstrap.

    Returns
    -------
    list of dict
        variable, level, n by class, and auc, accuracy, sensitivity, specificity with intervals; None where a level has nobody to
        measure a figure on, and for the area where it has fewer than `SMALLEST_FOR_AUC` people of a side. A level in which only one
        side occurs has no accuracy: it would be the sensitivity or specificity under another name. Variables with one level are left
        out.

    Raises
    ------
    ConfigError
        A column that the study file names is not there, or has too many values to be a group.
    """
    check_subgroups(list(images.columns), section)
    tested = test_probabilities(predictions)
    keys = ["participant_id", "session_id"]
    session = images["session_id"].astype(object)
    described = images.assign(session_id=session.where(session.notna(), "").astype(str)).drop_duplicates(keys)
    named = dict.fromkeys((site_column, *USUAL, *section.subgroups))
    rows = []
    for variable in [name for name in named if name in described]:
        level_of = described[keys].assign(level=_levels(described[variable], variable, variable in section.subgroups))
        table = tested.merge(level_of, on=keys, how="left", validate="m:1")
        table["level"] = table["level"].fillna(NOT_RECORDED)
        levels = sorted(set(table["level"]) - {NOT_RECORDED}, key=_order)
        if len(levels) + (NOT_RECORDED in set(table["level"])) < 2 or not levels:
            continue
        for level in [*levels, *([NOT_RECORDED] if (table["level"] == NOT_RECORDED).any() else [])]:
            cases = Cases(_patients(table[table["level"] == level]), classes, positive)
            rows.append({"variable": variable, "level": level, **level_figures(cases, section, seed)})
    return rows


def level_figures(cases: Cases, section: EvaluationSection, seed: int = 0) -> dict[str, Any]:
    """N by class, auc, accuracy, sensitivity and specificity of some patients, of whom a class may be absent."""
    truth, score, called = cases.against(cases.positive)
    sizes = {name: int((cases.truth == k).sum()) for k, name in enumerate(cases.classes)}
    n_positive, n_negative, level = int(truth.sum()), int((~truth).sum()), section.confidence
    found: dict[str, Any] = dict.fromkeys(("auc", "accuracy", "sensitivity", "specificity"))
    right = cases.called == cases.truth
    if n_positive and n_negative:
        intervals = binary_intervals(truth, score, called, draw_counts(cases.truth, section.bootstraps, seed), level)
        found |= {name: entry(intervals[name]) for name in ("sensitivity", "specificity")}
        found["accuracy"] = entry(intervals["accuracy"] if len(cases.classes) == 2 else exact_binomial(int(right.sum()), right.size, level))
        if min(n_positive, n_negative) >= SMALLEST_FOR_AUC:
            found["auc"] = entry(delong_interval(truth, score, level))
    elif n_positive:
        found["sensitivity"] = entry(exact_binomial(int(called.sum()), n_positive, level))
    elif n_negative:
        found["specificity"] = entry(exact_binomial(int((~called).sum()), n_negative, level))
    return {"n": sizes} | found


def _patients(images: pd.DataFrame) -> pd.DataFrame:
    """One row a patient: mean over the images of a repeat, then over repeats."""
    columns = [name for name in images.columns if name.startswith("probability_")]
    each = images.groupby(["repeat", "participant_id", "label"], sort=True)[columns].mean().reset_index()
    return each.groupby(["participant_id", "label"], sort=True)[columns].mean().reset_index()


def _levels(values: pd.Series[Any], variable: str, named: bool) -> pd.Series[Any]:
    known = values.notna() & (values.astype(object).astype(str) != "")
    if variable == "age":
        return _age_bands(values).where(known, NOT_RECORDED)
    text = values.astype(object).map(lambda value: str(int(value)) if isinstance(value, float) and value.is_integer() else str(value))
    if named and text[known].nunique() > MOST_LEVELS:
        raise ConfigError(
            f"[evaluation] subgroups: {variable} has {text[known].nunique()} values, which are no groups of people.",
            "Name a column with few values, such as age in bands.",
        )
    return text.where(known, NOT_RECORDED)


def _age_bands(values: pd.Series[Any]) -> pd.Series[Any]:
    years = as_numbers(values)
    first, last = AGE_EDGES_YEARS[0], AGE_EDGES_YEARS[-1]
    middle = [f"{low}–{high - 1} years" for low, high in pairwise(AGE_EDGES_YEARS)]
    names = np.array([f"under {first} years", *middle, f"{last} years and over"], dtype=object)
    bands = pd.Series(names[np.searchsorted(AGE_EDGES_YEARS, years.fillna(0).to_numpy(), side="right")], index=values.index, dtype=object)
    return bands.where(years.notna(), NOT_RECORDED)


def _order(level: str) -> tuple[int, str]:
    """Bands of age from young to old, everything else by its name."""
    return (0 if level.startswith("under ") else 1, level)

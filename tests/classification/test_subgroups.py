"""Figures by group of patients, against hand-worked tables and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from dawson.classification.subgroups import subgroup_figures
from dawson.config import EvaluationSection
from dawson.errors import ConfigError

SECTION = EvaluationSection(bootstraps=200)


def predictions(people: list[tuple[str, str, float]], sessions: tuple[str, ...] = ("ses-1",)) -> pd.DataFrame:
    """Two folds each for (person, label, probability of B)."""
    return pd.DataFrame(
        [
            {
                "repeat": 0, "fold": fold, "participant_id": who, "session_id": session, "role": "test", "label": label,
                "probability_A": 1 - p, "probability_B": p,
            }
            for who, label, p in people for session in sessions for fold in range(2)
        ]
    )  # fmt: skip


def images(table: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    keys = table[["participant_id", "session_id"]].drop_duplicates().reset_index(drop=True)
    return keys.assign(**columns)


def figures(table: pd.DataFrame, described: pd.DataFrame, **section: Any) -> dict[tuple[str, str], dict[str, Any]]:
    rows = subgroup_figures(
        table, described, classes=("A", "B"), positive="B", section=SECTION.model_copy(update=section), site_column="site"
    )
    return {(row["variable"], row["level"]): row for row in rows}


def test_figures_of_a_site_are_those_of_its_patients() -> None:
    rng = np.random.default_rng(0)
    people = [(f"sub-{i:02d}", "AB"[i % 2], float(rng.random())) for i in range(40)]
    table = predictions(people)
    found = figures(table, images(table, site=["x" if i < 24 else "y" for i in range(40)]))
    here = people[:24]
    truth, score = np.array([label == "B" for _, label, _ in here]), np.array([p for _, _, p in here])
    row = found["site", "x"]
    assert row["n"] == {"A": 12, "B": 12}
    assert row["auc"]["estimate"] == pytest.approx(roc_auc_score(truth, score))
    assert row["sensitivity"]["estimate"] == pytest.approx((score[truth] >= 0.5).mean())
    assert row["accuracy"]["low"] <= row["accuracy"]["estimate"] <= row["accuracy"]["high"]


def test_a_level_with_one_class_has_that_class_figure_only() -> None:
    people = [(f"sub-{i}", "B" if i < 6 else "A", 0.9 if i < 4 else 0.2) for i in range(12)]
    table = predictions(people)
    found = figures(table, images(table, aqp4=["positive"] * 6 + ["negative"] * 6))
    positive, negative = found["aqp4", "positive"], found["aqp4", "negative"]
    assert positive["sensitivity"]["estimate"] == pytest.approx(4 / 6) and positive["sensitivity"]["method"].startswith("exact")
    assert positive["specificity"] is positive["auc"] is positive["accuracy"] is None
    assert negative["specificity"]["estimate"] == 1 and negative["sensitivity"] is None


def test_fewer_than_five_of_a_class_have_no_area() -> None:
    people = [(f"sub-{i}", "B" if i % 3 == 0 else "A", 0.1 + 0.07 * i) for i in range(12)]
    table = predictions(people)
    found = figures(table, images(table, sex=["F"] * 11 + ["M"]))
    assert found["sex", "F"]["n"] == {"A": 7, "B": 4} and found["sex", "F"]["auc"] is None
    assert found["sex", "F"]["accuracy"] is not None


def test_clinical_status_is_that_of_the_scan_and_a_patient_counts_once_in_each() -> None:
    table = predictions([("sub-0", "A", 0.2), ("sub-1", "B", 0.8)], sessions=("ses-1", "ses-2"))
    found = figures(table, images(table, clinical_status=["relapse", "remission", "relapse", "relapse"]))
    assert found["clinical_status", "relapse"]["n"] == {"A": 1, "B": 1}
    assert found["clinical_status", "remission"]["n"] == {"A": 1, "B": 0}


def test_age_in_bands_and_what_is_missing() -> None:
    table = predictions([(f"sub-{i}", "AB"[i % 2], 0.5) for i in range(6)])
    found = figures(table, images(table, age=["29.9", "30", "44", "60", "90+", None]))
    sizes = {level: sum(row["n"].values()) for (variable, level), row in found.items() if variable == "age"}
    assert sizes == {"under 30 years": 1, "30–44 years": 2, "60 years and over": 2, "not recorded": 1}
    assert next(level for variable, level in found if variable == "age") == "under 30 years"


def test_a_column_of_the_study_file_is_shown_and_a_wrong_one_is_refused() -> None:
    table = predictions([(f"sub-{i:02d}", "AB"[i % 2], 0.5) for i in range(16)])
    described = images(table, scanner=["1.5", "3"] * 8, number=np.arange(16.0))
    assert ("scanner", "3") in figures(table, described, subgroups=("scanner",))
    assert not figures(table, described)
    with pytest.raises(ConfigError, match="scaner"):
        figures(table, described, subgroups=("scaner",))
    with pytest.raises(ConfigError, match="16 values"):
        figures(table, described, subgroups=("number",))

"""What tells simulated classes apart when nothing should: no lesions, no disease-related atrophy, age and sex alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawson.classification.experiment import StudyPaths
from dawson.classification.study import run_study
from dawson.config import StudyConfig
from dawson.files import read_json
from dawson.simulation import plan_cohort, simulate_cohort

PEOPLE = {"MS": 45, "NMOSD": 45}


def auc_interval(tmp_path: Path, site_bias: float) -> tuple[float, float]:
    """Headline interval of a small study on people who differ in nothing, or in their scanner only."""
    plan = plan_cohort(
        PEOPLE,
        followed_up=dict.fromkeys(PEOPLE, 0),
        seed=41,
        sites=("A", "B"),
        matched=True,
        lesions=False,
        atrophy=False,
        site_bias=site_bias,
    )
    study = simulate_cohort(tmp_path / "study", plan, seed=41, jobs=2)
    config = StudyConfig().updated(
        split={"repeats": 6, "folds": 2, "test_per_class": 15}, training={"network": "resnet18-narrow", "epochs": 10}
    )
    experiment = run_study(StudyPaths(study, study), "main", config, jobs=2)
    found = read_json(experiment / "metrics.json")["headline"]["auc"]
    return found["low"], found["high"]


@pytest.mark.slow
def test_nothing_is_left_without_lesions_and_atrophy(tmp_path: Path) -> None:
    low, high = auc_interval(tmp_path, 0.0)
    assert low <= 0.5 <= high


@pytest.mark.slow
def test_the_scanner_tells_the_diagnosis_when_asked_to(tmp_path: Path) -> None:
    low, _ = auc_interval(tmp_path, 1.0)
    assert low > 0.8

"""Tiny simulated cohorts, made once for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawson.simulation import CohortPlan, plan_cohort, simulate_cohort


@pytest.fixture(scope="session")
def tiny_plan() -> CohortPlan:
    return plan_cohort({"MS": 2, "NMOSD": 1}, followed_up={"MS": 1, "NMOSD": 0}, seed=3, follow_up_scans={"MS": 1})


@pytest.fixture(scope="session")
def template_cohort(tiny_plan: CohortPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate_cohort(tmp_path_factory.mktemp("cohort") / "template space", tiny_plan, seed=3)


@pytest.fixture(scope="session")
def native_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = plan_cohort({"MS": 1}, followed_up={"MS": 0}, seed=5)
    return simulate_cohort(tmp_path_factory.mktemp("cohort") / "native", plan, seed=5, space="native", thickness_mm=4.0)

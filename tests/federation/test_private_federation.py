"""Differentially private rounds at sites that keep their own budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dawson.errors import ConfigError, ExperimentError
from dawson.federation.coordinator import coordinate
from dawson.federation.messages import ModelUpdate
from dawson.federation.plan import FederatedPlan, PrivacyPart
from dawson.federation.privacy_budget import epsilon_of, noise_for, runs_of
from dawson.federation.site_policy import PrivacyBudget, SitePolicy
from dawson.federation.wire import decode_message

pytest.importorskip("opacus")


def with_budget(centre: Any, **budget: Any) -> Any:
    policy = centre.node.policy.model_copy(update={"budget": PrivacyBudget(delta=1e-3, **budget)})
    centre.node.policy = policy
    return centre


@pytest.fixture
def private(plan: FederatedPlan) -> FederatedPlan:
    # 16 of 24 people train at each centre: 4 expected in each of 4 steps a round, 2 rounds
    noise = noise_for(8.0, 1e-3, 4 / 16, 8)
    part = PrivacyPart(noise_multiplier=round(noise + 0.01, 2), people_per_step=4)
    return FederatedPlan.model_validate({**plan.model_dump(), "rounds": 2, "privacy": part.model_dump()})


def test_rounds_are_paid_for_and_tell_no_loss_of_the_protected(private: FederatedPlan, centre: Any, tmp_path: Path) -> None:
    centres = {name: with_budget(centre(name, 12, seed), epsilon=8.5) for seed, name in enumerate(("seoul", "taipei"))}
    done = coordinate(private, {name: one.node.answer for name, one in centres.items()}, tmp_path / "job")
    assert [record["took_part"] for record in done.report["rounds"]] == [["seoul", "taipei"]] * 2
    assert [record["loss"] for record in done.report["rounds"]] == [None, None]
    for one in centres.values():
        runs = runs_of(one.study)
        assert [(run.steps, run.sampling_rate) for run in runs] == [(4, 0.25), (4, 0.25)]
        assert 7 < epsilon_of(runs, 1e-3) <= 8.0
        updates = [message for content in one.sent if isinstance(message := decode_message(content), ModelUpdate)]
        assert len(updates) == 2 and all(update.loss is None for update in updates)
        assert all(np.isfinite(array).all() for update in updates for array in update.arrays.values())
    # the same job for a third and fourth round would cost more than the half that is left
    again = private.model_copy(update={"job": "again"})
    with pytest.raises(ExperimentError, match="refused: budget"):
        coordinate(again, {name: one.node.answer for name, one in centres.items()}, tmp_path / "again")
    assert all(len(runs_of(one.study)) == 2 for one in centres.values())


def test_a_job_that_the_budget_does_not_cover_does_not_begin(private: FederatedPlan, centre: Any, tmp_path: Path) -> None:
    rich, poor = with_budget(centre("rich", 12, 1), epsilon=20), with_budget(centre("poor", 12, 2), epsilon=5)
    with pytest.raises(ExperimentError, match="poor: refused: budget"):
        coordinate(private, {"rich": rich.node.answer, "poor": poor.node.answer}, tmp_path / "job")
    assert runs_of(poor.study) == runs_of(rich.study) == []


def test_a_budget_that_was_spent_meanwhile_ends_the_rounds_of_a_site(private: FederatedPlan, centre: Any, tmp_path: Path) -> None:
    centres = {name: with_budget(centre(name, 12, seed), epsilon=8.5) for seed, name in enumerate(("a", "b", "c"))}
    asked = 0

    def spent_meanwhile(content: bytes) -> bytes:
        nonlocal asked
        asked += 1
        if asked == 3:
            with_budget(centres["c"], epsilon=5.0)
        return bytes(centres["c"].node.answer(content))

    links = {"a": centres["a"].node.answer, "b": centres["b"].node.answer, "c": spent_meanwhile}
    done = coordinate(private, links, tmp_path / "job")
    assert [record["dropped"] for record in done.report["rounds"]] == [{}, {"c": "refused: budget"}]
    assert len(runs_of(centres["c"].study)) == 1


def test_who_wants_privacy_gets_it_or_nothing(plan: FederatedPlan, private: FederatedPlan) -> None:
    strict = SitePolicy(site="a", minimum_sites=2, budget=PrivacyBudget(epsilon=8, required=True))
    refused = strict.objection(plan, 2)
    assert refused is not None and refused[0] == "budget"
    assert strict.objection(private, 2) is None
    without = SitePolicy(site="a", minimum_sites=2).objection(private, 2)
    assert without is not None and without[0] == "budget"


@pytest.mark.parametrize("changes", [{"normalisation": "fedbn"}, {"normalisation": "average"}, {"proximal": 0.1}])
def test_batch_normalisation_and_the_proximal_term_are_not_private(private: FederatedPlan, changes: dict[str, Any]) -> None:
    from dawson.config import validated

    with pytest.raises(ConfigError, match="batch normalisation mixes people"):
        validated(FederatedPlan, {**private.model_dump(), **changes}, "plan", "")

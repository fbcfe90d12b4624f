from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.errors import GovernanceError
from dawson.federation.privacy_budget import LEDGER, PrivateRun, epsilon_of, noise_for, reserve, runs_of, settle
from dawson.governance.ledger import governance_folder

pytest.importorskip("opacus")

# Epsilon by the RdpAccountant of Google's dp-accounting 0.6.0 for Poisson sampling of the Gaussian mechanism, default orders.
THEIRS = [
    (5.31, 16 / 250, 782, 1e-3, 0.9944374047628616),
    (2.21, 16 / 250, 782, 1e-3, 2.988916367319484),
    (1.16, 16 / 250, 782, 1e-3, 8.094152615429723),
    (1.0, 0.05, 500, 1e-5, 8.301589421681909),
    (4.0, 0.2, 100, 1e-5, 2.298161740882599),
]


@pytest.mark.parametrize(("noise", "rate", "steps", "delta", "epsilon"), THEIRS)
def test_agrees_with_dp_accounting(noise: float, rate: float, steps: int, delta: float, epsilon: float) -> None:
    assert epsilon_of([PrivateRun("a", noise, rate, steps)], delta) == pytest.approx(epsilon, rel=0.01)


def test_two_runs_agree_with_dp_accounting() -> None:
    runs = [PrivateRun("a", 2.0, 0.1, 300), PrivateRun("b", 1.5, 0.05, 200)]
    assert epsilon_of(runs, 1e-5) == pytest.approx(5.334077425373959, rel=0.01)


@pytest.mark.parametrize(("epsilon", "noise"), [(1, 5.31), (3, 2.21), (8, 1.16)])
def test_noise_for_a_centre_of_250_people(epsilon: float, noise: float) -> None:
    # 50 passes in batches of 16
    found = noise_for(epsilon, 1e-3, 16 / 250, round(50 * 250 / 16))
    assert found == pytest.approx(noise, rel=0.01)
    assert epsilon_of([PrivateRun("a", found, 16 / 250, 781)], 1e-3) <= epsilon


def test_no_noise_is_no_privacy_and_no_step_costs_nothing() -> None:
    assert epsilon_of([PrivateRun("a", 0.0, 0.1, 1)], 1e-5) == float("inf")
    assert epsilon_of([PrivateRun("a", 0.0, 0.1, 0)], 1e-5) == 0.0
    assert epsilon_of([], 1e-5) == 0.0


@settings(max_examples=10, deadline=None)
@given(st.floats(0.8, 6), st.floats(0.01, 0.5), st.integers(1, 500), st.integers(1, 200))
def test_more_steps_never_cost_less(noise: float, rate: float, steps: int, more: int) -> None:
    first = [PrivateRun("a", noise, rate, steps)]
    assert epsilon_of(first, 1e-5) <= epsilon_of([*first, PrivateRun("b", noise, rate, more)], 1e-5)


def test_a_spent_budget_refuses_before_anything_is_done(tmp_path: Path) -> None:
    run = PrivateRun("first", 2.0, 0.1, 300)
    cost = epsilon_of([run], 1e-5)
    name = reserve(tmp_path, run, 1.2 * cost, 1e-5)
    with pytest.raises(GovernanceError, match=r"privacy budget .* is spent"):
        reserve(tmp_path, PrivateRun("second", 2.0, 0.1, 300), 1.2 * cost, 1e-5)
    assert [known.job for known in runs_of(tmp_path)] == ["first"]
    # what broke off has spent what it reserved; what ended early has not
    settle(tmp_path, name, 10)
    assert runs_of(tmp_path) == [PrivateRun("first", 2.0, 0.1, 10)]
    reserve(tmp_path, PrivateRun("second", 2.0, 0.1, 300), 1.2 * cost, 1e-5)
    with pytest.raises(GovernanceError, match="was not reserved for 301 steps"):
        settle(tmp_path, name, 301)


def test_nothing_is_lost_when_many_reserve_at_once(tmp_path: Path) -> None:
    cost = epsilon_of([PrivateRun("a", 4.0, 0.05, 20)] * 6, 1e-5)

    def one(number: int) -> bool:
        try:
            reserve(tmp_path, PrivateRun(f"j{number}", 4.0, 0.05, 20), cost, 1e-5)
        except GovernanceError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(one, range(12))) == 6
    assert len(runs_of(tmp_path)) == 6
    assert epsilon_of(runs_of(tmp_path), 1e-5) <= cost * (1 + 1e-9)


def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    path = governance_folder(tmp_path) / LEDGER
    path.parent.mkdir()
    path.write_text(json.dumps({"entry": "settled", "name": "x", "steps": 3}) + "\n")
    with pytest.raises(GovernanceError, match="line 1 that is not what was written"):
        runs_of(tmp_path)

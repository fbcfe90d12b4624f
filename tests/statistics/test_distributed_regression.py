from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from dawson.statistics.distributed_regression import (
    added,
    fit_linear,
    fit_logistic,
    linear_sums,
    logistic_sums,
)


@pytest.fixture
def sites() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Design, number and category of three sites of different size."""
    rng = np.random.default_rng(1)
    found = []
    for people in (40, 25, 90):
        x = np.column_stack([np.ones(people), rng.normal(45, 12, people), rng.random(people) < 0.6])
        found.append((x, x @ [1.0, 0.05, -0.7] + rng.normal(size=people), rng.random(people) < 1 / (1 + np.exp(2.0 - 0.05 * x[:, 1]))))
    return found


def test_linear_regression_over_sites_is_that_of_all_people(sites: list) -> None:
    fit = fit_linear(added([linear_sums(x, y) for x, y, _ in sites]))
    pooled = sm.OLS(np.concatenate([y for _, y, _ in sites]), np.vstack([x for x, _, _ in sites])).fit()
    np.testing.assert_allclose(fit.coefficients, pooled.params, atol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, pooled.bse, atol=1e-9)
    np.testing.assert_allclose(fit.p_values, pooled.pvalues, atol=1e-9)
    np.testing.assert_allclose(np.column_stack([fit.low, fit.high]), pooled.conf_int(), atol=1e-8)
    assert fit.residual_sd == pytest.approx(np.sqrt(pooled.scale), abs=1e-9)


def test_logistic_regression_over_sites_is_that_of_all_people(sites: list) -> None:
    rounds: list = []
    fit = None
    start = np.zeros(3)
    while fit is None:
        rounds.append(added([logistic_sums(x, y, start) for x, _, y in sites]))
        start, fit = fit_logistic(rounds)
    pooled = sm.Logit(np.concatenate([y for _, _, y in sites]).astype(float), np.vstack([x for x, _, _ in sites])).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(fit.coefficients, pooled.params, atol=1e-8)
    np.testing.assert_allclose(fit.standard_errors, pooled.bse, atol=1e-8)
    np.testing.assert_allclose(fit.p_values, pooled.pvalues, atol=1e-8)
    assert fit.log_likelihood == pytest.approx(pooled.llf, abs=1e-8)
    assert fit.people == 155
    assert fit.rounds == len(rounds) < 12


def test_an_outcome_told_apart_completely_has_no_fit() -> None:
    x = np.column_stack([np.ones(40), np.arange(40.0)])
    y = x[:, 1] >= 20
    rounds: list = []
    start = np.zeros(2)
    with pytest.raises(ValueError, match=r"told apart completely|not converged|combination"):
        for _ in range(60):
            rounds.append(logistic_sums(x, y, start))
            start, _ = fit_logistic(rounds)


def test_a_column_twice_has_no_fit() -> None:
    x = np.column_stack([np.ones(30), np.arange(30.0), 2 * np.arange(30.0)])
    with pytest.raises(ValueError, match="combination of others"):
        fit_linear(linear_sums(x, np.arange(30.0)))


def test_too_few_people_have_no_fit() -> None:
    with pytest.raises(ValueError, match="3 people are too few"):
        fit_linear(linear_sums(np.eye(3), np.ones(3)))

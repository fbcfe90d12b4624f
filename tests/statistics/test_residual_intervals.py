"""Intervals of measured quantities: worked by hand, and the coverage that they promise."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.statistics.residual_intervals import ResidualInterval, fit_residuals


def test_the_bounds_by_hand() -> None:
    # residuals on the root scale: -3 to 3; with 7 people and one more, 5 / 8 and less of them lie at or below 1, 6 / 8 at or below 2
    measured = np.full(7, 16.0)
    truth = (4.0 + np.arange(-3, 4)) ** 2
    found = fit_residuals(measured, truth, range(7), "root", 0.0, level=0.5)
    assert (found.low, found.high) == (-2, 2)
    assert found.around(16.0) == (4.0, 36.0)
    assert found.around(1.0) == (0.0, 9.0)


def test_too_few_people_promise_nothing() -> None:
    few = fit_residuals([1.0] * 18, [1.0] * 18, range(18), "log", 0.1)
    assert few.around(2.0) == (0.0, float("inf"))
    enough = fit_residuals([1.0] * 19, [1.0] * 19, range(19), "log", 0.1)
    assert enough.around(2.0) == pytest.approx((2.0, 2.0))


def test_a_person_counts_once_however_many_scans() -> None:
    once = fit_residuals([4.0] * 30, np.arange(30.0), range(30), "root", 0.5)
    measured, truth, who = [4.0] * 58, [*np.arange(29.0), *[29.0] * 29], [*range(29), *[29] * 29]
    assert fit_residuals(measured, truth, who, "root", 0.5) == once


@pytest.mark.parametrize(("scale", "offset"), [("log", 0.05), ("root", 0.375)])
def test_new_people_are_covered_as_promised(scale: str, offset: float) -> None:
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        volume = rng.lognormal(1, 1, 60)
        measured = np.maximum(0, volume * rng.lognormal(-0.2, 0.4, 60) - 0.1)
        found = fit_residuals(measured[:40], volume[:40], range(40), scale, offset)  # type: ignore[arg-type]
        bounds = np.array([found.around(value) for value in measured[40:]])
        covered.append(((bounds[:, 0] <= volume[40:]) & (volume[40:] <= bounds[:, 1])).mean())
    assert 0.895 < np.mean(covered) < 0.96


def test_it_is_written_and_read() -> None:
    for found in (fit_residuals([1.0, 2.0], [1.5, 2.0], ["a", "b"], "log", 0.1), ResidualInterval("root", 0.5, -1.0, 2.0, 0.9, 30)):
        assert ResidualInterval.from_json(found.to_json()) == found


def test_wrong_values_are_refused() -> None:
    with pytest.raises(ValueError, match="not below 0"):
        fit_residuals([-1.0], [1.0], ["a"], "log", 0.1)
    with pytest.raises(ValueError, match="shapes"):
        fit_residuals([1.0], [1.0, 2.0], ["a"], "log", 0.1)

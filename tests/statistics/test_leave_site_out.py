"""Leaving a site out shows what a fold that mixes sites hides."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.statistics.combat import fit_combat
from dawson.statistics.leave_site_out import leave_site_out


def cohort(
    disease: float, site_effect: float, confounded: bool, seed: int = 0, count: int = 60
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three sites; features carry the disease and the site, and the third site may have its own share of the disease."""
    rng = np.random.default_rng(seed)
    site = np.repeat(["a", "b", "c"], count)
    share = {"a": 0.8, "b": 0.2, "c": 0.5} if confounded else dict.fromkeys("abc", 0.5)
    label = np.array(["MS" if rng.random() < share[name] else "NMOSD" for name in site])
    values = rng.standard_normal((3 * count, 6))
    values[:, :3] += disease * (label == "NMOSD")[:, None]
    for number, name in enumerate("abc"):
        values[site == name] += site_effect * np.array([number - 1, 0, 0, 1 - number, 0, number])
    return values, label, site


def test_a_disease_that_is_there_is_found_at_every_site() -> None:
    found = leave_site_out(*cohort(1.0, 0.0, False), "NMOSD")
    assert set(found) == {"a", "b", "c", ""} and min(found[name].low for name in found) > 0.7


def test_what_was_only_the_site_is_nothing_elsewhere() -> None:
    values, label, site = cohort(0.0, 2.0, True)
    found = leave_site_out(values, label, site, "NMOSD")
    assert abs(found[""].estimate - 0.5) < 0.12 and found[""].low < 0.5 < found[""].high


def test_harmonisation_sees_the_training_rows_and_no_label() -> None:
    values, label, site = cohort(1.0, 0.0, False)
    calls = []

    def harmonise(training: np.ndarray, out: np.ndarray) -> np.ndarray:
        calls.append(set(site[training]) | {"out: " + name for name in set(site[out])})
        return fit_combat(values[training], site[training]).transform(values, site, estimate_unseen=True)

    found = leave_site_out(values, label, site, "NMOSD", harmonise=harmonise)
    assert calls == [{"b", "c", "out: a"}, {"a", "c", "out: b"}, {"a", "b", "out: c"}]
    assert found[""].estimate > 0.8


def test_a_site_with_one_class_has_no_area() -> None:
    values, label, site = cohort(1.0, 0.0, False)
    label = np.where(site == "c", "MS", label)
    found = leave_site_out(values, label, site, "NMOSD")
    assert np.isnan(found["c"].estimate) and found[""].estimate == pytest.approx(np.average(
        [found["a"].estimate, found["b"].estimate],
        weights=[(label[site == name] == "MS").sum() * (label[site == name] == "NMOSD").sum() for name in "ab"],
    ))  # fmt: skip


def test_one_site_is_refused() -> None:
    values, label, site = cohort(1.0, 0.0, False)
    with pytest.raises(ValueError, match="two sites"):
        leave_site_out(values, label, ["a"] * len(site), "NMOSD")

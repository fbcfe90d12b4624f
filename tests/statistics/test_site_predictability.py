"""Site predictability: found where it is, chance where it is not; and confounding in numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import contingency

from dawson.statistics.combat import fit_combat
from dawson.statistics.site_predictability import confounding, site_predictability


def people(effect: float, spread: float = 1.0, seed: int = 0, count: int = 25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three sites, two rows a person; the sites differ by `effect` in location and the last by `spread` in scale."""
    rng = np.random.default_rng(seed)
    site = np.repeat(["a", "b", "c"], count)
    own = rng.standard_normal((3 * count, 8))
    own[site == "c"] *= spread
    own += effect * np.repeat([-1, 0, 1], count)[:, None]
    values = np.repeat(own, 2, axis=0) + 0.2 * rng.standard_normal((6 * count, 8))
    return values, np.repeat(site, 2), np.repeat([f"sub-{n}" for n in range(3 * count)], 2)


def test_sites_that_differ_are_told_far_beyond_chance() -> None:
    found = site_predictability(*people(1.5), permutations=19)
    assert found.accuracy.estimate > 0.8 and found.auc.low > 0.9 and found.p_auc == 1 / 20
    assert abs(found.chance_auc[0] - 0.5) < 0.06 and abs(found.chance_accuracy[0] - 1 / 3) < 0.06
    assert found.people == 75 and found.sites == ("a", "b", "c")


def test_a_difference_of_scale_alone_is_found() -> None:
    assert site_predictability(*people(0.0, spread=3.0), permutations=19).p_auc == 1 / 20


def test_where_there_is_no_site_effect_p_is_uniform() -> None:
    p = [site_predictability(*people(0.0, seed=seed, count=6), permutations=9).p_auc for seed in range(12)]
    assert 0.25 < np.mean(p) < 0.8


def test_rows_of_a_person_never_tell_about_each_other() -> None:
    """Features that name the person and nothing else give chance, however many rows a person has."""
    rng = np.random.default_rng(1)
    values = np.repeat(rng.standard_normal((40, 30)), 4, axis=0)
    found = site_predictability(values, np.repeat(["a", "b"], 80), np.repeat(np.arange(40), 4), permutations=19)
    assert found.p_auc > 0.05


def test_harmonised_within_the_folds_sites_are_near_chance() -> None:
    values, site, person = people(1.5)

    def combat(names: np.ndarray, training: np.ndarray) -> np.ndarray:
        first = training[np.unique(person[training], return_index=True)[1]]
        return fit_combat(values[first], names[first]).transform(values, names)

    within = site_predictability(values, site, person, harmonise=combat, permutations=3)
    assert within.auc.estimate < 0.65 and within.auc.estimate > 0.35


def test_unknown_values_and_constant_features_are_allowed() -> None:
    values, site, person = people(1.5)
    values[::7, 0], values[:, 1] = np.nan, 3.0
    assert site_predictability(values, site, person, permutations=5).auc.estimate > 0.9


def test_what_makes_no_sense_is_refused() -> None:
    values, site, person = people(0.0)
    with pytest.raises(ValueError, match="two sites"):
        site_predictability(values[:2], site[:2], person[:2])
    with pytest.raises(ValueError, match="sub-0 has two sites"):
        site_predictability(values, np.where(np.arange(len(site)) == 1, "b", site), person)


def test_cramers_v_is_scipys() -> None:
    rng = np.random.default_rng(0)
    site, label = rng.choice(["a", "b", "c"], 90), rng.choice(["MS", "NMOSD"], 90)
    found = confounding(site, label)
    table = [[found.counts[name][which] for which in ("MS", "NMOSD")] for name in "abc"]
    assert found.cramers_v == pytest.approx(contingency.association(np.array(table), method="cramer"))
    assert found.corrected_v <= found.cramers_v and found.warning == ""


def test_a_confounded_study_is_warned_of_with_numbers() -> None:
    site = ["a"] * 30 + ["b"] * 30 + ["c"] * 6
    label = ["MS"] * 25 + ["NMOSD"] * 5 + ["MS"] * 5 + ["NMOSD"] * 25 + ["MS"] * 6
    found = confounding(site, label)
    assert found.one_class_sites == {"c": "MS"}
    assert "everybody of site c (6) has MS" in found.warning and f"{found.cramers_v:.2f}" in found.warning


def test_one_site_or_one_diagnosis_is_not_confounded() -> None:
    assert confounding(["a"] * 5, ["MS", "MS", "NMOSD", "MS", "MS"]).warning == ""
    assert confounding(["a", "b"] * 5, ["MS"] * 10).warning == ""


def test_an_independent_small_sample_is_corrected_for_chance() -> None:
    rng = np.random.default_rng(3)
    found = [confounding(rng.choice(list("abcdef"), 30), rng.choice(["MS", "NMOSD"], 30)) for _ in range(50)]
    assert np.mean([one.cramers_v for one in found]) > 0.3 > 2 * np.mean([one.corrected_v for one in found])

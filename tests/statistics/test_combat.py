"""ComBat against the reference implementations, its rules, and people it was not fitted on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dawson.statistics.combat import LEAST_UNSEEN, CombatModel, fit_combat

ORACLES = {
    "parametric_adjusted_python": {"method": "parametric", "gender": True},
    "parametric_adjusted_r": {"method": "parametric", "gender": True},
    "parametric_unadjusted_python": {"method": "parametric", "gender": False},
    "nonparametric_adjusted_python": {"method": "nonparametric", "gender": True},
    "parametric_adjusted_noeb_python": {"method": "none", "gender": True},
}


def cohort(seed: int = 0, people: int = 40, features: int = 30, missing: float = 0.0) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Three sites with their own location and scale of each feature, age and sex that count and differ between the sites."""
    rng = np.random.default_rng(seed)
    site = np.repeat(["a", "b", "c"], people)
    age = rng.normal(40 + 5 * (site == "b"), 8)
    sex = np.where(rng.random(len(site)) < 0.5, "F", "M")
    slope = rng.normal(0, 0.05, features)
    values = 3 + np.outer(age - 40, slope) + 0.5 * (sex == "F")[:, None] + rng.standard_normal((len(site), features))
    for number, name in enumerate("abc"):
        rows = site == name
        values[rows] = values[rows] * rng.uniform(0.7, 1.6, features) + rng.normal(number, 0.4, features)
    values[rng.random(values.shape) < missing] = np.nan
    return values, site, {"age": age, "sex": sex}


@pytest.mark.data
@pytest.mark.parametrize("name", ORACLES)
def test_the_reference_implementations_agree(name: str, reference_data: Path) -> None:
    folder = reference_data / "oracles" / "combat"
    table = np.loadtxt(folder / "testdata.csv", delimiter=",", skiprows=1).T
    expected = np.loadtxt(folder / f"testdata_combat_{name}.csv", delimiter=",", skiprows=int(name.endswith("_r"))).T
    site, setting = np.repeat([1, 2], 5), ORACLES[name]
    covariates = {"gender": np.tile([1, 2], 5)} if setting["gender"] else None
    model = fit_combat(table, site, covariates, method=setting["method"])
    assert np.abs(model.transform(table, site, covariates) - expected).max() < 1e-6


def test_without_shrinkage_sites_have_one_mean_and_variance() -> None:
    values, site, _ = cohort()
    done = fit_combat(values, site, method="none").transform(values, site)
    means = np.stack([done[site == name].mean(axis=0) for name in "abc"])
    deviations = np.stack([done[site == name].std(axis=0, ddof=1) for name in "abc"])
    assert np.ptp(means, axis=0).max() < 1e-9 and np.ptp(deviations, axis=0).max() < 1e-9


def test_what_covariates_add_stays() -> None:
    values, site, covariates = cohort(people=300)
    done = fit_combat(values, site, covariates).transform(values, site, covariates)
    difference = done[covariates["sex"] == "F"].mean(axis=0) - done[covariates["sex"] == "M"].mean(axis=0)
    assert 0.4 < difference.mean() < 0.65
    means = np.stack([done[site == name].mean(axis=0) for name in "abc"])
    assert np.ptp(means, axis=0).mean() < 0.35  # what is left is the older people of b


def test_the_reference_site_is_left_as_it_is_and_others_are_brought_to_it() -> None:
    values, site, covariates = cohort()
    done = fit_combat(values, site, reference="b", method="none").transform(values, site)
    assert (done[site == "b"] == values[site == "b"]).all()
    assert np.allclose(done[site == "a"].mean(axis=0), values[site == "b"].mean(axis=0))
    model = fit_combat(values, site, covariates, reference="b")
    assert (model.location[1] == 0).all() and (model.scale[1] == 1).all()


def test_mean_only_leaves_scales() -> None:
    values, site, _ = cohort()
    done = fit_combat(values, site, mean_only=True).transform(values, site)
    for name in "abc":
        assert np.allclose(done[site == name].std(axis=0), values[site == name].std(axis=0))
    assert np.ptp([done[site == name].mean() for name in "abc"]) < 0.2 * np.ptp([values[site == name].mean() for name in "abc"])


def test_a_feature_that_is_constant_at_a_site_is_left_as_it_is() -> None:
    values, site, _ = cohort()
    values[site == "a", 3] = 7.0
    values[:, 4] = 1.0
    model = fit_combat(values, site)
    done = model.transform(values, site)
    assert np.flatnonzero(~model.adjusted).tolist() == [3, 4]
    assert (done[:, 3:5] == values[:, 3:5]).all() and np.isfinite(done).all()


def test_a_site_with_one_person_is_refused_or_only_its_mean_is_adjusted() -> None:
    values, site, _ = cohort(people=20)
    keep = (site != "c") | (np.arange(len(site)) == 59)
    values, site = values[keep], site[keep]
    with pytest.raises(ValueError, match="site c has one person"):
        fit_combat(values, site)
    model = fit_combat(values, site, single="mean-only")
    assert (model.scale[2] == 1).all() and model.location[2].any()
    with pytest.raises(ValueError, match="reference site c has one person"):
        fit_combat(values, site, single="mean-only", reference="c")


def test_unknown_values_stay_unknown_and_the_rest_is_adjusted_as_if_the_others_were_all() -> None:
    values, site, _ = cohort(features=12, missing=0.1)
    done = fit_combat(values, site, method="none").transform(values, site)
    assert (np.isnan(done) == np.isnan(values)).all()
    known = ~np.isnan(values[:, 0])
    alone = fit_combat(values[known][:, [0]], site[known], method="none").transform(values[known][:, [0]], site[known])
    # the mean to which all sites are brought weighs them by all their people, so that the two differ by a constant
    assert np.ptp(done[known, 0] - alone[:, 0]) < 1e-9


def test_the_model_survives_json() -> None:
    values, site, covariates = cohort()
    model = fit_combat(values, site, covariates, method="nonparametric")
    again = CombatModel.from_json(json.loads(json.dumps(model.to_json())))
    assert (again.transform(values, site, covariates) == model.transform(values, site, covariates)).all()
    plain = CombatModel.from_json(json.loads(json.dumps(fit_combat(values, site).to_json())))
    assert plain.coefficients.shape == (0, 30)
    with pytest.raises(ValueError, match="scale"):
        CombatModel.from_json({name: value for name, value in model.to_json().items() if name != "scale"})


def test_new_people_of_a_known_site_are_transformed_one_by_one() -> None:
    values, site, covariates = cohort()
    train = np.arange(len(site)) % 2 == 0
    model = fit_combat(values[train], site[train], {name: column[train] for name, column in covariates.items()})
    rest = {name: column[~train] for name, column in covariates.items()}
    together = model.transform(values[~train], site[~train], rest)
    first = model.transform(values[~train][:1], site[~train][:1], {name: column[:1] for name, column in rest.items()})
    assert np.allclose(together[0], first[0])


@pytest.mark.parametrize("method", ["parametric", "nonparametric"])
def test_an_unseen_site_is_refused_or_brought_nearer_without_its_labels(method: Any) -> None:
    values, site, _ = cohort(people=60)
    seen = site != "c"
    model = fit_combat(values[seen], site[seen], method=method)
    with pytest.raises(ValueError, match="site c was not among"):
        model.transform(values, site)
    done = model.transform(values, site, estimate_unseen=True)
    apart = [np.abs(table[~seen].mean(axis=0) - model.grand_mean).mean() for table in (values, done)]
    assert apart[1] < 0.3 * apart[0]
    few = np.flatnonzero(~seen)[: LEAST_UNSEEN - 1]
    with pytest.raises(ValueError, match=f"{LEAST_UNSEEN} or more"):
        model.transform(values[few], site[few], estimate_unseen=True)


def test_shrinkage_of_few_people_beats_none() -> None:
    """Against the known truth: with six people a site, effects drawn toward each other are nearer to the real ones."""
    errors = {"parametric": 0.0, "nonparametric": 0.0, "none": 0.0}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        clean = rng.standard_normal((12, 60))
        site = np.repeat(["a", "b"], 6)
        values = clean + np.where((site == "b")[:, None], rng.normal(1, 0.2, 60), 0)
        for method in errors:
            done = fit_combat(values, site, method=method).transform(values, site)  # type: ignore[arg-type]
            gap = done[site == "b"].mean(axis=0) - done[site == "a"].mean(axis=0)
            true = clean[site == "b"].mean(axis=0) - clean[site == "a"].mean(axis=0)
            errors[method] += float(((gap - true) ** 2).mean())
    assert errors["parametric"] < 0.5 * errors["none"] and errors["nonparametric"] < 0.6 * errors["none"]


def test_what_cannot_be_told_apart_is_refused() -> None:
    values, site, covariates = cohort(people=10)
    with pytest.raises(ValueError, match="cannot be told apart"):
        fit_combat(values, site, {"scanner": np.where(site == "a", "old", "new")})
    with pytest.raises(ValueError, match="two sites"):
        fit_combat(values[:10], site[:10])
    with pytest.raises(ValueError, match="unknown in row 3"):
        fit_combat(values, site, {"age": np.where(np.arange(30) == 3, np.nan, covariates["age"])})
    model = fit_combat(values, site, covariates)
    with pytest.raises(ValueError, match="value X"):
        model.transform(values, site, {**covariates, "sex": np.where(np.arange(30) == 0, "X", covariates["sex"])})
    with pytest.raises(ValueError, match="covariate age of the fit is not given"):
        model.transform(values, site, {"sex": covariates["sex"]})
    with pytest.raises(ValueError, match="reference site z"):
        fit_combat(values, site, reference="z")

"""ComBat in the lesion-feature comparator: learnt from training people, and told of in the findings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dawson.classification.comparators import comparator
from dawson.classification.comparators.feature_harmonisation import first_scans, harmonised_features
from dawson.classification.comparators.lesion_features import summary_table
from dawson.classification.comparators.material import Material
from dawson.classification.harmonisation import site_findings
from dawson.classification.out_of_sample import patient_means
from dawson.cohort.splits import make_splits
from dawson.config import HarmonisationSection, SplitSection, StudyConfig, parse_config
from dawson.errors import ConfigError, ExperimentError
from dawson.statistics.figures import auc

from .test_comparators import lesion

COMBAT = HarmonisationSection(features="combat")


def cohort(
    per_site: int = 24,
    *,
    seed: int = 0,
    scheme: str = "nested-k-fold",
    effect: float = 1.5,
    share: tuple[float, ...] = (0.5, 0.5, 0.5),
    **harmonisation: object,
) -> Material:
    """Three sites; class B has smaller, rounder lesions; a scanner multiplies their volume and changes their shape."""
    rng = np.random.default_rng(seed)
    rows, lesions = [], {}
    for place, site in enumerate("abc"):
        for number in range(per_site):
            label = "B" if number < share[place] * per_site else "A"
            name = f"sub-{site}{number:03d}"
            for scan in range(1 + number % 3 // 2):
                rows.append(
                    {
                        "participant_id": name, "session_id": f"ses-{scan + 1:02d}", "label": label, "site": site,
                        "age": rng.normal(40, 8), "sex": rng.choice(["F", "M"]), "aqp4": {"A": "negative", "B": "positive"}[label],
                        "days_from_baseline": 365.0 * scan,
                    }
                )  # fmt: skip
                lesions[name, f"ses-{scan + 1:02d}"] = tuple(
                    lesion(
                        *(["periventricular"] if rng.random() < 0.5 else []),
                        volume_ml=float(np.exp(rng.normal(-1 - 0.5 * (label == "B") + effect * (place - 1), 0.5))),
                        solidity=float(np.clip(rng.normal(0.8 + 0.05 * (label == "B") - 0.1 * effect * (place - 1), 0.05), 0, 1)),
                        sphericity=float(rng.normal(0.6 + 0.05 * effect * (place - 1), 0.05)),
                        elongation=float(rng.normal(1.5, 0.2)),
                    )
                    for _ in range(3 + rng.poisson(5))
                )
    images = pd.DataFrame(rows)
    splits = make_splits(images, SplitSection(scheme=scheme, repeats=1, folds=3))  # type: ignore[arg-type]
    network = splits[splits["role"].isin(["validation", "test"])].merge(images, on=["participant_id", "session_id"])
    network = network.assign(probability_A=0.5, probability_B=0.5)
    return Material(images, splits, network, lesions, ("A", "B"), harmonisation=HarmonisationSection(**harmonisation))  # type: ignore[arg-type]


def area(table: pd.DataFrame) -> float:
    means = patient_means(table)
    return float(auc(means["label"] == "B", means["probability_B"]))


def test_none_is_the_very_table() -> None:
    material = cohort()
    table, fold = summary_table(material.lesions_of_images()), next(iter(material.folds()))
    assert harmonised_features(material, table, fold.train, fold.test) is table


def test_volumes_of_the_sites_come_together_and_those_of_the_classes_stay_apart() -> None:
    material = cohort(features="combat")
    table, fold = summary_table(material.lesions_of_images()), next(iter(material.folds()))
    wanted = np.concatenate([fold.validation, fold.test])
    done = harmonised_features(material, table, fold.train, wanted)
    site, label = material.images["site"], material.images["label"]
    gaps = [np.ptp([part["total_ml"][site == name].mean() for name in "abc"]) for part in (table, done)]
    assert gaps[1] < 0.2 * gaps[0]
    classes = [part["total_ml"][label == "A"].mean() - part["total_ml"][label == "B"].mean() for part in (table, done)]
    assert classes[1] > 0.7 * classes[0] > 0.1


def test_people_who_are_tested_teach_nothing() -> None:
    material = cohort(features="combat")
    table, fold = summary_table(material.lesions_of_images()), next(iter(material.folds()))
    before = harmonised_features(material, table, fold.train, fold.test)
    changed = table.copy()
    changed.iloc[fold.test[1:]] += 100.0
    after = harmonised_features(material, changed, fold.train, fold.test)
    rows = [*fold.train, fold.test[0]]
    assert np.allclose(before.iloc[rows], after.iloc[rows], equal_nan=True)
    turned = replace(material, images=material.images.assign(label=material.images["label"].map({"A": "B", "B": "A"})))
    assert harmonised_features(turned, table, fold.train, fold.test).equals(before)


def test_where_scanners_differ_combat_helps_the_comparator() -> None:
    plain, combat = (comparator("lesion-features").predict(cohort(features=kind, per_site=40)) for kind in ("none", "combat"))
    assert area(combat) > area(plain) + 0.02


def test_an_unseen_site_is_refused_or_estimated() -> None:
    with pytest.raises(ExperimentError, match="site a was not among"):
        comparator("lesion-features").predict(cohort(features="combat", scheme="leave-one-site-out"))
    estimated = comparator("lesion-features").predict(cohort(features="combat", scheme="leave-one-site-out", unseen="estimate"))
    plain = comparator("lesion-features").predict(cohort(scheme="leave-one-site-out"))
    assert area(estimated) > area(plain)


def test_fits_take_one_scan_of_each_person() -> None:
    material = cohort()
    first = material.images.iloc[first_scans(material, np.arange(len(material.images)))]
    assert first["participant_id"].is_unique and set(first["session_id"]) == {"ses-01"}


def test_the_diagnosis_is_no_covariate_under_any_name() -> None:
    with pytest.raises(ConfigError, match="test patient's label"):
        parse_config({"harmonisation": {"covariates": ["age", "diagnosis"]}}, "study.toml")
    with pytest.raises(ExperimentError, match="'aqp4', which tells the diagnosis"):
        comparator("lesion-features").predict(cohort(features="combat", covariates=("aqp4",)))


def test_unknown_covariates_are_filled_and_missing_columns_named() -> None:
    material = cohort(features="combat")
    gaps = material.images.assign(age=material.images["age"].where(np.arange(len(material.images)) % 5 > 0))
    gaps.loc[3, "sex"] = "X"
    assert not comparator("lesion-features").predict(replace(material, images=gaps)).isna().any(axis=None)
    with pytest.raises(ExperimentError, match="'weight', which is in no table"):
        comparator("lesion-features").predict(cohort(features="combat", covariates=("weight",)))
    with pytest.raises(ExperimentError, match="sub-a000 has none"):
        comparator("lesion-features").predict(
            replace(
                material, images=material.images.assign(site=material.images["site"].mask(material.images["participant_id"] == "sub-a000"))
            )
        )


def config(**harmonisation: object) -> StudyConfig:
    return StudyConfig().updated(study={"classes": ["A", "B"], "positive": "B"}, harmonisation=harmonisation)


def test_nothing_is_said_where_nothing_was_done_and_sites_are_balanced() -> None:
    material = cohort()
    assert site_findings(material.images, config(), lambda: material) is None
    one = material.images.assign(site="a")
    assert site_findings(one, config(), lambda: material) is None


def test_confounded_sites_are_warned_of_even_where_nothing_is_harmonised() -> None:
    material = cohort(share=(0.0, 0.5, 0.9))
    found = site_findings(material.images, config(), lambda: material)
    assert found is not None and found["one_class_sites"] == {"a": "A"} and "everybody of site a (24) has A" in found["warning"]
    assert "predictability" not in found


def test_what_was_done_is_told_with_predictability_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dawson.classification.harmonisation.PERMUTATIONS", 4)
    material = cohort(features="combat", scheme="leave-one-site-out", unseen="estimate")
    found = site_findings(material.images, config(features="combat", unseen="estimate"), lambda: material)
    assert found is not None
    assert set(found["features"]["unseen_sites"]) == {"a", "b", "c"} and found["features"]["fits"] == 9
    (row,) = found["predictability"]
    assert row["before"]["auc"]["low"] > 0.9 > row["after"]["auc"]["estimate"] and row["before"]["p_auc"] == 0.2


def test_a_part_that_cannot_be_made_says_why() -> None:
    material = replace(cohort(features="combat"), lesions={})
    found = site_findings(material.images, config(features="combat"), lambda: material)
    assert found is not None and "lesion mask" in found["predictability"][0]["reason"] and "reason" in found["features"]

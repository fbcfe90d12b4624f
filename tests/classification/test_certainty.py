"""What a model carries to say how sure it is, on images made in memory."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from dawson.classification.certainty import CALIBRATION, CANNOT_TELL, FAMILIARITY, Certainty, member_features, write_certainty
from dawson.classification.experiment import StudyPaths, collect_predictions
from dawson.classification.images import UsableImages, stack_of
from dawson.classification.model import Model
from dawson.classification.plan import Plan, plan_study, train_pending
from dawson.config import StudyConfig
from dawson.files import read_json
from dawson.statistics.calibration import fit_temperature
from dawson.statistics.conformal import cross_conformal_p_values
from dawson.statistics.familiarity import cloud_distance, fit_cloud, share_as_far

NO_EXCLUSIONS = pd.DataFrame(columns=["participant_id", "session_id", "stage", "reason"])
CONFIG = StudyConfig().updated(
    study={"classes": ["A", "B"], "positive": "B"},
    split={"repeats": 1, "folds": 3, "test_per_class": 2},
    training={"epochs": 3, "network": "resnet18-narrow"},
)
INSIDE = {"abstention": {"error_when_single": {"estimate": 0.1, "low": 0.0, "high": 0.3, "method": "m"}}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan, pd.DataFrame]:
    """A model of three members on 12 + 12 people, some with two scans, and what it carries."""
    root = tmp_path_factory.mktemp("carried")
    rng = np.random.default_rng(0)
    rows = []
    for index, label in enumerate("AB"):
        for person in range(12):
            for scan in range(1 + (person > 8)):
                image = rng.standard_normal((5, 32, 32))
                image[:, 4 + 8 * index : 10 + 8 * index, 4:10] += 2
                path = root / f"{label}{person}_{scan}.npy"
                np.save(path, image.astype(np.float32))
                rows.append((f"sub-{label}{person:02d}", f"ses-{scan}", label, 365.0 * scan, str(path), path.name))
    table = pd.DataFrame(rows, columns=["participant_id", "session_id", "label", "days_from_baseline", "path", "hash"])
    plan = plan_study(StudyPaths(root, root), "main", CONFIG, UsableImages(table, NO_EXCLUSIONS))
    train_pending(plan, 1)
    out_of_fold = collect_predictions(plan.final_runs, plan.final, plan.usable)
    preprocessed = table[["participant_id", "session_id"]].assign(template_correlation=rng.uniform(0.7, 0.9, len(table)), wm_dice=np.nan)
    folder = root / "models" / "main"
    carried = write_certainty(folder, plan, CONFIG, out_of_fold, INSIDE, preprocessed)
    assert set(carried) == {"calibration", "familiarity"}
    return folder, plan, out_of_fold


def certainty_of(folder: Path) -> Certainty:
    return Certainty(read_json(folder / CALIBRATION), load_file(folder / FAMILIARITY))


def test_the_sets_are_those_of_the_scores_with_names(trained: tuple[Path, Plan, pd.DataFrame]) -> None:
    folder, _, out_of_fold = trained
    logits = np.random.default_rng(1).normal(0, 2, (3, 20, 2))
    chance = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    given = np.exp(out_of_fold[["logit_A", "logit_B"]].to_numpy())
    expected = cross_conformal_p_values(
        given / given.sum(axis=1, keepdims=True), (out_of_fold["label"] == "B").to_numpy().astype(int), out_of_fold["fold"],
        out_of_fold["participant_id"].to_numpy(dtype=str), chance,
    )  # fmt: skip
    np.testing.assert_allclose(certainty_of(folder).p_values(logits), expected, atol=1e-9)


def test_the_temperature_is_that_of_the_out_of_fold_logits_one_row_a_person(trained: tuple[Path, Plan, pd.DataFrame]) -> None:
    folder, _, out_of_fold = trained
    people = out_of_fold.groupby(["participant_id", "label"])[["logit_A", "logit_B"]].mean().reset_index()
    expected = fit_temperature(people[["logit_A", "logit_B"]], (people["label"] == "B").to_numpy().astype(int))
    assert certainty_of(folder).temperature == pytest.approx(expected)
    assert read_json(folder / CALIBRATION)["participants"] == {"A": 12, "B": 12}


def test_nobody_is_named_in_what_the_model_carries(trained: tuple[Path, Plan, pd.DataFrame]) -> None:
    folder, plan, _ = trained
    text = (folder / CALIBRATION).read_text() + (folder / FAMILIARITY).read_bytes().decode("latin-1")
    assert not [who for who in plan.usable.table["participant_id"].unique() if who in text or who.removeprefix("sub-") in text]
    content = json.loads((folder / CALIBRATION).read_text())
    scores = [values for member in content["scores"] for by_scans in member.values() for values in by_scans.values()]
    assert all(
        values == sorted(values)
        for values in [*scores, *(part for member in content["familiarity"]["distances"] for part in member.values())]
    )


def test_a_scan_that_speaks_for_both_classes_is_not_told(trained: tuple[Path, Plan, pd.DataFrame]) -> None:
    folder, _, _ = trained
    content = read_json(folder / CALIBRATION)
    # Ten calibration people of each class, of whom two have a low probability of their class.
    low_and_high = {"1": [0.3, 0.4, *np.linspace(0.7, 0.95, 8)]}
    content["scores"] = [{"A": low_and_high, "B": low_and_high}]
    certainty = Certainty(content, {})
    torn, sure = certainty.of_scan(np.array([[0.0, 0.0]])), certainty.of_scan(np.array([[-3.0, 3.0]]))
    assert torn["set"]["answer"] == CANNOT_TELL and torn["set"]["classes"] == ["A", "B"]
    assert sure["set"]["answer"] == "B" and sure["set"]["p_values"]["A"] == pytest.approx(1 / 11)
    assert sure["set"]["measured_error_when_single"]["estimate"] == 0.1
    content["scores"] = None
    assert Certainty(content, {}).of_scan(np.array([[0.0, 0.0]]))["set"] is None


def test_uncertainty_of_members_that_disagree_is_theirs(trained: tuple[Path, Plan, pd.DataFrame]) -> None:
    folder, _, _ = trained
    certainty = Certainty(read_json(folder / CALIBRATION) | {"temperature": 1.0, "scores": None}, {})
    apart, alike = certainty.of_scan(np.array([[9.0, -9.0], [-9.0, 9.0]])), certainty.of_scan(np.array([[0.1, 0.0], [0.1, 0.0]]))
    assert apart["uncertainty"]["share_of_members"] > 0.99 and alike["uncertainty"]["share_of_members"] == pytest.approx(0)
    assert apart["uncertainty"]["members"] == pytest.approx(np.log(2), abs=1e-3)


def test_an_image_unlike_any_is_unusual_and_one_of_the_kind_is_not(trained: tuple[Path, Plan, pd.DataFrame]) -> None:
    folder, plan, _ = trained
    certainty = certainty_of(folder)
    description = {"training": CONFIG.training.model_dump(), "channels": 5, "classes": ["A", "B"]}
    members = [{"file": run.weights.name, "sha256": read_json(run.record)["weights_sha256"]} for run in plan.final_runs]
    model = Model(folder, description | {"members": members})
    networks = model.networks()
    strange = np.full((1, 5, 32, 32), 6.0, np.float32)
    strange[:, :, ::2] = -6
    found = certainty.judge(member_features(model, networks, strange), {"template_correlation": 0.8})
    assert found["unusual"] and found["share_as_far"] == pytest.approx(1 / 25)
    rng = np.random.default_rng(7)
    like = rng.standard_normal((20, 5, 32, 32)).astype(np.float32)
    like[:, :, 4:10, 4:10] += 2
    judged = [certainty.judge(member_features(model, networks, image[None]), {"template_correlation": 0.8})["unusual"] for image in like]
    assert np.mean(judged) <= 0.25
    poor = certainty.judge(member_features(model, networks, stack_of(plan.final_runs[0].table)[:1]), {"template_correlation": 0.2})
    assert poor["quality"]["template_correlation"]["low"] and "template correlation is 0.20" in " ".join(poor["reasons"])


def test_distances_are_those_of_scipy_and_shares_are_p_values() -> None:
    from scipy.spatial.distance import mahalanobis
    from sklearn.covariance import LedoitWolf

    rng = np.random.default_rng(2)
    features, truth = rng.normal(size=(60, 5)), np.repeat([0, 1], 30)
    features[truth == 1] += 3
    cloud = fit_cloud(features, truth)
    centred = features - cloud.means[truth]
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(centred).covariance_)
    point = rng.normal(size=5)
    expected = min(mahalanobis(point, mean, precision) for mean in cloud.means)
    assert cloud_distance(cloud, [point])[0] == pytest.approx(expected, rel=1e-3)
    # Two scans of one person count as one: (0.5 + 1 + the case itself) / (two people + 1).
    assert share_as_far([[2.0]], [[1.0, 3.0, 4.0]], [[0.5, 0.5, 1.0]])[0] == pytest.approx(2.5 / 3)
    draws = [share_as_far([rng.normal(size=1)], [rng.normal(size=19)])[0] for _ in range(2000)]
    assert np.mean(np.array(draws) <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_fewer_cases_than_features_and_a_feature_that_never_moved() -> None:
    rng = np.random.default_rng(3)
    features = np.concatenate([rng.normal(size=(6, 40)), np.zeros((6, 1))], axis=1)
    cloud = fit_cloud(features, [0, 0, 0, 1, 1, 1])
    near, far = features[:1], features[:1] + np.eye(41)[40] * 10
    assert np.isfinite(cloud.precision).all()
    assert cloud_distance(cloud, far)[0] > cloud_distance(cloud, near)[0] + 1

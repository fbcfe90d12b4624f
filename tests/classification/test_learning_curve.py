"""Fewer training patients on the same test sets: nested, stratified, resumable, and drawn as what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dawson.classification.experiment import StudyPaths, collect_predictions
from dawson.classification.images import UsableImages
from dawson.classification.learning_curve import curve_plans, curve_table, learning_curve, training_order
from dawson.classification.plan import Plan, plan_study, train_pending
from dawson.config import StudyConfig
from dawson.errors import ConfigError, TooFewParticipantsError
from dawson.report.learning_curve_figure import learning_curve_figure

NO_EXCLUSIONS = pd.DataFrame(columns=["participant_id", "session_id", "stage", "reason"])


def config_of(epochs: int = 1, folds: int = 2, per_class: int = 3, repeats: int = 3) -> StudyConfig:
    return StudyConfig().updated(
        study={"classes": ["A", "B"], "positive": "B"}, split={"repeats": repeats, "folds": folds, "test_per_class": per_class},
        training={"epochs": epochs, "network": "resnet18-narrow"}, evaluation={"bootstraps": 200},
    )  # fmt: skip


def whole_of(out: Path, table: pd.DataFrame, config: StudyConfig) -> Plan:
    return plan_study(StudyPaths(out, out), "main", config, UsableImages(table, NO_EXCLUSIONS))


def unequal(image_table: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Sixteen of A and eight of B, some with a second scan."""
    table = image_table(per_class=16, scans=2)
    number = table["participant_id"].str[-2:].astype(int)
    return table[((table["label"] == "A") | (number < 8)) & ((table["session_id"] == "ses-01") | (number % 4 == 3))].reset_index(drop=True)


def test_smaller_samples_are_parts_of_larger_ones_with_the_classes_in_proportion(tmp_path: Path, image_table) -> None:
    table = unequal(image_table)
    whole = whole_of(tmp_path, table, config_of(per_class=2))
    order = training_order(table, whole.splits, 0, 0)
    assert len(order) == len(set(order)) == 20
    b_share = np.cumsum([name.startswith("sub-B") for name in order])
    expected = 6 / 20 * np.arange(1, 21)
    assert np.abs(b_share - expected).max() <= 1
    assert order != training_order(table, whole.splits, 0, 1)


def test_every_size_keeps_the_test_sets_and_trains_on_so_many_people(tmp_path: Path, image_table) -> None:
    table = unequal(image_table)
    config = config_of(per_class=2)
    whole = whole_of(tmp_path, table, config)
    plans = curve_plans(whole, tmp_path / "curve", config, (8, 14), 2)
    assert list(plans) == [8, 14, 20]
    learners: dict[float, set[str]] = {}
    for size, plan in plans.items():
        for repeat in (0, 1):
            mine, study = (splits[splits["repeat"] == repeat] for splits in (plan.splits, whole.splits))
            keys = ["fold", "participant_id", "session_id"]
            tested = mine.loc[mine["role"] == "test", keys].reset_index(drop=True)
            pd.testing.assert_frame_equal(tested, study.loc[study["role"] == "test", keys].reset_index(drop=True))
            used = mine[mine["role"].isin(["train", "validation"])]
            assert used["participant_id"].nunique() == size
            # everybody who is used comes with all scans, once in each fold
            scans = table[table["participant_id"].isin(used["participant_id"])]
            assert (used.groupby("fold").size() == len(scans)).all()
        learners[size] = set(used["participant_id"])
        assert {run.name for run in plan.runs} == {f"repeat-00{repeat}_fold-{fold}" for repeat in (0, 1) for fold in (0, 1)}
    assert learners[8] < learners[14] < learners[20]


def test_the_last_point_is_the_study_itself(tmp_path: Path, image_table) -> None:
    table, config = image_table(per_class=10), config_of()
    whole = whole_of(tmp_path, table, config)
    for run in whole.runs:
        assert run.repeat or run.explain
    train_pending(Plan(whole.usable, whole.splits, whole.final, whole.runs[:4], ()), 1)
    plans = curve_plans(whole, tmp_path / "curve", config, (8,), 2)
    assert not plans[14].pending and len(plans[8].pending) == 4
    train_pending(plans[8], 1)
    again = curve_plans(whole_of(tmp_path, table, config), tmp_path / "curve", config, (8,), 2)
    assert not any(plan.pending for plan in again.values())


@pytest.mark.parametrize("sizes", [(14,), (0, 8), (500,)])
def test_a_size_that_there_is_not_is_refused(tmp_path: Path, image_table, sizes: tuple[int, ...]) -> None:
    config = config_of()
    with pytest.raises(ConfigError, match="sizes"):
        curve_plans(whole_of(tmp_path, image_table(per_class=10), config), tmp_path, config, sizes, 1)


def test_too_few_people_for_the_folds_are_told_with_the_size(tmp_path: Path, image_table) -> None:
    config = config_of(folds=4)
    with pytest.raises(TooFewParticipantsError, match="With 5 training patients"):
        curve_plans(whole_of(tmp_path, image_table(per_class=10), config), tmp_path, config, (5,), 1)


def test_a_study_run_small_gives_points_a_band_and_a_figure(tmp_path: Path, image_table) -> None:
    table, config = image_table(per_class=12, signal=1.5), config_of(epochs=3, per_class=4)
    whole = whole_of(tmp_path, table, config)
    plans = curve_plans(whole, tmp_path / "curve", config, (6, 10), 2)
    for plan in plans.values():
        train_pending(plan, 1)
    predictions = {size: collect_predictions(plan.runs, plan.splits, plan.usable) for size, plan in plans.items()}
    curve = learning_curve(predictions, {size: plan.splits for size, plan in plans.items()}, config)
    assert [point["n_train"] for point in curve["points"]] == [6, 10, 16]
    assert len({point["n_test_participants"] for point in curve["points"]}) == 1
    law = curve["curve"]
    assert law["extrapolated_above"] == 16 and max(law["n_train"]) == pytest.approx(32) and curve["extrapolation"]["extrapolated"]
    assert np.diff(law["auc"]).min() >= -1e-12
    shown = curve_table(curve)
    assert shown["n_train"].tolist() == [6, 10, 16, 32] and shown["extrapolated"].tolist() == [False, False, False, True]
    picture = str(learning_curve_figure(curve, "simulated patients"))
    assert picture.startswith("<svg") and "extrapolated" in picture and "simulated patients" in picture
    two = {size: predictions[size] for size in (6.0, 16.0)}
    assert learning_curve(two, {size: plans[size].splits for size in two}, config)["curve"] is None


def made_up(n_train: int, separation: float, patients: int = 60) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions of one repeat and fold whose scores separate the classes by so many standard deviations."""
    rng = np.random.default_rng(5)  # the same patients at every size
    label = np.repeat(["A", "B"], patients // 2)
    probability = 1 / (1 + np.exp(-(separation * ((label == "B") - 0.5) + rng.standard_normal(patients))))
    who = [f"sub-{number:03d}" for number in range(patients)]
    learners = [f"sub-t{number:03d}" for number in range(n_train)]
    keys = {"repeat": 0, "fold": 0, "session_id": ""}
    predictions = pd.DataFrame({"participant_id": who, "label": label, "role": "test", "model": "x", **keys})
    predictions = predictions.assign(probability_A=1 - probability, probability_B=probability)
    splits = pd.DataFrame({"participant_id": who + learners, "role": ["test"] * patients + ["train"] * n_train, **keys})
    return predictions, splits


def test_more_separation_with_more_patients_is_extrapolated_by_the_law_that_is_written_down() -> None:
    cases = {float(n): made_up(n, separation) for n, separation in ((20, 0.6), (40, 1.0), (80, 1.3), (160, 1.5))}
    curve = learning_curve({n: one for n, (one, _) in cases.items()}, {n: two for n, (_, two) in cases.items()}, config_of())
    last, further = curve["points"][-1]["auc"], curve["extrapolation"]["auc"]
    assert last["estimate"] < further["estimate"] <= 1
    assert further["low"] < further["estimate"] < further["high"]
    law = curve["curve"]
    sizes = np.array(law["n_train"])
    np.testing.assert_allclose(law["auc"], law["a"] - law["b"] * sizes ** -law["c"])
    assert further["estimate"] == law["auc"][-1] and {20, 40, 80, 160} <= set(sizes)
    for point in curve["points"]:
        place = int(np.flatnonzero(sizes == point["n_train"])[0])
        assert law["low"][place] < point["auc"]["estimate"] < law["high"][place]

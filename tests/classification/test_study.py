"""Runs of a study on images made in memory: resume, jobs, leakage, permuted labels."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dawson.classification.evaluation import evaluate
from dawson.classification.experiment import StudyPaths, check_name, collect_predictions, open_experiment, write_splits
from dawson.classification.images import UsableImages
from dawson.classification.plan import Plan, plan_study, train_pending
from dawson.classification.runs import execute
from dawson.config import StudyConfig
from dawson.errors import ConfigError, ExperimentError, ImageError, LeakageError
from dawson.files import read_json, read_tsv

NO_EXCLUSIONS = pd.DataFrame(columns=["participant_id", "session_id", "stage", "reason"])


def config_of(epochs: int = 2, **split: object) -> StudyConfig:
    settings = {"repeats": 2, "folds": 2, "test_per_class": 3} | split
    return StudyConfig().updated(
        study={"classes": ["A", "B"], "positive": "B"}, split=settings, training={"epochs": epochs, "network": "resnet18-narrow"}
    )


def plan_of(out: Path, table: pd.DataFrame, config: StudyConfig) -> Plan:
    return plan_study(StudyPaths(out, out), "main", config, UsableImages(table, NO_EXCLUSIONS))


def predictions_of(plan: Plan) -> pd.DataFrame:
    return collect_predictions(plan.runs, plan.splits, plan.usable)


def test_a_study_learns_and_says_so(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    config = config_of(epochs=10)
    plan = plan_of(tmp_path, image_table(per_class=12, signal=3), config)
    train_pending(plan, 1)
    metrics = evaluate(predictions_of(plan), plan.splits, classes=("A", "B"), positive="B", section=config.evaluation)
    assert metrics["headline"]["auc"]["estimate"] > 0.9
    assert metrics["n_repeats"] == 2 and metrics["n_folds"] == 2
    assert not plan.pending
    assert (tmp_path / "models/main/member-1.safetensors").exists()
    assert not list((tmp_path / "experiments").rglob("*.safetensors"))


def test_the_number_of_jobs_changes_no_prediction(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    table = image_table(per_class=8)
    tables = []
    for jobs in (1, 2):
        plan = plan_of(tmp_path / str(jobs), table, config_of())
        train_pending(plan, jobs)
        tables.append(predictions_of(plan))
    pd.testing.assert_frame_equal(*tables)


WORKER = """
import pickle, sys
from dawson.classification.plan import train_pending
train_pending(pickle.load(open(sys.argv[1], "rb")), 1)
"""


def test_a_study_killed_at_random_moments_gives_the_same_predictions(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    table = image_table(per_class=20)
    whole = plan_of(tmp_path / "whole", table, config_of(test_per_class=5))
    train_pending(whole, 1)
    killed = plan_of(tmp_path / "killed", table, config_of(test_per_class=5))
    (tmp_path / "plan").write_bytes(pickle.dumps(killed))
    command = [sys.executable, "-c", WORKER, str(tmp_path / "plan")]
    moments = random.Random(4)
    kills = 0
    for _ in range(40):
        before = len(list((tmp_path / "killed").rglob("*.json")))
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        while process.poll() is None and len(list((tmp_path / "killed").rglob("*.json"))) == before:
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 0.6))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        if not killed.pending:
            break
    assert kills >= 2
    assert not killed.pending
    pd.testing.assert_frame_equal(predictions_of(whole), predictions_of(killed))


def test_a_finished_run_with_other_settings_is_not_taken_for_this_one(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    table = image_table(per_class=8)
    plan = plan_of(tmp_path, table, config_of(epochs=1))
    execute(plan.runs[0])
    assert plan.runs[0].is_done()
    assert not plan_of(tmp_path, table, config_of(epochs=2)).runs[0].is_done()
    plan.runs[0].predictions.unlink()
    assert not plan.runs[0].is_done()


def test_other_settings_are_refused_and_more_repeats_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "experiments" / "main"
    open_experiment(folder, config_of())
    open_experiment(folder, config_of(repeats=7))
    with pytest.raises(ExperimentError, match=r"training\.epochs was 2 and is 3"):
        open_experiment(folder, config_of(epochs=3, repeats=7))
    open_experiment(folder, config_of(epochs=3), restart=True)


def test_other_images_are_refused(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    plan = plan_of(tmp_path, image_table(per_class=8), config_of())
    write_splits(tmp_path / "splits.tsv", plan.splits)
    write_splits(tmp_path / "splits.tsv", plan.splits)
    with pytest.raises(ExperimentError, match="began"):
        write_splits(tmp_path / "splits.tsv", plan_of(tmp_path, image_table(per_class=9), config_of()).splits)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "../up"])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        check_name(name)


def leak(table: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Put one test image of the first run into training as well, under the same person."""
    person = table.loc[table["role"] == "test", "participant_id"].iloc[0]
    row = table[table["participant_id"] == person].assign(role="train", session_id="ses-09")
    return pd.concat([table, row], ignore_index=True), person


def test_a_planted_leak_stops_training_prediction_and_evaluation(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    config = config_of(epochs=1)
    plan = plan_of(tmp_path, image_table(per_class=8), config)
    run = plan.runs[0]
    leaky, person = leak(run.table)
    with pytest.raises(LeakageError, match=person):
        execute(type(run)(**{**run.__dict__, "table": leaky}))
    train_pending(plan, 1)
    predictions = predictions_of(plan)
    splits, person = leak(plan.splits[(plan.splits["repeat"] == 0) & (plan.splits["fold"] == 0)])
    with pytest.raises(LeakageError, match=person):
        collect_predictions(plan.runs, splits, plan.usable)
    with pytest.raises(LeakageError, match=person):
        evaluate(predictions, splits, classes=("A", "B"), positive="B", section=config.evaluation)


def test_two_people_with_one_image_are_refused_before_training(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    table = image_table(per_class=8)
    table.loc[1, ["path", "hash"]] = table.loc[0, ["path", "hash"]]
    with pytest.raises(LeakageError, match=r"sub-A00.*sub-A01"):
        plan_of(tmp_path, table, config_of(repeats=30, test_per_class=4))


def test_a_damaged_channel_image_is_named(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    table = image_table(per_class=8)
    Path(table["path"][3]).write_bytes(b"\x93NUMPY half a file")
    plan = plan_of(tmp_path, table, config_of())
    with pytest.raises(ImageError, match="A3_0"):
        train_pending(plan, 1)


def test_records_tell_what_was_done(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    plan = plan_of(tmp_path, image_table(per_class=8), config_of())
    execute(plan.runs[0])
    record = read_json(plan.runs[0].record)
    assert record["participants"] == {"train": 5, "validation": 5, "test": 6}
    assert len(record["history"]) == 2 and 1 <= record["best_epoch"] <= 2
    table = read_tsv(plan.runs[0].predictions)
    assert set(table["role"]) == {"validation", "test"} and len(table) == 11
    np.testing.assert_allclose(table["probability_A"] + table["probability_B"], 1, atol=1e-6)
    explained = np.load(plan.runs[0].explanations)
    assert explained["occlusion"].shape == (6, 2, 5)
    assert explained["attribution"].shape == (6, 2, 5, 32, 32)


def permuted(tmp_path: Path, table: pd.DataFrame, epochs: int = 8) -> dict:
    config = config_of(epochs=epochs, scheme="nested-k-fold", repeats=1, folds=3)
    plan = plan_of(tmp_path, table, config)
    for run in plan.runs:
        execute(run)
    return evaluate(predictions_of(plan), plan.splits, classes=("A", "B"), positive="B", section=config.evaluation)["headline"]["auc"]


def test_permuted_labels_are_not_learnt_between_people_but_are_within(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    table = image_table(per_class=18, scans=3, signal=0, seed=5)
    people = table["participant_id"].unique()
    labels = np.random.default_rng(11).permutation(np.repeat(["A", "B"], len(people) // 2))
    table["label"] = table["participant_id"].map(dict(zip(people, labels, strict=True)))
    honest = permuted(tmp_path / "patients", table)
    assert honest["low"] <= 0.5 <= honest["high"]
    # The error that Dawson cannot be brought to make: every scan taken for a person of its own.
    scans = table.assign(participant_id=[f"sub-{index:03d}" for index in range(len(table))])
    leaky = permuted(tmp_path / "scans", scans)
    assert leaky["low"] > 0.5

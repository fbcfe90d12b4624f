"""Class probabilities in place of a diagnosis: read, learnt, digested, judged; hard labels are left as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from torch.nn.functional import cross_entropy

from dawson.classification.device import Computing
from dawson.classification.evaluation import evaluate
from dawson.classification.experiment import StudyPaths, collect_predictions
from dawson.classification.images import UsableImages, candidate_images
from dawson.classification.plan import Plan, plan_study, train_pending
from dawson.classification.soft_targets import with_targets
from dawson.classification.training import class_weights, predict_logits, soft_class_weights, soft_cross_entropy, train
from dawson.cohort.dataset import read_cohort
from dawson.cohort.validate import validate_cohort
from dawson.config import EvaluationSection, StudyConfig, StudySection, TrainingSection
from dawson.errors import CohortError, ExperimentError
from dawson.files import read_tsv

NO_EXCLUSIONS = pd.DataFrame(columns=["participant_id", "session_id", "stage", "reason"])
CPU = Computing("cpu", False)
STUDY = StudySection(classes=("A", "B"), positive="B", soft_labels=True)


def config_of(epochs: int = 1, soft: bool = True) -> StudyConfig:
    return StudyConfig().updated(
        study={"classes": ["A", "B"], "positive": "B", "soft_labels": soft},
        split={"repeats": 1, "folds": 2, "test_per_class": 3},
        training={"epochs": epochs, "network": "resnet18-narrow"},
    )


def plan_of(out: Path, table: pd.DataFrame, config: StudyConfig) -> Plan:
    return plan_study(StudyPaths(out, out), "main", config, UsableImages(table, NO_EXCLUSIONS))


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[[str], Path]:
    """A BIDS folder of six people whose participants.tsv is given; the images are empty files, which nothing here opens."""

    def make(rows: str) -> Path:
        root = tmp_path / "study"
        for person in "123456":
            folder = root / f"sub-{person}" / "anat"
            folder.mkdir(parents=True)
            (folder / f"sub-{person}_FLAIR.nii.gz").touch()
        (root / "participants.tsv").write_text(rows)
        return root

    return make


ROWS = (
    "participant_id\tdiagnosis\tprobability_A\tprobability_B\n"
    "sub-1\tA\tn/a\tn/a\nsub-2\tn/a\t0.3\t0.7\nsub-3\tB\tn/a\tn/a\nsub-4\tA\t0.2\t0.8\nsub-5\tn/a\t0.5\t0.5\nsub-6\tn/a\tn/a\tn/a\n"
)


def test_probabilities_stand_in_place_of_the_diagnosis_and_a_diagnosis_is_certain(dataset) -> None:
    usable = candidate_images(read_cohort(dataset(ROWS)), config_of())
    table = usable.table.set_index("participant_id")
    assert table["label"].to_dict() == {"sub-1": "A", "sub-2": "B", "sub-3": "B", "sub-4": "B", "sub-5": "A"}
    np.testing.assert_allclose(table[["target_A", "target_B"]], [[1, 0], [0.3, 0.7], [0, 1], [0.2, 0.8], [0.5, 0.5]])
    assert usable.exclusions["participant_id"].tolist() == ["sub-6"]
    # what a person was thought to have must not come back as a clinical column
    assert not [name for name in table if name.startswith("probability_")]


def test_without_soft_labels_the_columns_are_not_looked_at(dataset) -> None:
    usable = candidate_images(read_cohort(dataset(ROWS)), config_of(soft=False))
    assert usable.table["participant_id"].tolist() == ["sub-1", "sub-3", "sub-4"]
    assert usable.table["label"].tolist() == ["A", "B", "A"] and "target_A" not in usable.table


def test_no_diagnosis_column_is_needed_where_everybody_has_probabilities(dataset) -> None:
    rows = "participant_id\tp_A\tp_B\n" + "".join(f"sub-{n}\t{n / 10}\t{1 - n / 10}\n" for n in range(1, 7))
    config = config_of().updated(study={"soft_label_prefix": "p_"})
    usable = candidate_images(read_cohort(dataset(rows)), config)
    assert usable.table["label"].tolist() == ["B", "B", "B", "B", "A", "A"]  # equal halves count for the first class in splits


@pytest.mark.parametrize(
    ("cells", "message"),
    [("0.3\t0.3", "sum to 0.6"), ("0.3\tn/a", "some of the classes"), ("-0.5\t1.5", "negative"), ("0.3\tmaybe", "no number")],
)
def test_a_row_that_is_no_set_of_probabilities_names_the_person(dataset, cells: str, message: str) -> None:
    root = dataset(ROWS.replace("0.3\t0.7", cells))
    with pytest.raises(CohortError, match=rf"sub-2 .*{message}"):
        candidate_images(read_cohort(root), config_of())
    problems = validate_cohort(read_cohort(root), config_of(), voxels=False)
    assert [item.severity for item in problems if item.where == "sub-2" and message in item.problem] == ["error"]


def test_a_class_without_its_column_is_named(dataset) -> None:
    root = dataset(ROWS.replace("probability_B", "probability_C"))
    with pytest.raises(CohortError, match="no column probability_B"):
        candidate_images(read_cohort(root), config_of())


def test_the_validator_takes_people_with_probabilities_for_labelled(dataset) -> None:
    problems = validate_cohort(read_cohort(dataset(ROWS)), config_of(), voxels=False)
    unlabelled = [item.where for item in problems if "has no diagnosis" in item.problem]
    assert unlabelled == ["sub-6"]


def test_the_loss_of_certain_targets_is_that_of_the_labels() -> None:
    rng = np.random.default_rng(0)
    logits, labels = torch.from_numpy(rng.standard_normal((7, 3)).astype(np.float32)), torch.tensor([0, 1, 1, 2, 0, 1, 1])
    weight = torch.tensor([1.2, 0.5, 2.0])
    targets = torch.eye(3)[labels]
    torch.testing.assert_close(soft_cross_entropy(logits, targets, weight), cross_entropy(logits, labels, weight=weight))
    np.testing.assert_allclose(soft_class_weights(targets.numpy()), class_weights(labels.numpy(), 3))


def test_the_loss_of_a_soft_target_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.25, 0.75]]))
    loss = soft_cross_entropy(logits, torch.tensor([[0.6, 0.4]]), torch.tensor([2.0, 1.0]))
    expected = -(2 * 0.6 * np.log(0.25) + 0.4 * np.log(0.75)) / (2 * 0.6 + 0.4)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_a_network_learns_the_probabilities_that_it_is_shown() -> None:
    rng = np.random.default_rng(0)
    images = 0.2 * rng.standard_normal((40, 5, 32, 32)).astype(np.float32)
    images[20:, :, 4:14, 4:14] += 2
    targets = np.repeat(np.array([[0.9, 0.1], [0.35, 0.65]], np.float32), 20, axis=0)
    order = rng.permutation(40)
    training = TrainingSection(network="resnet18-narrow", epochs=25, class_weights=False, learning_rate=2e-3)
    trained = train(
        images, targets.argmax(1), order[:30], order[30:], classes=2, training=training, computing=CPU, seed=(0,), targets=targets
    )
    shown = torch.softmax(torch.from_numpy(predict_logits(trained.network, images[order[30:]])), 1).numpy()
    assert np.abs(shown - targets[order[30:]]).mean() < 0.1


def softened(table: pd.DataFrame, sure: float = 0.8) -> pd.DataFrame:
    people = table["participant_id"].unique()
    soft = {who: (sure, 1 - sure) if who.startswith("sub-A") else (1 - sure, sure) for who in people}
    return with_targets(table, soft, STUDY)


def test_the_digest_knows_the_soft_labels_and_hard_ones_keep_theirs(tmp_path: Path, image_table) -> None:
    table = image_table(per_class=8)
    hard = [run.digest for run in plan_of(tmp_path, table, config_of(soft=False)).runs]
    certain = with_targets(table, {who: (1.0, 0.0) for who in table["participant_id"] if who.startswith("sub-A")}, STUDY)
    assert [run.digest for run in plan_of(tmp_path, certain, config_of()).runs] == hard
    one, two = ([run.digest for run in plan_of(tmp_path, softened(table, sure), config_of()).runs] for sure in (0.8, 0.7))
    assert not set(one) & set(hard) and not set(one) & set(two)


def test_certain_soft_labels_give_the_predictions_of_hard_ones_bit_for_bit(tmp_path: Path, image_table) -> None:
    table = image_table(per_class=8)
    results = []
    for name, images in (("hard", table), ("soft", with_targets(table, dict.fromkeys(table["participant_id"][:8], (1.0, 0.0)), STUDY))):
        plan = plan_of(tmp_path / name, images, config_of())
        train_pending(replace(plan, runs=plan.runs[:1], final_runs=()), 1)
        results.append(plan.runs[0].predictions.read_bytes())
    assert results[0] == results[1]


def test_a_soft_study_runs_and_its_predictions_carry_the_truth(tmp_path: Path, image_table) -> None:
    table = softened(image_table(per_class=8))
    table.loc[table["participant_id"] == "sub-A00", ["target_A", "target_B"]] = 0.5
    plan = plan_of(tmp_path, table, config_of())
    train_pending(plan, 1)
    predictions = collect_predictions(plan.runs, plan.splits, plan.usable)
    truth = predictions.drop_duplicates("participant_id").set_index("participant_id")[["target_A", "target_B"]]
    np.testing.assert_allclose(truth.sum(axis=1), 1)
    metrics = evaluate(predictions, plan.splits, classes=("A", "B"), positive="B", section=EvaluationSection(bootstraps=100))
    tested = set(plan.splits.loc[plan.splits["role"] == "test", "participant_id"])
    assert metrics["soft_labels"]["n"] == len(tested) == 6
    assert metrics["soft_labels"]["undecided"] == int("sub-A00" in tested)
    assert sum(metrics["n_test_participants"].values()) == 6 - int("sub-A00" in tested)
    assert set(read_tsv(plan.runs[0].predictions)["target_A"].round(9)) <= {0.2, 0.5, 0.8}


def judged(rows: list[tuple[str, float, float]]) -> dict:
    """Metrics of patients given as label, probability and soft truth of B."""
    who = [f"sub-{number}" for number in range(len(rows))]
    label, probability, truth = (np.array(column) for column in zip(*rows, strict=True))
    keys = {"repeat": 0, "fold": 0, "session_id": ""}
    predictions = pd.DataFrame({"participant_id": who, "label": label, "role": "test", **keys}).assign(
        probability_A=1 - probability, probability_B=probability, target_A=1 - truth, target_B=truth
    )
    splits = pd.DataFrame({"participant_id": [*who, "sub-x"], "role": ["test"] * len(who) + ["train"], **keys})
    return evaluate(predictions, splits, classes=("A", "B"), positive="B", section=EvaluationSection(bootstraps=100))


def test_the_figures_are_over_the_decided_and_the_scores_over_everybody() -> None:
    rows = [("A", 0.2, 0.1), ("A", 0.6, 0.3), ("B", 0.7, 0.9), ("B", 0.4, 0.6), ("A", 0.9, 0.5)]
    metrics = judged(rows)
    assert metrics["n_test_participants"] == {"A": 2, "B": 2}
    assert metrics["headline"]["auc"]["estimate"] == roc_auc_score([0, 0, 1, 1], [0.2, 0.6, 0.7, 0.4])
    soft = metrics["soft_labels"]
    assert (soft["n"], soft["soft"], soft["undecided"]) == (5, 5, 1)
    p, t = (np.array([row[column] for row in rows]) for column in (1, 2))
    assert soft["brier"]["estimate"] == pytest.approx(np.mean((p - t) ** 2))
    # scikit-learn takes hard truth only: each person once as either class, weighted by the soft truth
    expected = log_loss([1] * 5 + [0] * 5, np.r_[p, p], sample_weight=np.r_[t, 1 - t])
    assert soft["nll"]["estimate"] == pytest.approx(expected)
    assert soft["entropy_of_truth"] == pytest.approx(log_loss([1] * 5 + [0] * 5, np.r_[t, t], sample_weight=np.r_[t, 1 - t]))
    assert soft["nll"]["estimate"] > soft["entropy_of_truth"]


def test_a_class_of_which_nobody_is_decided_is_told() -> None:
    with pytest.raises(ExperimentError, match="class B with a probability above one half"):
        judged([("A", 0.2, 0.1), ("A", 0.6, 0.5), ("B", 0.4, 0.5)])


def test_a_study_without_soft_labels_has_no_such_part() -> None:
    rng = np.random.default_rng(0)
    keys = {"repeat": 0, "fold": 0, "session_id": ""}
    who, probability = [f"sub-{number}" for number in range(10)], rng.random(10)
    predictions = pd.DataFrame({"participant_id": who, "label": ["A", "B"] * 5, "role": "test", **keys})
    splits = pd.DataFrame({"participant_id": [*who, "sub-x"], "role": ["test"] * 10 + ["train"], **keys})
    metrics = evaluate(
        predictions.assign(probability_A=1 - probability, probability_B=probability), splits, classes=("A", "B"), positive="B",
        section=EvaluationSection(bootstraps=100),
    )  # fmt: skip
    assert "soft_labels" not in metrics

import json
import math

import numpy as np
import pandas as pd
import pytest

from dawson.classification import evaluation
from dawson.classification.published import SEOK_2023
from dawson.cohort.splits import make_splits
from dawson.config import EvaluationSection, SplitSection
from dawson.errors import ExperimentError, LeakageError
from dawson.statistics.figures import FIGURES

SECTION = EvaluationSection(bootstraps=300)
TWO = ("A", "B")


def tables(people, *, repeats=1, folds=2, trained=4, classes=TWO):
    """Predictions and splits in which every person of `people` is tested in every repeat, with the same probabilities.

    people: name -> (label, probabilities of the classes). `trained` further people per fold train, as many validate.
    """
    splits, predictions = [], []
    for repeat in range(repeats):
        for fold in range(folds):
            for index in range(2 * trained):
                role = "validation" if index % 2 == fold % 2 else "train"
                splits.append((repeat, fold, f"sub-t{index}", "", role))
            for name, (label, probability) in people.items():
                splits.append((repeat, fold, name, "", "test"))
                predictions.append(("net", repeat, fold, name, "", "test", label, *probability))
    columns = ["model", "repeat", "fold", "participant_id", "session_id", "role", "label"]
    return (
        pd.DataFrame(predictions, columns=columns + [f"probability_{name}" for name in classes]),
        pd.DataFrame(splits, columns=["repeat", "fold", "participant_id", "session_id", "role"]),
    )


def worked():
    """Eight people: of 4 B, 0.9 0.8 0.6 0.3; of 4 A, 0.7 0.4 0.2 0.1."""
    probability = (0.9, 0.8, 0.6, 0.3, 0.7, 0.4, 0.2, 0.1)
    return {f"sub-{i}": ("B" if i < 4 else "A", (1 - p, p)) for i, p in enumerate(probability)}


def judge(predictions, splits, classes=TWO, positive="B", section=SECTION):
    return evaluation.evaluate(predictions, splits, classes=classes, positive=positive, section=section)


def test_worked_example():
    # TP 3, FN 1, TN 3, FP 1. Pairs in order: 4 + 4 + 3 + 2 = 13 of 16.
    metrics = judge(*tables(worked()))
    estimates = {name: metrics["headline"][name]["estimate"] for name in FIGURES}
    assert estimates == pytest.approx(
        {"accuracy": 0.75, "sensitivity": 0.75, "specificity": 0.75, "ppv": 0.75, "npv": 0.75, "auc": 13 / 16}
    )
    assert metrics["confusion"] == {"classes": ["A", "B"], "matrix": [[3, 1], [1, 3]]}
    assert metrics["n_test_participants"] == {"A": 4, "B": 4}
    assert metrics["n_test_draws"] == {"min": 1, "median": 1, "max": 1}
    assert metrics["sizes"] == {"n_train": 8, "n_test": 8}
    assert (metrics["n_repeats"], metrics["n_folds"]) == (1, 2)
    assert metrics["headline"]["auc"]["method"].startswith("DeLong")
    assert "bootstrap" in metrics["headline_auc_bootstrap"]["method"]


def test_schema_is_complete_and_json_has_no_nan():
    metrics = judge(*tables(worked(), repeats=3))
    assert set(metrics) == {
        "classes", "positive", "confidence", "n_repeats", "n_folds", "n_test_participants", "n_test_draws", "headline",
        "headline_auc_bootstrap", "one_model", "over_repeats", "nadeau_bengio", "single_fold", "at_prevalence",
        "confusion", "per_class", "roc", "repeats", "published", "sizes",
    }  # fmt: skip
    for block, keys in (
        ("headline", {"estimate", "low", "high", "method"}),
        ("one_model", {"estimate", "low", "high", "method"}),
        ("over_repeats", {"estimate", "low", "high", "sd", "method"}),
        ("nadeau_bengio", {"estimate", "low", "high", "method"}),
        ("single_fold", {"estimate", "sd"}),
    ):
        assert set(metrics[block]) == set(FIGURES)
        assert all(set(entry) == keys for entry in metrics[block].values())
    assert set(metrics["repeats"][0]) == {"repeat", "n_test", *FIGURES}
    assert len({len(metrics["roc"][name]) for name in ("fpr", "tpr", "low", "high")}) == 1
    json.dumps(metrics, allow_nan=False)


def test_test_probability_is_the_mean_over_folds_and_patient_mean_over_images_then_repeats():
    rows = [
        # Repeat 0: two images; repeat 1: one. Folds 0.2, 0.4 -> 0.3 and 0.6, 0.8 -> 0.7: repeat 0.5; repeat 1: 0.9.
        (0, 0, "ses-1", 0.2), (0, 1, "ses-1", 0.4), (0, 0, "ses-2", 0.6), (0, 1, "ses-2", 0.8),
        (1, 0, "ses-1", 0.9), (1, 1, "ses-1", 0.9),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["repeat", "fold", "session_id", "probability_B"])
    table = table.assign(probability_A=1 - table["probability_B"], participant_id="sub-1", role="test", label="B")
    images = evaluation.test_probabilities(table)
    assert images["probability_B"].tolist() == pytest.approx([0.3, 0.7, 0.9])
    people = evaluation.patient_means(table)
    assert people["probability_B"].tolist() == pytest.approx([0.7])
    assert people["repeats"].tolist() == [2]


def test_validation_rows_do_not_count():
    predictions, splits = tables(worked())
    extra = predictions.head(1).assign(participant_id="sub-t0", role="validation", label="A", probability_A=0.0)
    assert judge(pd.concat([predictions, extra]), splits) == judge(predictions, splits)


def test_single_fold_figures_are_of_the_folds_not_of_their_mean():
    # Fold 0 right on the only doubtful person, fold 1 wrong; the mean is right.
    predictions, splits = tables(worked())
    doubtful = predictions["participant_id"] == "sub-3"
    for fold, p in ((0, 0.9), (1, 0.2)):
        chosen = doubtful & (predictions["fold"] == fold)
        predictions.loc[chosen, ["probability_A", "probability_B"]] = (1 - p, p)
    metrics = judge(predictions, splits)
    assert metrics["headline"]["sensitivity"]["estimate"] == 1.0
    assert metrics["single_fold"]["sensitivity"]["estimate"] == pytest.approx((1.0 + 0.75) / 2)
    assert metrics["single_fold"]["sensitivity"]["sd"] == pytest.approx(0.25 / math.sqrt(2))


def test_one_model_is_judged_by_correctness_in_each_repeat_not_by_the_mean_probability():
    # sub-0 and sub-1 are B, sub-2 and sub-3 are A; a repeat tests three of them. Mean probability: 0.65 0.6 0.33 0.35.
    drawn = [
        {"sub-0": 0.9, "sub-2": 0.2, "sub-3": 0.6},
        {"sub-0": 0.4, "sub-1": 0.7, "sub-2": 0.3},
        {"sub-1": 0.5, "sub-2": 0.5, "sub-3": 0.1},
    ]
    parts = []
    for repeat, people in enumerate(drawn):
        labelled = {name: ("B" if name < "sub-2" else "A", (1 - p, p)) for name, p in people.items()}
        parts.append([table.assign(repeat=repeat) for table in tables(labelled)])
    predictions, splits = (pd.concat(part, ignore_index=True) for part in zip(*parts, strict=True))
    # The order of the patients in the table is not the order of the repeats' tables.
    metrics = judge(predictions.sample(frac=1, random_state=0), splits)
    assert metrics["headline"]["accuracy"]["estimate"] == 1.0
    # Called B: sub-0 in 1 of 2 repeats, sub-1 in 2 of 2, sub-2 in 1 of 3, sub-3 in 1 of 2.
    assert {name: metrics["one_model"][name]["estimate"] for name in FIGURES} == pytest.approx(
        {"accuracy": 2 / 3, "sensitivity": 3 / 4, "specificity": 7 / 12, "ppv": 9 / 14, "npv": 7 / 10, "auc": 15 / 16}
    )


def test_one_model_of_a_single_repeat_is_the_headline():
    metrics = judge(*tables(worked()))
    for name in FIGURES:
        assert metrics["one_model"][name]["estimate"] == pytest.approx(metrics["headline"][name]["estimate"])


def test_one_half_is_called_positive():
    people = worked() | {"sub-8": ("B", (0.5, 0.5))}
    assert judge(*tables(people))["confusion"]["matrix"] == [[3, 1], [1, 4]]


def test_a_single_repeat_has_estimates_without_bounds_over_repeats():
    metrics = judge(*tables(worked()))
    for block in ("over_repeats", "nadeau_bengio"):
        entry = metrics[block]["accuracy"]
        assert (entry["estimate"], entry["low"], entry["high"]) == (0.75, None, None)
    assert metrics["over_repeats"]["accuracy"]["sd"] is None
    assert metrics["headline"]["accuracy"]["low"] is not None


def test_intervals_over_repeats_by_hand():
    # Accuracies 0.75 and 1: mean 0.875, sd 0.1768, naive half width 12.706 * 0.125: cut at 1.
    predictions, splits = tables(worked(), repeats=2)
    second = predictions["repeat"] == 1
    truth = (predictions["label"] == "B").astype(float)
    predictions.loc[second, "probability_B"] = truth[second]
    predictions.loc[second, "probability_A"] = 1 - truth[second]
    metrics = judge(predictions, splits)
    entry = metrics["over_repeats"]["accuracy"]
    assert entry["estimate"] == 0.875
    assert entry["sd"] == pytest.approx(0.25 / math.sqrt(2))
    assert (entry["low"], entry["high"]) == (0.0, 1.0)
    assert [row["accuracy"] for row in metrics["repeats"]] == [0.75, 1.0]
    assert [row["n_test"] for row in metrics["repeats"]] == [8, 8]


def test_ppv_without_positive_calls_is_null():
    people = {name: (label, (0.9 - 0.01 * i, 0.1 + 0.01 * i)) for i, (name, (label, _)) in enumerate(worked().items())}
    metrics = judge(*tables(people))
    assert metrics["headline"]["ppv"]["estimate"] is None
    assert metrics["headline"]["sensitivity"]["estimate"] == 0.0
    assert metrics["headline"]["sensitivity"]["high"] > 0.3


def test_predictive_values_at_two_prevalences():
    section = EvaluationSection(bootstraps=300, prevalence=0.1)
    ours, given = judge(*tables(worked()), section=section)["at_prevalence"]
    assert (ours["name"], ours["prevalence"], ours["ppv"]["estimate"]) == ("of the test patients", 0.5, 0.75)
    assert (given["name"], given["prevalence"]) == ("given", 0.1)
    # 0.75 * 0.1 / (0.75 * 0.1 + 0.25 * 0.9)
    assert given["ppv"]["estimate"] == pytest.approx(0.25)


def test_each_class_seen_from_its_side():
    per_class = judge(*tables(worked() | {"sub-8": ("B", (0.1, 0.9))}))["per_class"]
    assert per_class["B"]["sensitivity"]["estimate"] == pytest.approx(4 / 5)
    assert per_class["A"]["specificity"]["estimate"] == pytest.approx(4 / 5)
    assert per_class["A"]["auc"]["estimate"] == pytest.approx(per_class["B"]["auc"]["estimate"])


def test_published_figures_stand_beside_the_same_comparison_only():
    people = {name: ({"A": "MS", "B": "NMOSD"}[label], p) for name, (label, p) in worked().items()}
    same = judge(*tables(people, classes=("MS", "NMOSD")), classes=("MS", "NMOSD"), positive="NMOSD")
    assert same["published"]["accuracy"] == {"estimate": 0.761, "low": 0.748, "high": 0.774}
    assert same["published"]["citation"] == SEOK_2023.citation
    assert judge(*tables(worked()))["published"] == {}


def test_three_classes():
    classes = ("A", "B", "C")
    probability = {
        "sub-0": ("A", (0.8, 0.1, 0.1)), "sub-1": ("A", (0.5, 0.3, 0.2)), "sub-2": ("B", (0.2, 0.7, 0.1)),
        "sub-3": ("B", (0.6, 0.3, 0.1)), "sub-4": ("C", (0.1, 0.1, 0.8)), "sub-5": ("C", (0.2, 0.2, 0.6)),
    }  # fmt: skip
    metrics = judge(*tables(probability, repeats=2, classes=classes), classes=classes, positive="C")
    assert metrics["confusion"]["matrix"] == [[2, 0, 0], [1, 1, 0], [0, 0, 2]]
    headline = {name: metrics["headline"][name]["estimate"] for name in FIGURES}
    assert headline["accuracy"] == pytest.approx(5 / 6)
    assert headline["sensitivity"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert headline["specificity"] == pytest.approx((0.75 + 1 + 1) / 3)
    assert headline["ppv"] == pytest.approx((2 / 3 + 1 + 1) / 3)
    # A against the rest: 0.8 above all four others, 0.5 above all but 0.6: 7 of 8. B: 0.7 above all, 0.3 above three
    # and tied with one: 7.5 of 8. C: all.
    assert headline["auc"] == pytest.approx((7 / 8 + 7.5 / 8 + 1) / 3)
    # Both repeats say the same, so one model does what the ensemble does.
    assert {name: metrics["one_model"][name]["estimate"] for name in FIGURES} == pytest.approx(headline)
    assert metrics["per_class"]["C"]["sensitivity"]["estimate"] == 1.0
    assert metrics["at_prevalence"][0]["prevalence"] == pytest.approx(1 / 3)
    json.dumps(metrics, allow_nan=False)


def test_permuted_labels_have_an_area_interval_that_holds_one_half():
    rng = np.random.default_rng(0)
    images = pd.DataFrame({"participant_id": [f"sub-{i:03d}" for i in range(80)], "session_id": "ses-01"})
    images["label"] = rng.permutation(np.repeat(["A", "B"], 40))
    splits = make_splits(images, SplitSection(repeats=6, folds=3, test_per_class=10))
    predictions = splits[splits["role"] == "test"].merge(images, on=["participant_id", "session_id"])
    predictions["probability_B"] = rng.random(len(predictions))
    predictions["probability_A"] = 1 - predictions["probability_B"]
    metrics = judge(predictions.assign(model="net"), splits)
    assert metrics["headline"]["auc"]["low"] < 0.5 < metrics["headline"]["auc"]["high"]
    assert metrics["sizes"] == {"n_train": 60, "n_test": 20}
    assert metrics["n_test_draws"]["max"] <= 6


def test_same_seed_same_numbers():
    assert judge(*tables(worked())) == judge(*tables(worked()))


def test_order_of_rows_does_not_matter():
    predictions, splits = tables(worked(), repeats=2)
    mixed = predictions.sample(frac=1, random_state=0), splits.sample(frac=1, random_state=1)
    assert judge(*mixed) == judge(predictions, splits)


def test_a_study_without_sessions_read_back_from_a_file():
    predictions, splits = tables(worked())
    assert judge(predictions.assign(session_id=math.nan), splits) == judge(predictions, splits)


def test_planted_leak_in_the_splits_names_the_person():
    predictions, splits = tables(worked())
    leak = pd.DataFrame([(0, 1, "sub-2", "", "train")], columns=splits.columns)
    with pytest.raises(LeakageError, match="sub-2"):
        judge(predictions, pd.concat([splits, leak]))


def test_the_guard_comes_before_every_other_check():
    predictions, splits = tables(worked())
    leak = pd.DataFrame([(0, 1, "sub-2", "", "train")], columns=splits.columns)
    with pytest.raises(LeakageError):
        judge(predictions.head(0), pd.concat([splits, leak]))


def test_tested_in_predictions_but_trained_with_in_the_splits_names_the_person():
    predictions, splits = tables(worked())
    extra = predictions.head(1).assign(participant_id="sub-t1")
    with pytest.raises(LeakageError, match=r"sub-t1 .*for test, but the splits have this image for train"):
        judge(pd.concat([predictions, extra]), splits)


def test_somebody_the_splits_do_not_know_names_the_person():
    predictions, splits = tables(worked())
    with pytest.raises(LeakageError, match="sub-x"):
        judge(pd.concat([predictions, predictions.head(1).assign(participant_id="sub-x")]), splits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.head(0), "no test image"),
        (lambda table: table.drop(columns="probability_B"), "probability_B"),
        (lambda table: table.iloc[1:], r"sub-0 in repeat 0, fold 0 has no prediction"),
        (lambda table: table[table["fold"] == 0], r"sub-0 in repeat 0, fold 1 has no prediction \(8 such"),
        (lambda table: pd.concat([table, table.head(1)]), "sub-0 in repeat 0, fold 0 is predicted twice"),
        (lambda table: table.assign(probability_B=math.nan), "sub-0 .* no usable probabilities"),
        (lambda table: table.assign(probability_B=0.9), "no usable probabilities"),
        (lambda table: table.assign(label="B"), "No test patient is of class A"),
        (lambda table: table.assign(label="Z"), "'Z', which is none of A, B"),
        (lambda table: table.assign(label=np.where(table["fold"] == 0, "A", "B")), "sub-0 has two labels"),
        (lambda table: table.assign(model=np.where(table["fold"] == 0, "x", "y")), "several models: x, y"),
    ],
)
def test_predictions_that_cannot_be_judged_say_why(change, message):
    predictions, splits = tables(worked())
    with pytest.raises(ExperimentError, match=message):
        judge(change(predictions), splits)


def test_a_positive_class_that_is_none_of_the_classes():
    with pytest.raises(ExperimentError, match="'C' is not one"):
        judge(*tables(worked()), positive="C")


def test_repeats_that_were_not_reached_are_left_out():
    predictions, splits = tables(worked(), repeats=3)
    assert judge(predictions[predictions["repeat"] < 2], splits)["n_repeats"] == 2

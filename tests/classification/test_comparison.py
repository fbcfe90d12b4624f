from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from dawson.classification.comparison import HEADLINE_TESTS, THRESHOLDS, compare_experiments, compare_models
from dawson.classification.evaluation import evaluate
from dawson.config import EvaluationSection, StudyConfig, dump_config
from dawson.errors import ExperimentError, LeakageError
from dawson.files import write_text, write_tsv

SECTION = EvaluationSection(bootstraps=400)
TRUTH = ("B", "B", "B", "B", "A", "A", "A", "A")
# Three of four B and three of four A are called rightly; of 16 pairs 13 are in order.
FAIR = (0.9, 0.8, 0.6, 0.3, 0.7, 0.4, 0.2, 0.1)
PERFECT = (0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1)


def plan(repeats: int = 1, tested: int = 8) -> pd.DataFrame:
    """Two folds in which the same eight people are tested and eight others train or validate."""
    rows = [
        (repeat, fold, f"sub-t{index}", "", "validation" if index % 2 == fold else "train")
        for repeat in range(repeats)
        for fold in range(2)
        for index in range(8)
    ]
    rows += [(repeat, fold, f"sub-{index}", "", "test") for repeat in range(repeats) for fold in range(2) for index in range(tested)]
    return pd.DataFrame(rows, columns=["repeat", "fold", "participant_id", "session_id", "role"])


def table(*by_repeat: tuple[float, ...], truth: tuple[str, ...] = TRUTH) -> pd.DataFrame:
    """Test probabilities of class B, one tuple for each repeat."""
    rows = [
        ("net", repeat, fold, f"sub-{index}", "", "test", truth[index], 1 - p, p)
        for repeat, values in enumerate(by_repeat)
        for fold in range(2)
        for index, p in enumerate(values)
    ]
    columns = ["model", "repeat", "fold", "participant_id", "session_id", "role", "label", "probability_A", "probability_B"]
    return pd.DataFrame(rows, columns=columns)


def judge(tables: dict[str, pd.DataFrame], splits: pd.DataFrame) -> dict:
    return compare_models(tables, splits, ("A", "B"), "B", SECTION)


def test_worked_example() -> None:
    result = judge({"fair": table(FAIR), "perfect": table(PERFECT)}, plan())
    assert result["models"]["fair"]["auc"]["estimate"] == pytest.approx(13 / 16)
    assert result["models"]["fair"]["accuracy"]["estimate"] == 0.75
    assert result["models"]["perfect"]["auc"]["estimate"] == result["models"]["perfect"]["accuracy"]["estimate"] == 1
    area, accuracy = result["pairs"]
    assert (area["first"], area["second"], area["figure"], area["n_patients"]) == ("fair", "perfect", "auc", 8)
    assert area["difference"]["estimate"] == pytest.approx(-3 / 16)
    assert accuracy["difference"]["estimate"] == -0.25
    # Two patients are called rightly by the second only, none by the first only: 2 * 1/4 less half of what is as likely.
    assert accuracy["p"]["mcnemar"] == pytest.approx(stats.binomtest(0, 2).pvalue - stats.binom.pmf(0, 2, 0.5))
    assert set(area["p"]) == {"delong", "bootstrap"}
    # One repeat has no spread.
    assert area["nadeau_bengio"]["p"] is None
    json.dumps(result, allow_nan=False)


def test_a_model_that_saw_fewer_images_of_a_patient_is_compared_on_those() -> None:
    whole, splits = table(FAIR), plan()
    second = whole.assign(session_id="ses-2", probability_B=1 - whole["probability_B"], probability_A=whole["probability_B"])
    both = pd.concat([whole, second], ignore_index=True)
    tested = splits[splits["role"] == "test"].assign(session_id="ses-2")
    result = judge({"all scans": both, "first scans": whole}, pd.concat([splits, tested], ignore_index=True))
    assert [pair["difference"]["estimate"] for pair in result["pairs"]] == [0, 0]
    assert result["net_benefit"]["models"]["all scans"] == result["net_benefit"]["models"]["first scans"]


def test_net_benefit_by_hand() -> None:
    curves = judge({"fair": table(FAIR), "perfect": table(PERFECT)}, plan())["net_benefit"]
    assert curves["prevalence"] == 0.5
    half, quarter = (int(np.flatnonzero(np.isclose(THRESHOLDS, value))[0]) for value in (0.5, 0.25))
    # At one half 3 hits and 1 false alarm of 8; at a quarter 4 hits and 2 false alarms, each weighing a third.
    assert curves["models"]["fair"][half] == pytest.approx(2 / 8)
    assert curves["models"]["fair"][quarter] == pytest.approx(4 / 8 - 2 / 8 / 3)
    assert curves["all"][quarter] == pytest.approx(0.5 - 0.5 / 3)
    assert set(curves["none"]) == {0.0}


def test_net_benefit_at_a_given_prevalence() -> None:
    section = EvaluationSection(bootstraps=400, prevalence=0.1)
    curves = compare_models({"a": table(FAIR), "b": table(PERFECT)}, plan(), ("A", "B"), "B", section)["net_benefit"]
    half = int(np.flatnonzero(np.isclose(THRESHOLDS, 0.5))[0])
    assert curves["models"]["a"][half] == pytest.approx(0.75 * 0.1 - 0.25 * 0.9)


def test_the_network_of_a_comparison_has_the_figures_of_the_study() -> None:
    predictions = table(FAIR, PERFECT)
    metrics = evaluate(predictions, plan(2), classes=("A", "B"), positive="B", section=SECTION)
    model = judge({"network": predictions, "other": table(PERFECT, FAIR)}, plan(2))["models"]["network"]
    assert model["auc"] == metrics["headline"]["auc"]
    assert model["accuracy"] == metrics["headline"]["accuracy"]


def test_models_that_are_the_same_do_not_differ() -> None:
    for pair in judge({"a": table(FAIR, PERFECT), "b": table(FAIR, PERFECT)}, plan(2))["pairs"]:
        assert pair["difference"]["estimate"] == 0
        assert pair["p"]["bootstrap"] == pair["naive_t"]["p"] == pair["p_holm"] == 1


def test_patients_are_averaged_over_repeats_and_repeats_tested_beside_them() -> None:
    pairs = judge({"a": table(FAIR, PERFECT, PERFECT), "b": table(PERFECT, FAIR, FAIR)}, plan(3))["pairs"]
    area = next(pair for pair in pairs if pair["figure"] == "auc")
    means = [np.mean([one, *two], axis=0) for one, two in ((FAIR, (PERFECT, PERFECT)), (PERFECT, (FAIR, FAIR)))]
    truth = np.array(TRUTH) == "B"
    assert area["difference"]["estimate"] == pytest.approx(roc_auc_score(truth, means[0]) - roc_auc_score(truth, means[1]))
    # Differences by repeat -3/16, 3/16, 3/16: a mean of 1/16; the corrected error has the sizes 8 and 8.
    differences = np.array([-3, 3, 3]) / 16
    assert area["nadeau_bengio"]["difference"]["estimate"] == pytest.approx(1 / 16)
    t = differences.mean() / (differences.std(ddof=1) * np.sqrt(1 / 3 + 1))
    assert area["nadeau_bengio"]["p"] == pytest.approx(2 * stats.t.sf(abs(t), 2))
    assert area["naive_t"]["p"] == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


def test_a_model_without_some_patients_is_compared_on_those_it_has() -> None:
    part = table(PERFECT)
    part = part[~part["participant_id"].isin(["sub-3", "sub-7"])]
    result = judge({"fair": table(FAIR), "part": part}, plan())
    assert {name: model["n"] for name, model in result["models"].items()} == {"fair": 8, "part": 6}
    # Without sub-3 and sub-7 the first has 8 of 9 pairs in order.
    area = result["pairs"][0]
    assert (area["n_patients"], area["difference"]["estimate"]) == (6, pytest.approx(8 / 9 - 1))
    assert result["net_benefit"]["n_patients"] == 6


def test_p_values_of_all_pairs_are_adjusted_by_holm() -> None:
    tables = {"a": table(FAIR), "b": table(PERFECT), "c": table(FAIR[::-1])}
    pairs = [pair for pair in judge(tables, plan())["pairs"] if pair["figure"] == "auc"]
    raw, adjusted = (
        np.array(values) for values in zip(*((pair["p"][HEADLINE_TESTS["auc"]], pair["p_holm"]) for pair in pairs), strict=True)
    )
    order = np.argsort(raw)
    expected = np.minimum(1, np.maximum.accumulate(raw[order] * (3 - np.arange(3))))
    np.testing.assert_allclose(adjusted[order], expected)


def test_only_repeats_of_all_models_count() -> None:
    whole = judge({"a": table(FAIR), "b": table(PERFECT)}, plan(2))
    stopped = judge({"a": table(FAIR, PERFECT), "b": table(PERFECT)}, plan(2))
    assert stopped == whole


def test_three_classes_are_told_from_the_positive_ones_side() -> None:
    truth = ("A", "A", "B", "B", "C", "C")
    splits = plan(tested=6)

    def three(values: list[tuple[float, float, float]]) -> pd.DataFrame:
        rows = [("m", 0, fold, f"sub-{i}", "", "test", truth[i], *p) for fold in range(2) for i, p in enumerate(values)]
        names = ["model", "repeat", "fold", "participant_id", "session_id", "role", "label"]
        return pd.DataFrame(rows, columns=[*names, "probability_A", "probability_B", "probability_C"])

    good = [(0.8, 0.1, 0.1)] * 2 + [(0.1, 0.8, 0.1)] * 2 + [(0.1, 0.2, 0.7)] * 2
    worse = [(0.8, 0.1, 0.1)] * 2 + [(0.1, 0.3, 0.6)] * 2 + [(0.1, 0.4, 0.5)] * 2
    tables = {"good": three(good), "worse": three(worse)}
    result = compare_models(tables, splits, ("A", "B", "C"), "C", SECTION)
    assert "C against the rest" in result["models"]["good"]["auc"]["method"]
    # Of 8 pairs of a C and another, the 4 with a B are in the wrong order.
    assert result["models"]["worse"]["auc"]["estimate"] == 0.5
    assert result["models"]["worse"]["accuracy"]["estimate"] == pytest.approx(4 / 6)
    assert [pair["difference"]["estimate"] for pair in result["pairs"]] == pytest.approx([0.5, 1 / 3])


def test_one_model_alone_has_no_pairs() -> None:
    assert judge({"network": table(FAIR)}, plan())["pairs"] == []


def test_an_image_that_is_missing_in_one_fold_is_an_error() -> None:
    part = table(PERFECT)
    with pytest.raises(ExperimentError, match=r"part: sub-7 in repeat 0, fold 1 has no prediction"):
        judge({"fair": table(FAIR), "part": part[:-1]}, plan())


def test_predictions_of_people_who_train_are_refused() -> None:
    leaking = table(PERFECT).replace({"participant_id": {"sub-0": "sub-t0"}})
    with pytest.raises(LeakageError, match="sub-t0"):
        judge({"fair": table(FAIR), "leaking": leaking}, plan())


def experiment(folder: Path, predictions: pd.DataFrame, splits: pd.DataFrame, **study: object) -> Path:
    config = StudyConfig().updated(study={"classes": ("A", "B"), "positive": "B"} | study, evaluation={"bootstraps": 400})
    write_text(folder / "config.toml", dump_config(config))
    write_tsv(folder / "splits.tsv", splits)
    write_tsv(folder / "predictions.tsv", predictions)
    return folder


def test_experiments_on_the_same_splits_are_compared_under_their_names(tmp_path: Path) -> None:
    folders = [experiment(tmp_path / "one", table(FAIR), plan()), experiment(tmp_path / "two", table(PERFECT), plan().iloc[::-1])]
    result = compare_experiments(folders)
    assert list(result["models"]) == ["one", "two"]
    assert result["pairs"] == judge({"one": table(FAIR), "two": table(PERFECT)}, plan())["pairs"]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (plan(2), "1 against 2 repeats"),
        (plan().replace({"participant_id": {"sub-7": "sub-9"}}), "there are other people"),
        (plan()[lambda splits: splits["participant_id"] != "sub-t7"], "16 against 15 participants"),
    ],
)
def test_experiments_on_other_splits_are_refused_with_the_difference(tmp_path: Path, other: pd.DataFrame, told: str) -> None:
    folders = [experiment(tmp_path / "one", table(FAIR), plan()), experiment(tmp_path / "two", table(PERFECT), other)]
    with pytest.raises(ExperimentError, match=f"one and two were not made on the same splits: .*{told}"):
        compare_experiments(folders)


def test_experiments_with_other_classes_or_unfinished_are_refused(tmp_path: Path) -> None:
    one = experiment(tmp_path / "one", table(FAIR), plan())
    other = experiment(tmp_path / "other", table(FAIR), plan(), positive="A")
    with pytest.raises(ExperimentError, match="classes differ"):
        compare_experiments([one, other])
    (other / "predictions.tsv").unlink()
    with pytest.raises(ExperimentError, match=r"other has no predictions\.tsv"):
        compare_experiments([one, other])
    with pytest.raises(ExperimentError, match="two experiments or more"):
        compare_experiments([one])

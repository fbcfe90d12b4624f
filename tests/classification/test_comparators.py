from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from dawson.classification.comparator_runs import MASKS, run_comparators
from dawson.classification.comparators import comparator, comparator_names, fusion
from dawson.classification.comparators.material import Material
from dawson.classification.comparators.regression import encoder
from dawson.classification.comparators.rules import answer_probabilities
from dawson.classification.comparison import compare_models, comparison_tables
from dawson.classification.images import UsableImages
from dawson.classification.out_of_sample import patient_means
from dawson.cohort.dataset import Cohort
from dawson.cohort.derivative_roots import derivative_roots
from dawson.cohort.scan import Scan
from dawson.cohort.splits import make_splits
from dawson.config import EvaluationSection, SplitSection, StudyConfig, parse_config
from dawson.errors import ConfigError, ExperimentError, LeakageError
from dawson.files import read_tsv, write_tsv
from dawson.imaging.lesion_features import LesionFeatures

from .test_lesion_tables import write_mask

KEYS = ["participant_id", "session_id"]


def lesion(*flags: str, **values: object) -> LesionFeatures:
    plain = {"int": 1, "float": 0.5, "str": "white matter", "bool": False}
    named = {field.name: plain.get(str(field.type), ()) for field in fields(LesionFeatures)}
    return LesionFeatures(**(named | dict.fromkeys(flags, True) | values))


def material(
    per_class: int = 30,
    *,
    seed: int = 0,
    classes: tuple[str, ...] = ("A", "B"),
    repeats: int = 4,
    network: float = 1.0,
    lesions: float = 1.0,
    age: float = 1.0,
    permuted: bool = False,
) -> Material:
    """People with a network's score, lesions and an age that tell the classes to some extent, each independently of the others.

    network, lesions, age: distance between neighbouring classes in standard deviations. `permuted` people bear labels drawn by lot.
    Every third person has a follow-up scan.
    """
    rng = np.random.default_rng(seed)
    rows, true_lesions = [], {}
    for k, label in enumerate(classes):
        for number in range(per_class):
            own = {"age": 40 + 10 * (age * k + rng.standard_normal()), "sex": rng.choice(["F", "M"])}
            fingers = rng.poisson(0.5 * np.exp(lesions * k))
            for session in range(2 if number % 3 == 0 else 1):
                key = (f"sub-{label}{number:03d}", f"ses-{session + 1}")
                rows.append({"participant_id": key[0], "session_id": key[1], "label": label, "truth": k, **own})
                # Lesions of a shape and place that differ by class, and some that do not.
                true_lesions[key] = (lesion("periventricular", "dawson_finger", "at_lateral_body"),) * fingers + (lesion(),) * int(
                    rng.integers(5)
                )
    images = pd.DataFrame(rows)
    truth = images.groupby("participant_id")["truth"].first()
    score = pd.Series(network * truth + rng.standard_normal(len(truth)), truth.index)
    if permuted:
        drawn = pd.Series(rng.permutation(images.groupby("participant_id")["label"].first().to_numpy()), truth.index)
        images["label"] = images["participant_id"].map(drawn)
        score = pd.Series(rng.standard_normal(len(truth)), truth.index)
    images = images.drop(columns="truth")
    test = max(2, per_class // 4)
    splits = make_splits(images, SplitSection(repeats=repeats, folds=3, test_per_class=test))
    predictions = splits[splits["role"].isin(["validation", "test"])].merge(images[[*KEYS, "label"]], on=KEYS)
    # Each fold's network sees the same person a little differently.
    value = predictions["participant_id"].map(score).to_numpy() + 0.3 * rng.standard_normal(len(predictions))
    centres = np.arange(len(classes)) * max(network, 0.5)
    logits = -0.5 * (value[:, None] - centres) ** 2
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for k, name in enumerate(classes):
        predictions[f"logit_{name}"], predictions[f"probability_{name}"] = logits[:, k], probability[:, k]
    predictions.insert(0, "model", "net")
    return Material(images, splits, predictions, true_lesions, classes)


def area(table: pd.DataFrame, positive: str = "B") -> float:
    people = patient_means(table)
    return float(roc_auc_score(people["label"] == positive, people[f"probability_{positive}"]))


@pytest.fixture(scope="module")
def informative() -> Material:
    return material(200, seed=1, repeats=5, network=1.2, lesions=1.2)


@pytest.mark.parametrize("name", comparator_names())
def test_every_validation_and_test_image_is_predicted_in_its_role(name: str) -> None:
    given = replace(material(16), clinical=("age",))
    table = comparator(name).predict(given)
    wanted = given.splits[given.splits["role"].isin(["validation", "test"])]
    both = wanted.merge(table, on=["repeat", "fold", *KEYS, "role"], how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    assert list(table.columns) == ["repeat", "fold", *KEYS, "role", "label", "probability_A", "probability_B"]
    np.testing.assert_allclose(table[["probability_A", "probability_B"]].sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("name", comparator_names())
def test_nobody_is_predicted_with_help_of_their_own_label(name: str) -> None:
    given = replace(material(16, repeats=1), clinical=("age",))
    before = comparator(name).predict(given)
    fold = next(given.folds())
    # In a stack of learned models the other folds' models, from whose scores the stacker learns, did learn from this fold's people.
    roles = {"test": fold.test} if name == "fusion" else {"test": fold.test, "validation": fold.validation}
    for role, rows in roles.items():
        turned = given.images.copy()
        people = turned["participant_id"].iloc[rows]
        chosen = turned["participant_id"].isin(people)
        turned.loc[chosen, "label"] = turned.loc[chosen, "label"].map({"A": "B", "B": "A"})
        network = given.network.drop(columns="label").merge(turned[[*KEYS, "label"]], on=KEYS)
        after = comparator(name).predict(replace(given, images=turned, network=network))
        same = (before["fold"] == fold.fold) & (before["role"] == role)
        # Another fold learns from these people; this one does not.
        np.testing.assert_array_equal(before.loc[same, "probability_B"], after.loc[same, "probability_B"])
        assert (before.loc[same, "label"].to_numpy() != after.loc[same, "label"].to_numpy()).all()


def test_the_stacker_does_not_learn_from_those_whom_it_predicts_for_validation() -> None:
    given = replace(material(16, repeats=1), lesions={}, clinical=("age",))
    before, fold = comparator("fusion").predict(given), next(given.folds())
    turned = given.images.copy()
    chosen = turned["participant_id"].isin(turned["participant_id"].iloc[fold.validation])
    turned.loc[chosen, "label"] = turned.loc[chosen, "label"].map({"A": "B", "B": "A"})
    after = comparator("fusion").predict(replace(given, images=turned))
    same = (before["fold"] == fold.fold) & (before["role"] == "validation")
    np.testing.assert_array_equal(before.loc[same, "probability_B"], after.loc[same, "probability_B"])


@pytest.mark.parametrize("name", comparator_names())
def test_permuted_labels_give_chance(name: str) -> None:
    given = replace(material(40, seed=3, repeats=10, permuted=True), clinical=("age", "sex"))
    people = patient_means(comparator(name).predict(given))
    truth = people["label"] == "B"
    spread = np.sqrt((len(people) + 1) / (12 * truth.sum() * (~truth).sum()))
    # Within three standard deviations of a score that knows nothing (Mann-Whitney's variance).
    assert abs(roc_auc_score(truth, people["probability_B"]) - 0.5) < 3 * spread


@pytest.mark.parametrize("name", ["demographics", "lesion-features", "matthews", "fusion"])
def test_what_tells_the_classes_is_found(informative: Material, name: str) -> None:
    assert area(comparator(name).predict(informative)) > 0.65


def test_fusion_wins_where_network_and_lesions_each_know_something(informative: Material) -> None:
    tables = {
        "network": informative.network,
        "lesion-features": comparator("lesion-features").predict(informative),
        "fusion": comparator("fusion").predict(informative),
    }
    result = compare_models(tables, informative.splits, informative.classes, "B", EvaluationSection(bootstraps=1000))
    won = {pair["first"]: pair["difference"] for pair in result["pairs"] if pair["second"] == "fusion" and pair["figure"] == "auc"}
    for other in ("network", "lesion-features"):
        # First minus second: the whole interval lies below 0 where fusion is better.
        assert won[other]["high"] < 0, other


def test_fusion_takes_clinical_columns_where_there_are_no_lesions() -> None:
    given = replace(material(200, seed=5, repeats=5, network=1.2, age=1.2), lesions={}, clinical=("age", "sex"))
    tables = {"network": given.network, "fusion": comparator("fusion").predict(given)}
    (pair, _) = compare_models(tables, given.splits, given.classes, "B", EvaluationSection(bootstraps=1000))["pairs"]
    assert pair["difference"]["high"] < 0


@pytest.mark.parametrize("column", ["another name", "participant_id"])
def test_fusion_refuses_a_column_that_is_the_answer(informative: Material, column: str) -> None:
    images = informative.images.assign(**{"another name": informative.images["label"].map(str.lower)})
    with pytest.raises(ExperimentError, match="tells every participant's diagnosis"):
        fusion.predict(replace(informative, images=images, clinical=(column,)))


def test_fusion_with_nothing_to_fuse_says_so() -> None:
    with pytest.raises(ExperimentError, match="nothing to fuse"):
        comparator("fusion").predict(replace(material(12), lesions={}))
    with pytest.raises(ExperimentError, match="edss"):
        comparator("fusion").predict(replace(material(12), clinical=("edss",)))


def test_fusion_is_the_same_for_a_test_image_in_every_fold(informative: Material) -> None:
    table = comparator("fusion").predict(informative)
    test = table[table["role"] == "test"]
    by_image = test.groupby(["repeat", *KEYS])["probability_B"]
    assert (by_image.max() == by_image.min()).all()


def test_three_classes_have_three_probabilities() -> None:
    given = replace(material(20, classes=("A", "B", "C"), repeats=2), clinical=("age",))
    for name in comparator_names():
        table = comparator(name).predict(given)
        columns = table[["probability_A", "probability_B", "probability_C"]]
        np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-6)
        assert columns.nunique().min() > 1


def test_people_count_alike_however_many_scans_they_have() -> None:
    given = material(12)
    fold = next(given.folds())
    weight = given.weights(fold.train)
    each = pd.Series(weight).groupby(given.images["participant_id"].iloc[fold.train].to_numpy()).sum()
    label = given.images.groupby("participant_id")["label"].first()[each.index]
    assert each.groupby(label.to_numpy()).nunique().max() <= 2  # equal but for rounding
    np.testing.assert_allclose(each.groupby(label.to_numpy()).sum(), len(each) / 2)


def test_missing_values_are_filled_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": np.where(rng.random(30) < 0.3, np.nan, rng.normal(40, 10, 30))})
    training, wanted = np.arange(20), np.arange(20, 30)
    people = pd.Series([f"sub-{row}" for row in range(30)])
    ours = encoder(table, ["age"], people, training, np.ones(20))(wanted)
    imputer = SimpleImputer(strategy="median", add_indicator=True).fit(table.iloc[training])
    theirs = StandardScaler().fit(imputer.transform(table.iloc[training])).transform(imputer.transform(table.iloc[wanted]))
    np.testing.assert_allclose(ours, theirs)


def test_a_level_or_a_gap_that_training_people_lack_says_nothing() -> None:
    table = pd.DataFrame({"sex": ["F", "M", "F", "M", "other", None], "age": [1.0, 2, 3, 4, np.nan, 6]})
    encode = encoder(table, ["sex", "age"], pd.Series(list("abcdef")), np.arange(4), np.ones(4))
    assert encode(np.arange(4)).shape == (4, 3)
    # Neither F nor M; the median of the training ages, which is their mean too.
    np.testing.assert_allclose(encode(np.array([4]))[0], (-1, -1, 0))


def test_the_median_is_over_people_not_scans() -> None:
    table = pd.DataFrame({"age": [10.0, 10, 10, 20, 30, np.nan]})
    people = pd.Series(["a", "a", "a", "b", "c", "d"])
    encode = encoder(table, ["age"], people, np.arange(5), np.array([1 / 3, 1 / 3, 1 / 3, 1, 1]))
    np.testing.assert_allclose(encode(np.array([5]))[0], encode(np.array([3]))[0])


def test_a_rule_is_worth_how_often_each_class_gets_its_answer() -> None:
    # Of class 0, 9 of 10 people get a yes, of class 1, 1 of 5.
    labels = np.repeat([0, 1], [10, 5])
    answer = np.concatenate([np.arange(10) < 9, np.arange(5) < 1])
    wanted = np.array([True, False])
    balanced = answer_probabilities(answer, labels, np.ones(15), wanted, 2, True)
    yes = np.array([9.5 / 11, 1.5 / 6])
    np.testing.assert_allclose(balanced[0], yes / yes.sum())
    np.testing.assert_allclose(balanced[1], (1 - yes) / (1 - yes).sum())
    weighted = answer_probabilities(answer, labels, np.ones(15), wanted, 2, False)
    np.testing.assert_allclose(weighted[0], yes * (10, 5) / (yes * (10, 5)).sum())


def test_an_unknown_comparator_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="demographics, lesion-features, matthews, cacciaguerra, fusion"):
        comparator("astrology")


# The whole way, with masks on disk


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., tuple[object, ...]]:
    """A study with lesion masks for some of its images: everything that `run_comparators` takes."""

    def make(masked: Callable[[int], bool] = lambda row: True, **settings: object) -> tuple[object, ...]:
        given = material(12, repeats=2)
        images = given.images.assign(hash=[f"{row:064d}" for row in range(len(given.images))])
        scans = tuple(
            Scan(person, session, None, None) for person, session in zip(images["participant_id"], images["session_id"], strict=True)
        )
        for row, scan in enumerate(scans):
            if masked(row):
                write_mask(tmp_path / "study" / "derivatives" / "somebody", scan, lesions=1 + 3 * (images["label"].iloc[row] == "B"))
        (tmp_path / "study" / "derivatives").mkdir(parents=True, exist_ok=True)
        empty = images.head(0)
        cohort = Cohort(tmp_path / "study", empty, images[KEYS], scans, {}, True, "tests")
        config = parse_config({"study": {"classes": ["A", "B"], "positive": "B"}, "comparators": settings}, "the test")
        roots = derivative_roots(tmp_path / "study", tmp_path / "out" / "derivatives" / "dawson")
        return cohort, UsableImages(images, empty), given.splits, given.network, config, roots

    return make


def test_all_comparators_stand_in_one_table_that_can_be_compared(study: Callable, tmp_path: Path) -> None:
    given = study()
    table, reasons = run_comparators(*given)
    assert reasons == {}
    assert tuple(table["model"].unique()) == comparator_names()
    write_tsv(tmp_path / "comparators.tsv", table)
    tables = comparison_tables(given[3], read_tsv(tmp_path / "comparators.tsv", text=("model", "role", "label")))
    result = compare_models(tables, given[2], ("A", "B"), "B", EvaluationSection(bootstraps=200))
    assert list(result["models"]) == ["network", *comparator_names()]
    assert result["models"]["lesion-features"]["auc"]["estimate"] == 1.0
    assert (tmp_path / "out" / "derivatives" / "dawson" / "sub-A000" / "ses-1" / "anat").is_dir()


def test_without_masks_lesion_comparators_are_left_out_with_the_reason(study: Callable) -> None:
    table, reasons = run_comparators(*study(masked=lambda row: False))
    assert set(table["model"]) == {"demographics"}
    assert set(reasons) == {"lesion-features", "matthews", "cacciaguerra", "fusion"}
    assert "it has no lesion mask" in reasons["matthews"]
    assert "nothing to fuse" in reasons["fusion"]


def test_people_without_a_mask_are_left_out_of_lesion_comparators_only(study: Callable) -> None:
    given = study(masked=lambda row: row % 6 != 0)
    table, reasons = run_comparators(*given)
    assert "images have no usable lesion mask" in reasons[MASKS]
    assert set(reasons) == {MASKS}
    seen = table.groupby("model")[["participant_id"]].nunique()["participant_id"]
    assert seen["demographics"] > seen["matthews"] == seen["lesion-features"] == seen["fusion"]
    models = compare_models(comparison_tables(given[3], table), given[2], ("A", "B"), "B", EvaluationSection(bootstraps=200))["models"]
    assert models["demographics"]["n"] >= models["matthews"]["n"]


def test_the_study_file_chooses_the_comparators(study: Callable) -> None:
    table, reasons = run_comparators(*study(enabled=["fusion", "matthews"], clinical=["age"]))
    assert tuple(table["model"].unique()) == ("fusion", "matthews")
    assert reasons == {}
    with pytest.raises(ConfigError, match="no comparator 'magic'"):
        run_comparators(*study(enabled=["magic"]))


def test_people_who_share_an_image_are_refused(study: Callable) -> None:
    cohort, usable, splits, network, config, roots = study()
    tested = splits[(splits["repeat"] == 0) & (splits["role"] == "test")]["participant_id"].iloc[0]
    learned = splits[(splits["repeat"] == 0) & (splits["role"] == "train")]["participant_id"].iloc[0]
    twin = usable.table.assign(hash=usable.table["hash"].where(~usable.table["participant_id"].isin([tested, learned]), "f" * 64))
    with pytest.raises(LeakageError, match="the same image"):
        run_comparators(cohort, replace(usable, table=twin), splits, network, config, roots)


def test_predictions_in_another_role_are_refused(study: Callable) -> None:
    cohort, usable, splits, network, config, roots = study()
    moved = network.assign(role=network["role"].where(network["role"] != "validation", "test"))
    with pytest.raises(LeakageError, match="the splits have this image for validation"):
        run_comparators(cohort, usable, splits, moved, config, roots)


def test_a_stopped_study_is_compared_on_the_repeats_there_are(study: Callable) -> None:
    cohort, usable, splits, network, config, roots = study()
    table, _ = run_comparators(cohort, usable, splits, network[network["repeat"] == 1], config, roots)
    assert set(table["repeat"]) == {1}


def test_the_default_study_file_enables_every_comparator() -> None:
    assert StudyConfig().comparators.enabled == comparator_names()

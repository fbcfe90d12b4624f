"""Calibration and abstention on tables of scores whose fault is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from dawson.classification.abstain import abstention_part, conformal_sets, set_figures
from dawson.classification.calibrate import calibration_figures, calibration_part, held_out, temperatures, with_temperature
from dawson.classification.out_of_sample import patient_means
from dawson.classification.trust import trust_figures
from dawson.config import EvaluationSection
from dawson.errors import ExperimentError, TooFewParticipantsError

CLASSES = ("A", "B")
SECTION = EvaluationSection(bootstraps=200)


Scores = Callable[..., tuple[pd.DataFrame, dict[str, str]]]


def test_a_known_temperature_is_found_again_and_mends_what_it_should(scores: Scores) -> None:
    table, _ = scores(np.random.default_rng(0), held=1500, tested=600, too_sure=3.0, noise=0.0)
    part = calibration_part(table, CLASSES, "B", SECTION)
    assert part["temperature"]["median"] == pytest.approx(3.0, rel=0.12)
    assert part["before"]["slope"]["estimate"] == pytest.approx(1 / 3, abs=0.06)
    assert part["after"]["slope"]["low"] < 1 < part["after"]["slope"]["high"]
    for figure in ("nll", "brier", "ece"):
        assert part["after"][figure]["estimate"] < part["before"][figure]["estimate"]
    assert part["nll_improved_repeats"] == {"improved": 1, "of": 1}


def test_a_temperature_of_one_leaves_the_headline_probabilities_as_they_are(scores: Scores) -> None:
    table, _ = scores(np.random.default_rng(1), repeats=2, held=30, tested=20, scans=2)
    tested = table[table["role"] == "test"]
    same = patient_means(with_temperature(tested, {0: 1.0, 1: 1.0}, CLASSES))
    pd.testing.assert_frame_equal(same, patient_means(table), atol=1e-7)


def test_each_repeat_has_its_temperature_and_out_of_sample_improvement_is_counted(scores: Scores) -> None:
    table, _ = scores(np.random.default_rng(2), repeats=10, held=120, tested=60, too_sure=2.5, noise=0.1)
    assert len(temperatures(table, CLASSES)) == 10
    part = calibration_part(table, CLASSES, "B", SECTION)
    for improved in (part["nll_improved_repeats"], part["single_networks"]["nll_improved_repeats"]):
        assert improved["of"] == 10 and improved["improved"] >= 9


def test_the_loss_of_a_network_by_itself_is_the_mean_over_its_rows(scores: Scores) -> None:
    table, _ = scores(np.random.default_rng(5), held=60, tested=30, too_sure=2.5, noise=1.0)
    tests = with_temperature(table[table["role"] == "test"], {0: 1.0}, CLASSES)
    of_truth = np.where(tests["label"] == "A", tests["probability_A"], tests["probability_B"])
    alone = calibration_part(table, CLASSES, "B", SECTION)["single_networks"]
    assert alone["nll"]["before"] == pytest.approx(-np.log(of_truth).mean())


def test_scans_of_a_person_are_one_row(scores: Scores) -> None:
    table, _ = scores(np.random.default_rng(3), held=12, tested=4, scans=3)
    people = held_out(table, CLASSES)[0]
    assert len(people.truth) == 12
    mean = table[table["participant_id"] == people.participant_id[0]]["logit_A"].mean()
    assert people.logits[0, 0] == pytest.approx(mean)


def test_the_patient_and_not_the_test_is_the_unit_of_the_reliability_plot(scores: Scores) -> None:
    table, _ = scores(np.random.default_rng(4), held=30, tested=40)
    again = pd.concat([table, table.assign(repeat=1), table.assign(repeat=2)], ignore_index=True)
    once, thrice = (calibration_part(t, CLASSES, "B", SECTION)["reliability"]["before"] for t in (table, again))
    assert [point["n"] for point in once] == [point["n"] for point in thrice] and sum(point["n"] for point in once) == 40
    assert once == [pytest.approx(point) for point in thrice]


def test_a_right_probability_lies_on_the_diagonal_where_people_are_tested_unequally_often() -> None:
    # One half for everybody: 3 of class A tested twice, 6 of class B once. Half of the tests are B, and 6 of 9 people.
    rows = [(repeat, f"sub-a{k}", "A") for k in range(3) for repeat in range(2)] + [(k % 2, f"sub-b{k}", "B") for k in range(6)]
    tests = pd.DataFrame(rows, columns=["repeat", "participant_id", "label"]).assign(probability_A=0.5, probability_B=0.5)
    found = calibration_figures(tests, CLASSES, "B", SECTION)
    (point,) = found["reliability"]
    assert point["mean_probability"] == 0.5 and point["observed"] == pytest.approx(0.5) and point["n"] == 9
    assert found["ece"]["estimate"] == pytest.approx(0)


def test_soft_labels_teach_the_temperature_and_leave_bins_out(scores: Scores) -> None:
    table, _ = scores(np.random.default_rng(6), held=60, tested=20)
    likely = np.where(table["label"] == "A", 0.7, 0.3)
    table = table.assign(target_A=likely, target_B=1 - likely, logit_A=np.log(likely), logit_B=np.log(1 - likely))
    assert temperatures(table, CLASSES)[0] == pytest.approx(1.0, abs=1e-2)
    with pytest.raises(ExperimentError, match="soft labels"):
        calibration_part(table, CLASSES, "B", SECTION)


def test_sets_keep_their_promise_in_each_class_over_many_draws(scores: Scores) -> None:
    rng = np.random.default_rng(5)
    held: dict[str, list[float]] = {name: [] for name in CLASSES}
    for _ in range(200):
        table, _ = scores(rng, folds=5, held=60, tested=30, too_sure=2.0)
        try:
            sets, _ = conformal_sets(table, CLASSES, 0.1)
        except TooFewParticipantsError:
            continue
        for name in CLASSES:
            held[name] += sets.loc[sets["label"] == name, f"in_{name}"].astype(float).tolist()
    for name, covered in held.items():
        # One draw's patients share their calibration, hence the margin of two standard errors is a narrow one.
        assert np.mean(covered) >= 0.9 - 2 * np.sqrt(0.09 / len(covered)), name
        assert np.mean(covered) < 0.97, name  # sets that hold everything would cover too


def test_a_shifted_site_loses_coverage_and_the_page_is_told(scores: Scores) -> None:
    table, sites = scores(np.random.default_rng(6), held=300, tested=300, shifted=3.0)
    part = abstention_part(table, sites, CLASSES, "B", SECTION)
    far, near = part["by_site"]
    assert far["site"] == "far" and far["coverage"]["high"] < 0.9
    assert far["warning"].startswith("At site far the sets hold the true class in") and "90 % promised" in far["warning"]
    assert near["warning"] is None and near["coverage"]["high"] >= 0.9


def test_shares_errors_and_coverage_by_hand() -> None:
    # Three people: a right single set; "cannot tell" once and wrong once; empty.
    sets = pd.DataFrame(
        [
            ("p", "A", True, False, 0), ("q", "B", True, True, 0), ("q", "B", True, False, 1), ("r", "B", False, False, 0),
        ],
        columns=["participant_id", "label", "in_A", "in_B", "repeat"],
    )  # fmt: skip
    found = set_figures(sets, {"p": "x", "q": "x"}, CLASSES, SECTION)
    assert found["sets"] == pytest.approx({"single": (1 + 0.5) / 3, "cannot_tell": 0.5 / 3, "empty": 1 / 3})
    assert found["error_when_single"]["estimate"] == pytest.approx(0.5 / 1.5)
    assert found["coverage"]["A"]["estimate"] == 1 and found["coverage"]["B"]["estimate"] == pytest.approx((0.5 + 0) / 2)
    assert [(site["site"], site["n"]) for site in found["by_site"]] == [("not recorded", 1), ("x", 2)]


def test_too_few_to_calibrate_on_is_said_and_the_rest_goes_on(scores: Scores) -> None:
    table, sites = scores(np.random.default_rng(7), held=14, tested=20)
    found = trust_figures(table, classes=CLASSES, positive="B", section=SECTION, sites=sites)
    assert "at least 9 validation participants of each class" in found["abstention"]["reason"]
    assert found["calibration"]["temperature"]["median"] > 0
    assert 0 <= found["uncertainty"]["share_of_members"] <= 1


def test_three_classes(scores: Scores) -> None:
    table, sites = scores(np.random.default_rng(8), held=150, tested=60, classes=("A", "B", "C"))
    found = trust_figures(table, classes=("A", "B", "C"), positive="C", section=SECTION, sites=sites)
    assert set(found["abstention"]["coverage"]) == {"A", "B", "C"}
    assert sum(found["abstention"]["sets"].values()) == pytest.approx(1)
    assert found["calibration"]["positive"] == "C"


def test_members_that_agree_have_no_share_in_the_uncertainty(scores: Scores) -> None:
    agreed, _ = scores(np.random.default_rng(9), noise=0.0, held=60, tested=30)
    torn, _ = scores(np.random.default_rng(9), noise=2.0, held=60, tested=30)
    shares = [trust_figures(t, classes=CLASSES, positive="B", section=SECTION)["uncertainty"]["share_of_members"] for t in (agreed, torn)]
    assert shares[0] == pytest.approx(0, abs=1e-9) and shares[1] > 0.1


def test_predictions_without_logits_are_refused(scores: Scores) -> None:
    table, _ = scores(np.random.default_rng(10), held=30, tested=10)
    with pytest.raises(ExperimentError, match="logit_A"):
        temperatures(table.drop(columns="logit_A"), CLASSES)

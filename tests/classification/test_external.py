"""A fixed model outside: promises that travel and promises that do not, on scores whose fault is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from dawson.classification.calibrate import calibration_part
from dawson.classification.cases import Cases
from dawson.classification.certainty import Certainty, scores_by_scans
from dawson.classification.external import Reading, judge_outside, lost_calibration, outside_figures, positive_area, why_undefined
from dawson.classification.model import Model
from dawson.config import StudyConfig
from dawson.statistics.calibration import fit_temperature

Scores = Callable[..., tuple[pd.DataFrame, dict[str, str]]]
CONFIG = StudyConfig().updated(study={"classes": ["A", "B"], "positive": "B"}, evaluation={"bootstraps": 200})
PERFORMANCE = {"figures": {"auc": {"estimate": 0.95, "low": 0.93, "high": 0.97, "method": "m"}}, "test_participants": {"A": 40, "B": 40}}


def reading(scores: Scores, *, shifted: float = 0.0, only: str = "") -> Reading:
    """A model calibrated on the validation rows of some scores reads their test rows, half of them from another site."""
    table, sites = scores(np.random.default_rng(0), held=300, tested=240, too_sure=2.0, shifted=shifted)
    held, tested = table[table["role"] == "validation"], table[table["role"] == "test"]
    if only:
        tested = tested[tested["label"] == only]
    content: dict[str, Any] = {
        "classes": ["A", "B"], "alpha": 0.1, "scores": scores_by_scans(held, ("A", "B"), 3),
        "temperature": fit_temperature(held[["logit_A", "logit_B"]], (held["label"] == "B").to_numpy().astype(int)),
        "inside": {"calibration": calibration_part(table, ("A", "B"), "B", CONFIG.evaluation), "abstention": {}},
    }  # fmt: skip
    images = tested[tested["fold"] == 0][["participant_id", "session_id", "label"]].reset_index(drop=True)
    images["site"] = images["participant_id"].map(sites)
    logits = np.stack([tested[tested["fold"] == fold][["logit_A", "logit_B"]].to_numpy() for fold in range(3)])
    model = Model(Path("m"), {"name": "m", "classes": ["A", "B"], "performance": PERFORMANCE})
    return Reading(model, Certainty(content, {}), tested, logits, images)


def test_a_like_study_keeps_calibration_and_coverage(scores: Scores) -> None:
    found = judge_outside(reading(scores), CONFIG)
    assert not found["calibration"]["losses"] and not found["abstention"]["losses"]
    assert found["abstention"]["outside"]["coverage"]["A"]["high"] >= 0.9
    assert found["calibration"]["outside"]["after"]["nll"]["estimate"] < found["calibration"]["outside"]["before"]["nll"]["estimate"]
    # This model's figure inside was made up, and higher than scores of this kind can reach.
    (lost,) = found["losses"]
    assert lost.startswith("The model tells the classes apart less well outside: AUC 0.") and lost.endswith("inside 0.95 (0.93 to 0.97).")
    assert found["n"]["A"] + found["n"]["B"] == 240 and found["figures"]["inside"]["auc"]["estimate"] == 0.95


def test_a_shifted_study_loses_them_and_says_so_for_the_class_and_the_site(scores: Scores) -> None:
    found = judge_outside(reading(scores, shifted=4.0), CONFIG)
    said = " ".join(found["losses"])
    assert "Outside, among participants with B, the sets hold the true class in" in said
    assert "At site far the sets hold the true class in" in said and "At site near" not in said
    assert "Outside the positive class is more frequent than was said" in said
    assert {row["level"] for row in found["subgroups"]} == {"far", "near"}


def test_a_study_with_one_class_has_no_area_and_no_error_of_the_other(scores: Scores) -> None:
    found = judge_outside(reading(scores, only="B"), CONFIG)
    assert found["figures"]["outside"]["auc"] is None and found["figures"]["outside"]["specificity"] is None
    assert found["figures"]["outside"]["sensitivity"]["estimate"] > 0.5
    assert found["n"]["A"] == 0 and found["abstention"]["outside"]["coverage"]["A"]["estimate"] is None


def test_a_model_without_calibration_says_so(scores: Scores) -> None:
    bare = reading(scores)
    found = judge_outside(Reading(bare.model, None, bare.predictions, bare.logits, bare.images), CONFIG)
    assert "no temperature" in found["calibration"]["reason"] and "too few" in found["abstention"]["reason"]
    assert found["figures"]["outside"]["auc"]["estimate"] > 0.7


def interval(estimate: float, half: float) -> dict[str, Any]:
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half}


@pytest.mark.parametrize(
    ("slope", "intercept", "nll", "said"),
    [
        ((0.5, 0.2), (0, 0.3), (0.5, 0.1), "too sure"),
        ((1.6, 0.3), (0, 0.3), (0.5, 0.1), "too modest"),
        ((1, 0.2), (-1, 0.3), (0.5, 0.1), "less frequent"),
        ((1, 0.2), (0, 0.3), (0.9, 0.1), "negative log likelihood is higher"),
    ],
)
def test_each_loss_of_calibration_has_its_sentence(slope: Any, intercept: Any, nll: Any, said: str) -> None:
    outside = {"slope": interval(*slope), "intercept": interval(*intercept), "nll": interval(*nll)}
    (sentence,) = lost_calibration(outside, {"nll": interval(0.5, 0.1)})
    assert said in sentence
    assert lost_calibration({"slope": interval(1, 0.1), "intercept": interval(0, 0.1), "nll": interval(0.5, 0.1)}, {}) == []


def test_a_class_that_is_absent_outside_leaves_no_area_to_set_beside_a_macro_average() -> None:
    rng = np.random.default_rng(0)
    probability = rng.dirichlet((1, 1, 1), 60)
    labels = [("A", "B", "C")[k % 3] for k in range(60)]
    table = pd.DataFrame(probability, columns=["probability_A", "probability_B", "probability_C"]).assign(
        participant_id=[f"sub-{k:02d}" for k in range(60)], label=labels
    )
    section = CONFIG.evaluation
    whole, part = (Cases(rows.reset_index(drop=True), ("A", "B", "C"), "B") for rows in (table, table[table["label"] != "C"]))
    macro, lacking = outside_figures(whole, section), outside_figures(part, section)
    assert macro["auc"]["estimate"] is not None
    assert lacking["auc"] is lacking["sensitivity"] is lacking["specificity"] is None and lacking["accuracy"]["estimate"] < 1
    assert "Nobody of class C" in str(why_undefined(part)) and why_undefined(whole) is None
    for cases in (whole, part):
        truth = np.array([cases.classes[k] == "B" for k in cases.truth])
        found = positive_area(cases, section)
        assert found is not None and found["estimate"] == pytest.approx(roc_auc_score(truth, cases.probability[:, 1]))
    assert positive_area(whole, section)["estimate"] != pytest.approx(macro["auc"]["estimate"])

"""The page about a model outside its study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dawson.errors import ModelError
from dawson.report.external import write_external_report


def entry(estimate: float, half: float = 0.1) -> dict[str, Any]:
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half, "method": "made up"}


SCORES = {name: entry(value) for name, value in {"nll": 0.5, "brier": 0.2, "ece": 0.1, "slope": 0.9, "intercept": 0.0}.items()}
SETS = {"coverage": {"A": entry(0.9), "B": entry(0.85)}, "sets": {"single": 0.7}, "error_when_single": entry(0.12)}
CONTENT: dict[str, Any] = {
    "name": "main",
    "model": {"name": "main", "digest": "0f" * 32, "trained_on": {"study": "home <b>", "simulated": False, "participants": {"A": 40}}},
    "study": "away", "simulated": False, "managed": False, "training_people_refused": False, "excluded_scans": 3,
    "unusual": {"scans": 7, "of": 40}, "classes": ["A", "B"], "positive": "B", "confidence": 0.95, "n": {"A": 20, "B": 18},
    "n_scans": 40,
    "figures": {"outside": {"auc": entry(0.71), "accuracy": entry(0.66)}, "inside": {"auc": entry(0.85), "accuracy": entry(0.77)}},
    "calibration": {
        "temperature": 1.5, "outside": {"before": SCORES, "after": SCORES}, "inside": {"before": SCORES, "after": SCORES},
        "reliability": {"before": [], "after": [{"mean_probability": 0.4, "observed": 0.5, "low": 0.2, "high": 0.8, "n": 9}]},
    },
    "abstention": {
        "alpha": 0.1, "promised": 0.9, "inside": SETS,
        "outside": SETS | {"by_site": [
            {"site": site, "n": 20, "coverage": entry(0.6), "error_when_single": entry(0.3), "warning": None} for site in ("X", "Y")
        ]},
    },
    "subgroups": [], "losses": ["At site X the sets hold the true class in 60 % of the patients."],
    "software": {}, "research_use_only": True,
}  # fmt: skip


def page(folder: Path, **changed: Any) -> str:
    (folder / "external.json").write_text(json.dumps(CONTENT | changed))
    return write_external_report(folder).read_text()


def test_inside_stands_beside_outside_and_losses_at_the_top(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert "Outside, the model reaches an AUC of 0.71 (0.61–0.81); in its own study it reached 0.85 (0.75–0.95)." in text
    assert text.index("At site X the sets hold") < text.index("Telling the classes apart")
    assert "No promise of the model" not in text
    assert "Left out, of the participants with B" in text and "15.0 (5.0–25.0)" in text
    assert "home &lt;b&gt;" in text and "7 of 40 scans are unlike" in text and "it was not checked whether" in text


def test_what_was_not_lost_and_what_could_not_be_computed_are_said(tmp_path: Path) -> None:
    text = page(
        tmp_path, losses=[], calibration={"reason": "The model carries no temperature."}, abstention={"reason": "Too few."},
        figures={"outside": {"auc": None}, "inside": {"auc": entry(0.85)}}, training_people_refused=True,
    )  # fmt: skip
    assert "No promise of the model was seen to break here" in text
    assert "The model carries no temperature." in text and "Too few." in text
    assert "does not hold people of every class" in text and "that was checked" in text


def test_groups_stand_beside_the_positive_class_and_not_beside_a_macro_average(tmp_path: Path) -> None:
    rates = {name: entry(0.7) for name in ("accuracy", "sensitivity", "specificity")}
    rows = [
        {"variable": "site", "level": level, "n": {"A": 9, "B": 9, "C": 9}, "auc": entry(auc, 0.05)} | rates
        for level, auc in (("X", 0.62), ("Y", 0.66))
    ]
    figures = CONTENT["figures"] | {"outside_positive_auc": entry(0.64), "reason": "Nobody of class D is in the other study."}
    text = page(tmp_path, classes=["A", "B", "C", "D"], subgroups=rows, figures=figures)
    # Both intervals hold 0.64; neither holds the macro average, 0.71.
    assert "does not hold the AUC of everybody" not in text and "Nobody of class D is in the other study." in text
    assert "All but accuracy are macro averages over the classes." in text


def test_a_model_of_simulated_patients_has_its_red_banner(tmp_path: Path) -> None:
    model = CONTENT["model"] | {"trained_on": {"study": "demo", "simulated": True, "participants": {"A": 3}}}
    text = page(tmp_path, model=model)
    assert '<div class="banner danger"' in text and "3 simulated participants with A" in text


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"external\.json is missing"):
        write_external_report(tmp_path)

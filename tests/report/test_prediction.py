"""The page about one patient."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from dawson.errors import ModelError
from dawson.report.prediction import disagreement, quality_figures, write_prediction_report


def test_the_page_tells_the_probability_with_its_spread(prediction: Path) -> None:
    page = write_prediction_report(prediction).read_text()
    assert "The model calls NMOSD, with a mean probability of 0.68 (its 5 members: 0.45 to 0.82)." in page
    assert "The members disagree: 1 of 5 call MS, 4 of 5 call NMOSD." in page
    assert page.count("<circle") == 10


def test_a_model_of_simulated_patients_has_a_red_banner(prediction: Path) -> None:
    page = write_prediction_report(prediction).read_text()
    assert page.index('<div class="banner danger"') < page.index('<div class="banner research"')
    assert "This model learnt from simulated patients." in page


def test_a_model_of_real_patients_has_none(prediction: Path) -> None:
    said = json.loads((prediction / "prediction.json").read_text())
    said["model"]["trained_on"]["simulated"] = False
    (prediction / "prediction.json").write_text(json.dumps(said))
    page = write_prediction_report(prediction).read_text()
    assert '<div class="banner danger"' not in page
    assert "Research use only." in page


def test_a_withheld_probability_is_not_shown_in_any_form(prediction: Path) -> None:
    said = json.loads((prediction / "prediction.json").read_text())
    said |= {"probability": None, "predicted": None, "withheld": "The model learnt from simulated patients."}
    (prediction / "prediction.json").write_text(json.dumps(said))
    with np.load(prediction / "explanation.npz") as arrays:
        kept = {name: arrays[name] for name in ("image", "slices_mm")}
    np.savez(prediction / "explanation.npz", **kept)
    page = write_prediction_report(prediction).read_text()
    assert "No probability is shown." in page
    assert "<circle" not in page
    assert "Grad-CAM" not in page
    assert page.count("data:image/png") == 1


def test_names_are_escaped_and_nothing_is_loaded(prediction: Path) -> None:
    page = write_prediction_report(prediction).read_text()
    assert "sub-&lt;i&gt;1&lt;/i&gt;" in page
    assert "<i>1</i>" not in page
    assert all(place.startswith(("data:", "#")) for place in re.findall(r'(?:src|href)="([^"]+)"', page))
    assert "the same map is drawn over all 5 slices" in page


def test_figures_below_those_of_good_scans_are_marked() -> None:
    rows = {
        row.name: row.good
        for row in quality_figures({"wm_dice": 0.712, "template_correlation": 0.70, "min_jacobian": -0.1, "flair_t1w_overlap": None})
    }
    assert list(rows.values()) == [True, False, None, False]


def test_members_that_agree() -> None:
    assert disagreement({"A": {"members": [0.9, 0.8]}, "B": {"members": [0.1, 0.2]}}, ["A", "B"]) == "All 2 members call A."


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"prediction\.json is missing"):
        write_prediction_report(tmp_path)


def with_certainty(folder: Path, answer: str, held: list[str], unusual: bool) -> str:
    said = json.loads((folder / "prediction.json").read_text())
    members = [0.6, 0.58, 0.7, 0.48, 0.66]
    said["certainty"] = {
        "temperature": 1.8,
        "probability": {
            "MS": {"mean": 0.396, "sd": 0.1, "min": 0.3, "max": 0.52, "members": [1 - m for m in members]},
            "NMOSD": {"mean": 0.604, "sd": 0.1, "min": 0.48, "max": 0.7, "members": members},
        },
        "uncertainty": {"data": 0.63, "members": 0.02, "share_of_members": 0.03},
        "set": {
            "alpha": 0.1, "classes": held, "answer": answer, "p_values": {"MS": 0.3, "NMOSD": 0.6},
            "measured_error_when_single": {"estimate": 0.12, "low": 0.05, "high": 0.2, "method": "m"},
        },
    }  # fmt: skip
    said["familiarity"] = {
        "unusual": unusual, "reasons": ["its features lie further out"] if unusual else [], "share_as_far": 0.04 if unusual else 0.5,
        "quality": {"wm_dice": {"value": 0.712, "lowest_usual": 0.72, "low": True}},
    }  # fmt: skip
    (folder / "prediction.json").write_text(json.dumps(said))
    return write_prediction_report(folder).read_text()


def test_a_calibrated_probability_stands_in_place_of_the_raw_one(prediction: Path) -> None:
    page = with_certainty(prediction, "NMOSD", ["NMOSD"], unusual=False)
    assert "The model calls NMOSD, with a mean calibrated probability of 0.60 (its 5 members: 0.48 to 0.70)." in page
    assert "temperature 1.80" in page and "without it NMOSD has 0.68" in page
    assert "it answers NMOSD: promised is that the true class is left out for at most 10" in page
    assert "it was wrong for 12.0\u00a0% (5.0–20.0) of those for whom it named one class" in page
    assert "Uncertainty: 0.65 nats, of which 3\u00a0% is disagreement of the members" in page
    assert "The scan is like those that the model learnt from" in page
    # This model's own patients reach more than good scans do.
    assert "at least 0.72" in page and "✗ look at the scan" in page


def test_cannot_tell_and_an_unusual_scan_are_said_at_the_top(prediction: Path) -> None:
    page = with_certainty(prediction, "cannot tell", ["MS", "NMOSD"], unusual=True)
    top = page[: page.index("<h2>")]
    assert "it cannot tell: MS and NMOSD remain possible" in top
    assert "The scan is unlike those that the model learnt from: its features lie further out." in top
    empty = with_certainty(prediction, "cannot tell", [], unusual=False)
    assert "the scan is unusual for each of MS and NMOSD" in empty


def test_a_withheld_prediction_still_tells_that_the_scan_is_unusual(prediction: Path) -> None:
    with_certainty(prediction, "NMOSD", ["NMOSD"], unusual=True)
    said = json.loads((prediction / "prediction.json").read_text())
    said |= {"probability": None, "predicted": None, "certainty": None, "withheld": "The model learnt from simulated patients."}
    (prediction / "prediction.json").write_text(json.dumps(said))
    page = write_prediction_report(prediction).read_text()
    assert "unlike those that the model learnt from" in page
    assert "calibrated probability" not in page and "it answers" not in page and "<circle" not in page


def test_a_model_that_cannot_keep_silent_says_why(prediction: Path) -> None:
    with_certainty(prediction, "NMOSD", ["NMOSD"], unusual=False)
    said = json.loads((prediction / "prediction.json").read_text())
    said["certainty"]["set"] = None
    (prediction / "prediction.json").write_text(json.dumps(said))
    assert "calibrated on too few people to know when to keep silent" in write_prediction_report(prediction).read_text()

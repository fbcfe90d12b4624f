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

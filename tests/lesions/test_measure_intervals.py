"""Intervals of lesion count and volume: fitted, carried with a model, and written beside what it finds."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from dawson.lesions.measure_intervals import MeasureIntervals, fit_intervals, intervals_beside
from dawson.lesions.model_card import lesion_card
from dawson.statistics.residual_intervals import ResidualInterval


def validation(people: int, seed: int = 0) -> pd.DataFrame:
    """Scans as a network might find them: two looks of each person, too little volume, some lesions missed."""
    rng = np.random.default_rng(seed)
    volume = np.repeat(rng.lognormal(1, 1, people), 2)
    count = np.repeat(rng.poisson(15, people), 2)
    return pd.DataFrame(
        {
            "person": np.repeat([f"sub-{number}" for number in range(people)], 2),
            "truth_ml": volume,
            "predicted_ml": volume * rng.lognormal(-0.3, 0.3, 2 * people),
            "truth_count": count,
            "predicted_count": rng.binomial(count, 0.8) + rng.poisson(1, 2 * people),
        }
    )


def test_new_people_are_covered() -> None:
    known, new = fit_intervals(validation(60)), validation(400, seed=1)
    inside = []
    for row in new.to_dict("records"):
        found = known.of(row["predicted_ml"], row["predicted_count"])
        assert found["lesion_ml_low"] <= found["lesion_ml_high"] and found["lesion_count_low"] <= found["lesion_count_high"]
        inside.append(
            (
                found["lesion_ml_low"] <= row["truth_ml"] <= found["lesion_ml_high"],
                found["lesion_count_low"] <= row["truth_count"] <= found["lesion_count_high"],
            )
        )
    # 60 people fix the level to some hundredths
    assert (np.mean(inside, axis=0) > 0.84).all() and (np.mean(inside, axis=0) < 0.99).all()


def test_systematic_error_moves_the_interval() -> None:
    found = fit_intervals(validation(60)).of(10.0, 12)
    middle = np.sqrt(found["lesion_ml_low"] * found["lesion_ml_high"])
    assert middle == pytest.approx(10.0 * np.exp(0.3), rel=0.2)


def test_counts_are_whole_and_too_few_people_give_no_upper_bound() -> None:
    found = fit_intervals(validation(60)).of(10.0, 12)
    assert found["lesion_count_low"] == int(found["lesion_count_low"]) and found["lesion_count_high"] == int(found["lesion_count_high"])
    few = fit_intervals(validation(8)).of(10.0, 12)
    assert few == {"lesion_ml_low": 0.0, "lesion_ml_high": None, "lesion_count_low": 0.0, "lesion_count_high": None}


def test_a_model_carries_them_and_its_card_tells_them() -> None:
    known = fit_intervals(validation(60))
    assert MeasureIntervals.from_json(json.loads(json.dumps(known.to_json()))) == known
    description = {
        "name": "test", "recipe": {"network": {"widths": [4, 8]}}, "validation": {}, "members": [{"steps": 1}], "seed": 0, "threshold": 0.5,
        "minimum_mm3": 3.0, "temperature": 1.0, "SimulatedData": True,
        "trained_on": {"scans": 1, "people": 1, "simulated_scans": 1, "makers": ["sim"]},
    }  # fmt: skip
    assert "How sure" not in lesion_card(description)
    told = lesion_card(description | {"intervals": known.to_json()})
    assert "90 % of people like the 60 of the validation" in told and "measured 10 mL and 40 lesions" in told
    unknown = MeasureIntervals(*[ResidualInterval(scale, 0.1, -np.inf, np.inf, 0.9, 3) for scale in ("log", "root")])
    assert "any number of" in lesion_card(description | {"intervals": unknown.to_json()})


def test_they_are_read_beside_a_mask(tmp_path) -> None:
    mask = tmp_path / "sub-01_mask.nii.gz"
    assert intervals_beside(mask) == {}
    figures = {"lesion_count_low": 3.0, "lesion_count_high": None, "lesion_ml_low": 0.5, "lesion_ml_high": 2.5, "threshold": 0.5}
    (tmp_path / "sub-01_mask.json").write_text(json.dumps({"Figures": figures}))
    assert intervals_beside(mask) == {"lesions_low": 3.0, "total_ml_low": 0.5, "total_ml_high": 2.5}

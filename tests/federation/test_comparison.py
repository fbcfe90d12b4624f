"""Trainings beside each other: the same steps, the same patients, and a page that says how they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.federation.test_coordinator import links

from dawson.classification.images import UsableImages
from dawson.cohort.dataset import read_cohort
from dawson.errors import CohortError, ConfigError
from dawson.federation import comparison
from dawson.federation.comparison import FEDERATED, arms_of, compare, refuse_real_people, summarise, train_in_one_place
from dawson.federation.coordinator import coordinate
from dawson.report.federation_comparison import write_comparison_page
from dawson.statistics.delong import delong_paired_test


@pytest.fixture
def scored(plan: Any, centre: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Three centres and two of new patients, with every training read."""
    centres = {name: centre(name, 9, seed) for seed, name in enumerate(("seoul", "taipei", "oxford"))}
    others = {name: centre(name, 12, 20 + seed, scans=2) for seed, name in enumerate(("here", "there"))}
    images = {one.study: one.images for one in others.values()}
    monkeypatch.setattr(
        comparison, "prepare_images", lambda paths, config, **_: (read_cohort(paths.study), UsableImages(images[paths.study], {}))
    )
    plan = plan.model_copy(update={"rounds": 4, "local_epochs": 2})
    done = coordinate(plan, links(centres), tmp_path / "job")
    studies = {name: one.study for name, one in centres.items()}
    return compare(plan, studies, {name: one.study for name, one in others.items()}, done.weights)


def test_every_training_reads_the_same_new_patients_once(scored: pd.DataFrame) -> None:
    alone, without = (
        [f"{name} alone" for name in ("seoul", "taipei", "oxford")],
        [f"without {name}" for name in ("seoul", "taipei", "oxford")],
    )
    assert set(arms_of(scored)) == {FEDERATED, "pooled", *alone, *without}
    assert len(scored) == 48 and not scored[["centre", "participant_id"]].duplicated().any()
    arms, differences = summarise(scored, "B")
    assert set(arms["centre"]) == {"", "here", "there"}
    whole = arms[arms["centre"] == ""].set_index("training")
    assert whole.loc["pooled", "estimate"] > 0.8 and whole.loc[FEDERATED, "estimate"] > 0.8
    for row in differences.itertuples():
        assert row.estimate == pytest.approx(whole.loc[FEDERATED, "estimate"] - whole.loc[row.against, "estimate"])


def test_differences_are_paired(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(80) % 2 == 1
    scores = pd.DataFrame({"centre": "here", "participant_id": [f"sub-{n}" for n in range(80)], "label": np.where(truth, "B", "A")})
    for arm in (FEDERATED, "pooled"):
        scores[arm] = 1 / (1 + np.exp(-(truth - 0.5 + rng.normal(size=80))))
    arms, differences = summarise(scores, "B")
    expected = delong_paired_test(truth, scores[FEDERATED].to_numpy(), scores["pooled"].to_numpy())
    assert differences.to_numpy().tolist() == [["pooled", expected.difference, expected.low, expected.high]]
    assert arms["centre"].tolist() == ["", ""]
    assert f"{expected.low:+.3f} to {expected.high:+.3f}" in write_comparison_page(tmp_path, scores, "B", "One centre").read_text()


def test_the_page_says_that_it_is_simulated_and_keeps_its_numbers_beside_it(scored: pd.DataFrame, tmp_path: Path) -> None:
    page = write_comparison_page(tmp_path / "page", scored, "B", "Three centres")
    text = page.read_text()
    assert "simulated" in text.lower() and "without oxford" in text and "Three centres" in text
    assert {path.name for path in page.parent.iterdir()} == {"report.html", "scores.tsv", "arms.tsv", "differences.tsv"}


def test_the_same_stream_trains_the_same_and_another_differs(plan: Any, centre: Any) -> None:
    one = comparison.own_images(centre("seoul", 9, 1).study, plan)
    first, again, other = (train_in_one_place(one, plan, stream) for stream in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_real_people_are_not_put_together(centre: Any) -> None:
    with pytest.raises(ConfigError, match="seoul is not simulated"):
        refuse_real_people({"seoul": centre("seoul", 4).study})


def test_without_new_patients_there_is_nothing_to_compare(plan: Any, centre: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = pd.DataFrame(columns=["participant_id", "session_id", "label", "path"])
    monkeypatch.setattr(comparison, "prepare_images", lambda paths, config, **_: (None, UsableImages(empty, {})))
    with pytest.raises(CohortError, match="No new patient"):
        comparison.new_people({"x": Path("x")}, plan)

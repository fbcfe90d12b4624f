"""The model card: front matter that YAML reads, figures of model.json, digests, and nobody's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from dawson.classification.model import read_model
from dawson.config import StudyConfig
from dawson.errors import DawsonError, ModelError
from dawson.files import sha256, write_json, write_tsv
from dawson.report.model_card import write_model_card
from dawson.report.prediction import write_prediction_report

Made = dict[str, Callable[..., Any]]
Study = tuple[Path, Path]


def make_model(root: Path, constructed: Made, *, simulated: bool = False, calibrated: bool = True, study: str = 'A: "study" # 1') -> Path:
    """A model folder as a finished study leaves it, without weights, and its manifest."""
    folder, config, interval = root / "models" / "main", StudyConfig(), constructed["interval"]
    figures = {"auc": 0.8123, "accuracy": 0.7345, "sensitivity": 0.7123, "specificity": 0.7567, "ppv": 0.7234}
    write_json(
        folder / "model.json",
        {
            "format": 1, "name": "main", "classes": ["MS", "NMOSD"], "positive": "NMOSD", "channels": 5,
            "training": config.training.model_dump(), "preprocess": config.preprocess.model_dump(), "seed": 7,
            "trained_on": {"study": study, "simulated": simulated, "scans": 77, "participants": {"MS": 31, "NMOSD": 3}},
            "performance": {
                "figures": {name: interval(value, method="resampling") for name, value in figures.items()} | {"npv": None},
                "test_participants": {"MS": 20, "NMOSD": 21}, "repeats": 4, "folds": 3, "scheme": "held-out-draw",
            },
            "manifest_sha256": "ab" * 32,
            "members": [{"file": f"member-{k}.safetensors", "sha256": f"{k}c" * 32, "best_epoch": 3} for k in range(3)],
            "software": {"created": "2026-01-02T03:04:05+00:00", "python": "3.11.2", "packages": {"dawson": "0.2.0", "torch": "2.13.0"}},
            "research_use_only": True,
        },
    )  # fmt: skip
    if calibrated:
        trust = constructed["trust"]()
        inside = {name: trust[name] for name in ("calibration", "abstention")}
        scores = [{"MS": {"1": [0.2, 0.7]}, "NMOSD": {"1": [0.4]}}]
        write_json(folder / "calibration.json", {"format": 1, "temperature": 1.83, "alpha": 0.1, "scores": scores, "inside": inside})
    people = pd.DataFrame({"participant_id": ["sub-P001", "sub-P002"], "session_id": "ses-01", "label": ["MS", "NMOSD"]})
    write_tsv(root / "governance" / "training-manifests" / "main.tsv", people)
    return folder


def front_matter(card: str) -> dict[str, Any]:
    start, block, _ = card.split("---\n", 2)
    assert start == ""
    return dict(yaml.safe_load(block))


def test_the_front_matter_is_yaml_in_the_hub_s_layout(tmp_path: Path, constructed: Made) -> None:
    said = front_matter(write_model_card(make_model(tmp_path, constructed)).read_text())
    assert said["pipeline_tag"] == "image-classification"
    assert said["license"] == "other"
    result = said["model-index"][0]["results"][0]
    assert result["dataset"] == {"type": "private", "name": 'A: "study" # 1'}
    assert {metric["type"]: metric["value"] for metric in result["metrics"]}["auc"] == 0.8123
    assert "npv" not in {metric["type"] for metric in result["metrics"]}


def test_the_figures_of_the_model_stand_in_the_card(tmp_path: Path, constructed: Made) -> None:
    card = write_model_card(make_model(tmp_path, constructed)).read_text()
    for row in (
        "| AUC | 0.81 (0.73–0.89) | resampling |",
        "| Accuracy, % | 73.5 (65.5–81.5) | resampling |",
        "| MS | 31 |",
        "| Expected calibration error | 0.14 (0.10–0.18) | 0.06 (0.02–0.10) |",
        "| NMOSD | at most 10\u00a0% | 25.0 (15.0–35.0) |",
    ):
        assert row in card.splitlines()
    assert "fitted out of fold: 1.83" in card
    assert "test patients: 20 MS and 21 NMOSD" in card
    assert "dawson predict models/main T1W.nii.gz FLAIR.nii.gz\n" in card
    assert "Research use only" in card


def test_few_training_patients_are_not_counted(tmp_path: Path, constructed: Made) -> None:
    assert "| NMOSD | fewer than 5 |" in write_model_card(make_model(tmp_path, constructed)).read_text()


def test_the_digests_are_those_of_the_files(tmp_path: Path, constructed: Made) -> None:
    folder = make_model(tmp_path, constructed)
    card = write_model_card(folder).read_text()
    assert f"| model.json | `{sha256(folder / 'model.json')}` |" in card
    assert card.count("| member-") == 3
    # The card is no part of the model's digest, so that writing it again changes nothing.
    assert read_model(folder).digest == sha256(folder / "model.json")


def test_a_model_of_simulated_patients_says_so(tmp_path: Path, constructed: Made) -> None:
    card = write_model_card(make_model(tmp_path, constructed, simulated=True)).read_text()
    assert "> **Simulated data.**" in card
    assert "simulated-data" in front_matter(card)["tags"]
    assert "test patients (simulated)" in card
    assert "--allow-simulated" in card
    assert "imulated" not in write_model_card(make_model(tmp_path / "real", constructed)).read_text()


def test_a_model_that_was_not_calibrated_says_so(tmp_path: Path, constructed: Made) -> None:
    assert "Not calibrated" in write_model_card(make_model(tmp_path, constructed, calibrated=False)).read_text()


def test_nobody_s_identifier_is_in_a_card(tmp_path: Path, constructed: Made) -> None:
    assert "sub-P00" not in write_model_card(make_model(tmp_path, constructed)).read_text()
    named = make_model(tmp_path / "named", constructed, study="the scans of sub-P002")
    with pytest.raises(DawsonError, match="The model card names sub-P002"):
        write_model_card(named)
    assert not (named / "card.md").exists()


def test_an_identifier_without_its_prefix_is_refused_too(tmp_path: Path, constructed: Made) -> None:
    with pytest.raises(DawsonError, match="The model card names P002"):
        write_model_card(make_model(tmp_path, constructed, study="the scans of P002"))


def test_what_the_model_does_not_know_is_told_alike_everywhere(
    tmp_path: Path, constructed: Made, prediction: Path, found_study: Study
) -> None:
    pages = (
        write_model_card(make_model(tmp_path / "model", constructed)).read_text(),
        write_prediction_report(prediction).read_text(),
        (found_study[0] / "report.html").read_text(),
    )
    for page in pages:
        assert "anything else (another disease, or a healthy brain unless that is one of the classes)" in page


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no model"):
        write_model_card(tmp_path)


def test_the_command_writes_the_card_or_only_shows_it(tmp_path: Path, constructed: Made) -> None:
    from dawson.cli.model import app

    folder = make_model(tmp_path, constructed)
    shown = CliRunner().invoke(app, ["card", str(folder), "--dry-run"])
    assert shown.exit_code == 0
    assert front_matter(shown.output)["library_name"] == "dawson"
    assert not (folder / "card.md").exists()
    assert CliRunner().invoke(app, ["card", str(folder)]).exit_code == 0
    assert (folder / "card.md").read_text().strip() == shown.output.strip()

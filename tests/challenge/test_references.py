"""References answer from what participants get, in every phase, once; the network itself is tested where it lives."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from tests.challenge.test_build import SHAPE, built, save, study  # noqa: F401
from typer.testing import CliRunner

from dawson.challenge import references
from dawson.challenge.entries import read_entries
from dawson.challenge.leaderboard import make_leaderboard
from dawson.challenge.references import hand_in_references
from dawson.challenge.scoring import score_entry
from dawson.cli.challenge import app
from dawson.errors import ChallengeError
from dawson.files import read_json
from dawson.lesions.scan_images import lesion_file


@pytest.fixture(autouse=True)
def perfect_methods(monkeypatch):
    """A segmenter that finds everything, and volumes that tell how disabled somebody is."""
    seen: list[Path] = []

    def segment_study(scans, derivatives, name, jobs, *, root):
        for scan in scans:
            seen.append(Path(scan.flair))
            mask = np.zeros(SHAPE, np.uint8)
            mask[2:5, 2:5, 2:5] = 1
            if scan.session_id == "ses-02":
                mask[7:9, 7:9, 7:9] = 1
            save(scan.derivative(derivatives, lesion_file(name, "mask")), mask)
        rows = [{"participant_id": scan.participant_id, "session_id": scan.session_id, "status": "done", "reason": ""} for scan in scans]
        return pd.DataFrame(rows, columns=["participant_id", "session_id", "status", "reason"])

    def measure_study(scans, roots, derivatives, preference, jobs):
        rows = [
            {
                "participant_id": scan.participant_id, "session_id": scan.session_id, "lesions": 1, "bpf": np.nan,
                "total_ml": np.asarray(nib.load(scan.flair).dataobj).mean(), "reason": "",
            }
            for scan in scans
        ]  # fmt: skip
        return pd.DataFrame(rows)

    monkeypatch.setattr(references, "segment_study", segment_study)
    monkeypatch.setattr(references, "measure_study", measure_study)
    return seen


def scored(folder, settings):
    taken = hand_in_references(folder, settings)
    return [score_entry(folder, entry.entry_id) for entry in taken]


def means(folder, settings, metric):
    """Mean score of each team in the open phase."""
    board = make_leaderboard(folder, settings, "open").board
    return {entry.team: float(row.mean()) for entry, row in zip(board.entries, board.scores[metric], strict=True)}


@pytest.mark.parametrize("task", ["lesion-segmentation", "new-lesions"])
def test_masks_are_those_of_the_segmenter_and_new_lesions_touch_none_before(study, material, tmp_path, perfect_methods, task):  # noqa: F811
    folder, _, settings = built(study, material, task, tmp_path / "challenge", maker="expert" if task == "lesion-segmentation" else "sim")
    done = scored(folder, settings)
    assert {entry.state for entry in done} == {"scored"} and all(entry.reference for entry in done)
    assert {entry.phase for entry in done} == {"open", "final"}
    assert all(path.is_relative_to(folder / "public" / "test") for path in perfect_methods)
    assert set(means(folder, settings, settings.metrics[0]).values()) == {1.0}
    assert hand_in_references(folder, settings) == [] and len(read_entries(folder)) == len(done)


def test_a_regression_on_volumes_is_nearer_to_the_outcome_than_the_average(study, material, tmp_path):  # noqa: F811
    folder, _, settings = built(study, material, "outcome", tmp_path / "challenge", targets=("edss",))
    scored(folder, settings)
    error = means(folder, settings, "absolute_error")
    assert error["Dawson regression"] < 0.3 < error["Training average"]


def test_probabilities_of_a_diagnosis_add_up(study, material, tmp_path):  # noqa: F811
    folder, _, settings = built(study, material, "diagnosis", tmp_path / "challenge")
    done = scored(folder, settings)
    assert {entry.state for entry in done} == {"scored"}
    assert {entry.team for entry in done} == {"Dawson regression", "Training average"}


def test_a_task_without_a_method_says_so(study, material, tmp_path):  # noqa: F811
    folder, *_ = built(study, material, "volumes", tmp_path / "challenge", targets=("edss",))
    result = CliRunner().invoke(app, ["reference", str(folder)])
    assert isinstance(result.exception, ChallengeError) and "no reference for volumes" in str(result.exception)


def test_images_that_are_handed_out_say_what_they_are(study, material, tmp_path):  # noqa: F811
    folder, *_ = built(study, material, "lesion-segmentation", tmp_path / "challenge")
    images = list((folder / "public").rglob("*_FLAIR.nii.gz"))
    told = [read_json(path.with_name(path.name.replace(".nii.gz", ".json"))) for path in images]
    assert images and all(one == {"SkullStripped": True, "Space": "MNI152NLin2009aSym"} for one in told)

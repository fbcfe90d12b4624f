"""From a simulated cohort to a report, a reading and a shared report, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SMALL = ("--repeats", 2, "--folds", 2, "--test-per-class", 1, "--epochs", 1)


@pytest.fixture(scope="module")
def study(cohort: Path, dawson) -> Path:
    done = dawson("study", "run", cohort, "--name", "small", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "report.html" in done.stdout and "Seok 2023" in done.stdout
    return cohort


def test_the_study_leaves_every_file(study: Path) -> None:
    folder = study / "experiments" / "small"
    for name in (
        "config.toml", "splits.tsv", "predictions.tsv", "metrics.json", "explanations.npz", "exclusions.tsv", "environment.json",
        "report.html", "methods.md",
    ):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    assert (study / "models" / "small" / "member-0.safetensors").exists()
    assert "simulated" in (folder / "report.html").read_text().lower()


def test_a_second_run_trains_nothing_again(study: Path, dawson) -> None:
    records = sorted((study / "experiments" / "small" / "runs").glob("*.json"))
    before = [path.stat().st_mtime_ns for path in records]
    done = dawson("study", "run", study, "--name", "small", *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["headline"]) == {"accuracy", "sensitivity", "specificity", "ppv", "npv", "auc"}
    assert [path.stat().st_mtime_ns for path in records] == before


def test_other_settings_under_the_same_name_are_refused(study: Path, dawson) -> None:
    done = dawson("study", "run", study, "--name", "small", *SMALL[:-1], 2)
    assert done.returncode == 1 and "epochs was 1 and is 2" in done.stderr and "--restart" in done.stderr


def test_the_model_reads_new_patients_and_refuses_its_own(study: Path, dawson, tmp_path: Path) -> None:
    model = study / "models" / "small"
    info = json.loads(dawson("model", "info", model, "--json").stdout)
    assert info["trained_on"]["simulated"] is True
    own = dawson("predict", model, "--study", study, "--out", tmp_path / "own")
    assert own.returncode == 1 and "sub-001" in own.stderr
    # Another study with the same pseudonyms is another matter.
    new = tmp_path / "new"
    assert dawson("simulate", "cohort", new, "--ms", 1, "--nmosd", 0, "--seed", 77, "--jobs", 1).returncode == 0
    done = dawson("predict", model, "--study", new, "--out", tmp_path / "read", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)[0]
    assert row["status"] == "done" and 0 <= row["probability_MS"] <= 1
    shown = dawson("predict", model, "--study", new, "--out", tmp_path / "read")
    assert "Research use only. The model learnt from simulated patients." in shown.stdout
    pages = list((tmp_path / "read").rglob("report.html"))
    assert pages and "simulated" in pages[0].read_text().lower()


def test_a_model_of_simulated_patients_refuses_its_own_scans_and_withholds_its_word_on_real_ones(
    study: Path, dawson, tmp_path: Path
) -> None:
    own = dawson("predict", study / "models" / "small", min(study.glob("sub-*/**/*_FLAIR.nii.gz")), "--out", tmp_path / "own")
    assert own.returncode == 1 and "was trained on" in own.stderr
    assert dawson("simulate", "cohort", tmp_path / "new", "--ms", 1, "--nmosd", 0, "--seed", 78, "--jobs", 1).returncode == 0
    flair = min((tmp_path / "new").glob("sub-*/**/*_FLAIR.nii.gz"))
    sidecar = json.loads(flair.with_name(flair.name.replace(".nii.gz", ".json")).read_text())
    sidecar["SimulatedData"] = False
    (tmp_path / "x_FLAIR.nii.gz").write_bytes(flair.read_bytes())
    (tmp_path / "x_FLAIR.json").write_text(json.dumps(sidecar))
    words = ("predict", study / "models" / "small", tmp_path / "x_FLAIR.nii.gz")
    withheld = json.loads(dawson(*words, "--out", tmp_path / "a", "--json").stdout)
    assert withheld["probability"] is None and withheld["predicted"] is None and "simulated" in withheld["withheld"]
    shown = json.loads(dawson(*words, "--out", tmp_path / "b", "--allow-simulated", "--json").stdout)
    assert sum(entry["mean"] for entry in shown["probability"].values()) == pytest.approx(1)


def test_the_shared_report_names_nobody(study: Path, dawson) -> None:
    done = dawson("report", study, "--name", "small", "--share")
    assert done.returncode == 0, done.stderr
    page = (study / "experiments" / "small" / "report-shared.html").read_text()
    assert "sub-0" not in page


def test_results_may_go_elsewhere(study: Path, dawson, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    done = dawson("preprocess", study, "--participant", "sub-001", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "derivatives").rglob("*_desc-channels_FLAIR.npy"))
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before


def test_estimates_and_dry_runs_change_nothing(study: Path, dawson) -> None:
    before = sorted(study.rglob("*"))
    cost = json.loads(dawson("study", "estimate", study, *SMALL, "--json").stdout)
    assert cost["runs"] == 2 * 2 + 2 and cost["images_per_second"] > 0
    assert dawson("study", "run", study, "--name", "other", *SMALL, "--dry-run").returncode == 0
    assert dawson("preprocess", study, "--dry-run").returncode == 0
    assert dawson("simulate", "cohort", study / "x", "--dry-run").returncode == 0
    assert sorted(study.rglob("*")) == before


def test_table_one_and_validation_of_a_sound_cohort(study: Path, dawson, tmp_path: Path) -> None:
    described = dawson("cohort", "describe", study, "--out", tmp_path)
    assert described.returncode == 0 and "age" in described.stdout
    assert "age" in (tmp_path / "table1.md").read_text()
    valid = dawson("cohort", "validate", study)
    assert "0 errors" in valid.stdout, valid.stdout


def test_the_learning_curve_has_its_points_and_takes_the_last_from_the_study(study: Path, dawson) -> None:
    folder = study / "experiments" / "small"
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*.json")}
    done = dawson("study", "curve", study, "--name", "small", "--sizes", "4,6", "--repeats", 2, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "16 (extrapolated)" in done.stdout and "simulated" in done.stdout
    curve = json.loads((folder / "learning_curve.json").read_text())
    assert [point["n_train"] for point in curve["points"]] == [4, 6, 8] and curve["simulated"]
    assert (folder / "learning_curve.svg").read_text().startswith("<svg") and (folder / "learning_curve.tsv").exists()
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*.json")} == before
    refused = dawson("study", "curve", study, "--name", "small", "--sizes", "4,many")
    assert refused.returncode == 2 and "20,40,80" in refused.stderr

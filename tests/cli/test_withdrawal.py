"""Somebody withdraws from a managed study that has a model: gone from the disk, and from the model that is trained anew."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

PERSON = "sub-003"
SMALL = ("--repeats", 2, "--folds", 2, "--test-per-class", 1, "--epochs", 1)


def digests(root: Path) -> dict[str, Path]:
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def study(cohort: Path, dawson) -> Path:
    """A finished study under managed consent, in which one person's consent has expired."""
    (cohort / "study.toml").write_text('[governance]\nmanaged = true\n[training]\nnetwork = "resnet18-narrow"\n')
    refused = dawson("study", "run", cohort, "--name", "small", *SMALL)
    assert refused.returncode == 1 and "no consent" in refused.stderr
    assert not list(cohort.rglob("*channels*.npy"))
    rows = ["participant_id,form,scope,commercial,given,expires"]
    scope = "GRU|public-release|third-countries"
    rows += [f"sub-{number:03d},2024-1,{scope},yes,2024-01-31,{'2024-12-31' if number == 10 else ''}" for number in range(1, 11)]
    table = cohort.parent / "consent.csv"
    table.write_text("\n".join(rows) + "\n")
    imported = dawson("governance", "consent", "import", cohort, table)
    assert imported.returncode == 0, imported.stderr
    done = dawson("study", "run", cohort, "--name", "small", *SMALL)
    assert done.returncode == 0, done.stderr
    return cohort


def test_expired_consent_keeps_somebody_out_of_everything(study: Path, dawson, tmp_path: Path) -> None:
    for name in ("splits.tsv", "predictions.tsv", "final_splits.tsv"):
        assert "sub-010" not in (study / "experiments" / "small" / name).read_text()
    assert "sub-010" not in (study / "governance" / "training-manifests" / "small.tsv").read_text()
    assert "sub-010\t" in (study / "experiments" / "small" / "exclusions.tsv").read_text()
    files = [path for place in ("experiments", "models", "derivatives") for path in (study / place).rglob("*") if path.is_file()]
    naming = {path.name for path in files if b"sub-010" in path.read_bytes() or "sub-010" in path.as_posix()}
    # Of the simulator the lesion masks of everybody are there; the study adds only why the person was left out.
    assert {name for name in naming if "desc-sim" not in name} == {"exclusions.tsv", "report.html"}
    report = (study / "experiments" / "small" / "report.html").read_text()
    assert all("consent expired" in report[found.start() : found.start() + 200] for found in re.finditer("sub-010", report))
    assert json.loads(dawson("governance", "status", study, "--json").stdout)["pages"] == {}
    out = tmp_path / "export"
    words = ("--purpose", "disease-research", "--licence", "CC-BY-4.0", "--no-raw", "--derivatives", "--public", "--country", "DE")
    done = dawson("cohort", "export", study, out, *words)
    assert done.returncode == 0, done.stderr
    assert [path for path in out.rglob("*") if "sub-009" in path.name]
    assert not [path for path in out.rglob("*") if "sub-010" in path.name]
    other = tmp_path / "other.toml"
    other.write_text("[governance]\nmanaged = false\n")
    assert "sub-010" in dawson("cohort", "describe", study, "--config", other).stderr
    flair = next((study / "sub-010").rglob("*FLAIR.nii.gz"))
    refused = dawson("predict", study / "models" / "small", flair, "--out", tmp_path / "read", "--allow-simulated")
    assert refused.returncode == 1 and "expired" in refused.stderr
    assert dawson("governance", "audit", "verify", study).returncode == 0


def test_a_withdrawal_leaves_no_image_and_the_retrained_model_has_never_met_the_person(study: Path, dawson) -> None:
    own = {digest for digest, path in digests(study).items() if PERSON in path.parts}
    assert len(own) > 4
    foreseen = dawson("governance", "withdraw", PERSON, "--study", study, "--dry-run", "--json")
    assert foreseen.returncode == 0, foreseen.stderr
    assert "model" in {trace["kind"] for trace in json.loads(foreseen.stdout)["traces"]}
    assert own <= set(digests(study))

    done = dawson("governance", "withdraw", PERSON, "--study", study, "--json")
    assert done.returncode == 0, done.stderr
    models = [trace for trace in json.loads(done.stdout)["traces"] if trace["kind"] == "model"]
    assert [trace["path"] for trace in models] == ["models/small"] and "retrain" in models[0]["action"]
    assert not own & set(digests(study))
    assert "to be retrained" in dawson("model", "info", study / "models" / "small").stderr

    before = dawson("study", "retrain", study / "models" / "small", "--without", PERSON, "--dry-run")
    assert before.returncode == 0, before.stderr
    anew, kept = map(int, re.search(r"trained anew: (\d+); kept: (\d+)", before.stdout).groups())
    assert anew >= 2 and anew + kept == 6
    again = dawson("study", "retrain", study / "models" / "small", "--without", PERSON)
    assert again.returncode == 0, again.stderr
    for place in ("experiments", "models"):
        assert not [path for path in (study / place).rglob("*") if path.is_file() and PERSON.encode() in path.read_bytes()]
    assert PERSON not in (study / "governance" / "training-manifests" / "small.tsv").read_text()
    assert "to be retrained" not in dawson("model", "info", study / "models" / "small").stderr
    assert (study / "experiments" / "small" / "report.html").is_file()

    # The simulator's own plan names everybody whom it drew, and the look-up says so; once it is gone nothing is found.
    plan = study / "code" / "simulation.json"
    looked = dawson("governance", "lookup", PERSON, "--study", study, "--json")
    assert looked.returncode == 1 and [trace["path"] for trace in json.loads(looked.stdout)["left"]] == ["code/simulation.json"]
    plan.unlink()
    looked = dawson("governance", "lookup", PERSON, "--study", study, "--json")
    assert looked.returncode == 0 and json.loads(looked.stdout)["left"] == [], looked.stdout
    assert dawson("governance", "audit", "verify", study).returncode == 0

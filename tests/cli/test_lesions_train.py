"""`dawson lesions train` with a recipe of two steps on five planted people."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from dawson.cli.lesions import app
from dawson.errors import CohortError, ConfigError, ModelError
from dawson.files import read_tsv, sidecar_path, write_json
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.scan_images import lesion_file
from dawson.lesions.weights import read_lesion_model

SIDE = 100
RECIPE = """
[network]
widths = [4, 8]
supervised = 1
[patches]
size = 16
[optimisation]
steps = 2
checkpoint_steps = 1
warm_up = 1
bfloat16 = false
[ensemble]
members = 1
folds = 2
validation_scans = 1
thresholds = [0.5]
minimum_volumes_mm3 = [3.0]
[inference]
window = 16
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people with a bright lesion and its mask by the simulation, and one without a mask."""
    root = tmp_path_factory.mktemp("trained") / "my study"
    rng = np.random.default_rng(0)
    people = [f"sub-{number:02d}" for number in range(1, 6)]
    for place, who in enumerate(people):
        brain, lesion = np.zeros((2, SIDE, SIDE, SIDE), bool)
        brain[12:36, 12:36, 12:36] = True
        lesion[20 : 23 + place % 3, 20:24, 20:24] = True
        flair = np.where(brain, 100 + 10 * rng.standard_normal(brain.shape) + 80 * lesion, 0).astype(np.float32)
        _write(root / who / "anat" / f"{who}_FLAIR.nii.gz", flair, {"SkullStripped": True, "Space": TEMPLATE_SPACE, "SimulatedData": True})
        if who != people[-1]:
            mask = root / "derivatives" / "dawson" / who / "anat" / f"{who}_{lesion_file('sim', 'mask')}"
            _write(mask, lesion.astype(np.uint8), {"SimulatedData": True})
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\n" + "".join(f"{who}\tMS\n" for who in people))
    write_json(root / "dataset_description.json", {"Name": "planted", "BIDSVersion": "1.9.0"})
    return root


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(RECIPE)
    return path


def _write(path: Path, values: np.ndarray, told: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)
    write_json(sidecar_path(path), told)


def test_a_model_is_trained_and_says_what_it_learnt_from(study: Path, recipe: Path, tmp_path: Path) -> None:
    words = ["train", str(study), "--recipe", str(recipe), "--jobs", "1"]
    done = CliRunner().invoke(app, [*words, "--model", str(tmp_path / "first")])
    assert done.exit_code == 0, done.exception
    assert "simulated" in done.stdout.lower() and "Use it with: dawson lesions segment" in done.stdout.replace("\n", " ")
    first = read_lesion_model(tmp_path / "first")
    assert first.recipe.optimisation.steps == 2 and first.simulated
    # who was learnt from stays beside the model, not in it
    manifest = read_tsv(tmp_path / "first-training" / "training-manifest.tsv")
    assert set(manifest["participant_id"]) == {"sub-01", "sub-02", "sub-03", "sub-04"}
    assert not any("sub-01" in path.read_text(errors="ignore") for path in (tmp_path / "first").iterdir())


def test_a_dry_run_counts_the_masks_and_writes_nothing(study: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", str(study), "--model", str(tmp_path / "model"), "--dry-run"])
    assert done.exit_code == 0
    (row,) = [line for line in done.stdout.splitlines() if "planted" in line]
    assert [int(word) for word in row.split() if word.isdigit()] == [5, 4]


def test_a_dry_run_writes_nothing(study: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", str(study), "--model", str(tmp_path / "model"), "--dry-run"])
    assert done.exit_code == 0 and "Would be learnt from" in done.stdout and "planted" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_wrong_recipe_names_the_value(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[optimisation]\nsteps = 0\n")
    done = CliRunner().invoke(app, ["train", str(study), "--recipe", str(path), "--model", str(tmp_path / "model")])
    assert isinstance(done.exception, ConfigError) and "steps" in str(done.exception)
    done = CliRunner().invoke(app, ["train", str(study), "--recipe", str(tmp_path / "none.toml"), "--model", str(tmp_path / "model")])
    assert isinstance(done.exception, ConfigError) and "none.toml" in str(done.exception)


def test_a_start_that_is_no_model_is_refused(study: Path, recipe: Path, tmp_path: Path) -> None:
    words = ["train", str(study), "--recipe", str(recipe), "--model", str(tmp_path / "model"), "--start", str(tmp_path / "nowhere")]
    done = CliRunner().invoke(app, [*words, "--jobs", "1"])
    assert isinstance(done.exception, ModelError) and "nowhere" in str(done.exception)
    assert not (tmp_path / "model").exists()


def test_a_study_without_masks_cannot_be_learnt_from(tmp_path: Path, recipe: Path) -> None:
    root = tmp_path / "bare"
    flair = np.zeros((SIDE,) * 3, np.float32)
    flair[12:36, 12:36, 12:36] = 100
    _write(root / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz", flair, {"SkullStripped": True, "Space": TEMPLATE_SPACE})
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\nsub-01\tMS\n")
    write_json(root / "dataset_description.json", {"Name": "bare", "BIDSVersion": "1.9.0"})
    done = CliRunner().invoke(app, ["train", str(root), "--recipe", str(recipe), "--model", str(tmp_path / "model"), "--jobs", "1"])
    assert isinstance(done.exception, CohortError)
    assert not (tmp_path / "model").exists()

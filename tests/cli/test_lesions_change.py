"""`dawson lesions change` on two planted people with two sessions each."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from typer.testing import CliRunner

from dawson.cli.lesions import app
from dawson.errors import CohortError, ConfigError
from dawson.files import read_tsv, sidecar_path, write_json
from dawson.imaging.template import TEMPLATE_SPACE

SHAPE = (44, 48, 40)
SESSIONS = ("ses-01", "ses-02")


def ball(centre: tuple[int, int, int], radius: float) -> NDArray[np.bool_]:
    steps = np.ogrid[tuple(slice(0, size) for size in SHAPE)]
    return np.asarray(sum((step - middle) ** 2 for step, middle in zip(steps, centre, strict=True)) <= radius**2)


BRAIN = ball((22, 24, 20), 18)
STAYS, LATE = ball((15, 24, 20), 3), ball((29, 24, 20), 3)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """sub-01 gets a lesion, sub-02 keeps the one that is there; both in template space, in a folder with a space in its name."""
    root = tmp_path / "my study"
    root.mkdir()
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\nsub-01\tMS\nsub-02\tMS\n")
    write_json(root / "dataset_description.json", {"Name": "planted", "BIDSVersion": "1.9.0"})
    tissue = 100 + 130 * ndimage.gaussian_filter(np.random.default_rng(9).standard_normal(SHAPE), 2)
    for who in ("sub-01", "sub-02"):
        for place, session in enumerate(SESSIONS):
            lesions = STAYS | LATE if who == "sub-01" and place else STAYS
            noise = 3 * np.random.default_rng(place).standard_normal(SHAPE)
            stem = Path(who, session, "anat", f"{who}_{session}")
            told = {"SkullStripped": True, "Space": TEMPLATE_SPACE, "SimulatedData": True}
            _write(root / f"{stem}_FLAIR.nii.gz", np.where(BRAIN, tissue + 45 * lesions + noise, 0).astype(np.float32), told)
            mask = root / "derivatives" / "dawson" / f"{stem}_space-{TEMPLATE_SPACE}_label-lesion_desc-sim_mask.nii.gz"
            _write(mask, lesions.astype(np.uint8), {"SimulatedData": True})
        (root / who / f"{who}_sessions.tsv").write_text("session_id\tdays_from_baseline\nses-01\t0\nses-02\t365\n")
    return root


def _write(path: Path, values: NDArray[np.generic], told: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)
    write_json(sidecar_path(path), told)


def test_changes_are_told_in_words_a_table_and_a_page(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["change", str(study), "--out", str(out), "--jobs", "1"])
    assert done.exit_code == 0, done.exception
    # the masks lie in the study's own derivatives, the results in --out
    assert "2 pairs of following sessions, 1 with new lesions. Research use only." in done.stdout
    derivatives = out / "derivatives" / "dawson"
    table = read_tsv(derivatives / "lesion_changes.tsv").set_index("participant_id")
    assert table["n_new"].to_dict() == {"sub-01": 1, "sub-02": 0}
    assert not (study / "derivatives" / "dawson" / "lesion_changes.tsv").exists()
    page = (derivatives / "lesion_changes.html").read_text()
    assert page.index("sub-01 ses-01 to ses-02") < page.index("sub-02 ses-01 to ses-02")


def test_json_has_every_pair_and_one_person_can_be_asked_for(study: Path) -> None:
    done = CliRunner().invoke(app, ["change", str(study), "--participant", "02", "--detector", "masks", "--jobs", "1", "--json"])
    assert done.exit_code == 0, done.exception
    said = json.loads(done.stdout[done.stdout.index("{") :])
    (pair,) = said["pairs"]
    assert (pair["participant_id"], pair["maker"], pair["detector"], pair["n_stable"]) == ("sub-02", "sim", "masks", 1)
    assert Path(said["page"]).is_file() and Path(said["table"]).is_file()


def test_a_dry_run_names_the_masks_and_writes_nothing(study: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["change", str(study), "--out", str(tmp_path / "new"), "--dry-run"])
    assert done.exit_code == 0 and "the masks of sim" in " ".join(done.stdout.split()) and "sub-02" in done.stdout
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (["--maker", "nobody"], ConfigError, "There are: sim"),
        (["--detector", "eye"], ConfigError, "Choose one of masks, subtraction"),
        (["--participant", "404"], CohortError, "sub-404"),
    ],
)
def test_wrong_words_are_told(study: Path, words: list[str], kind: type[Exception], told: str) -> None:
    done = CliRunner().invoke(app, ["change", str(study), *words])
    assert isinstance(done.exception, kind)
    assert told in str(done.exception)
    assert not (study / "derivatives" / "dawson" / "lesion_changes.tsv").exists()


def test_a_run_in_which_no_pair_could_be_compared_fails(study: Path) -> None:
    for mask in study.glob("derivatives/dawson/sub-*/*/anat/*_mask.nii.gz"):
        mask.write_bytes(b"no image")
    done = CliRunner().invoke(app, ["change", str(study), "--jobs", "1"])
    assert done.exit_code == 1
    assert "cannot be read" in done.stdout and "0 pairs" in done.stdout

"""`dawson lesions consensus` of four raters and of two programs on a small simulated study."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from dawson.cli.lesions import app
from dawson.errors import ConfigError
from dawson.files import read_tsv, sidecar_path, write_json
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.scan_images import lesion_file

SHAPE = (40, 44, 36)
MAKERS = ("rater1", "rater2", "rater3", "rater4", "classical", "lstai")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two people with two cubes of lesion; rater3 and lstai do not see the second."""
    root = tmp_path / "my study"
    for who in ("sub-01", "sub-02"):
        flair = root / who / "anat" / f"{who}_FLAIR.nii.gz"
        values = np.zeros(SHAPE, np.float32)
        values[4:36, 4:40, 4:32] = 100
        _write(flair, values, {"SkullStripped": True, "Space": TEMPLATE_SPACE, "SimulatedData": True})
        for maker in MAKERS:
            mask = np.zeros(SHAPE, np.uint8)
            mask[10:15, 10:15, 10:15] = 1
            if maker not in ("rater3", "lstai"):
                mask[25:29, 25:29, 20:24] = 1
            name = lesion_file(maker, "mask")
            path = root / "derivatives" / "dawson" / who / "anat" / f"{who}_{name}"
            _write(path, mask, {"SimulatedData": True})
            if not maker.startswith("rater"):
                _write(path.with_name(path.name.replace("_mask.", "_probseg.")), mask.astype(np.float32) * 0.9, {"SimulatedData": True})
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\nsub-01\tMS\nsub-02\tMS\n")
    write_json(root / "dataset_description.json", {"Name": "planted", "BIDSVersion": "1.9.0"})
    return root


def _write(path: Path, values: np.ndarray, told: dict[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, np.eye(4)), path)
    write_json(sidecar_path(path), told)


def _consensus(derivatives: Path, who: str) -> np.ndarray:
    image = nib.load(derivatives / who / "anat" / f"{who}_{lesion_file('consensus', 'mask')}")
    return np.asarray(image.dataobj) > 0


def test_three_raters_outvote_the_fourth_who_agrees_least(study: Path, tmp_path: Path) -> None:
    words = ["consensus", str(study), "--method", "majority", "--out", str(tmp_path / "out"), "--jobs", "1"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    assert "2 of 2 scans have a consensus mask (desc-consensus)." in done.stdout
    derivatives = tmp_path / "out" / "derivatives" / "dawson"
    assert _consensus(derivatives, "sub-02").sum() == 5**3 + 4**3
    raters = read_tsv(derivatives / "raters.tsv", text=("rater",)).set_index("rater")
    assert raters["dice"].idxmin() == "3" and raters.loc["1", "dice"] > raters.loc["3", "dice"]
    assert "Raters against the consensus of the others" in done.stdout


def test_programs_are_combined_as_json(study: Path, tmp_path: Path) -> None:
    words = ["consensus", str(study), "--of", "segmenters", "--out", str(study), "--participant", "01", "--jobs", "1", "--json"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.exception
    said = json.loads(done.stdout[done.stdout.index("{") :])
    assert [(row["participant_id"], row["status"]) for row in said["scans"]] == [("sub-01", "done")]
    assert said["raters"] is None
    assert _consensus(study / "derivatives" / "dawson", "sub-01")[12, 12, 12]


def test_a_dry_run_writes_nothing(study: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["consensus", str(study), "--out", str(tmp_path / "new"), "--dry-run"])
    assert done.exit_code == 0 and "consensus of raters" in " ".join(done.stdout.split()) and "sub-02" in done.stdout
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--of", "readers"], "no consensus of 'readers'"),
        (["--maker", "rater1"], "the masks of all raters take part"),
        (["--method", "average"], "staple, majority, soft"),
    ],
)
def test_wrong_words_are_told(study: Path, words: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["consensus", str(study), *words, "--jobs", "1"])
    assert isinstance(done.exception, ConfigError) and told in str(done.exception)
    assert not list(study.rglob("*desc-consensus_mask.nii.gz"))

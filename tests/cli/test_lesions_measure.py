"""`dawson lesions measure` on one person whose brain is the template's at 3 mm."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from dawson.cli.lesions import app
from dawson.errors import CohortError
from dawson.files import read_tsv, sidecar_path, write_json
from dawson.imaging.template import TEMPLATE_SPACE, template_image, template_mask
from dawson.lesions.scan_images import lesion_file

LESIONS_MM = ((-30.0, -22.0, 33.0), (30.0, -22.0, 33.0))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people; sub-01 has one mask with both lesions and one with the first only, sub-02 has no mask."""
    root = tmp_path_factory.mktemp("measured") / "my study"
    image, brain = template_image(3.0), template_mask(3.0)
    values = np.where(brain, np.asarray(image.dataobj, dtype=np.float32) + 1, 0).astype(np.float32)
    places = np.stack(np.meshgrid(*(np.arange(size) for size in brain.shape), indexing="ij"), -1) @ image.affine[:3, :3].T
    away = [np.linalg.norm(places + image.affine[:3, 3] - centre, axis=-1) for centre in LESIONS_MM]
    for who in ("sub-01", "sub-02"):
        for contrast in ("T1w", "FLAIR"):
            path = root / who / "anat" / f"{who}_{contrast}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(values, image.affine), path)
            write_json(sidecar_path(path), {"SkullStripped": True, "Space": TEMPLATE_SPACE, "SimulatedData": True})
    for maker, count in (("sim", 2), ("rater1", 1)):
        path = root / "derivatives" / "dawson" / "sub-01" / "anat" / f"sub-01_{lesion_file(maker, 'mask')}"
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image((np.minimum.reduce(away[:count]) <= 4.5).astype(np.uint8), image.affine), path)
        write_json(sidecar_path(path), {"SimulatedData": True})
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\nsub-01\tMS\nsub-02\tMS\n")
    write_json(root / "dataset_description.json", {"Name": "planted", "BIDSVersion": "1.9.0"})
    return root


def test_every_mask_is_a_row_and_a_scan_without_one_is_told(study: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["measure", str(study), "--out", str(tmp_path), "--jobs", "1"])
    assert done.exit_code == 0, done.exception
    assert "no such lesion mask" in done.stdout and "McDonald space" in done.stdout
    table = read_tsv(tmp_path / "derivatives" / "dawson" / "lesions.tsv")
    counts = {(row.participant_id, row.maker): row.lesions for row in table.itertuples() if row.status == "done"}
    assert counts == {("sub-01", "sim"): 2, ("sub-01", "rater1"): 1}
    page = (tmp_path / "derivatives" / "dawson" / "lesions.html").read_text()
    assert "Research use only" in page and "sub-01" in page


def test_json_of_one_maker(study: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["measure", str(study), "--maker", "rater1", "--participant", "sub-01", "--out", str(tmp_path), "--jobs", "1", "--json"]
    )
    assert done.exit_code == 0, done.exception
    said = json.loads(done.stdout[done.stdout.index("{") :])
    assert [(row["maker"], row["lesions"], row["simulated"]) for row in said["rows"]] == [("rater1", 1, True)]
    assert Path(said["page"]).is_file()


def test_a_dry_run_writes_nothing(study: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["measure", str(study), "--out", str(tmp_path / "new"), "--dry-run"])
    assert done.exit_code == 0 and "Would be measured" in done.stdout and "sub-01" in done.stdout
    assert not (tmp_path / "new").exists()


def test_no_mask_by_that_maker_or_no_such_person_is_an_error(study: Path, tmp_path: Path) -> None:
    for words, told in ((["--maker", "nobody"], "lesion mask"), (["--participant", "404"], "sub-404")):
        done = CliRunner().invoke(app, ["measure", str(study), *words, "--out", str(tmp_path), "--jobs", "1"])
        assert isinstance(done.exception, CohortError) and told in str(done.exception)
    assert not list(tmp_path.rglob("lesions.tsv"))

"""Lesion change over a small study: tables, numbers that stay, bad pairs, and a second run that does nothing again."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from dawson.cohort.dataset import Cohort, read_cohort
from dawson.errors import CohortError
from dawson.files import read_tsv, sidecar_path, write_json
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.change import change_study
from dawson.lesions.change_table import COLUMNS, most_changed_first, read_study_table
from dawson.lesions.changes import CODES, ChangeSettings

SHAPE = (44, 48, 40)
AFFINE = np.diag([1.0, 1.0, 1.0, 1.0])
SESSIONS = ("ses-01", "ses-02", "ses-03")


def ball(centre: tuple[int, int, int], radius: float) -> NDArray[np.bool_]:
    steps = np.ogrid[tuple(slice(0, size) for size in SHAPE)]
    return np.asarray(sum((step - middle) ** 2 for step, middle in zip(steps, centre, strict=True)) <= radius**2)


BRAIN = ball((22, 24, 20), 18)
TISSUE = 100 + 130 * ndimage.gaussian_filter(np.random.default_rng(9).standard_normal(SHAPE), 2)
STAYS, LATE = ball((15, 24, 20), 3), ball((29, 24, 20), 3)
LESIONS = (STAYS, STAYS | LATE, STAYS | ball((29, 24, 20), 5))


def _write(path: Path, values: NDArray[np.generic], **sidecar: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, AFFINE), path)
    write_json(sidecar_path(path), sidecar)


@pytest.fixture
def study(tmp_path: Path) -> tuple[Cohort, Path, dict[tuple[str, str], Path]]:
    """sub-01 with three sessions in template space, sub-02 with one."""
    (tmp_path / "participants.tsv").write_text("participant_id\tdiagnosis\nsub-01\tMS\nsub-02\tMS\n")
    write_json(tmp_path / "dataset_description.json", {"Name": "planted", "BIDSVersion": "1.9.0"})
    derivatives = tmp_path / "derivatives" / "dawson"
    masks = {}
    for who, number in (("sub-01", 3), ("sub-02", 1)):
        rows = "".join(f"{session}\t{place * 365.25}\n" for place, session in enumerate(SESSIONS[:number]))
        (tmp_path / who).mkdir()
        (tmp_path / who / f"{who}_sessions.tsv").write_text("session_id\tdays_from_baseline\n" + rows)
        for place, session in enumerate(SESSIONS[:number]):
            noise = 3 * np.random.default_rng(place).standard_normal(SHAPE)
            flair = np.where(BRAIN, TISSUE + 45 * LESIONS[place] + noise, 0).astype(np.float32)
            stem = Path(who, session, "anat", f"{who}_{session}")
            _write(tmp_path / f"{stem}_FLAIR.nii.gz", flair, SkullStripped=True, Space=TEMPLATE_SPACE, SimulatedData=True)
            mask = derivatives / f"{stem}_space-{TEMPLATE_SPACE}_label-lesion_desc-sim_mask.nii.gz"
            _write(mask, LESIONS[place].astype(np.uint8), SimulatedData=True)
            masks[who, session] = mask
    return read_cohort(tmp_path), derivatives, masks


def _map(derivatives: Path, session: str, maker: str = "sim") -> Path:
    name = f"sub-01_{session}_space-{TEMPLATE_SPACE}_label-lesionchange_desc-{maker}_dseg.nii.gz"
    return derivatives / "sub-01" / session / "anat" / name


def test_every_pair_is_a_row_and_lesions_keep_their_numbers(study: tuple[Cohort, Path, dict[tuple[str, str], Path]]) -> None:
    cohort, derivatives, masks = study
    table = change_study(cohort, derivatives, masks, "sim")
    assert list(table.columns) == list(COLUMNS)
    assert table[["pair", "session_id", "status"]].to_numpy().tolist() == [
        ["consecutive", "ses-02", "done"],
        ["consecutive", "ses-03", "done"],
        ["overall", "ses-03", "done"],
    ]
    assert table["n_new"].tolist() == [1, 0, 1]
    assert table["n_enlarging"].tolist() == [0, 1, 0]
    assert table["new_per_year"].tolist() == [1.0, 0.0, 0.5]
    assert table["change_ml"].iloc[0] == pytest.approx(LATE.sum() / 1000, abs=1e-4)
    assert table["simulated"].all()
    lesions = read_tsv(derivatives / f"sub-01/ses-03/anat/sub-01_ses-03_space-{TEMPLATE_SPACE}_label-lesionchange_desc-sim_lesions.tsv")
    assert dict(zip(lesions["lesion"], lesions["change"], strict=True)) == {2: "enlarging", 1: "stable"}
    image = nib.load(_map(derivatives, "ses-02"))
    assert np.array_equal(np.asarray(image.dataobj), np.where(LATE, CODES["new"], np.where(STAYS, CODES["stable"], 0)))
    said = json.loads(sidecar_path(_map(derivatives, "ses-02")).read_text())
    assert said["LabelMap"]["1"] == "new" and said["SimulatedData"] is True and len(said["SourceSHA256"]) == 6
    assert (derivatives / table["picture"].iloc[0]).stat().st_size > 10_000
    assert most_changed_first(table)["n_new"].tolist() == [1, 1, 0]

    # a second run finds everything done; another mask is compared anew
    before = _map(derivatives, "ses-02").stat().st_mtime_ns
    again = change_study(cohort, derivatives, masks, "sim")
    assert _map(derivatives, "ses-02").stat().st_mtime_ns == before
    assert again.astype(str).equals(table.astype(str))
    _write(masks["sub-01", "ses-02"], STAYS.astype(np.uint8), SimulatedData=True)
    assert change_study(cohort, derivatives, masks, "sim")["n_new"].tolist() == [0, 1, 1]


def test_a_damaged_mask_is_a_row_with_a_reason_and_leaves_no_old_map(study: tuple[Cohort, Path, dict[tuple[str, str], Path]]) -> None:
    cohort, derivatives, masks = study
    only_masks = ChangeSettings(detector="masks")
    change_study(cohort, derivatives, masks, "sim", only_masks)
    masks["sub-01", "ses-02"].write_bytes(b"no image")
    table = change_study(cohort, derivatives, masks, "sim", only_masks)
    assert table["status"].tolist() == ["failed"] * 3
    assert "cannot be read" in table["reason"].iloc[0]
    assert not _map(derivatives, "ses-02").exists()
    assert read_study_table(derivatives)["status"].tolist() == ["failed"] * 3


def test_without_masks_the_scans_alone_are_compared(study: tuple[Cohort, Path, dict[tuple[str, str], Path]]) -> None:
    cohort, derivatives, masks = study
    table = change_study(cohort, derivatives, {}, "none")
    assert set(table["detector"]) == {"subtraction without masks"}
    assert table["n_new"].tolist()[0] == 1
    assert table["n_stable"].isna().all()
    failed = change_study(cohort, derivatives, {("sub-01", "ses-01"): masks["sub-01", "ses-01"]}, "one", ChangeSettings(detector="masks"))
    assert failed["status"].tolist() == ["failed"] * 3 and "is missing" in failed["reason"].iloc[0]
    assert set(read_study_table(derivatives)["maker"]) == {"none", "one"}


def test_a_study_without_follow_up_is_refused(study: tuple[Cohort, Path, dict[tuple[str, str], Path]]) -> None:
    cohort, derivatives, masks = study
    with pytest.raises(CohortError, match="two sessions"):
        change_study(cohort.select("participant_id == 'sub-02'"), derivatives, masks, "sim")

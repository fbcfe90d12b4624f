"""Real scans with thick slices come to the template."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cohort.scan import Scan
from dawson.config import PreprocessSection
from dawson.preprocess import names
from dawson.preprocess.scan import PreprocessRow, preprocess_scan

PAIRS = [("sub-long01", "ses-01"), ("sub-long01", "ses-02"), ("sub-long03", "ses-02"), ("sub-long04", "ses-01"), ("sub-long19", "ses-02")]
FLAIR_ONLY = [("sub-long03", "ses-01"), ("sub-long19", "ses-01")]


def _scan(reference_data: Path, participant: str, session: str) -> tuple[Scan, Path]:
    root = reference_data / "ljubljana-ms"
    start = root / participant / session / "anat" / f"{participant}_{session}"
    t1w, flair = Path(f"{start}_T1w.nii.gz"), Path(f"{start}_FLAIR.nii.gz")
    return Scan(participant, session, t1w if t1w.exists() else None, flair), root


def _preprocess(reference_data: Path, out: Path, participant: str, session: str) -> PreprocessRow:
    scan, root = _scan(reference_data, participant, session)
    row = preprocess_scan(scan, out, PreprocessSection(), root)
    assert row.status == "done", row.reason
    assert scan.derivative(out, names.CONTACT_SHEET).stat().st_size > 50_000
    assert row.min_jacobian > 0
    assert row.template_brain_dice > 0.95
    return row


@pytest.mark.data
def test_a_real_pair_comes_to_the_template_and_is_not_done_twice(reference_data: Path, tmp_path: Path) -> None:
    row = _preprocess(reference_data, tmp_path, "sub-long04", "ses-01")
    assert row.wm_dice >= 0.67
    assert row.template_correlation >= 0.75
    scan, root = _scan(reference_data, "sub-long04", "ses-01")
    # what half a run leaves: some results gone, one cut short
    scan.derivative(tmp_path, names.CHANNELS).unlink()
    image = scan.derivative(tmp_path, names.preprocessed("FLAIR"))
    image.write_bytes(image.read_bytes()[:1000])
    (image.parent / ".part-abc-x.nii.gz").write_bytes(b"half")
    warp = scan.derivative(tmp_path, names.to_template("T1w")[1])
    before = warp.stat().st_mtime_ns
    again = preprocess_scan(scan, tmp_path, PreprocessSection(), root)
    assert again.wm_dice == row.wm_dice
    assert warp.stat().st_mtime_ns == before
    assert not list(tmp_path.rglob(".part-*"))
    assert np.load(scan.derivative(tmp_path, names.CHANNELS)).shape == (5, 128, 128)
    values = np.asarray(nib.load(image).dataobj)
    assert values.shape == (197, 233, 189)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("participant", "session"), PAIRS)
def test_every_real_pair_fits(participant: str, session: str, reference_data: Path, tmp_path: Path) -> None:
    row = _preprocess(reference_data, tmp_path, participant, session)
    assert row.source == "T1w+FLAIR"
    assert row.wm_dice >= 0.67
    assert row.template_correlation >= 0.75


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("participant", "session"), FLAIR_ONLY)
def test_flair_alone_registers_itself(participant: str, session: str, reference_data: Path, tmp_path: Path) -> None:
    row = _preprocess(reference_data, tmp_path, participant, session)
    assert row.source == "FLAIR"
    assert np.isnan(row.wm_dice)
    assert row.template_mutual_information > 0.07


@pytest.mark.data
@pytest.mark.slow
def test_images_of_two_heads_are_told(reference_data: Path, tmp_path: Path) -> None:
    first, root = _scan(reference_data, "sub-long01", "ses-01")
    other, _ = _scan(reference_data, "sub-long04", "ses-01")
    row = preprocess_scan(Scan("sub-mixed", "", first.t1w, other.flair), tmp_path, PreprocessSection(), root)
    assert row.status == "failed"
    assert "different heads" in row.reason

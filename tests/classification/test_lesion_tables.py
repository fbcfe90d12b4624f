from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.classification.lesion_tables import FEATURES_NAME, find_lesion_mask, mask_makers, read_lesions
from dawson.cohort.scan import Scan

SPACE = "space-MNI152NLin2009aSym"
PREFERENCE = ("expert", "consensus", "dawson", "sim")


def write_mask(root: Path, scan: Scan, maker: str = "desc-sim", lesions: int = 1, space: str = SPACE) -> Path:
    """A mask of some lesions of 27 voxels in the white matter above the ventricles."""
    values = np.zeros((60, 10, 10), dtype=np.uint8)
    for number in range(lesions):
        values[3 + 6 * number : 6 + 6 * number, 3:6, 3:6] = 1
    affine = np.eye(4)
    affine[:3, 3] = (-30, -20, 30)
    name = "_".join(part for part in (space, "label-lesion", maker, "mask.nii.gz") if part)
    path = scan.derivative(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


@pytest.fixture
def scan() -> Scan:
    return Scan("sub-01", "ses-1", None, None)


@pytest.mark.parametrize(
    ("makers", "chosen"),
    [
        (["desc-sim", "desc-dawson", "desc-expert"], "desc-expert"),
        (["desc-sim", "desc-somebody"], "desc-sim"),
        (["desc-zeta", "desc-alpha"], "desc-alpha"),
        (["", "desc-sim"], "desc-sim"),
        ([""], "lesion_mask"),
    ],
)
def test_the_preferred_mask_is_taken(tmp_path: Path, scan: Scan, makers: list[str], chosen: str) -> None:
    for maker in makers:
        write_mask(tmp_path, scan, maker)
    found = find_lesion_mask(scan, [tmp_path], PREFERENCE)
    assert found is not None
    assert chosen in found.name


def test_who_made_a_mask_counts_more_than_where_it_lies(tmp_path: Path, scan: Scan) -> None:
    own, study = tmp_path / "own", tmp_path / "study"
    write_mask(own, scan, "desc-sim")
    expert = write_mask(study, scan, "desc-expert")
    assert find_lesion_mask(scan, [own, study], PREFERENCE) == expert
    assert find_lesion_mask(scan, [own, study], ("sim",)) == write_mask(own, scan, "desc-sim")
    same = write_mask(own, scan, "desc-expert")
    assert find_lesion_mask(scan, [own, study], PREFERENCE) == same


def test_masks_are_counted_by_who_made_them(tmp_path: Path) -> None:
    scans = [Scan(f"sub-0{number}", "ses-1", None, None) for number in range(4)]
    masks = [write_mask(tmp_path, scan, maker) for scan, maker in zip(scans, ("desc-expert", "desc-sim", "", "desc-sim"), strict=True)]
    assert mask_makers(masks) == {"sim": 2, "expert": 1, "": 1}


def test_a_mask_of_another_session_or_kind_is_not_taken(tmp_path: Path, scan: Scan) -> None:
    other = Scan("sub-01", "ses-10", None, None)
    write_mask(tmp_path, other)
    brain = scan.derivative(tmp_path, f"{SPACE}_desc-brain_mask.nii.gz")
    brain.parent.mkdir(parents=True)
    brain.touch()
    assert find_lesion_mask(scan, [tmp_path], PREFERENCE) is None


def test_lesions_are_measured_once_and_again_when_the_mask_changes(tmp_path: Path, scan: Scan) -> None:
    own, study = tmp_path / "own", tmp_path / "study"
    write_mask(study, scan, lesions=2)
    first = read_lesions([scan], [own, study], PREFERENCE)
    key = ("sub-01", "ses-1")
    assert [lesion.volume_ml for lesion in first.lesions[key]] == pytest.approx([0.027, 0.027])
    table = scan.derivative(own, FEATURES_NAME)
    before = table.stat().st_mtime_ns
    assert read_lesions([scan], [own, study], PREFERENCE).lesions == first.lesions
    assert table.stat().st_mtime_ns == before
    write_mask(study, scan, lesions=3)
    assert len(read_lesions([scan], [own, study], PREFERENCE).lesions[key]) == 3


def test_an_empty_mask_is_no_missing_one(tmp_path: Path, scan: Scan) -> None:
    write_mask(tmp_path, scan, lesions=0)
    for _ in range(2):
        found = read_lesions([scan], [tmp_path], PREFERENCE)
        assert found.lesions == {("sub-01", "ses-1"): ()}
        assert not found.missing


def test_a_scan_without_a_usable_mask_says_why_and_stops_nobody(tmp_path: Path) -> None:
    scans = [Scan(f"sub-{number:02d}", "", None, None) for number in range(5)]
    write_mask(tmp_path, scans[1], space="space-T1w")
    damaged = write_mask(tmp_path, scans[2])
    damaged.write_bytes(damaged.read_bytes()[:100])
    elsewhere = write_mask(tmp_path, scans[3])
    nib.save(nib.Nifti1Image(np.ones((3, 3, 3), np.uint8), np.diag([1.0, 1, 1, 1]) + np.eye(4, k=3) * 500), elsewhere)
    write_mask(tmp_path, scans[4])
    found = read_lesions(scans, [tmp_path], PREFERENCE)
    assert list(found.lesions) == [("sub-04", "")]
    why = [found.missing[(scan.participant_id, "")] for scan in scans[:4]]
    assert why[0] == "it has no lesion mask"
    assert "not in template space" in why[1]
    assert "cannot be used" in why[2]
    assert "another space" in why[3]

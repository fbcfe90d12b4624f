"""Simulated heads as DICOM: converted back they are the same images, every file says that it is simulated, and names are invented."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

from dawson.errors import CohortError
from dawson.simulation.dicom import write_dicom


@pytest.fixture(scope="module")
def archive(native_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dicom(native_cohort, tmp_path_factory.mktemp("dicom") / "archive", seed=1)


def _files(archive: Path) -> list[Path]:
    return sorted(path for path in archive.rglob("*") if path.is_file())


@pytest.mark.parametrize(("number", "contrast"), [(2, "T1w"), (3, "FLAIR")])
def test_converted_back_they_are_the_same_images(archive: Path, native_cohort: Path, tmp_path: Path, number: int, contrast: str) -> None:
    import dcm2niix

    folder = next(archive.rglob(f"{number:03d}"))
    subprocess.run([dcm2niix.bin, "-g", "i", "-b", "n", "-x", "i", "-f", "x", "-o", tmp_path, folder], check=True, capture_output=True)
    made: Any = nib.as_closest_canonical(nib.load(tmp_path / "x.nii"))
    raw: Any = nib.load(native_cohort / "sub-001" / "ses-01" / "anat" / f"sub-001_ses-01_{contrast}.nii.gz")
    np.testing.assert_allclose(made.affine, raw.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(made.dataobj), np.asarray(raw.dataobj))


def test_every_file_says_that_no_scanner_made_it_and_names_nobody_real(archive: Path) -> None:
    instances = set()
    for path in _files(archive):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        assert dataset.SyntheticData == "YES" and str(dataset.PatientName).startswith("SIMULATED^")
        instances.add(dataset.SOPInstanceUID)
    assert len(instances) == len(_files(archive))


def test_headers_are_those_of_the_site_and_the_person(archive: Path, native_cohort: Path) -> None:
    from dawson.cohort.dataset import read_cohort
    from dawson.simulation.scanner import site_named

    person = read_cohort(native_cohort).participants.iloc[0]
    protocol = site_named(str(person["site"])).flair
    dataset = pydicom.dcmread(next(archive.rglob("003/IM00001")), stop_before_pixels=True)
    assert (float(dataset.RepetitionTime), float(dataset.EchoTime), float(dataset.InversionTime)) == (protocol.tr, protocol.te, protocol.ti)
    assert dataset.PatientSex == person["sex"] and int(dataset.PatientAge[:3]) == int(person["age"])
    assert float(dataset.SliceThickness) == pytest.approx(4.0, abs=1e-6)


def test_the_same_seed_gives_the_same_files(archive: Path, native_cohort: Path, tmp_path: Path) -> None:
    again = write_dicom(native_cohort, tmp_path / "again", seed=1, extras=False)
    for path in _files(again):
        assert path.read_bytes() == (archive / path.relative_to(again)).read_bytes()


def test_only_raw_simulated_heads_are_written(template_cohort: Path, archive: Path, native_cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no raw head"):
        write_dicom(template_cohort, tmp_path / "out")
    with pytest.raises(CohortError, match="not empty"):
        write_dicom(native_cohort, archive)

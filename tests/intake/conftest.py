"""Small DICOM series, written as a scanner would, with whatever header a test needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MakeSeries = Callable[..., list[Path]]

FLAIR = {
    "ScanningSequence": ["SE", "IR"],
    "SequenceVariant": "SK",
    "MRAcquisitionType": "2D",
    "RepetitionTime": 9000,
    "EchoTime": 110,
    "InversionTime": 2500,
    "FlipAngle": 90,
    "SeriesDescription": "t2 dark fluid",
    "SeriesNumber": 3,
}
T1W = {
    "ScanningSequence": ["GR", "IR"],
    "SequenceVariant": ["SP", "MP"],
    "MRAcquisitionType": "3D",
    "RepetitionTime": 2300,
    "EchoTime": 3,
    "InversionTime": 1000,
    "FlipAngle": 9,
    "SeriesDescription": "t1 mprage",
    "SeriesNumber": 2,
}


@pytest.fixture
def make_series() -> MakeSeries:
    return write_series


@pytest.fixture
def flair() -> dict[str, Any]:
    return dict(FLAIR)


@pytest.fixture
def t1w() -> dict[str, Any]:
    return dict(T1W)


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of keys of the test's own."""
    folder = tmp_path / "keys"
    monkeypatch.setenv("DAWSON_KEYS", str(folder))
    return folder


def write_series(folder: Path, slices: int = 24, size: int = 24, step_mm: float = 6.0, seed: int = 0, **elements: Any) -> list[Path]:
    """Write an axial series of one file a slice; elements by keyword stand above the usual ones, None leaves one out."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    study, series = (str(elements.pop(name, "") or generate_uid()) for name in ("StudyInstanceUID", "SeriesInstanceUID"))
    uids = elements.pop("SOPInstanceUIDs", None) or [generate_uid() for _ in range(slices)]
    rng = np.random.default_rng(seed)
    written = []
    for number in range(slices):
        dataset = Dataset()
        usual = {
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4", "SOPInstanceUID": uids[number], "Modality": "MR", "Manufacturer": "ACME",
            "ImageType": ["ORIGINAL", "PRIMARY", "M"], "StudyInstanceUID": study, "SeriesInstanceUID": series, "SeriesNumber": 1,
            "InstanceNumber": number + 1, "StudyDate": "20150304", "StudyTime": "101500", "PatientID": "MRN-4711",
            "PatientName": "Quixote^Dolores", "PatientBirthDate": "19800102", "PatientSex": "F", "PatientAge": "035Y",
            "MagneticFieldStrength": 3, "PatientPosition": "HFS", "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [-60, -60, -70 + step_mm * number], "PixelSpacing": [5, 5], "SliceThickness": step_mm,
            "SpacingBetweenSlices": step_mm, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelRepresentation": 0,
            "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "Rows": size, "Columns": size,
        }  # fmt: skip
        for keyword, value in {**usual, **elements}.items():
            if value is not None:
                setattr(dataset, keyword, value)
        dataset.PixelData = rng.integers(0, 900, (size, size)).astype("<u2").tobytes()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"Quixote {number:03d}"
        dataset.save_as(path, enforce_file_format=True)
        written.append(path)
    return written

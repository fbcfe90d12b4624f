"""dcm2niix in its cage: geometry kept, texts gone, several images told; sidecars hold only what is on the list."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawson.errors import IntakeError
from dawson.intake.convert import SeriesError, convert, dcm2niix_path
from dawson.intake.geometry import difference
from dawson.intake.process import plain_reason
from dawson.intake.series import find_series
from dawson.intake.sidecars import clean_sidecar
from dawson.intake.sources import open_source

MakeSeries = Callable[..., list[Path]]


def _out(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    out.mkdir()
    return out


def test_voxels_and_places_are_those_of_the_files(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    import pydicom

    files = make_series(tmp_path / "in", **flair)
    image: Any = nib.as_closest_canonical(nib.load(convert(tmp_path / "in", _out(tmp_path), "x").image))
    assert image.shape == (24, 24, 24)
    # LPS to RAS: x and y change their sign, and with it their order
    first = pydicom.dcmread(files[0]).pixel_array
    np.testing.assert_array_equal(np.asarray(image.dataobj)[:, :, 0], first.T[::-1, ::-1])
    np.testing.assert_allclose(image.affine, [[5, 0, 0, -55], [0, 5, 0, -55], [0, 0, 6, -70], [0, 0, 0, 1]], atol=1e-4)


def test_no_text_and_no_time_is_left_in_the_image(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in", ImageComments="Dolores", AcquisitionTime="101502", **flair)
    path = convert(tmp_path / "in", _out(tmp_path), "x").image
    content = gzip.decompress(path.read_bytes())
    header: Any = nib.load(path).header
    assert b"Dolores" not in content
    assert all(not bytes(header[name].tobytes()).strip(b"\0") for name in ("descrip", "aux_file", "db_name", "intent_name", "data_type"))
    assert path.read_bytes()[3:8] == bytes(5), "neither a name nor a time in the gzip header"


def test_equal_files_give_equal_bytes(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in", **flair)
    images = []
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        images.append(convert(tmp_path / "in", tmp_path / name, "x").image.read_bytes())
    assert images[0] == images[1]


def test_files_that_make_two_images_or_none_are_told(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    make_series(tmp_path / "in" / "1", **flair)
    make_series(tmp_path / "in" / "2", **{**flair, "EchoTime": 20})
    for path in (tmp_path / "in").glob("*/*"):
        path.rename(tmp_path / "in" / f"{path.parent.name} {path.name}")
    out = _out(tmp_path)
    with pytest.raises(IntakeError, match="2 images"):
        convert(tmp_path / "in", out, "x")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "a").write_bytes(b"x" * 500)
    (tmp_path / "out2").mkdir()
    with pytest.raises(IntakeError, match="could not convert"):
        convert(tmp_path / "nothing", tmp_path / "out2", "x")


def test_any_complaint_of_the_program_counts(
    tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "dcm2niix"
    program.write_text(f'#!/bin/sh\n{dcm2niix_path()} "$@"\nexit 8\n')
    program.chmod(0o700)
    monkeypatch.setattr("dawson.intake.convert.dcm2niix_path", lambda: str(program))
    make_series(tmp_path / "in", **flair)
    with pytest.raises(SeriesError, match="ended with 8"):
        convert(tmp_path / "in", _out(tmp_path), "x")


def test_an_image_that_lies_elsewhere_than_its_headers_say_is_noticed(
    tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]
) -> None:
    oblique = [0.96, 0, -0.28, 0, 1, 0]
    normal = np.cross(oblique[:3], oblique[3:])
    files = make_series(tmp_path / "in", **{**flair, "PixelSpacing": [5, 4], "ImageOrientationPatient": oblique})
    for number, path in enumerate(files):
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [round(float(value), 6) for value in np.array([-60, -60, -70]) + 6 * number * normal]
        dataset.save_as(path)
    with open_source(tmp_path / "in") as source:
        (series,) = find_series(source).series
    image: Any = nib.load(convert(tmp_path / "in", _out(tmp_path), "x").image)
    assert series.fault == "" and difference(series, image.shape, image.affine) == ""
    moved, larger, turned = (image.affine.copy() for _ in range(3))
    moved[1, 3] += 0.2
    larger[:3, 0] *= 1.02
    turned[:3, :3] = turned[:3, :3] @ [[0.995, -0.0999, 0], [0.0999, 0.995, 0], [0, 0, 1]]
    assert "place" in difference(series, image.shape, moved)
    assert "size" in difference(series, image.shape, larger)
    assert "directions" in difference(series, image.shape, turned)
    assert "number" in difference(series, (24, 24, 23), image.affine)


def test_a_reason_repeats_no_message_that_may_name_somebody() -> None:
    said = [plain_reason(error) for error in (IntakeError("/in/Quixote does not exist."), OSError("Quixote"), ValueError("Quixote"))]
    assert said == [f"it could not be {what}" for what in ("processed (IntakeError)", "read (OSError)", "processed (ValueError)")]
    assert plain_reason(SeriesError("a file changed.", "Run it again.")) == "a file changed"


def test_a_sidecar_keeps_the_sequence_and_nothing_that_names_somebody() -> None:
    done = clean_sidecar(
        {
            "EchoTime": 0.11, "Modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY"], "ScanningSequence": "SE\\IR",
            "PatientName": "Quixote", "AcquisitionTime": "10:15:02",
            "SeriesDescription": "FLAIR of Quixote", "DeviceSerialNumber": "12345", "StationName": "MR1", "ImageComments": "tall",
            "BodyPartExamined": "HEAD 20150304", "RepetitionTime": "Quixote", "ConversionSoftwareVersion": "v1.0.20260724",
        }
    )  # fmt: skip
    assert done.content == {
        "EchoTime": 0.11,
        "Modality": "MR",
        "ScanningSequence": "SE\\IR",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "ConversionSoftwareVersion": "v1.0.20260724",
    }
    assert {"PatientName", "RepetitionTime", "BodyPartExamined", "ImageComments"} <= set(done.dropped)


_ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=200),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.sampled_from(["EchoTime", "Modality", "ImageType", "Invented"]), _ANY))
def test_any_sidecar_comes_out_as_json_of_listed_fields(content: dict[str, Any]) -> None:
    done = clean_sidecar(content)
    assert json.loads(json.dumps(done.content, allow_nan=False)) == done.content
    assert set(done.content) | set(done.dropped) == set(content) and "Invented" not in done.content

"""Files put together as series, and headers that are broken in every way."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dawson.intake.headers import Header, UnreadableError, read_header
from dawson.intake.series import Found, find_series
from dawson.intake.sources import BoundedStream, Limits, open_source

MakeSeries = Callable[..., list[Path]]


def _found(folder: Path) -> Found:
    with open_source(folder) as source:
        return find_series(source)


def _read(content: bytes, limits: Limits = Limits()) -> Header:
    return read_header(BoundedStream(io.BytesIO(content), len(content)), len(content), limits)


def test_series_are_found_whatever_their_files_are_called(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    files = make_series(tmp_path / "x" / "y", StudyInstanceUID="1.2", **flair)
    make_series(tmp_path / "z", slices=12, SeriesNumber=7, StudyInstanceUID="1.2")
    for number, path in enumerate(files):
        path.rename(path.with_name(f"{number * 7919 % 24}.what"))
    found = _found(tmp_path)
    assert [(one.header.series_number, len(one.files), one.part) for one in found.series] == [(3, 24, ""), (7, 12, "")]
    first = found.series[0]
    assert first.plane == "axial" and first.voxel_mm == (5.0, 5.0, 6.0) and first.coverage_mm == 144.0 and first.fault == ""


def test_a_zip_gives_the_same_series_as_its_folder(tmp_path: Path, make_series: MakeSeries, flair: dict[str, Any]) -> None:
    import shutil

    make_series(tmp_path / "in", **flair)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "in"))
    (folder,), (unpacked,) = _found(tmp_path / "in").series, _found(packed).series
    assert folder.header == unpacked.header and len(folder.files) == len(unpacked.files)


def test_echoes_phases_and_planes_of_one_series_are_parts(tmp_path: Path, make_series: MakeSeries) -> None:
    shared = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4"}
    make_series(tmp_path / "1", EchoTime=20, EchoNumbers=1, **shared)
    make_series(tmp_path / "2", EchoTime=90, EchoNumbers=2, **shared)
    make_series(tmp_path / "3", EchoTime=20, EchoNumbers=1, ImageType=["ORIGINAL", "PRIMARY", "P"], **shared)
    make_series(tmp_path / "4", EchoTime=20, EchoNumbers=1, ImageOrientationPatient=[0, 1, 0, 0, 0, -1], **shared)
    parts = [one.part for one in _found(tmp_path).series]
    assert len(parts) == len(set(parts)) == 4 and all(parts)


def test_an_instance_that_is_there_twice_counts_once(tmp_path: Path, make_series: MakeSeries) -> None:
    files = make_series(tmp_path / "in")
    (tmp_path / "again").write_bytes(files[0].read_bytes())
    (one,) = _found(tmp_path).series
    assert len(one.files) == 24 and one.copies == 1


def test_a_missing_slice_is_a_fault(tmp_path: Path, make_series: MakeSeries) -> None:
    make_series(tmp_path / "in")[10].unlink()
    (one,) = _found(tmp_path / "in").series
    assert "missing" in one.fault


def test_two_volumes_in_one_series_are_a_fault(tmp_path: Path, make_series: MakeSeries) -> None:
    for seed in (1, 2):
        make_series(tmp_path / str(seed), seed=seed, StudyInstanceUID="1.2", SeriesInstanceUID="1.2.3")
    (one,) = _found(tmp_path).series
    assert len(one.files) == 48 and "one place" in one.fault


def test_files_that_are_no_images_are_told_with_a_reason_that_names_nobody(tmp_path: Path, make_series: MakeSeries) -> None:
    good = make_series(tmp_path / "in", slices=3)
    content = good[0].read_bytes()
    (tmp_path / "in" / "Quixote cut").write_bytes(content[:-100])
    (tmp_path / "in" / "Quixote letter.txt").write_text("Dear Dolores")
    (tmp_path / "in" / "Quixote head").write_bytes(content[:200])
    found = _found(tmp_path / "in")
    assert len(found.series) == 1 and len(found.refused) == 3
    assert not any("Quixote" in item.reason or "Dolores" in item.reason for item in found.refused)


def test_a_reason_repeats_no_word_of_the_header(tmp_path: Path, make_series: MakeSeries) -> None:
    make_series(tmp_path / "1", slices=1, Modality="QUIXOTE", Rows=0)
    make_series(tmp_path / "2", slices=1, Modality="SR", Rows=0)
    assert [item.reason for item in _found(tmp_path).refused] == ["DICOM without an image", "DICOM without an image (SR)"]


def test_rounding_does_not_cut_a_volume_in_two(tmp_path: Path, make_series: MakeSeries) -> None:
    shared = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3"}
    odd = make_series(tmp_path / "1", EchoTime=110.049, ImageOrientationPatient=[1, 0, 0.00499, 0, 1, 0], **shared)
    even = make_series(tmp_path / "2", EchoTime=110.051, ImageOrientationPatient=[1, 0, 0.00501, 0, 1, 0], **shared)
    for path in (*odd[::2], *even[1::2]):
        path.unlink()
    for number, path in enumerate(sorted([*odd[1::2], *even[::2]], key=lambda path: path.name)):
        _changed([path], ImagePositionPatient=[-60 - 0.005 * 6 * number, -60, -70 + 6 * number])
    (one,) = _found(tmp_path).series
    assert len(one.files) == 24 and one.fault == "" and one.part == ""


@pytest.mark.parametrize("keep", [(slice(0, None, 2), slice(1, None, 2)), (slice(0, 12), slice(12, None))])
def test_halves_of_a_volume_are_never_two(tmp_path: Path, make_series: MakeSeries, keep: tuple[slice, slice]) -> None:
    shared = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3"}
    for name, echo, kept in (("1", 100, keep[0]), ("2", 110, keep[1])):
        files = make_series(tmp_path / name, EchoTime=echo, **shared)
        for path in set(files) - set(files[kept]):
            path.unlink()
    assert ["part of an image" in one.fault for one in _found(tmp_path).series] == [True, True]


def _changed(paths: list[Path], **values: Any) -> None:
    import pydicom

    for path in paths:
        dataset = pydicom.dcmread(path)
        for name, value in values.items():
            setattr(dataset, name, value)
        dataset.save_as(path)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"PixelSpacing": [5, 4.9]}, "pixel size"),
        ({"ImagePositionPatient": [-60, -59.8, -70]}, "aside"),
        ({"ImageOrientationPatient": [0.9999875, 0.005, 0, -0.005, 0.9999875, 0]}, "turned"),
    ],
)
def test_slices_that_are_not_of_one_grid_are_a_fault(tmp_path: Path, make_series: MakeSeries, values: dict[str, Any], told: str) -> None:
    _changed(make_series(tmp_path / "in")[:1], **values)
    (one,) = _found(tmp_path / "in").series
    assert told in one.fault


def test_frames_of_several_pixel_sizes_and_several_inversion_times_are_seen(tmp_path: Path, make_series: MakeSeries) -> None:
    from pydicom import Dataset

    def frame(spacing: list[float]) -> Dataset:
        group, outer = Dataset(), Dataset()
        group.PixelSpacing = spacing
        outer.PixelMeasuresSequence = [group]
        return outer

    def header(name: str, **values: Any) -> Header:
        return _read(make_series(tmp_path / name, slices=1, **values)[0].read_bytes())

    assert header("1", PerFrameFunctionalGroupsSequence=[frame([1, 1]), frame([1, 1.1])]).frames_differ
    assert not header("2", PerFrameFunctionalGroupsSequence=[frame([1, 1]), frame([1, 1])]).frames_differ
    modifier, shared = Dataset(), Dataset()
    modifier.InversionTimes = [3000.0, 450.0]
    shared.MRModifierSequence = [modifier]
    assert header("3", SharedFunctionalGroupsSequence=[shared]).ti_ms is None, "a double inversion is no FLAIR of 3000 ms"


def test_echoes_without_numbers_at_the_same_places_are_no_halves(tmp_path: Path, make_series: MakeSeries) -> None:
    for echo in (20, 90):
        make_series(tmp_path / str(echo), EchoTime=echo, StudyInstanceUID="1.2", SeriesInstanceUID="1.2.3")
    assert [(one.header.te_ms, one.fault) for one in _found(tmp_path).series] == [(20, ""), (90, "")]


def test_items_of_sequences_are_counted_before_they_are_made(tmp_path: Path, make_series: MakeSeries) -> None:
    from pydicom import Dataset

    def items() -> list[Dataset]:
        return [Dataset() for _ in range(300)]

    content = make_series(tmp_path / "in", slices=1, PerFrameFunctionalGroupsSequence=items())[0].read_bytes()
    assert _read(content)
    with pytest.raises(UnreadableError, match="beyond reason"):
        _read(content, Limits(items=299))


def test_a_value_that_claims_four_gigabytes_makes_no_room_for_them(tmp_path: Path, make_series: MakeSeries) -> None:
    content = make_series(tmp_path / "in", slices=1)[0].read_bytes()
    absurd = b"\x08\x00\x05\x00" + b"UT\0\0" + struct.pack("<I", 0xFFFFFFF0)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableError):
            _read(content[:132] + content[132:160] + absurd + b"x" * 50)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_image_larger_than_any_is_refused_whatever_its_file_holds(tmp_path: Path, make_series: MakeSeries) -> None:
    content = make_series(tmp_path / "in", slices=1, NumberOfFrames=60000)[0].read_bytes()
    with pytest.raises(UnreadableError, match="larger than any"):
        _read(content)


def test_a_header_longer_than_any_is_refused(tmp_path: Path, make_series: MakeSeries) -> None:
    content = make_series(tmp_path / "in", slices=1, ImageComments="x" * 5000)[0].read_bytes()
    assert _read(content)
    with pytest.raises(UnreadableError, match="longer than any"):
        _read(content, Limits(header_bytes=4000))


def test_a_file_packed_as_a_whole_is_not_unpacked(tmp_path: Path, make_series: MakeSeries) -> None:
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    dataset = pydicom.dcmread(make_series(tmp_path / "in", slices=1)[0])
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "deflated")
    with pytest.raises(UnreadableError, match="deflated"):
        _read((tmp_path / "deflated").read_bytes())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_crash_the_reading_of_a_header(data: st.DataObject, fuzz_seed_file: bytes) -> None:
    content = bytearray(fuzz_seed_file)
    for _ in range(data.draw(st.integers(0, 12))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(piece)] = piece
    content = content[: data.draw(st.integers(0, len(content)))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = _read(bytes(content))
        except UnreadableError as error:
            assert "Quixote" not in str(error)
        else:
            assert header.rows > 0 and header.series_uid


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=600))
def test_no_noise_crashes_the_reading_of_a_header(noise: bytes) -> None:
    for content in (noise, bytes(128) + b"DICM" + noise, b"\x08\x00" + noise):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _read(content)
            except UnreadableError:
                continue


def test_sequences_nested_without_end_are_refused(tmp_path: Path) -> None:
    deep = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 20000
    with pytest.raises(UnreadableError):
        _read(bytes(128) + b"DICM" + deep)


@pytest.fixture(scope="module")
def fuzz_seed_file(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> bytes:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("small_series", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.write_series(tmp_path_factory.mktemp("fuzz"), slices=1, size=8)[0].read_bytes()


def test_ten_thousand_files_are_gone_through_in_bounded_memory(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number:05d}").write_bytes(b"not dicom %d" % number)
    tracemalloc.start()
    try:
        found = _found(tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.files == 10_000 and {item.reason for item in found.refused} == {"not a DICOM file"}
    assert peak < 40 << 20

"""De-identification: nothing that was planted is left, everything that the profile keeps is kept, the same wherever the key is."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from dawson.errors import IntakeError
from dawson.intake.deidentify import DeidentifyOptions, Pseudonymiser, deidentify
from dawson.intake.profile import keeps
from dawson.intake.stamps import METHOD, codes_of_defaced

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
KEY = b"a secret for the tests, 32 bytes"


sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
planted = importlib.import_module("planted_identifiers")
search = importlib.import_module("planted_search")
benchmark = importlib.import_module("deidentification")
FILES = list(planted.planted_files())


@pytest.fixture(scope="module")
def key() -> Pseudonymiser:
    return Pseudonymiser(KEY)


def scan(**values: object) -> Dataset:
    """A small MR header."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = planted.MR_IMAGE, "1.2.3.4", "MR"
    data.PatientID, data.StudyDate, data.Rows, data.Columns = "PAT-77123", "20200310", 4, 4
    for keyword, value in values.items():
        setattr(data, keyword, value)
    return data


def saved(data: Dataset) -> bytes:
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.mark.parametrize("one", FILES, ids=lambda one: f"{one.person.charset}-{one.visit}")
class TestPlanted:
    def test_at_least_sixty_places_and_the_search_finds_every_one_in_the_original(self, one):
        assert len(one.places) >= 60
        assert set(search.places_left(one, one.content, one.file_name)) == set(one.places)

    def test_none_is_left(self, one, key):
        content = saved(deidentify(dcmread(io.BytesIO(one.content)), key).dataset)
        assert search.places_left(one, content, "") == []
        assert search.found_in(content, one.everywhere) == []

    def test_none_is_left_in_the_file_and_its_name_that_intake_keeps(self, one):
        content, name = benchmark.dawson(dcmread(io.BytesIO(one.content)), one.file_name)
        assert search.places_left(one, content, name) == []
        assert search.found_in(content, one.everywhere) == []
        assert re.fullmatch(r"sub-\w+/ses-\w+/S-\w{8}/000001\.dcm", name)

    def test_everything_that_is_to_be_kept_is_kept(self, one, key):
        cleaned = dcmread(io.BytesIO(saved(deidentify(dcmread(io.BytesIO(one.content)), key).dataset)))
        assert search.elements_kept(one, cleaned) == list(one.kept)


def test_the_profile_says_itself_that_it_keeps_what_the_benchmark_wants_kept():
    other = {"PatientSex", "SOPClassUID"}  # By a rule of their own.
    assert [keyword for keyword in planted.MEASUREMENT if not keeps(keyword) and keyword not in other] == []


def test_two_processes_with_one_key_write_the_same_bytes(key):
    program = (
        "import sys, io, hashlib; sys.path.insert(0, sys.argv[1]); import planted_identifiers as p\n"
        "from pydicom import dcmread; from dawson.intake.deidentify import *\n"
        f"key = Pseudonymiser({KEY!r})\n"
        "for one in p.planted_files():\n"
        "    stream = io.BytesIO(); deidentify(dcmread(io.BytesIO(one.content)), key).dataset.save_as(stream, enforce_file_format=True)\n"
        "    print(hashlib.sha256(stream.getvalue()).hexdigest())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, str(BENCHMARKS)],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    ]
    assert runs[0] == runs[1]
    assert runs[0][0] == hashlib.sha256(saved(deidentify(dcmread(io.BytesIO(FILES[0].content)), key).dataset)).hexdigest()


def test_another_key_gives_other_names_uids_and_dates(key):
    data = scan()
    one, other = deidentify(data, key), deidentify(data, Pseudonymiser(b"another secret of 32 bytes, yes."))
    assert one.participant != other.participant
    assert one.dataset.SOPInstanceUID != other.dataset.SOPInstanceUID
    assert one.study_date_shifted != other.study_date_shifted


def test_the_input_is_not_changed(key):
    data = dcmread(io.BytesIO(FILES[0].content))
    before = saved(data)
    deidentify(data, key)
    assert saved(data) == before


def test_days_between_visits_are_kept_across_da_and_dt_and_depth(key):
    first = scan(AcquisitionDateTime="20200310235959+0900")
    content = Dataset()
    content.FrameAcquisitionDateTime = "20210311010203"
    outer = Dataset()
    outer.FrameContentSequence = [content]
    second = scan(StudyDate="20210311", AcquisitionDate="2021.03.11", PerFrameFunctionalGroupsSequence=[outer])
    one, other = deidentify(first, key), deidentify(second, key)
    assert (other.study_date_shifted - one.study_date_shifted).days == 366
    assert one.dataset.AcquisitionDateTime == f"{one.study_date_shifted:%Y%m%d}230000"
    shifted = f"{other.study_date_shifted:%Y%m%d}"
    assert other.dataset.AcquisitionDate == shifted
    assert other.dataset.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0].FrameAcquisitionDateTime == f"{shifted}010000"


@pytest.mark.parametrize("given", ["20230231", "XXXX", "00000000", "2023", "20231301", "18500101", "99999999"])
def test_a_date_that_is_none_is_emptied_and_said(given, key):
    data = scan()
    data.add(DataElement(0x00080020, "DA", given, validation_mode=0))
    cleaned = deidentify(data, key)
    assert not cleaned.dataset.StudyDate
    assert cleaned.study_date_shifted is None
    assert any("StudyDate" in note for note in cleaned.notes)


@pytest.mark.parametrize(
    ("given", "birth", "written", "said"),
    [
        ("045Y", "", "045Y", "45"),
        ("089Y", "", "089Y", "89"),
        ("090Y", "", "090Y", "90+"),
        ("104Y", "", "090Y", "90+"),
        ("030M", "", "002Y", "2"),
        ("", "19700311", "049Y", "49"),
        ("", "19700310", "050Y", "50"),
        ("", "19200101", "090Y", "90+"),
        ("", "", None, ""),
        ("old", "", None, ""),
    ],
)
def test_age_is_whole_years_and_never_more_than_90(given, birth, written, said, key):
    data = scan(PatientBirthDate=birth)
    data.add(DataElement(0x00101010, "AS", given, validation_mode=0))
    cleaned = deidentify(data, key)
    assert cleaned.dataset.get("PatientAge") == written
    assert cleaned.age == said
    assert cleaned.dataset.PatientBirthDate == ""


@pytest.mark.parametrize("given", ["", "   ", "anonymous", "ANONYMIZED", "0000000", "XXXX", "Unknown", "n/a"])
def test_a_file_without_a_patient_number_is_refused_unless_one_is_given(given, key):
    data = scan(PatientID=given)
    with pytest.raises(IntakeError, match="patient number"):
        deidentify(data, key)
    named = deidentify(data, key, DeidentifyOptions(patient_id="PAT-77123"))
    assert named.participant == deidentify(scan(), key).participant


def test_a_file_without_the_element_is_refused(key):
    data = scan()
    del data.PatientID
    with pytest.raises(IntakeError):
        deidentify(data, key)


def test_compressed_pixels_can_still_be_read(key):
    data = dcmread(io.BytesIO(FILES[0].content))
    del data.FloatPixelData
    data.PixelData = data.PixelData[:512]
    pixels = data.pixel_array.copy()
    data.compress(RLELossless, generate_instance_uid=False)
    again = dcmread(io.BytesIO(saved(deidentify(dcmread(io.BytesIO(saved(data))), key).dataset)))
    assert again.file_meta.TransferSyntaxUID == RLELossless
    assert (again.pixel_array == pixels).all()


def test_implicit_files_stay_readable_and_keep_unknown_private_numbers(key):
    data = dcmread(io.BytesIO(FILES[0].content))
    for tag in (0x00084444, 0x60003000, 0x60004000, 0x50003000):
        del data[tag]
    stream = io.BytesIO()
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    data.save_as(stream, implicit_vr=True, enforce_file_format=True)
    again = dcmread(io.BytesIO(saved(deidentify(dcmread(io.BytesIO(stream.getvalue())), key).dataset)))
    assert again.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert search.elements_kept(FILES[0], again) == list(FILES[0].kept)


def test_sequences_deeper_than_any_real_one_go(key):
    inner = Dataset()
    inner.SliceThickness = "1"
    for _ in range(60):
        outer = Dataset()
        outer.PixelMeasuresSequence = [inner]
        inner = outer
    assert "PixelMeasuresSequence" not in deidentify(scan(PixelMeasuresSequence=[inner]), key).dataset


def test_a_written_file_has_an_empty_preamble_and_a_header_that_says_nothing(key):
    content = saved(deidentify(dcmread(io.BytesIO(FILES[0].content)), key).dataset)
    assert content[:128] == b"\0" * 128
    meta = dcmread(io.BytesIO(content)).file_meta
    assert "SourceApplicationEntityTitle" not in meta and "PrivateInformation" not in meta


@pytest.mark.data
def test_a_real_ge_scan_keeps_its_measurement_and_loses_the_rest(reference_data, key):
    data = dcmread(reference_data / "dicom" / "phantom-mr" / "00001.dcm")
    cleaned = deidentify(data, key).dataset
    gone = ("AccessionNumber", "InstitutionName", "StationName", "DeviceSerialNumber")
    assert all(not cleaned.get(keyword) for keyword in gone) and all(data.get(keyword) for keyword in gone)
    assert cleaned.SeriesDescription == "T1w"
    measured = [
        element
        for element in data
        if element.tag.group in (0x0018, 0x0020, 0x0028) and element.VR in ("DS", "IS", "US", "SS", "UL", "CS") and element.value
    ]
    assert len(measured) > 40
    assert [element.keyword for element in measured if cleaned.get(element.keyword) != element.value] == []
    private = [element.tag for element in data if element.tag.is_private]
    left = [element for element in cleaned if element.tag.is_private and not element.tag.is_private_creator]
    assert len(private) == 156
    assert len(left) == 17
    assert all(element.VR in ("DS", "IS", "SS", "SL", "FL") for element in left)


@pytest.mark.data
def test_an_earlier_deidentification_is_extended_not_replaced(reference_data, key):
    data = dcmread(reference_data / "dicom" / "phantom-mr" / "00001.dcm")
    cleaned = deidentify(data, key).dataset
    before = [(item.CodingSchemeDesignator, item.CodeValue) for item in data.DeidentificationMethodCodeSequence]
    after = [(item.CodingSchemeDesignator, item.CodeValue) for item in cleaned.DeidentificationMethodCodeSequence]
    assert after == [*before, ("DCM", "113105"), ("DCM", "113108")]
    assert cleaned.DeidentificationMethod == METHOD


def test_the_sidecar_of_a_defaced_image_says_so_once_and_keeps_what_it_said():
    said = [{"CodeValue": "113100", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Basic Application Confidentiality Profile"}]
    more = codes_of_defaced(said)
    assert [code["CodeValue"] for code in more] == ["113100", "113102"]
    assert codes_of_defaced(more) == more and len(said) == 1


def test_study_day_is_between_one_and_ten_years_earlier(key):
    shifted = deidentify(scan(), key).study_date_shifted
    assert 366 <= (date(2020, 3, 10) - shifted).days <= 3653


@pytest.mark.data
def test_a_cleaned_series_converts_to_the_same_image(reference_data, key, tmp_path):
    for folder in ("raw", "cleaned", "of_raw", "of_cleaned"):
        (tmp_path / folder).mkdir()
    for path in sorted((reference_data / "dicom" / "phantom-mr").glob("*.dcm"))[60:90]:
        (tmp_path / "raw" / path.name).write_bytes(path.read_bytes())
        (tmp_path / "cleaned" / path.name).write_bytes(saved(deidentify(dcmread(path), key).dataset))
    for folder in ("raw", "cleaned"):
        command = [
            str(Path(sys.executable).with_name("dcm2niix")),
            "-ba",
            "n",
            "-f",
            "x",
            "-o",
            str(tmp_path / f"of_{folder}"),
            str(tmp_path / folder),
        ]
        subprocess.run(command, check=True, capture_output=True)
    raw, cleaned = (nib.load(tmp_path / folder / "x.nii") for folder in ("of_raw", "of_cleaned"))
    assert np.array_equal(raw.affine, cleaned.affine)
    assert np.array_equal(np.asanyarray(raw.dataobj), np.asanyarray(cleaned.dataobj))
    before, after = (json.loads((tmp_path / folder / "x.json").read_text()) for folder in ("of_raw", "of_cleaned"))
    measured = {
        name
        for name, value in before.items()
        if isinstance(value, int | float | list) and "Deidentification" not in name and name != "BidsGuess"
    }
    assert len(measured) > 15
    assert {name for name in measured if before[name] != after.get(name)} == set()

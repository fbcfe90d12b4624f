"""The search for what is left: it finds what was planted, finds nothing in what was cleaned, and never shows what it found."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset

from dawson.errors import IntakeError
from dawson.intake.audit_remains import Finding, audit
from dawson.intake.deidentify import DeidentifyOptions, Pseudonymiser, deidentify

KEY = Pseudonymiser(b"a secret for the tests, 32 bytes")


sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
planted = importlib.import_module("planted_identifiers")
search = importlib.import_module("planted_search")
FILES = list(planted.planted_files())


def cleaned_file(one, folder: Path) -> Path:
    cleaned = deidentify(dcmread(io.BytesIO(one.content)), KEY, DeidentifyOptions(defaced=True))
    path = folder / f"sub-{cleaned.participant}" / f"{cleaned.dataset.SOPInstanceUID}.dcm"
    path.parent.mkdir(exist_ok=True)
    cleaned.dataset.save_as(path, enforce_file_format=True)
    return path


def kinds(findings: list[Finding]) -> set[str]:
    return {one.kind for one in findings}


def test_a_cleaned_set_has_no_finding(tmp_path):
    for one in FILES:
        cleaned_file(one, tmp_path)
    assert audit(tmp_path) == []


def test_the_planted_set_shows_every_kind_and_no_identifier_in_full(tmp_path):
    for one in FILES:
        (tmp_path / one.file_name).write_bytes(one.content)
    findings = audit(tmp_path)
    wanted = {"name", "date", "number", "serial", "place", "description", "comment", "private", "age", "uid", "header", "contact", "face"}
    assert wanted <= kinds(findings)
    told = "\n".join(f"{one.where} {one.shown} {one.fix}" for one in findings).lower()
    needles = {text for one in FILES for text in (*one.places.values(), *one.everywhere) if len(text) > 5}
    assert [needle for needle in needles if needle.lower() in told] == []


# What no search without the patient's name can know: a name inside an equipment text, a number or UID that says nothing to a stranger.
UNKNOWABLE = {
    "TransmitCoilManufacturerName",
    "PulseSequenceName",
    "SequenceName",
    "ReceiveCoilName",
    "TransmitCoilName",
    "ManufacturerModelName",
    "SoftwareVersions",
    "(0019,xx0b)",
    "DeviceUID",
}
ELSEWHERE = {"file name", "preamble", "SourceApplicationEntityTitle", "PrivateInformation"}


@pytest.mark.parametrize("place", sorted(set(FILES[0].places) - UNKNOWABLE - ELSEWHERE))
def test_each_planted_element_put_back_alone_is_found(place, tmp_path):
    original = dcmread(io.BytesIO(FILES[0].content))
    data = dcmread(cleaned_file(FILES[0], tmp_path))
    if place.startswith("(") or "(0021" in place:
        group = int(place.rsplit("(", 1)[1][:4], 16)
        outer, into = original, data
        for name in place.split("/")[:-1] if not place.startswith("(") else []:
            outer, into = outer[name].value[0], into[name].value[0]
        for element in outer:
            if element.tag.group == group:
                into.add(element)
    elif " (" in place:
        tag = int(place.rsplit("(", 1)[1][:9].replace(",", ""), 16)
        data.add(original[tag])
    else:
        top = place.split("/")[0].removesuffix(" tail")
        data.add(original[top])
    if place.endswith(("Date", "DateTime")):
        del data.LongitudinalTemporalInformationModified
    path = tmp_path / "again.dcm"
    data.save_as(path, enforce_file_format=True)
    assert [one for one in audit(tmp_path) if one.file == path], place


def test_a_name_that_is_known_is_found_in_any_text_that_stays(tmp_path):
    data = dcmread(cleaned_file(FILES[0], tmp_path))
    data.ReceiveCoilName = "Coil GRUNWALD"
    data.save_as(tmp_path / "again.dcm")
    assert audit(tmp_path) == []
    found = audit(tmp_path, known=["Grünwald"])
    assert [(one.kind, one.severity, one.file.name) for one in found] == [("description", "medium", "again.dcm")]


def test_a_date_that_is_known_is_found_in_any_spelling(tmp_path):
    data = dcmread(cleaned_file(FILES[0], tmp_path))
    data.ReceiveCoilName = "coil of 12.1.70"
    data.save_as(tmp_path / "again.dcm")
    assert audit(tmp_path) == []
    assert [one.file.name for one in audit(tmp_path, known=["1970-01-12"])] == ["again.dcm"]


@pytest.mark.parametrize("text", ["12JAN1970", "January 12, 1970", "1970-1-12", "3 Mai 2011"])
def test_a_date_in_other_words_is_found_though_nobody_is_known(text, tmp_path):
    data = dcmread(cleaned_file(FILES[0], tmp_path))
    data.ReceiveCoilName = text
    data.save_as(tmp_path / "again.dcm")
    assert [one.file.name for one in audit(tmp_path)] == ["again.dcm"]
    assert sidecar(tmp_path, ReceiveCoilName=text)


def test_the_day_that_freesurfer_was_built_is_no_finding(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4))
    image.header["descrip"] = b"FreeSurfer Jan 19 2013"
    nib.save(image, tmp_path / "a.nii.gz")
    assert audit(tmp_path) == []
    image.header["descrip"] = b"scanned Jan 19 2013"
    nib.save(image, tmp_path / "a.nii.gz")
    assert kinds(audit(tmp_path)) == {"name"}


def test_text_among_private_numbers_and_floats_that_are_no_picture_is_found(tmp_path):
    data = dcmread(cleaned_file(FILES[0], tmp_path))
    data.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x2C, "OB", b"Echospacer^Olaf.")
    data.add_new(0x7FE00008, "OF", b"Floatpixelname of the ward, beds")
    data.save_as(tmp_path / "again.dcm")
    assert kinds(audit(tmp_path)) == {"private", "pixels"}


def test_what_screens_draw_is_reported(tmp_path):
    data = dcmread(cleaned_file(FILES[0], tmp_path))
    data.BurnedInAnnotation = "YES"
    data.save_as(tmp_path / "again.dcm")
    assert kinds(audit(tmp_path)) == {"pixels"}


def sidecar(folder: Path, **fields: object) -> list[Finding]:
    (folder / "sub-01_T1w.json").write_text(json.dumps(fields), encoding="utf-8")
    return audit(folder)


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("PatientName", "Doe^Jane", "name"),
        ("PatientID", "0047881", "number"),
        ("PatientBirthDate", "1970-03-01", "date"),
        ("InstitutionName", "Klinikum", "place"),
        ("DeviceSerialNumber", "45123", "serial"),
        ("StationName", "MRC45", "serial"),
        ("SeriesDescription", "T1 for Jane", "description"),
        ("ProtocolName", "jane", "description"),
        ("AcquisitionDateTime", "2020-03-10T14:22:33", "date"),
        ("AcquisitionTime", "14:22:33.1", "date"),
        ("ImageComments", "moved", "comment"),
        ("ReferringPhysicianName", "X^Y", "name"),
        ("Note", "mail jane@example.org", "contact"),
        ("When", "scanned on 10.03.2020", "date"),
        ("Source", "/home/jane/scan.dcm", "path"),
        ("AccessionNumber", "A1234", "number"),
        ("SeriesInstanceUID", "1.2.3", "uid"),
    ],
)
def test_sidecar_fields(field, value, kind, tmp_path):
    found = sidecar(tmp_path, **{field: value})
    assert [(one.kind, one.where) for one in found] == [(kind, field)]
    assert value not in found[0].shown


def test_nested_sidecar_fields_are_searched(tmp_path):
    assert kinds(sidecar(tmp_path, global_={"const": [{"PatientName": "Doe^Jane"}]})) == {"name"}


def test_a_measurement_in_a_sidecar_is_no_finding(tmp_path):
    fields = {
        "RepetitionTime": 2.3,
        "EchoTime": 0.003,
        "Manufacturer": "Siemens",
        "SeriesDescription": "T1w",
        "AcquisitionTime": "14:00:00.000000",
        "ConversionSoftware": "dcm2niix",
        "ConversionSoftwareVersion": "v1.0.20250506",
        "PatientSex": "F",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "PatientPosition": "HFS",
        "ImagingFrequency": 123.25432,
    }
    assert sidecar(tmp_path, **fields) == []


@pytest.mark.parametrize(
    ("column", "cell", "kind"),
    [
        ("birth_date", "1970-03-01", "date"),
        ("DOB", "x", "date"),
        ("PatientName", "Doe", "name"),
        ("surname", "Doe", "name"),
        ("mrn", "123", "number"),
        ("age", "93", "age"),
        ("age", "91.5", "age"),
        ("scan_date", "2020-03-10", "date"),
        ("acq_time", "2020-03-10T10:00:00", "date"),
        ("remarks", "lives alone", "comment"),
        ("zip_code", "10115", "contact"),
        ("edss", "10.03.2020", "date"),
        ("contact", "jane@example.org", "contact"),
        ("participant_id", "sub-19700301", "number"),
        ("participant_id", "4471882", "number"),
    ],
)
def test_columns_of_tables(column, cell, kind, tmp_path):
    (tmp_path / "participants.tsv").write_text(f"group\t{column}\nMS\t{cell}\n", encoding="utf-8")
    assert [(one.kind, one.where) for one in audit(tmp_path)] == [(kind, f"column {column}")]


def test_a_clean_table_is_no_finding(tmp_path):
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tdiagnosis\tsex\tage\tsite\tedss\nsub-D3K7Q2MX9A1\tMS\tF\t41\tNorth\t2.5\nsub-02\tNMOSD\tM\t90\tn/a\t\n",
        encoding="utf-8",
    )
    (tmp_path / "sub-02_scans.tsv").write_text("filename\tacq_time\nanat/sub-02_T1w.nii.gz\t1877-06-15T13:45:30\n", encoding="utf-8")
    assert audit(tmp_path) == []


def image(path: Path, **texts: bytes) -> Path:
    made = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    for field, text in texts.items():
        made.header[field] = text
    nib.save(made, path)
    return path


@pytest.mark.parametrize(
    ("field", "text", "kind"),
    [
        ("descrip", b"scan of Jane Doe", "description"),
        ("descrip", b"TE=2.8;Time=142233.417", "date"),
        ("aux_file", b"Doe, Jane", "description"),
        ("db_name", b"Jane Doe", "description"),
        ("descrip", b"FSL 2020-03-10", "name"),
    ],
)
def test_text_in_a_nifti_header(field, text, kind, tmp_path):
    image(tmp_path / "sub-01_x.nii.gz", **{field: text})
    assert [(one.kind, one.where) for one in audit(tmp_path, faces=False)] == [(kind, f"NIfTI header, {field}")]


def test_a_plain_nifti_header_is_no_finding(tmp_path):
    image(tmp_path / "sub-01_x.nii", descrip=b"TE=2.8;phase=1")
    image(tmp_path / "sub-01_y.nii.gz", descrip=b"FSL5.0")
    nib.save(nib.Nifti2Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), tmp_path / "sub-01_z.nii")
    assert audit(tmp_path, faces=False) == []


@pytest.mark.parametrize(("code", "severity"), [(2, "high"), (6, "medium")])
def test_header_extensions(code, severity, tmp_path):
    made = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    extension = Dataset() if code == 2 else b"Jane Doe was here"
    if code == 2:
        extension.PatientName = "Doe^Jane"
        made.header.extensions.append(nib.nifti1.Nifti1DicomExtension(2, extension))
    else:
        made.header.extensions.append(nib.nifti1.Nifti1Extension(code, extension))
    nib.save(made, tmp_path / "sub-01_x.nii.gz")
    found = audit(tmp_path, faces=False)
    assert [(one.kind, one.severity) for one in found] == [("comment", severity)]


def test_names_of_files_and_folders(tmp_path):
    (tmp_path / "Doe_Jane").mkdir()
    for name in ("sub-01_20200310_T1w.bval", "sub-4471882_T1w.bval", "Doe_Jane/x.bval"):
        (tmp_path / name).write_text("0")
    found = {(one.kind, one.file.name) for one in audit(tmp_path, known=["Doe"])}
    assert {("date", "sub-01_20200310_T1w.bval"), ("number", "sub-4471882_T1w.bval")} <= found
    assert audit(tmp_path, known=["Jane"])[0].kind == "name"


def test_known_names_are_found_in_any_text(tmp_path):
    (tmp_path / "README").write_text("MRI study\nthanks to Frau GRÜNWALD\n", encoding="utf-8")
    assert audit(tmp_path) == []
    assert [one.where for one in audit(tmp_path, known=["Grunwald"])] == ["line 2"]


def test_links_are_not_followed(tmp_path):
    inside, outside = tmp_path / "study", tmp_path / "outside"
    inside.mkdir(), outside.mkdir()
    (outside / "participants.tsv").write_text("surname\nDoe\n")
    (inside / "a").symlink_to(outside)
    (inside / "b.tsv").symlink_to(outside / "participants.tsv")
    (inside / "loop").symlink_to(inside)
    assert [one.kind for one in audit(inside)] == ["link"] * 3


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\0\0\0garbage")
    (tmp_path / "b.nii.gz").write_bytes(b"no gzip")
    (tmp_path / "c.json").write_text("{")
    (tmp_path / "d.nii").write_bytes(b"short")
    (tmp_path / "e.xlsx").write_bytes(b"PK")
    os.mkfifo(tmp_path / "f")
    assert {one.file.name for one in audit(tmp_path) if one.kind == "unread"} >= {"b.nii.gz", "c.json", "d.nii", "e.xlsx", "f"}


def test_a_gzip_bomb_is_read_only_at_its_beginning(tmp_path, monkeypatch):
    header = nib.Nifti1Header()
    header["vox_offset"] = 3e9
    header["magic"] = b"n+1"
    with gzip.open(tmp_path / "x.nii.gz", "wb", compresslevel=1) as stream:
        stream.write(header.binaryblock + b"\1\0\0\0" + (2**31 - 8).to_bytes(4, "little") + (6).to_bytes(4, "little"))
        for _ in range(64):
            stream.write(b"\0" * (1 << 20))
    assert [one.kind for one in audit(tmp_path, faces=False)] == ["comment"]


def test_the_same_finding_in_many_files_is_reported_once(tmp_path):
    for number in range(50):
        (tmp_path / f"sub-{number}_T1w.json").write_text('{"InstitutionName": "Klinikum"}')
    found = audit(tmp_path)
    assert [(one.kind, one.files) for one in found] == [("place", 50)]
    assert "49 more files" in str(found[0])


def test_what_is_no_folder_is_refused(tmp_path):
    with pytest.raises(IntakeError, match="no folder"):
        audit(tmp_path / "nowhere")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["a.dcm", "a", "a.nii", "a.nii.gz", "a.json", "a.tsv", "a.csv", "README"]), st.binary(max_size=600), st.booleans())
def test_no_content_crashes_the_search(tmp_path, name, content, prefixed):
    folder = tmp_path / "fuzzed"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\0" * 128 + b"DICM" + content if prefixed else content)
    for one in audit(folder):
        assert isinstance(str(one), str)
    (folder / name).unlink()


@pytest.mark.data
def test_a_folder_of_a_public_phantom_is_not_clean(reference_data):
    found = audit(reference_data / "dicom" / "phantom-mr")
    assert {"private", "description", "serial", "place", "number"} <= kinds(found)
    assert all(one.files <= 196 for one in found)


def test_dates_of_a_sidecar_that_says_they_were_moved_are_no_finding(tmp_path):
    moved = [{"CodeValue": "113107", "CodingSchemeDesignator": "DCM", "CodeMeaning": "x"}]
    assert kinds(sidecar(tmp_path, AcquisitionDateTime="2018-03-10T14:00:00")) == {"date"}
    assert sidecar(tmp_path, AcquisitionDateTime="2018-03-10T14:00:00", DeidentificationMethodCodeSequence=moved) == []
    assert kinds(sidecar(tmp_path, PatientBirthDate="1970-03-01", DeidentificationMethodCodeSequence=moved)) == {"date"}


@pytest.mark.slow
@pytest.mark.data
def test_a_face_is_found_on_a_real_head(reference_data, tmp_path):
    (tmp_path / "scan.nii.gz").write_bytes((reference_data / "heads" / "whole-head_FLAIR.nii.gz").read_bytes())
    assert [(one.kind, one.severity) for one in audit(tmp_path)] == [("face", "high")]

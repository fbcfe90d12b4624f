"""What each rule of the profile does to one element of a small header, and which files are held for a person."""

from __future__ import annotations

import io

import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from dawson.intake.deidentify import DeidentifyOptions, Pseudonymiser, deidentify, quarantine_reason
from dawson.intake.identifiers import IDENTIFYING

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture(scope="module")
def key() -> Pseudonymiser:
    return Pseudonymiser(b"a secret for the tests, 32 bytes")


def scan(**values: object) -> Dataset:
    """A small MR header."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = MR_IMAGE, "1.2.3.4", "MR"
    data.PatientID, data.StudyDate, data.Rows, data.Columns = "PAT-77123", "20200310", 4, 4
    for keyword, value in values.items():
        setattr(data, keyword, value)
    return data


def every_text(word: str) -> Dataset:
    """A header with a word in every element of the standard that can hold text or bytes."""
    data = Dataset()
    for tag, (vr, *_) in DicomDictionary.items():
        if tag >> 16 in (0x0000, 0x0002, 0x0004, 0xFFFE) or tag == 0x7FE00010:
            continue
        if vr in ("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT", "PN"):
            data.add(DataElement(Tag(tag), vr, word, validation_mode=0))
        elif vr in ("OB", "OW", "UN"):
            data.add(DataElement(Tag(tag), vr, (word + " " * (len(word) % 2)).encode(), validation_mode=0))
    data.SOPClassUID, data.SOPInstanceUID, data.PatientID = MR_IMAGE, "1.2.3.4", "PAT-77123"
    return data


@pytest.mark.parametrize("nested", [False, True])
def test_a_name_in_every_element_of_the_standard_is_left_in_none(nested, key):
    data = every_text("ZZQNAMED")
    assert len(data) > 1500
    data.PatientName = "Zzqnamed^Ann"
    if nested:
        data = scan(PatientName="Zzqnamed^Ann", PixelMeasuresSequence=[data])
    stream = io.BytesIO()
    deidentify(data, key).dataset.save_as(stream, enforce_file_format=True)
    assert b"zzqnamed" not in stream.getvalue().lower()


def test_free_text_that_is_nobodys_name_stays_only_in_the_few_texts_that_the_profile_keeps(key):
    plain = scan()
    for element in every_text("some free text here"):
        # Not into the patient's own numbers and names: that text would be looked for, and go, everywhere.
        if element.VR != "PN" and element.keyword not in IDENTIFYING | {"PatientID", "SOPClassUID"}:
            plain.add(element)
    left = {element.keyword for element in deidentify(plain, key).dataset if "free text" in str(element.value)}
    assert left == {
        "Manufacturer",
        "ManufacturerModelName",
        "SoftwareVersions",
        "SequenceName",
        "PulseSequenceName",
        "ReceiveCoilName",
        "TransmitCoilName",
        "ImagedNucleus",
        "StackID",
        "MultiCoilElementName",
        "ReceiveCoilManufacturerName",
        "TransmitCoilManufacturerName",
    }


@pytest.mark.parametrize(
    "text",
    [
        "*spc Müller",
        "*spc muller",
        "MUELLER_ir",
        "xxMuLLeRxx",
        "ir_HX5530917",
        "ir hx-553 0917",
        "5530917",
        "13.06.1975",
        "13061975",
        "ir 20200310",
        "2011-01-01",
        "Jo 3D",
        "кириллица",
    ],
)
def test_a_text_that_stays_is_dropped_where_it_holds_an_identifier(text, key):
    data = scan(PatientName="Müller^Jo", PatientID="HX5530917", PatientBirthDate="19750613")
    data.add(DataElement(0x00180024, "SH", text, validation_mode=0))
    cleaned = deidentify(data, key)
    assert "SequenceName" not in cleaned.dataset
    assert any("SequenceName" in note for note in cleaned.notes)
    assert text not in str(cleaned.notes)


@pytest.mark.parametrize("text", ["*spcir_242ns", "*tfl3d1_16ns", "epfid2d1_64", "JoJo"])
def test_a_text_without_one_stays(text, key):
    assert deidentify(scan(PatientName="Müller^Jo", SequenceName=text), key).dataset.SequenceName == text


def test_a_person_called_like_a_code_term_or_a_vendor_does_not_break_the_header(key):
    cleaned = deidentify(
        scan(PatientName="Siemens^Norm", Manufacturer="SIEMENS", ImageType=["ORIGINAL", "PRIMARY", "M", "NORM"]), key
    ).dataset
    assert cleaned.Manufacturer == "SIEMENS"
    assert list(cleaned.ImageType) == ["ORIGINAL", "PRIMARY", "M", "NORM"]


def test_names_of_other_people_are_looked_for_too(key):
    data = scan(OperatorsName="Zwingli^Ulrich", ReceiveCoilName="Coil Zwingli")
    assert "ReceiveCoilName" not in deidentify(data, key).dataset
    assert "ReceiveCoilName" not in deidentify(scan(ReceiveCoilName="Coil Tell"), key, DeidentifyOptions(names=("Tell",))).dataset


def test_a_number_that_is_an_identifier_is_no_measurement(key):
    data = scan(PatientID="19870422", PatientBirthDate="19870422")
    data.add(DataElement(0x00181094, "IS", "19870422", validation_mode=0))
    assert "TriggerWindow" not in deidentify(data, key).dataset


def test_uids_are_replaced_alike_everywhere_and_registered_ones_stay(key):
    image = Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = MR_IMAGE, "1.2.3.4"
    cleaned = deidentify(scan(ReferencedImageSequence=[image]), key).dataset
    assert cleaned.SOPInstanceUID == cleaned.ReferencedImageSequence[0].ReferencedSOPInstanceUID == key.uid("1.2.3.4")
    assert cleaned.file_meta.MediaStorageSOPInstanceUID == cleaned.SOPInstanceUID
    assert cleaned.ReferencedImageSequence[0].ReferencedSOPClassUID == cleaned.SOPClassUID == MR_IMAGE


def test_private_elements_stay_only_under_their_own_creator_and_as_numbers(key):
    data = scan()
    data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "1000")
    data.private_block(0x0043, "SOMEBODY ELSE", create=True).add_new(0x39, "IS", "1000")
    gems = data.private_block(0x0043, "GEMS_PARM_01", create=True)
    gems.add_new(0x39, "LO", "Jane")
    gems.add_new(0x2C, "UN", b"\x0c\x02")
    gems.add_new(0x60, "SS", 3)
    cleaned = deidentify(data, key).dataset
    left = {
        (element.tag.group, element.tag.element & 0xFF): element.value
        for element in cleaned
        if element.tag.is_private and not element.tag.is_private_creator
    }
    assert left == {(0x0019, 0x0C): 1000, (0x0043, 0x2C): 524}


def test_a_code_of_a_local_scheme_goes_and_a_standard_one_stays(key):
    local, standard = Dataset(), Dataset()
    local.CodeValue, local.CodingSchemeDesignator, local.CodeMeaning = "X1", "99LOCAL", "brain of Jane"
    standard.CodeValue, standard.CodingSchemeDesignator, standard.CodeMeaning = "69536005", "SCT", "Head"
    assert "AnatomicRegionSequence" not in deidentify(scan(AnatomicRegionSequence=[local]), key).dataset
    assert deidentify(scan(AnatomicRegionSequence=[standard]), key).dataset.AnatomicRegionSequence[0].CodeMeaning == "Head"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Sag T2 FLAIR Doe", "FLAIR"),
        ("t1_mprage_sag_p2_iso", "T1w"),
        ("AX T1 SE +Gd", "T1w contrast"),
        ("Accelerated SAG IR-SPGR", "T1w"),
        ("AX T2 TSE", "T2w"),
        ("ep2d_diff_b1000", "DWI"),
        ("3-plane loc", "localizer"),
        ("t2*_gre", "T2starw"),
        ("SWI_Images", "SWI"),
        ("Jane Doe", "other"),
        ("", "other"),
        ("DIR 3D", "DIR"),
    ],
)
def test_descriptions_become_labels_of_a_closed_list(text, label, key):
    cleaned = deidentify(scan(SeriesDescription=text, StudyDescription=f"Brain MRI {text}"), key).dataset
    assert cleaned.SeriesDescription == label
    assert cleaned.StudyDescription == "MR head"


def test_stamps(key):
    cleaned = deidentify(scan(), key, DeidentifyOptions(defaced=True)).dataset
    assert cleaned.PatientIdentityRemoved == "YES"
    assert cleaned.LongitudinalTemporalInformationModified == "MODIFIED"
    assert cleaned.RecognizableVisualFeatures == "NO"
    assert [item.CodeValue for item in cleaned.DeidentificationMethodCodeSequence] == ["113100", "113102", "113105", "113107", "113108"]


def test_size_and_weight_stay_only_when_asked(key):
    data = scan(PatientSize="1.70", PatientWeight="65")
    assert "PatientWeight" not in deidentify(data, key).dataset
    assert deidentify(data, key, DeidentifyOptions(keep_size_weight=True)).dataset.PatientWeight == 65


def test_the_issuer_tells_people_apart_unless_it_is_turned_off(key):
    one, other = scan(IssuerOfPatientID="NORTH"), scan(IssuerOfPatientID="SOUTH")
    assert deidentify(one, key).participant != deidentify(other, key).participant
    off = DeidentifyOptions(use_issuer=False)
    assert deidentify(one, key, off).participant == deidentify(other, key, off).participant


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ({}, None),
        ({"BurnedInAnnotation": "YES"}, "burned"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7.4"}, "secondary capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "no MR"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "document"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "structured report"),
        ({"Modality": "CT"}, "no MR"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screen"),
        ({"ConversionType": "WSD"}, "captured"),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"BitsAllocated": 8}, "8 bits"),
        ({"Rows": 0}, "no rows"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, None),
    ],
)
def test_what_a_header_cannot_make_safe_is_held(values, held):
    reason = quarantine_reason(scan(**values))
    assert reason is None if held is None else reason is not None and held in reason


def test_an_overlay_in_the_upper_bits_of_the_pixels_is_held():
    data = scan()
    data.add_new(0x60000102, "US", 12)
    assert "upper bits" in str(quarantine_reason(data))


def test_a_nested_patient_number_is_the_pseudonym_or_gone(key):
    same, other = Dataset(), Dataset()
    same.PatientID, same.SliceThickness = "PAT-77123", "1"
    other.PatientID, other.SliceThickness = "PAT-99", "1"
    cleaned = deidentify(scan(PixelMeasuresSequence=Sequence([same, other])), key)
    assert [item.get("PatientID") for item in cleaned.dataset.PixelMeasuresSequence] == [cleaned.participant, None]

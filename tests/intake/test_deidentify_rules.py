"""What each rule of the profile does to one element of a small header, and which files are held for a person."""

from __future__ import annotations

import io
import struct

import pytest
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

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


NUMBERS = (
    "DS",
    "IS",
    "FD",
    "FL",
    "SL",
    "SS",
    "SV",
    "UL",
    "US",
    "UV",
    "AT",
    "US or SS",
    "US or OW",
    "US or SS or OW",
    "OF",
    "OD",
    "OL",
    "OV",
)


def every_text(word: str, wrong_vr: str = "OB") -> Dataset:
    """A header with a word in every element of the standard that can hold text or bytes, or numbers if the VR in the file is another."""
    data = Dataset()
    blanks = " " * (-len(word) % 8)
    for tag, (vr, *_) in DicomDictionary.items():
        if tag >> 16 in (0x0000, 0x0002, 0x0004, 0xFFFE) or tag == 0x7FE00010:
            continue
        if vr in ("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT", "PN"):
            data.add(DataElement(Tag(tag), vr, word, validation_mode=0))
        elif vr in ("OB", "OW", "UN"):
            data.add(DataElement(Tag(tag), vr, (word + " " * (len(word) % 2)).encode(), validation_mode=0))
        elif vr in NUMBERS and tag not in (0x00280010, 0x00280011, 0x00280100):
            content = (word + blanks).encode()
            # "" stands for a file that gives the right VR, or (implicit) none.
            data[Tag(tag)] = RawDataElement(Tag(tag), wrong_vr or vr.split(" or ")[-1], len(content), content, 0, False, True)
    data.SOPClassUID, data.SOPInstanceUID, data.PatientID = MR_IMAGE, "1.2.3.4", "PAT-77123"
    return data


def numbers_of(data: Dataset) -> Dataset:
    """Only the elements that are to hold numbers, in a header that can be cleaned."""
    few = Dataset()
    for tag in data.keys():  # noqa: SIM118 - going over a Dataset itself converts every value
        if DicomDictionary[int(tag)][0] in NUMBERS:
            few[tag] = data.get_item(tag)
    few.SOPClassUID, few.SOPInstanceUID, few.PatientID = MR_IMAGE, "1.2.3.4", "PAT-77123"
    return few


@pytest.mark.parametrize("wrong_vr", ["OB", "UN", "OW", "LO", "UT", "FD", "UL", "US", ""])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("patient", ["Zzqnamed^Ann", "Another^Ann"])
def test_a_name_in_every_element_of_the_standard_is_left_in_none(patient, nested, wrong_vr, key):
    data = every_text("ZZQNAMED", wrong_vr)
    assert len(data) > 2500
    if patient == "Another^Ann":
        # A name that nothing in the header tells from other words: numbers hold no words at all.
        data = numbers_of(data)
    data.PatientName = patient
    if nested:
        data = scan(PatientName=patient, PixelMeasuresSequence=[data])
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
        "coil 13JUN1975",
        "13-Jun-1975",
        "June 13, 1975",
        "13. Juni 75",
        "13 juin 1975",
        "13 giugno 1975",
        "13 de junio de 1975",
        "1975-6-13",
        "1975/6/13",
        "1975.6.13",
        "13.6.75",
        "6/13/75",
        "10 März 20",
    ],
)
def test_a_text_that_stays_is_dropped_where_it_holds_an_identifier(text, key):
    data = scan(PatientName="Müller^Jo", PatientID="HX5530917", PatientBirthDate="19750613")
    data.add(DataElement(0x00180024, "SH", text, validation_mode=0))
    cleaned = deidentify(data, key)
    assert "SequenceName" not in cleaned.dataset
    assert any("SequenceName" in note for note in cleaned.notes)
    assert text not in str(cleaned.notes)


@pytest.mark.parametrize("text", ["*spcir_242ns", "*tfl3d1_16ns", "epfid2d1_64", "JoJo", "4.1.12", "12.1.71", "MR 2020.1.2", "3 sep 12"])
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


@pytest.mark.parametrize("text", ["COIL LIWEI", "coilWeiLi", "LI 3D"])
def test_short_parts_of_a_name_are_found_written_together_in_both_orders(text, key):
    assert "ReceiveCoilName" not in deidentify(scan(PatientName="LI^WEI", ReceiveCoilName=text), key).dataset
    assert "ReceiveCoilName" not in deidentify(scan(PatientName="VO^AN", ReceiveCoilName="VOAN"), key).dataset
    assert deidentify(scan(PatientName="LI^WEI", ReceiveCoilName="HEADLIGHT"), key).dataset.ReceiveCoilName == "HEADLIGHT"


def test_a_number_is_found_without_the_zeros_in_front(key):
    data = scan(PatientID="0012345", ReceiveCoilName="coil 12345")
    data.add(DataElement(0x00181094, "IS", "0012345", validation_mode=0))
    data.add(DataElement(0x00181060, "DS", "12345.0", validation_mode=0))
    cleaned = deidentify(data, key).dataset
    assert not {"ReceiveCoilName", "TriggerWindow", "TriggerTime"} & {element.keyword for element in cleaned}
    assert deidentify(scan(PatientID="0012345", TriggerTime="12346"), key).dataset.TriggerTime == 12346


@pytest.mark.parametrize(
    ("tag", "vr", "content", "value"),
    [
        (0x00180080, "OB", b"Novak^Marjeta ", None),
        (0x00180080, "OB", b"2500.5", 2500.5),
        (0x00180080, "OB", b"2500\\12 ", None),
        (0x00180080, "LO", b"nan ", None),
        (0x00189087, "OB", b"Marjetka", None),
        (0x00189087, "UN", b"Jo\0\0\0\0\0\0", None),
        (0x00189087, "UN", struct.pack("<d", 1000.0), 1000.0),
        (0x00189087, "UN", struct.pack("<dd", 1000.0, 2.0), None),
        (0x00189087, "FD", struct.pack("<d", float("nan")), None),
        (0x00189089, "UN", "欧阳晓东".encode() * 2, None),
        (0x00189089, "FD", struct.pack("<3d", 0.6, -1e-17, 0.8), [0.6, -1e-17, 0.8]),
        (0x00189127, "OB", b"Mara", None),
        (0x00189127, "OB", struct.pack("<I", 70000), 70000),
        (0x00181310, "US", b"Marjetka", None),
        (0x00181310, "OB", struct.pack("<4H", 0, 256, 240, 0), [0, 256, 240, 0]),
        (0x00280009, "AT", b"Mara", None),
        (0x00280009, "AT", struct.pack("<HH", 0x0018, 0x1063), 0x00181063),
    ],
)
def test_an_element_of_numbers_keeps_nothing_but_the_numbers_that_the_standard_says(tag, vr, content, value, key):
    data = scan()
    data[Tag(tag)] = RawDataElement(Tag(tag), vr, len(content), content, 0, False, True)
    left = deidentify(data, key).dataset.get(Tag(tag))
    assert (None if left is None or left.is_empty else list(left.value) if left.VM > 1 else left.value) == value


def test_the_bytes_of_ordinary_numbers_do_not_spell_the_name(key):
    # "MARA" is 12.1 as a float of 4 bytes, "LIWEI-HEAD" stands across several.
    (value,) = struct.unpack("<f", b"MARA")
    assert 1 < value < 100
    data = scan(PatientName="Mara^Liwei")
    data.private_block(0x2001, "Philips Imaging DD 001", create=True).add_new(0x03, "FL", value)
    assert not [element for element in deidentify(data, key).dataset if element.tag.is_private]
    data.PatientName = "Other^Name"
    assert len([element for element in deidentify(data, key).dataset if element.tag.is_private]) == 2


@pytest.mark.parametrize("vr", ["FD", "UL", "AT", "US"])
def test_a_text_that_came_as_numbers_does_not_stay_in_digits(vr, key):
    data = scan()
    data[Tag(0x00181250)] = RawDataElement(Tag(0x00181250), vr, 8, b"Marjetka", 0, False, True)
    assert "ReceiveCoilName" not in deidentify(data, key).dataset


def compressed(content: bytes) -> Dataset:
    data = scan(NumberOfFrames=2, BitsAllocated=16)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = RLELossless
    data.PixelData = encapsulate([b"12345678", b"12345678"], has_bot=False)
    data[Tag(0x7FE00001)] = DataElement(0x7FE00001, "OV", content)
    return data


def test_tables_of_frames_and_pixels_of_floats_stay_only_where_they_belong_to_the_image(key):
    offsets = struct.pack("<2Q", 0, 16)
    assert deidentify(compressed(offsets), key).dataset.ExtendedOffsetTable == offsets
    for wrong in (b"Novak^Marjeta of", offsets[:8], struct.pack("<2Q", 16, 0)):
        assert "ExtendedOffsetTable" not in deidentify(compressed(wrong), key).dataset
    floats = b"\0" * 64
    data = scan(BitsAllocated=32)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.FloatPixelData = floats + b"Novak^Marjeta "
    assert deidentify(data, key).dataset.FloatPixelData == floats
    data.FloatPixelData = b"Novak^Marjeta "
    assert "FloatPixelData" not in deidentify(data, key).dataset
    data.FloatPixelData, data.PixelData = floats, floats
    assert "FloatPixelData" not in deidentify(data, key).dataset


@pytest.mark.parametrize(("bits", "left"), [(16, 32), (12, 50), (1, 50)])
def test_only_pixels_of_whole_bytes_are_cut(bits, left, key):
    data = scan(BitsAllocated=bits)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.PixelData = b"\1" * 50
    assert len(deidentify(data, key).dataset.PixelData) == left


def test_a_frame_of_which_nothing_stays_keeps_its_place(key):
    empty, full, measures = Dataset(), Dataset(), Dataset()
    empty.PatientName = "Jane"
    measures.SliceThickness = "1"
    full.PixelMeasuresSequence = [measures]
    cleaned = deidentify(scan(PerFrameFunctionalGroupsSequence=[empty, full]), key).dataset
    assert [len(item) for item in cleaned.PerFrameFunctionalGroupsSequence] == [0, 1]


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
    gems.add_new(0x02, "SS", [3, 4])
    gems.add_new(0x03, "UN", b"Marjeta ")
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

"""MR DICOM that is all made up, with identifiers planted wherever a header can hide one.

Five invented patients (Latin with accents, Japanese, Chinese, Cyrillic, unlabelled Latin-1), two visits each. Each planted place has a
text to look for, so that what is left can be told place by place; `planted_search.py` looks for it.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


@dataclass(frozen=True)
class Person:
    """One invented patient."""

    charset: list[str] | None
    encoding: str
    name: str
    parts: tuple[str, ...]
    number: str
    born: date
    age: str


PEOPLE = (
    Person(
        ["ISO_IR 192"], "utf-8", "Grünwald-Østby^Zoë^Maëlle^Dr", ("Grünwald", "Østby", "Maëlle"), "MRN-4471882", date(1926, 4, 12), "092Y"
    ),
    Person(
        ["", "ISO 2022 IR 87"],
        "iso2022_jp",
        "Yamashiro^Tarohiko=山城^太郎彦=やましろ^たろうひこ",
        ("Yamashiro", "Tarohiko", "山城", "太郎彦", "やましろ"),
        "K0093315",
        date(1978, 1, 30),
        "041Y",
    ),
    Person(
        ["GB18030"],
        "gb18030",
        "Ouyang^Xiaodong=欧阳^晓东冬",
        ("Ouyang", "Xiaodong", "欧阳", "晓东冬"),
        "320106198306157719",
        date(1983, 6, 15),
        "035Y",
    ),
    Person(["ISO_IR 144"], "iso8859-5", "Верещагина^Людмила", ("Верещагина", "Людмила"), "77-041-9928", date(1990, 11, 3), "028Y"),
    Person(None, "latin-1", "Peñaloza^Íñigo", ("Peñaloza", "Íñigo"), "HX5530917", date(1969, 7, 21), "049Y"),
)


@dataclass
class Planted:
    """One file with what was planted in it.

    Parameters
    ----------
    content : bytes
        The DICOM file.
    file_name : str
        Its name, planted too.
    places : dict of str to str
        Place to the text that was planted there.
    everywhere : tuple of str
        What must not be found anywhere: the parts of the name, the number, the dates.
    kept : dict of str to object
        Path of an element that a research profile keeps, to its value.
    person : Person
    visit : date
    """

    content: bytes
    file_name: str
    places: dict[str, str]
    everywhere: tuple[str, ...]
    kept: dict[str, Any]
    person: Person
    visit: date


@dataclass
class _File:
    person: Person
    visit: date
    serial: str
    dataset: Dataset = field(default_factory=Dataset)
    places: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    def plant(self, keyword: str, value: Any, needle: str | None = None, into: Dataset | None = None, where: str = "") -> None:
        setattr(self.dataset if into is None else into, keyword, value)
        self.places[where + keyword] = needle or str(value)

    def put(self, tag: int, vr: str, value: Any, needle: str, where: str, into: Dataset | None = None) -> None:
        (self.dataset if into is None else into).add(DataElement(Tag(tag), vr, value, validation_mode=0))
        self.places[where] = needle

    def keep(self, path: str, value: Any, into: Dataset | None = None) -> None:
        setattr(self.dataset if into is None else into, path.rsplit("/", 1)[-1], value)
        self.kept[path] = value


def planted_files(visits: Sequence[date] = (date(2018, 3, 14), date(2019, 2, 1)), seed: int = 7) -> Iterator[Planted]:
    """Every file of the set: each patient at each visit."""
    for index, person in enumerate(PEOPLE):
        for visit in visits:
            yield planted_file(person, visit + timedelta(days=index), seed + index)


def planted_file(person: Person, visit: date, seed: int = 7) -> Planted:
    """One file."""
    with warnings.catch_warnings():
        # Some planted texts are longer than their VR allows, as they are in the world.
        warnings.simplefilter("ignore")
        return _planted_file(person, visit, seed)


def _planted_file(person: Person, visit: date, seed: int) -> Planted:
    one = _File(person, visit, serial=f"SN{67000 + seed}431")
    with_names(one)
    with_numbers(one)
    with_descriptions(one)
    with_dates(one)
    with_sequences(one)
    with_private(one)
    with_hidden(one)
    with_text_among_numbers(one)
    with_other_spellings(one)
    with_measurement(one, seed)
    stem = f"{person.parts[0]}_{visit:%Y%m%d}"
    one.places["file name"] = stem
    birth = person.born
    everywhere = (
        *person.parts,
        person.number,
        f"{birth:%Y%m%d}",
        f"{birth:%Y-%m-%d}",
        f"{birth:%d.%m.%Y}",
        f"{visit:%Y%m%d}",
        f"{visit:%Y-%m-%d}",
        one.serial,
    )
    return Planted(_written(one), f"{stem}.dcm", one.places, everywhere, one.kept, person, visit)


def with_names(one: _File) -> None:
    plant, person = one.plant, one.person
    one.dataset.SpecificCharacterSet = person.charset
    if person.charset is None:
        del one.dataset.SpecificCharacterSet
    plant("PatientName", person.name, person.name.split("=")[0])
    plant("PatientBirthName", "Birthnamesson^Agnetha")
    plant("PatientMotherBirthName", "Mothersmaiden^Brunhilde")
    plant("OtherPatientNames", "Nicknamed^Bubbles")
    plant("ReferringPhysicianName", "Refferman^Ulrich")
    plant("PerformingPhysicianName", "Performov^Anatoly")
    plant("NameOfPhysiciansReadingStudy", "Readwell^Prudence")
    plant("PhysiciansOfRecord", "Recordson^Thorvald")
    plant("OperatorsName", "Operowitz^Magda")
    plant("RequestingPhysician", "Requestani^Farid")
    plant("ScheduledPerformingPhysicianName", "Schedulova^Irina")
    plant("ResponsiblePerson", "Guardianelli^Marco")
    plant("InstitutionName", "Sankt Elsewhere Klinikum")
    plant("InstitutionAddress", "17 Nowhere Lane, 90210 Farville")
    plant("InstitutionalDepartmentName", "Department of Quiet Neurology")
    plant("StationName", "MRTRAUM42")
    plant("PatientAddress", "5 Hidden Alley, 4711 Smallton")
    plant("PatientTelephoneNumbers", "+49 151 5550 8812")
    plant("ReferringPhysicianTelephoneNumbers", "+49 30 5550 7781")
    plant("Occupation", "lighthouse keeper of Farne")
    plant("EthnicGroup", "Sorbian")
    plant("PatientReligiousPreference", "Druidic")
    plant("RegionOfResidence", "Upper Lusatia")
    plant("CountryOfResidence", "Ruritania")


def with_numbers(one: _File) -> None:
    plant, number = one.plant, one.person.number
    plant("PatientID", number)
    plant("IssuerOfPatientID", "KLINIKUM-ELSE")
    plant("OtherPatientIDs", "SSN-078-05-1120")
    plant("AccessionNumber", "ACC5520193")
    plant("StudyID", "ST88123")
    plant("AdmissionID", "ADM7781-23")
    plant("MedicalRecordLocator", "shelf 12 box Q7731")
    plant("DeviceSerialNumber", one.serial)
    plant("GantryID", "GANTRY-9917")
    plant("InsurancePlanIdentification", "AOK-55129981")
    plant("RequestedProcedureID", "RP-30021145")
    plant("PerformedProcedureStepID", "PPS-8812004")
    plant("ClinicalTrialSubjectID", "TRIAL-SUBJ-0042")
    plant("ClinicalTrialSiteName", "Site Farville North")
    one.dataset.PatientAge = one.person.age
    if one.person.age > "089Y":
        one.places["PatientAge"] = one.person.age
    for keyword, tail in (("StudyInstanceUID", "1"), ("SeriesInstanceUID", "2"), ("SOPInstanceUID", "3"), ("FrameOfReferenceUID", "4")):
        plant(keyword, f"1.3.12.2.1107.5.2.{one.serial[2:]}.{one.visit:%Y%m%d}142233.{tail}")
    plant("DeviceUID", f"1.3.12.2.1107.{one.serial[2:]}.99")


def with_descriptions(one: _File) -> None:
    plant, person, surname = one.plant, one.person, one.person.parts[0]
    plant("StudyDescription", f"Brain MRI for {surname}, query relapse")
    plant("SeriesDescription", f"Sag T2 FLAIR {surname.upper()} repeat")
    plant("ProtocolName", f"flair_{surname.lower()}_prot")
    plant("ImageComments", f"Patient {person.name.split('=')[0]} moved")
    plant("PatientComments", f"call {person.parts[-1]} after scan")
    plant("AdditionalPatientHistory", "optic neuritis 2011, lives with sister Ottilie")
    plant("AdmittingDiagnosesDescription", "suspected neuromyelitis, bed 14")
    plant("RequestedProcedureDescription", f"MR {surname} with contrast")
    plant("PerformedProcedureStepDescription", f"MR head {person.number}")
    plant("ReasonForTheRequestedProcedure", "second opinion for Prof Zweitmeinung")
    plant("MedicalAlerts", "pacemaker from Hospital Farville")
    plant("Allergies", "penicillin, says wife Gertrude")
    plant("DerivationDescription", f"MPR of {surname}")
    plant("AcquisitionComments", "scanned by night shift Beate")
    plant("VisitComments", "arrived with Uncle Herbert")
    plant("ContrastBolusAgent", f"Gadovist for {surname}")
    # Elements that stay, with a name or number in them: mixed case, no accents, parts only.
    plant("SequenceName", f"*spcir_{surname.swapcase()}")
    plant("ReceiveCoilName", f"HeadNeck {person.number}")
    plant("TransmitCoilName", f"Body{surname}")
    plant("ManufacturerModelName", f"Skyra of {surname}")
    plant("SoftwareVersions", ["syngo MR E11", f"lic {one.serial}"], f"lic {one.serial}")
    one.put(0x00180022, "CS", ["PFP", f"{one.visit:%Y%m%d}SCAN"], f"{one.visit:%Y%m%d}SCAN", "ScanOptions")


def with_dates(one: _File) -> None:
    day, birth = f"{one.visit:%Y%m%d}", f"{one.person.born:%Y%m%d}"
    one.plant("PatientBirthDate", birth)
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate", "PerformedProcedureStepStartDate"):
        one.plant(keyword, day)
    one.plant("AcquisitionDateTime", f"{day}142233.417000+0100")
    one.plant("StudyTime", "142233.417", "142233.417")
    one.plant("AcquisitionTime", "143105.882", "143105.882")
    one.plant("DateOfLastCalibration", f"{one.visit - timedelta(days=3):%Y%m%d}")
    one.plant("LastMenstrualDate", f"{one.visit - timedelta(days=12):%Y%m%d}")
    one.plant("PatientBirthTime", "041755")
    one.plant("TimezoneOffsetFromUTC", "+0545")


def with_sequences(one: _File) -> None:
    data, person = one.dataset, one.person
    request = Dataset()
    one.plant("RequestedProcedureID", "NESTED-RP-118", into=request, where="RequestAttributesSequence/")
    one.plant("ScheduledProcedureStepDescription", f"nested for {person.parts[0]}", into=request, where="RequestAttributesSequence/")
    data.RequestAttributesSequence = [request]
    other = Dataset()
    one.plant("PatientID", "OTHERHOSP-99123", into=other, where="OtherPatientIDsSequence/")
    data.OtherPatientIDsSequence = [other]
    image = Dataset()
    image.ReferencedSOPClassUID = UID(MR_IMAGE)
    one.plant("ReferencedSOPInstanceUID", f"1.2.276.0.7230010.3.1.4.{one.visit:%Y%m%d}.771", into=image, where="ReferencedImageSequence/")
    local = Dataset()
    local.CodeValue, local.CodingSchemeDesignator = "L77", "99FARVILLE"
    one.plant(
        "CodeMeaning",
        f"scout made by Dr Refferman for {person.parts[0]}",
        into=local,
        where="ReferencedImageSequence/PurposeOfReferenceCodeSequence/",
    )
    image.PurposeOfReferenceCodeSequence = [local]
    data.ReferencedImageSequence = [image]
    shared, content, geometry = Dataset(), Dataset(), Dataset()
    one.plant("FrameComments", f"frame of {person.parts[-1]}", into=content, where="SharedFunctionalGroupsSequence/FrameContentSequence/")
    one.plant(
        "FrameAcquisitionDateTime", f"{one.visit:%Y%m%d}142300", into=content, where="SharedFunctionalGroupsSequence/FrameContentSequence/"
    )
    one.keep("SharedFunctionalGroupsSequence/PixelMeasuresSequence/SliceThickness", 1.25, geometry)
    block = geometry.private_block(0x0021, "FARVILLE PACS", create=True)
    block.add_new(0x01, "LO", f"deep private {person.number}")
    one.places["SharedFunctionalGroupsSequence/PixelMeasuresSequence/(0021,xx01)"] = f"deep private {person.number}"
    shared.FrameContentSequence, shared.PixelMeasuresSequence = [content], [geometry]
    data.SharedFunctionalGroupsSequence = [shared]
    icon = Dataset()
    icon.Rows = icon.Columns = icon.BitsAllocated = 8
    icon.PixelData = b"thumbnail face of the patient...".ljust(64, b".")
    one.places["IconImageSequence/PixelData"] = "thumbnail face of the patient"
    data.IconImageSequence = [icon]


def with_private(one: _File) -> None:
    data, person = one.dataset, one.person
    csa = data.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    csa.add_new(0x20, "OB", f"ASCCONV tPatientName {person.parts[0]} Nobody".encode(person.encoding, "replace"))
    one.places["(0029,xx20)"] = f"ASCCONV tPatientName {person.parts[0]} Nobody"
    pacs = data.private_block(0x0009, "FARVILLE PACS", create=True)
    for offset, vr, value in (
        (0x01, "LO", "private ward 7B"),
        (0x02, "PN", "Privately^Named"),
        (0x03, "UN", b"unknown bytes of Privately"),
        (0x05, "DS", "5550123"),
    ):
        pacs.add_new(offset, vr, value)
        one.places[f"(0009,xx{offset:02x})"] = value.decode() if isinstance(value, bytes) else value
    inner = Dataset()
    one.plant("PatientName", "Inner^Private^Person", into=inner, where="(0009,xx04)/")
    pacs.add_new(0x04, "SQ", Items([inner]))
    siemens = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    siemens.add_new(0x0C, "IS", "1000")
    siemens.add_new(0x0E, "FD", [0.6, 0.0, 0.8])
    one.kept["(0019,xx0c)"], one.kept["(0019,xx0e)"] = 1000, [0.6, 0.0, 0.8]
    # An allowed element whose value is the birth date, and an allowed address under another creator.
    siemens.add_new(0x0B, "DS", f"{person.born:%Y%m%d}")
    one.places["(0019,xx0b)"] = f"{person.born:%Y%m%d}"
    liar = data.private_block(0x0043, "NOT GEMS", create=True)
    liar.add_new(0x39, "LO", "liar of a b value")
    one.places["(0043,xx39)"] = "liar of a b value"


def with_hidden(one: _File) -> None:
    data, person = one.dataset, one.person
    one.put(0x60004000, "LT", f"overlay says {person.parts[0]}", f"overlay says {person.parts[0]}", "OverlayComments (6000,4000)")
    one.put(0x60003000, "OW", b"overlay bits hiding Overlayname.", "Overlayname", "OverlayData (6000,3000)")
    one.put(0x50003000, "OW", b"curve bits hiding Curvename.....", "Curvename", "CurveData (5000,3000)")
    one.put(0x00084444, "LO", "unknown public element", "unknown public element", "unknown (0008,4444)")
    one.put(0x00321032, "PN", "Requestani^Farid", "Requestani^Farid", "RequestingPhysician")
    one.put(0x04000561, "SQ", Items([_modified("Beforehand^Name")]), "Beforehand^Name", "OriginalAttributesSequence")
    one.put(0x0040A730, "SQ", Items([_content("content tree text")]), "content tree text", "ContentSequence")
    one.put(0xFFFCFFFC, "OB", b"padding with Paddingname", "Paddingname", "DataSetTrailingPadding")
    one.put(0x00204000, "LT", data.ImageComments, data.ImageComments, "ImageComments")


def with_text_among_numbers(one: _File) -> None:
    """Text in elements that are to hold numbers, as bytes of another kind."""
    one.put(0x00181060, "OB", b"Triggerson^Bodil", "Triggerson^Bodil", "TriggerTime (0018,1060)")
    one.put(0x00189079, "FD", list(struct.unpack("<2d", b"Inversionov Ilya")), "Inversionov Ilya", "InversionTimes (0018,9079)")
    one.put(0x7FE00008, "OF", b"Floatpixelname of the ward, beds", "Floatpixelname of the ward", "FloatPixelData (7FE0,0008)")
    gems = one.dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    gems.add_new(0x2C, "OB", b"Echospacer^Olaf.")
    one.places["(0043,xx2c)"] = "Echospacer^Olaf"


def with_other_spellings(one: _File) -> None:
    """The birth date with the name of its month, and without zeros; the patient's number without the zeros in front."""
    born = one.person.born
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[born.month - 1]
    one.plant("ReceiveCoilManufacturerName", f"made {born.day}-{month}-{born.year}")
    one.plant("TransmitCoilManufacturerName", f"made {born.day}.{born.month}.{born.year % 100:02d}")
    one.plant("StackID", f"{born.year}/{born.month}/{born.day}")
    digits = "".join(character for character in one.person.number if character.isdigit()).lstrip("0")
    one.plant("PulseSequenceName", f"fast {digits}")


def _modified(name: str) -> Dataset:
    outer, inner = Dataset(), Dataset()
    inner.PatientName = name
    outer.ModifiedAttributesSequence = [inner]
    return outer


def _content(text: str) -> Dataset:
    item = Dataset()
    item.ValueType, item.TextValue = "TEXT", text
    return item


def with_measurement(one: _File, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for path, value in MEASUREMENT.items():
        one.keep(path, value)
    # 12 bits: no two bytes of a pixel and its neighbour read as letters.
    pixels = rng.integers(0, 4096, (16, 16), dtype=np.uint16).tobytes()
    one.dataset.PixelData = pixels + b"after the last pixel: Tailname."
    one.dataset.PixelData += b"\0" * (len(one.dataset.PixelData) % 2)
    one.places["PixelData tail"] = "Tailname"
    one.kept["PixelData"] = pixels


MEASUREMENT: dict[str, Any] = {
    "SOPClassUID": MR_IMAGE,
    "Modality": "MR",
    "Manufacturer": "SIEMENS",
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "NORM"],
    "PatientSex": "F",
    "ScanningSequence": ["SE", "IR"],
    "SequenceVariant": ["SK", "SP", "MP"],
    "MRAcquisitionType": "3D",
    "AngioFlag": "N",
    "SliceThickness": 1.25,
    "RepetitionTime": 5000,
    "EchoTime": 387,
    "InversionTime": 1800,
    "NumberOfAverages": 1,
    "ImagingFrequency": 123.2568,
    "ImagedNucleus": "1H",
    "EchoNumbers": 1,
    "MagneticFieldStrength": 3,
    "SpacingBetweenSlices": 1.25,
    "NumberOfPhaseEncodingSteps": 255,
    "EchoTrainLength": 278,
    "PercentSampling": 100,
    "PercentPhaseFieldOfView": 93.75,
    "PixelBandwidth": 751,
    "ReconstructionDiameter": 256,
    "AcquisitionMatrix": [0, 256, 240, 0],
    "InPlanePhaseEncodingDirection": "ROW",
    "FlipAngle": 120,
    "VariableFlipAngleFlag": "Y",
    "SAR": 0.0912,
    "dBdt": 0,
    "PatientPosition": "HFS",
    "SeriesNumber": 4,
    "AcquisitionNumber": 1,
    "InstanceNumber": 88,
    "ImagePositionPatient": [-62.1, -101.3, 120.7],
    "ImageOrientationPatient": [0, 1, 0, 0, 0, -1],
    "SliceLocation": -62.1,
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "Rows": 16,
    "Columns": 16,
    "PixelSpacing": [1.0, 1.0],
    "BitsAllocated": 16,
    "BitsStored": 12,
    "HighBit": 11,
    "PixelRepresentation": 0,
    "SmallestImagePixelValue": 0,
    "LargestImagePixelValue": 4095,
    "WindowCenter": 800,
    "WindowWidth": 1700,
    "RescaleIntercept": 0,
    "RescaleSlope": 1,
    "DiffusionBValue": 1000.0,
    "DiffusionGradientOrientation": [0.6, 0.0, 0.8],
    "PresentationLUTShape": "IDENTITY",
    "BurnedInAnnotation": "NO",
    "LossyImageCompression": "00",
    "ParallelReductionFactorInPlane": 2.0,
    "AcquisitionDuration": 352.0,
    "AcquisitionContrast": "FLUID_ATTENUATED",
}


def _written(one: _File) -> bytes:
    data = one.dataset
    data.file_meta = FileMetaDataset()
    data.file_meta.MediaStorageSOPClassUID = UID(MR_IMAGE)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.SourceApplicationEntityTitle = "AE_FARVILLE"
    data.file_meta.PrivateInformationCreatorUID = UID("1.2.3.4.5")
    data.file_meta.PrivateInformation = b"meta information of Metaname"
    one.places["SourceApplicationEntityTitle"], one.places["PrivateInformation"] = "AE_FARVILLE", "Metaname"
    data.preamble = b"preamble names Preamblename".ljust(128, b"\0")
    one.places["preamble"] = "Preamblename"
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()

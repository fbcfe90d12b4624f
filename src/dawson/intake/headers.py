"""The header of one DICOM file, read without its pixels and without trust in what it says of itself."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dawson.intake.header_groups import Groups
from dawson.intake.header_values import clean_text, is_date, items_of, numbers_of, positive, text_of, texts_of, whole_of, within
from dawson.intake.identifiers import element_text
from dawson.intake.quarantine import quarantine_reason
from dawson.intake.sources import BoundedStream, Limits

if TYPE_CHECKING:
    from pydicom import Dataset

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_GE_COMPONENT = 0x0043102F
# Where an overlay may hide in the upper bits of the pixels: its position, and its own data.
_OVERLAYS = tuple(group << 16 | element for group in range(0x6000, 0x6020, 2) for element in (0x0102, 0x3000))
_MOST_FRAMES = 20_000
# Item (FFFE,E000) in both orders of bytes.
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
# A header may hold anything under Modality; only these words are repeated in a reason.
_MODALITIES = (
    "CR",
    "CT",
    "DOC",
    "DX",
    "ECG",
    "ES",
    "KO",
    "MG",
    "MR",
    "NM",
    "OT",
    "PR",
    "PT",
    "REG",
    "SC",
    "SEG",
    "SM",
    "SR",
    "US",
    "XA",
    "XC",
)
_NO_AGENT = ("no", "none", "n", "nein", "nil", "nessuno", "without", "ohne", "false", "0")
_WANTED = """
SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate SeriesDate AcquisitionDate ContentDate SeriesTime
AcquisitionTime Modality Manufacturer ManufacturerModelName StudyDescription SeriesDescription PatientName PatientID
IssuerOfPatientID PatientBirthDate PatientSex PatientAge ContrastBolusAgent ContrastBolusAgentSequence ScanningSequence
SequenceVariant ScanOptions MRAcquisitionType SequenceName PulseSequenceName ProtocolName SliceThickness RepetitionTime EchoTime
InversionTime EchoNumbers MagneticFieldStrength SpacingBetweenSlices FlipAngle ComplexImageComponent StudyInstanceUID
SeriesInstanceUID SeriesNumber AcquisitionNumber InstanceNumber ImagePositionPatient ImageOrientationPatient SamplesPerPixel
NumberOfFrames Rows Columns PixelSpacing BitsAllocated BurnedInAnnotation ConversionType PhotometricInterpretation SyntheticData
EchoPulseSequence InversionRecovery SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
"""
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
_COMPONENTS = {"P": "phase", "PHASE": "phase", "R": "real", "REAL": "real", "I": "imaginary", "IMAGINARY": "imaginary"}
_GE_COMPONENTS = {1: "phase", 2: "real", 3: "imaginary"}


class UnreadableError(Exception):
    """A file that is no image to take in; the text says why and names nobody.

    Parameters
    ----------
    reason : str
    series_uid : str
        Of the series that lacks it, where the header says so much.
    """

    def __init__(self, reason: str, series_uid: str = "") -> None:
        super().__init__(reason)
        self.series_uid = series_uid


@dataclass(frozen=True, slots=True)
class Header:
    """What intake needs of one file; texts are as they stand in it and must not leave the terminal.

    Parameters
    ----------
    patient_id, issuer, birth_date, sex : str
    study_uid, series_uid, instance_uid, sop_class, modality : str
    date : str
        YYYYMMDD of the study, else of the series, acquisition or content; empty where none is a date.
    time : str
        Of the series.
    series_number, instance_number : int or None
    description, protocol, sequence_name, study_description, manufacturer : str
    image_type, scanning_sequence, sequence_variant, scan_options : tuple of str
    acquisition : str
        "2D", "3D" or empty.
    tr_ms, te_ms, ti_ms, flip_deg, field_tesla : float or None
    echo : int or None
    component : {"magnitude", "phase", "real", "imaginary"}
    contrast_agent : bool
        The header names one.
    rows, columns, frames : int
    orientation : tuple of float
        Direction cosines of a row and a column (LPS); empty where unknown.
    positions : tuple of tuple of float
        Corner of each frame, mm (LPS).
    thickness_mm, spacing_mm : float or None
        Slice thickness; distance of slices as the header says.
    pixel_mm : tuple of float
        Between rows, between columns.
    unsafe : str
        Why its pixels may show a name, or are no MR image; empty where neither.
    synthetic : bool
        The header says that no scanner made it.
    agent_denied : bool
        The header says in a word that there was no contrast agent.
    frames_differ : bool
        Frames of the file have several directions or pixel sizes.
    """

    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    study_uid: str
    series_uid: str
    instance_uid: str
    sop_class: str
    modality: str
    date: str
    time: str
    series_number: int | None
    instance_number: int | None
    description: str
    protocol: str
    sequence_name: str
    study_description: str
    manufacturer: str
    image_type: tuple[str, ...]
    scanning_sequence: tuple[str, ...]
    sequence_variant: tuple[str, ...]
    scan_options: tuple[str, ...]
    acquisition: str
    tr_ms: float | None
    te_ms: float | None
    ti_ms: float | None
    flip_deg: float | None
    field_tesla: float | None
    echo: int | None
    component: str
    contrast_agent: bool
    rows: int
    columns: int
    frames: int
    orientation: tuple[float, ...]
    positions: tuple[tuple[float, ...], ...]
    thickness_mm: float | None
    spacing_mm: float | None
    pixel_mm: tuple[float, ...]
    unsafe: str = ""
    synthetic: bool = False
    agent_denied: bool = False
    frames_differ: bool = False


def read_header(stream: BoundedStream, size: int, limits: Limits = Limits()) -> Header:
    """Read a header; the pixels are only counted.

    Parameters
    ----------
    stream : BoundedStream
        At its start.
    size : int
        Bytes of the file.
    limits : Limits

    Raises
    ------
    UnreadableError
        It is not DICOM, no image, incomplete, or beyond what any scanner writes.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset, at = _dataset(_Counted(stream, limits.items), limits)
            return _header(dataset, size, at, limits)
        except UnreadableError:
            raise
        except EOFError:
            raise UnreadableError("the header ends in the middle, or is longer than any of a scanner") from None
        except (MemoryError, RecursionError):
            raise UnreadableError("the header is nested or long beyond reason") from None
        except Exception as error:
            # The file is not ours: whatever pydicom stumbles over is the file's fault, and must not end the batch.
            raise UnreadableError(f"the header cannot be read ({type(error).__name__})") from None


class _Counted:
    """A stream that counts the items of sequences in what is read: each becomes an object, far larger than its eight bytes."""

    def __init__(self, stream: BoundedStream, most: int) -> None:
        self._stream, self._left = stream, most
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def read(self, count: int | None = -1) -> bytes:
        block = self._stream.read(count)
        self._left -= sum(block.count(item) for item in _ITEMS)
        if self._left < 0:
            raise UnreadableError("the header is nested or long beyond reason")
        return block


def _dataset(stream: Any, limits: Limits) -> tuple[Dataset, int]:
    import pydicom
    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag

    head = stream.read(132)
    part_10 = head[128:] == b"DICM"
    # Old files begin with their first element, of group 8, without a preamble.
    if not part_10 and head[:2] != b"\x08\x00":
        raise UnreadableError("not a DICOM file")
    if part_10:
        meta = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, vr, length: int(tag) >> 16 != 2)
        if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:
            raise UnreadableError("packed as a whole (deflated transfer syntax); its size is known only after unpacking")
    stream.seek(0)
    wanted: list[Any] = [*_WANTED.split(), *(Tag(tag) for tag in (_GE_COMPONENT, *_OVERLAYS))]
    dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=not part_10, specific_tags=wanted)
    at = stream.tell()
    most = limits.enhanced_header_bytes if text_of(dataset, "SOPClassUID") != MR_IMAGE else limits.header_bytes
    if at > most:
        raise UnreadableError("the header ends in the middle, or is longer than any of a scanner")
    return dataset, at


def _header(dataset: Dataset, size: int, at: int, limits: Limits) -> Header:
    sop_class = text_of(dataset, "SOPClassUID")
    rows, columns = whole_of(dataset, "Rows") or 0, whole_of(dataset, "Columns") or 0
    frames = max(1, whole_of(dataset, "NumberOfFrames") or 1)
    if not text_of(dataset, "SOPInstanceUID") or not text_of(dataset, "SeriesInstanceUID") or not text_of(dataset, "StudyInstanceUID"):
        raise UnreadableError("DICOM without the UIDs of its study, series or instance")
    if rows <= 0 or columns <= 0:
        modality = text_of(dataset, "Modality").upper()
        raise UnreadableError(f"DICOM without an image{f' ({modality})' if modality in _MODALITIES else ''}")
    if rows * columns * frames > limits.voxels or frames > _MOST_FRAMES:
        raise UnreadableError("an image larger than any of a scanner")
    syntax = str(getattr(dataset.file_meta, "TransferSyntaxUID", _UNCOMPRESSED[0]))
    needed = rows * columns * frames * max(1, whole_of(dataset, "SamplesPerPixel") or 1) * ((whole_of(dataset, "BitsAllocated") or 16) // 8)
    # Tag and length of the pixels come before them: 8 bytes, with their kind 12.
    before = 8 if syntax == _UNCOMPRESSED[0] else 12
    if syntax in _UNCOMPRESSED and size - at < before + needed:
        raise UnreadableError("fewer pixels than the header says: the file is cut off", text_of(dataset, "SeriesInstanceUID"))
    groups = Groups(dataset)
    first_position = numbers_of(dataset, "ImagePositionPatient", 3)
    agent = text_of(dataset, "ContrastBolusAgent").lower()
    return Header(
        # Read as de-identification reads them, or the two would see two people.
        patient_id=clean_text(element_text(dataset, "PatientID")),
        issuer=clean_text(element_text(dataset, "IssuerOfPatientID")),
        birth_date=text_of(dataset, "PatientBirthDate"),
        sex=text_of(dataset, "PatientSex").upper(),
        study_uid=text_of(dataset, "StudyInstanceUID"),
        series_uid=text_of(dataset, "SeriesInstanceUID"),
        instance_uid=text_of(dataset, "SOPInstanceUID"),
        sop_class=sop_class,
        modality=text_of(dataset, "Modality").upper(),
        date=next((text for name in _DATES if is_date(text := text_of(dataset, name)[:8])), ""),
        time=text_of(dataset, "SeriesTime") or text_of(dataset, "AcquisitionTime"),
        series_number=whole_of(dataset, "SeriesNumber"),
        instance_number=whole_of(dataset, "InstanceNumber"),
        description=text_of(dataset, "SeriesDescription"),
        protocol=text_of(dataset, "ProtocolName"),
        sequence_name=text_of(dataset, "SequenceName") or text_of(dataset, "PulseSequenceName"),
        study_description=text_of(dataset, "StudyDescription"),
        manufacturer=text_of(dataset, "Manufacturer"),
        image_type=texts_of(dataset, "ImageType"),
        scanning_sequence=texts_of(dataset, "ScanningSequence") or _enhanced_sequence(dataset),
        sequence_variant=texts_of(dataset, "SequenceVariant"),
        scan_options=texts_of(dataset, "ScanOptions"),
        acquisition=text_of(dataset, "MRAcquisitionType").upper(),
        tr_ms=within(groups.number("RepetitionTime", "MRTimingAndRelatedParametersSequence"), 0.5, 60_000.0),
        te_ms=within(groups.number("EchoTime") or groups.number("EffectiveEchoTime", "MREchoSequence"), 0.01, 2_000.0),
        ti_ms=within(groups.inversion_time(), 1.0, 10_000.0),
        flip_deg=within(groups.number("FlipAngle", "MRTimingAndRelatedParametersSequence"), 0.1, 360.0),
        field_tesla=within(groups.number("MagneticFieldStrength"), 0.01, 25.0),
        echo=whole_of(dataset, "EchoNumbers"),
        component=_component(dataset),
        contrast_agent=agent not in ("", *_NO_AGENT) or "ContrastBolusAgentSequence" in dataset,
        rows=rows,
        columns=columns,
        frames=frames,
        orientation=numbers_of(dataset, "ImageOrientationPatient", 6)
        or groups.numbers("ImageOrientationPatient", "PlaneOrientationSequence", 6),
        positions=(first_position,) if first_position else groups.positions(),
        thickness_mm=positive(groups.number("SliceThickness", "PixelMeasuresSequence")),
        spacing_mm=positive(groups.number("SpacingBetweenSlices", "PixelMeasuresSequence")),
        pixel_mm=numbers_of(dataset, "PixelSpacing", 2) or groups.numbers("PixelSpacing", "PixelMeasuresSequence", 2),
        unsafe=quarantine_reason(dataset) or "",
        synthetic=text_of(dataset, "SyntheticData").upper() == "YES",
        agent_denied=agent in _NO_AGENT,
        frames_differ=groups.differ(),
    )


def _enhanced_sequence(dataset: Dataset) -> tuple[str, ...]:
    """ScanningSequence in the words of classic files."""
    kind = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}.get(text_of(dataset, "EchoPulseSequence").upper(), ())
    inverted = any(
        text_of(item, "InversionRecovery").upper() == "YES"
        for shared in items_of(dataset, "SharedFunctionalGroupsSequence")[:1]
        for item in items_of(shared, "MRModifierSequence")[:1]
    )
    return (*kind, "IR") if inverted else kind


def _component(dataset: Dataset) -> str:
    """Which part of the complex image it is, as dcm2niix tells them apart."""
    if text_of(dataset, "Manufacturer").upper().startswith("GE"):
        code = _ge_component(dataset)
        if code in _GE_COMPONENTS:
            return _GE_COMPONENTS[code]
    words = (*texts_of(dataset, "ImageType")[2:], *texts_of(dataset, "ComplexImageComponent"))
    return next((_COMPONENTS[word] for word in words if word in _COMPONENTS), "magnitude")


def _ge_component(dataset: Dataset) -> int:
    """GE keeps it in a private element, which an implicit file gives as bytes."""
    try:
        value = dataset[_GE_COMPONENT].value
        return int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value)
    except Exception:
        return 0

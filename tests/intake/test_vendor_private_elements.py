"""Private elements as scanners write them: CSA headers of Siemens, sequences of Philips, and every one that pydicom's dictionary knows."""

from __future__ import annotations

import importlib
import io
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom._private_dict import private_dictionaries
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from dawson.intake.deidentify import Pseudonymiser, deidentify
from dawson.intake.private_elements import BINARY, allow_list

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
search = importlib.import_module("planted_search")

NAME, NUMBER, BIRTH, VISIT = "Zwiebelfisch^Ottokar", "77123456", "19510423", "20200310"
# Nowhere else in the header: a day, a time, a device and a person that only a private element tells of.
OTHER_DAY, CLOCK, SERIAL, OPERATOR = "20191224", "134517.25", "35131099", "Quendelbrink"
PLANTED = (NAME, "Zwiebelfisch", "Ottokar", NUMBER, BIRTH, VISIT, OTHER_DAY, CLOCK, SERIAL, OPERATOR)
UID = f"1.3.12.2.1107.5.2.43.{SERIAL}.{VISIT}13451725"
STORY = f"tPatientName={NAME} id {NUMBER} born {BIRTH} seen {VISIT} {CLOCK} again {OTHER_DAY} on {SERIAL} by {OPERATOR} {UID}"
TEXTS: dict[str, str] = {
    "PN": NAME, "DA": OTHER_DAY, "DT": OTHER_DAY + CLOCK, "TM": CLOCK, "UI": UID, "AE": OPERATOR.upper(), "CS": OPERATOR.upper(),
    "SH": OPERATOR, "LO": STORY[:64], "ST": STORY, "LT": STORY, "UT": STORY, "AS": "068Y",
}  # fmt: skip


@pytest.fixture(scope="module")
def key() -> Pseudonymiser:
    return Pseudonymiser(b"a secret for the tests, 32 bytes")


def header() -> Dataset:
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = "1.2.840.10008.5.1.4.1.1.4", "1.2.3.4", "MR"
    data.PatientName, data.PatientID, data.PatientBirthDate, data.StudyDate = NAME, NUMBER, BIRTH, VISIT
    data.Rows, data.Columns = 4, 4
    return data


def saved(data: Dataset) -> bytes:
    stream = io.BytesIO()
    data.save_as(stream, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return stream.getvalue()


def cleaned(data: Dataset, key: Pseudonymiser) -> bytes:
    return saved(deidentify(dcmread(io.BytesIO(before(data)), force=True), key).dataset)


def before(data: Dataset) -> bytes:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return saved(data)


def private_left(content: bytes) -> list[DataElement]:
    found = []

    def collect(data: Dataset) -> None:
        for element in data:
            if element.tag.is_private and not element.tag.is_private_creator:
                found.append(element)
            for item in element.value if element.VR == "SQ" else ():
                collect(item)

    collect(dcmread(io.BytesIO(content)))
    return found


def block(data: Dataset, group: int, creator: str, elements: dict[int, tuple[str, Any]], start: int = 0x10) -> Dataset:
    """Add a private block, at whatever place in its group."""
    data.add(DataElement(Tag(group, start), "LO", creator, validation_mode=0))
    for offset, (vr, value) in elements.items():
        data.add(DataElement(Tag(group, start << 8 | offset), vr, value, validation_mode=0))
    return data


def csa(*fields: tuple[str, str, list[str]]) -> bytes:
    """A CSA2 header as Siemens writes it: `SV10`, then a tag of 84 bytes a field, and each value with four words of lengths."""
    content = b"SV10\4\3\2\1" + struct.pack("<II", len(fields), 77)
    for name, vr, values in fields:
        content += struct.pack("<64si4siii", name.encode(), len(values), vr.encode(), 0, len(values), 77)
        for value in values:
            text = value.encode("latin-1") + b"\0"
            content += struct.pack("<4i", len(text), len(text), 77, len(text)) + text + b"\0" * (-len(text) % 4)
    return content


PROTOCOL = f"""### ASCCONV BEGIN ###
tPatientName = "{NAME}"
tReferenceImage0 = "{UID}"
sPatPosition.sPosition = {NUMBER}
### ASCCONV END ###
<XProtocol> {{ <ParamString."PatientID"> {{ "{NUMBER}" }} <ParamString."tOperator"> {{ "{OPERATOR}" }}
<ParamString."PatientBirthDay"> {{ "{BIRTH}" }} <ParamString."DeviceSerialNumber"> {{ "{SERIAL}" }} <Day> {{ {OTHER_DAY} {CLOCK} }} }}"""
IMAGE_HEADER = csa(("UsedPatientName", "LO", [NAME]), ("ICE_Dims", "LO", ["1_1_1"]), ("MosaicRefAcqTimes", "FD", ["0.0", "1012.5"]))
SERIES_HEADER = csa(("MrPhoenixProtocol", "UN", [PROTOCOL]), ("Operator", "PN", [OPERATOR]), ("Study", "DA", [VISIT, OTHER_DAY]))


def nested() -> Dataset:
    """What Philips and the XA versions of Siemens repeat inside their sequences: public elements of the person, and private ones."""
    item = Dataset()
    item.PatientName, item.PatientID, item.PatientBirthDate, item.InstanceCreationDate = NAME, NUMBER, BIRTH, OTHER_DAY
    item.OperatorsName, item.DeviceSerialNumber, item.SeriesDescription, item.SeriesInstanceUID = OPERATOR, SERIAL, STORY[:64], UID
    item.EchoTime = 4.5
    return block(item, 0x2005, "Philips MR Imaging DD 004", {0x91: ("PN", NAME), 0x97: ("LO", OPERATOR)})


def siemens_csa() -> Dataset:
    data = block(
        header(),
        0x0029,
        "SIEMENS CSA HEADER",
        {
            0x08: ("CS", "IMAGE NUM 4"), 0x09: ("LO", VISIT), 0x10: ("OB", IMAGE_HEADER), 0x18: ("CS", "MR"), 0x19: ("LO", VISIT),
            0x20: ("OB", SERIES_HEADER),
        },
    )  # fmt: skip
    links = Dataset()
    links.add(DataElement(Tag(0x0029, 0x1075), "OB", STORY.encode() + b" " * (len(STORY) % 2)))
    block(data, 0x0029, "SIEMENS MEDCOM HEADER", {0x09: ("LO", OPERATOR), 0x20: ("OB", STORY.encode()), 0x70: ("SQ", [links])}, 0x11)
    times = [13 * 3.6e6 + 45 * 6e4 + 17250.0, 13 * 3.6e6 + 45 * 6e4 + 18250.0]
    block(data, 0x0019, "SIEMENS MR HEADER", {0x08: ("CS", OPERATOR.upper()), 0x0C: ("IS", "1000"), 0x29: ("FD", times)})
    block(data, 0x0051, "SIEMENS MR HEADER", {0x0E: ("LO", f"Sag {OPERATOR}"), 0x0C: ("LO", "FoV 256*256")})
    return block(data, 0x7FE1, "SIEMENS CSA NON-IMAGE", {0x10: ("OB", SERIES_HEADER)})


def siemens_xa() -> Dataset:
    data = block(header(), 0x0021, "SIEMENS MR SDS 01", {0x19: ("OB", PROTOCOL.encode() + b" " * (len(PROTOCOL) % 2))})
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    frame = Dataset()
    deep = block(nested(), 0x0021, "SIEMENS MR SDI 02", {0x05: ("LO", OPERATOR), 0x23: ("UN", STORY.encode())})
    block(frame, 0x0021, "SIEMENS MR SDI 02", {0xFE: ("SQ", [deep])}, 0x11)
    data.PerFrameFunctionalGroupsSequence = Sequence([frame])
    return data


def philips() -> Dataset:
    blob = f"<ExamCard patient='{NAME}' id='{NUMBER}' date='{OTHER_DAY}' by='{OPERATOR}' serial='{SERIAL}' at='{CLOCK}'/>".encode()
    stack = block(nested(), 0x2001, "Philips Imaging DD 001", {0x2D: ("SS", 24), 0x32: ("FL", 1.5), 0x33: ("CS", OPERATOR.upper())})
    data = block(header(), 0x2001, "Philips Imaging DD 001", {0x5F: ("SQ", [stack]), 0x63: ("CS", OPERATOR.upper()), 0x03: ("FL", 1000.0)})
    block(data, 0x2001, "Philips Imaging DD 002", {0xC8: ("LO", STORY[:64])}, 0x11)
    card = block(
        Dataset(), 0x2005, "Philips MR Imaging DD 002", {0x37: ("PN", NAME), 0x43: ("SL", 4), 0x44: ("OW", blob + b" " * (len(blob) % 2))}
    )
    block(data, 0x2005, "Philips MR Imaging DD 001", {0x80: ("SQ", [nested()]), 0x0E: ("FL", 2.5), 0x18: ("LO", STORY[:64])})
    block(data, 0x2005, "Philips MR Imaging DD 002", {0x32: ("SQ", [card])}, 0x11)
    enhanced = block(nested(), 0x2005, "Philips MR Imaging DD 001", {0x0D: ("FL", 0.5)}, 0x12)
    return block(data, 0x2005, "Philips MR Imaging DD 005", {0x0F: ("SQ", [enhanced]), 0x02: ("SQ", [nested()])}, 0x14)


@pytest.mark.parametrize(
    ("make", "stays"),
    [
        (siemens_csa, [(0x0019, 0x0C, 1000)]),
        (siemens_xa, []),
        (philips, [(0x2001, 0x03, 1000.0), (0x2005, 0x0E, 2.5)]),
    ],
)
def test_nothing_planted_is_left_of_what_scanners_write(make: Any, stays: list[tuple[int, int, float]], key: Pseudonymiser) -> None:
    original = before(make())
    assert not set(PLANTED) - set(search.found_in(original, PLANTED)), "the search must see what it is to look for"
    content = cleaned(make(), key)
    assert search.found_in(content, PLANTED) == []
    assert [(element.tag.group, element.tag.element & 0xFF, float(element.value)) for element in private_left(content)] == stays


def test_slice_times_after_the_first_slice_stay_and_times_of_day_go(key: Pseudonymiser) -> None:
    for times, count in (([0.0, 1012.5, 2025.0], 1), ([49517250.0, 49518250.0], 0)):
        data = block(header(), 0x0019, "SIEMENS MR HEADER", {0x29: ("FD", times)})
        assert len(private_left(cleaned(data, key))) == count


def every_known(creator: str) -> Iterator[Dataset]:
    """Every element that the dictionary gives to a creator, holding what identifies; one header a group."""
    groups: dict[int, dict[int, tuple[str, Any]]] = {}
    for place, (vr, *_) in private_dictionaries[creator].items():
        group, offset = place[:4], place[-2:]
        if "x" in (group + offset).lower():
            continue
        entry = allow_list().get((creator, int(group, 16), int(offset, 16)))
        # A number of microseconds may look like any day; those of the header are known all the same.
        day = BIRTH if entry is not None and entry.most >= 1e7 else OTHER_DAY
        groups.setdefault(int(group, 16), {})[int(offset, 16)] = (vr, _planted(vr, day))
    for group, elements in groups.items():
        yield block(header(), group, creator, {offset: value for offset, value in elements.items() if value[1] is not None})


def _planted(vr: str, day: str) -> Any:
    if vr in TEXTS:
        return TEXTS[vr]
    if vr == "SQ":
        return [nested()]
    if vr in ("IS", "DS"):
        return day
    if vr in BINARY:
        return None if vr in ("SS", "US") else float(day) if vr in ("FL", "FD") else int(day)
    return STORY.encode() + b" " * (len(STORY) % 4) if vr in ("OB", "UN", "OW") else None


VENDORS = {"Siemens": ("SIEMENS",), "Philips": ("PHILIPS",), "GE": ("GE", "GEMS"), "others": ()}


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_element_of_the_dictionary_keeps_what_identifies(vendor: str, key: Pseudonymiser) -> None:
    named = tuple(word for words in VENDORS.values() for word in words)
    creators = [
        name
        for name in private_dictionaries
        if (name.upper().startswith(VENDORS[vendor]) if VENDORS[vendor] else not name.upper().startswith(named))
    ]
    elements = 0
    for creator in creators:
        for data in every_known(creator):
            elements += len(data)
            content = cleaned(data, key)
            assert search.found_in(content, PLANTED) == [], creator
            assert private_left(content) == [], creator
    assert elements > 300


def test_every_element_of_the_allow_list_stays_as_a_number_and_goes_as_a_name_or_a_day(key: Pseudonymiser) -> None:
    for (creator, group, offset), entry in allow_list().items():
        count = 1 if entry.vm.startswith("1") else int(entry.vm)
        value = [1.0 if entry.vr in ("FL", "FD") else 1] * count
        (element,) = private_left(cleaned(block(header(), group, creator, {offset: (entry.vr, value)}), key))
        assert (entry.vr, count) == (element.VR, element.VM), entry.name
        word = (OPERATOR[:8] * 3 * count).encode()[: 8 * count]
        texts = [("OB", word), ("UN", word), ("LO", OPERATOR), ("PN", NAME)]
        numbers = [("IS", [OTHER_DAY] * count)] if entry.most < 1e7 else []
        for written in [*texts, *numbers]:
            assert private_left(cleaned(block(header(), group, creator, {offset: written}), key)) == [], (entry.name, written)


def test_the_allow_list_is_of_the_kinds_that_the_dictionary_says() -> None:
    known = 0
    for (creator, group, offset), entry in allow_list().items():
        told = [
            said for place, said in private_dictionaries[creator].items() if place[:4] == f"{group:04X}" and place[-2:] == f"{offset:02X}"
        ]
        known += len(told)
        assert all(vr == entry.vr for vr, *_ in told), entry.name
    assert known == len(allow_list())


def test_the_text_of_a_private_creator_does_not_stay(key: Pseudonymiser) -> None:
    data = block(header(), 0x0019, f"SIEMENS MR HEADER {OPERATOR}", {0x0C: ("IS", "1000")})
    block(data, 0x0029, NAME, {0x10: ("LO", "x")})
    assert private_left(cleaned(data, key)) == [] and search.found_in(cleaned(data, key), PLANTED) == []

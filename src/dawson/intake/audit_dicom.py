"""Searching a DICOM file for what the profile would not have left in it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.datadict import dictionary_description, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID_dictionary

from dawson.intake.audit_text import looks_pseudonymous
from dawson.intake.cleaning import CONTRAST_TEXT, DEEPEST_SEQUENCE
from dawson.intake.descriptors import labels
from dawson.intake.findings import Finding, Findings, Kind, Severity, masked
from dawson.intake.identifiers import Identifiers, element_text, identifiers_of, texts_of
from dawson.intake.numeric_elements import encodings_of, measured, number_of
from dawson.intake.pixel_elements import PIXEL_DATA, end_of_picture, picture
from dawson.intake.private_elements import AllowedElement, allowed, creator_of
from dawson.intake.profile import NUMERIC, PIXELS, TEXT, Action, action_of, settings
from dawson.intake.quarantine import quarantine_reason
from dawson.intake.written_dates import holds_date

# Values above this stay on disk: what identifies is short.
_DEFERRED = 1 << 16
_UID_DATE = re.compile(r"(?<!\d)(?:19[5-9]\d|20[0-4]\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_DUMMIES = frozenset({"", "REMOVED", "ANONYMIZED", "ANONYMOUS", "NONE", "0", "00010101", "19000101", "000000", "000000.00"})
_DUMMY_FORM = re.compile(r"0001\d{4}[\d.+]*")
_FIX = "Run the files through `dawson intake dicom`."
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("Comments|History|Reason|Alerts|Allergies", "comment"),
    ("Description|ProtocolName", "description"),
    ("Institution|Address|Location|Region|Country|Residence", "place"),
    ("Telephone|Telecom|Email", "contact"),
    ("Serial|Station|Gantry|DeviceUID|AETitle|DetectorID", "serial"),
    ("Date|Time", "date"),
    ("Name|Physician|Operator|Person", "name"),
)


def search_dicom(path: Path, known: Identifiers, found: Findings, faces: bool) -> None:
    """Search a DICOM file: header, nested sequences, private elements, file header, preamble; of the pixels what the header says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(path, force=True, defer_size=_DEFERRED)
            searched = _Search(path, dataset, known, found)
            searched.walk(dataset, "", 0)
            searched.whole(faces)
        except Exception as error:  # Broken files make the reader raise every kind; each is a finding, none stops the search.
            found.add(Finding(path, "", "unread", type(error).__name__, "low", "It cannot be read as DICOM; look at it by hand."))


class _Search:
    def __init__(self, path: Path, dataset: Dataset, known: Identifiers, found: Findings) -> None:
        self.path, self.dataset, self.found = path, dataset, found
        own = identifiers_of(dataset)
        self.known = known | own
        self.reading: dict[str, Any] = {
            "little_endian": dataset.original_encoding[1] is not False,
            "identifiers": self.known,
            "encodings": encodings_of(dataset),
        }
        self.moved = element_text(dataset, "LongitudinalTemporalInformationModified").upper() in ("MODIFIED", "REMOVED")

    def report(self, where: str, kind: Kind, value: str, severity: Severity, fix: str = _FIX) -> None:
        self.found.add(Finding(self.path, where, kind, masked(value), severity, fix), value)

    def walk(self, dataset: Dataset, inside: str, depth: int) -> None:
        for tag in dataset.keys():  # noqa: SIM118 - going over a Dataset itself reads every value, broken ones too
            where = f"{inside}({tag.group:04X},{tag.element:04X})"
            if tag.is_private:
                self._private(dataset, tag, where)
                continue
            if tag in PIXELS:
                self._pixels(dataset, tag, where, depth)
                continue
            try:
                element = dataset[tag]
                texts = [] if element.VR == "SQ" else texts_of(element.value)
            except Exception:  # A value that cannot be read cannot be judged either.
                self.report(where, "unread", "", "low")
                continue
            if element.VR == "SQ":
                self._sequence(element.value, tag, where, depth)
            elif not element.is_empty and action_of(tag) is Action.KEEP and dictionary_VR(tag) in NUMERIC:
                self._number(element, f"{where} {_described(tag)}")
            else:
                self._public(tag, texts, f"{where} {_described(tag)}")

    def _number(self, element: DataElement, where: str) -> None:
        if measured(element, *number_of(element), **self.reading) is None:
            self.report(where, "number", "\\".join(texts_of(element.value)), "medium")

    def _pixels(self, dataset: Dataset, tag: BaseTag, where: str, depth: int) -> None:
        if depth:
            self.report(where, "pixels", "a second picture", "medium")
            return
        if tag != PIXEL_DATA:
            _, note = picture(dataset, dataset[tag], self.reading["little_endian"])
            if note:
                self.report(where, "pixels", "bytes that are no part of the picture", "medium")
            return
        end, length = end_of_picture(dataset), getattr(dataset.get_item(tag), "length", 0)
        if end is not None and end < length < 0xFFFFFFFF:
            self.report(where, "pixels", f"{length - end} bytes after the last pixel", "medium")

    def _sequence(self, items: list[Dataset], tag: BaseTag, where: str, depth: int) -> None:
        if depth >= DEEPEST_SEQUENCE:
            self.report(where, "unread", "", "low")
            return
        if keyword_for_tag(tag) == "DeidentificationMethodCodeSequence":
            return
        for item in items:
            self.walk(item, f"{where} > ", depth + 1)

    def _private(self, dataset: Dataset, tag: BaseTag, where: str) -> None:
        if tag.is_private_creator:
            return
        entry = allowed(dataset, tag)
        if entry is None:
            creator = creator_of(dataset, tag) or "no creator"
            safe = creator if creator.isascii() and len(creator) <= 64 and not self.known.inside(creator) else "unknown creator"
            self.report(f"{where.rsplit('(', 1)[0]}private elements of {safe}", "private", safe, "medium")
        elif not _is_measured(dataset, tag, entry, self.reading):
            self.report(f"{where} {entry.name}", "private", "no number of the kind that it should be", "medium")

    def _public(self, tag: BaseTag, texts: list[str], where: str) -> None:
        action, keyword, text = action_of(tag), keyword_for_tag(tag), "\\".join(texts)
        if not text or all(one.upper() in _DUMMIES or _DUMMY_FORM.fullmatch(one) for one in texts):
            return
        if action is Action.PSEUDONYM:
            if not looks_pseudonymous(text):
                self.report(where, "name" if keyword == "PatientName" else "number", text, "high")
        elif action is Action.LABEL:
            if text not in labels():
                self.report(where, "description", text, "medium")
        elif action is Action.DATE:
            if not self.moved:
                self.report(where, "date", text, "high")
        elif action is Action.TIME:
            if not all(re.fullmatch(r"\d\d(0000(\.0*)?)?", one) for one in texts):
                self.report(where, "date", text, "low")
        elif action is Action.AGE:
            if re.fullmatch(r"09[1-9]Y|1\d\dY", text):
                self.report(where, "age", text, "high", "Write 090Y for all of them.")
        elif action is Action.UID:
            if any(_UID_DATE.search(uid) and not uid.startswith("2.25.") and uid not in UID_dictionary for uid in texts):
                self.report(where, "uid", text, "medium")
        elif action is Action.CONTRAST:
            if text != CONTRAST_TEXT:
                self.report(where, "description", text, "medium")
        elif action in (Action.REMOVE, Action.EMPTY, Action.DUMMY):
            if keyword != "SpecificCharacterSet":
                self.report(where, _kind_of(tag), text, _severity(tag))
        elif action is Action.KEEP and dictionary_VR(tag) in TEXT and any(self._tells(one) for one in texts):
            self.report(where, "description", text, "medium")

    def _tells(self, text: str) -> bool:
        return text.upper() not in settings()["terms"] and (not text.isascii() or self.known.inside(text))

    def whole(self, faces: bool) -> None:
        """What is about the file as a whole: its header, preamble, pixels."""
        meta = getattr(self.dataset, "file_meta", None) or Dataset()
        for keyword in ("SourceApplicationEntityTitle", "SendingApplicationEntityTitle", "PrivateInformation", "SourcePresentationAddress"):
            if text := element_text(meta, keyword):
                self.report(f"file header: {keyword}", "header", text, "medium")
        preamble = getattr(self.dataset, "preamble", None) or b""
        if re.search(rb"[A-Za-z]{4}", preamble):
            self.report("preamble (first 128 bytes)", "header", preamble.decode("latin-1"), "medium")
        if reason := quarantine_reason(self.dataset):
            self.found.add(
                Finding(self.path, "pixels", "pixels", reason, "medium", "Look at the picture: text may be drawn into it."), reason
            )
        elif faces and not _says_faceless(self.dataset):
            self.found.add(
                Finding(self.path, "pixels", "face", "not marked as defaced", "low", "If it is a head, take it in with face removal."),
                "face",
            )
        pseudonym = element_text(self.dataset, "PatientID")
        own = pseudonym if looks_pseudonymous(pseudonym) else ""
        names = [part for part in (self.path.stem, self.path.parent.name) if self.known.inside(part.replace(own, "") if own else part)]
        for name in names:
            self.report("name of the file or folder", "date" if holds_date(name) else "name", name, "high", "Rename it by its pseudonym.")


def _is_measured(dataset: Dataset, tag: BaseTag, entry: AllowedElement, reading: dict[str, Any]) -> bool:
    try:
        element = dataset[tag]
        return element.is_empty or measured(element, entry.vr, entry.vm, **reading) is not None
    except Exception:  # A value that cannot be read is no number.
        return False


def _says_faceless(dataset: Dataset) -> bool:
    if element_text(dataset, "RecognizableVisualFeatures") == "NO":
        return True
    try:
        return any(element_text(item, "CodeValue") == "113102" for item in dataset["DeidentificationMethodCodeSequence"].value)
    except Exception:  # Missing, or no sequence.
        return False


def _kind_of(tag: BaseTag) -> Kind:
    keyword = keyword_for_tag(tag) if _known(tag) else ""
    if _known(tag) and dictionary_VR(tag) == "PN":
        return "name"
    return next(
        (kind for pattern, kind in _KINDS if re.search(pattern, keyword)),
        "number" if keyword.endswith("ID") or "Number" in keyword else "comment",
    )


def _severity(tag: BaseTag) -> Severity:
    kind = _kind_of(tag)
    if kind in ("name", "contact", "place") or tag.group == 0x0010:
        return "high"
    return "medium" if kind != "date" else "low"


def _known(tag: BaseTag) -> bool:
    return bool(keyword_for_tag(tag))


def _described(tag: BaseTag) -> str:
    try:
        return dictionary_description(tag)
    except KeyError:
        return "unknown element"

"""The walk through a header: each element, and each item of each sequence, by what the profile says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID, UID_dictionary

from dawson.intake.dates import coarse_time, moved_date, moved_datetime, parse_date, years_between
from dawson.intake.descriptors import series_label, study_label
from dawson.intake.identifiers import Identifiers, texts_of
from dawson.intake.numeric_elements import measured, number_of
from dawson.intake.pixel_elements import picture
from dawson.intake.private_elements import BINARY, NUMERIC_VRS, allowed
from dawson.intake.profile import NUMERIC, PIXELS, Action, action_of, settings
from dawson.intake.pseudonyms import Pseudonymiser

DEEPEST_SEQUENCE = 24
CONTRAST_TEXT = "contrast agent"
_CODE_STRING = re.compile(r"[A-Z0-9_ .+*/-]{0,16}")
_UNCHECKED = 0  # pydicom's IGNORE: values of real scanners that break a length limit are kept as they came.
_AGE = re.compile(r"\s*(\d{1,3})\s*([DWMY]?)\s*", re.IGNORECASE)
_YEARS_IN = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0, "": 1.0}


@dataclass(frozen=True)
class Age:
    """Age in whole years."""

    years: int


@dataclass
class Cleaner:
    """Cleans the header of one file; counts what it removes.

    Parameters
    ----------
    pseudonymiser, identifiers, participant, patient_id, shift
        Whose file it is, and what replaces it.
    keep_size_weight : bool
    little_endian : bool
        Byte order of the file.
    birth : datetime.date or None
    encodings : tuple of str
        That the file declares, as Python names them.
    """

    pseudonymiser: Pseudonymiser
    identifiers: Identifiers
    participant: str
    patient_id: str
    shift: int
    keep_size_weight: bool
    little_endian: bool
    birth: date | None
    encodings: tuple[str, ...] = ()
    removed: int = 0
    kept_private: int = 0
    notes: set[str] = field(default_factory=set)

    def clean(self, dataset: Dataset, depth: int = 0) -> Dataset:
        """A new data set with what stays of `dataset`."""
        cleaned = Dataset()
        for tag in sorted(dataset.keys()):
            kept = self._private(dataset, tag) if tag.is_private else self._public(dataset, tag, depth)
            if kept is None:
                self.removed += 0 if tag.is_private_creator else 1
                continue
            cleaned.add(kept)
            if tag.is_private:
                creator = BaseTag(tag.group << 16 | tag.element >> 8)
                entry = allowed(dataset, tag)
                assert entry is not None
                cleaned.add(DataElement(creator, "LO", entry.creator, validation_mode=_UNCHECKED))
        return cleaned

    def age_of(self, dataset: Dataset) -> Age | None:
        """Age at examination: what the file says, else from the birth date and the day of the study."""
        given = next(iter(_texts(dataset, 0x00101010)), "")
        if found := _AGE.fullmatch(given):
            return Age(int(int(found[1]) * _YEARS_IN[found[2].upper()]))
        for tag in (0x00080020, 0x00080021, 0x00080022, 0x0008002A):
            day = parse_date(next(iter(_texts(dataset, tag)), ""))
            if day is not None and self.birth is not None and 0 <= (years := years_between(self.birth, day)) <= 130:
                return Age(years)
        return None

    def _private(self, dataset: Dataset, tag: BaseTag) -> DataElement | None:
        entry = allowed(dataset, tag)
        element = _element(dataset, tag) if entry else None
        if entry is None or element is None or element.VR not in NUMERIC_VRS | {"UN", "OB", "OW"}:
            return None
        values = self._measured(element, entry.vr, entry.vm)
        if not values or any(abs(float(value)) > entry.most for value in values):
            return None
        made = _new(tag, entry.vr, values if len(values) > 1 else values[0])
        self.kept_private += made is not None
        return made

    def _public(self, dataset: Dataset, tag: BaseTag, depth: int) -> DataElement | None:
        action = action_of(tag)
        if action in (Action.REMOVE, Action.STAMP, Action.AGE) or (depth and tag in PIXELS):
            return None
        element = _element(dataset, tag)
        if element is None or (element.VR == "SQ" and dictionary_VR(tag) != "SQ"):
            return self._emptied(tag)
        return self._actions()[action](dataset, element, depth)

    def _actions(self) -> dict[Action, Callable[[Dataset, DataElement, int], DataElement | None]]:
        return {
            Action.KEEP: self._kept,
            Action.CODE: self._code,
            Action.WALK: self._walked,
            Action.DATE: self._date,
            Action.TIME: self._time,
            Action.UID: self._uid,
            Action.PSEUDONYM: self._pseudonym,
            Action.SEX: self._sex,
            Action.SIZE: lambda dataset, element, depth: self._kept(dataset, element, depth) if self.keep_size_weight else None,
            Action.LABEL: self._label,
            Action.CONTRAST: self._contrast,
            Action.EMPTY: lambda dataset, element, depth: self._emptied(element.tag, always=True),
            Action.DUMMY: lambda dataset, element, depth: self._dummy(element),
        }

    def _kept(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        vr = dictionary_VR(element.tag)
        if element.tag in PIXELS:
            content, note = picture(dataset, element, self.little_endian)
            self.notes.update([note] if note else [])
            made = _new(element.tag, element.VR, content) if content is not None else None
            if made is not None:
                # Compressed pixels are fragments of undefined length; a writer must know.
                made.is_undefined_length = element.is_undefined_length
            return made
        if element.is_empty:
            return _new(element.tag, vr if " or " not in vr else element.VR, None)
        if vr in NUMERIC:
            return self._kept_numbers(element)
        if element.VR in BINARY or element.VR == "AT":
            # The digits of a number whose bytes may be a text.
            self.notes.add(f"{_name(element.tag)}: is a number where there should be text; removed")
            return self._emptied(element.tag)
        texts = texts_of(element.value)
        stay = [text if self._text_stays(text, vr) else "" for text in texts]
        if stay == texts:
            return _new(element.tag, vr, texts if len(texts) > 1 else texts[0])
        self.notes.add(f"{_name(element.tag)}: held an identifier, a date or free text; cleaned")
        left = [text for text in stay if text]
        return _new(element.tag, vr, left if len(left) > 1 else left[0]) if left else self._emptied(element.tag)

    def _text_stays(self, text: str, vr: str) -> bool:
        if not text or text.upper() in settings()["terms"]:
            return True
        if not text.isascii() or not text.isprintable() or (vr == "CS" and not _CODE_STRING.fullmatch(text)) or len(text) > 64:
            return False
        return not self.identifiers.inside(text)

    def _kept_numbers(self, element: DataElement) -> DataElement | None:
        vr, multiplicity = number_of(element)
        values = self._measured(element, vr, multiplicity)
        if values is None:
            self.notes.add(f"{_name(element.tag)}: is no number, or one that identifies; removed")
            return self._emptied(element.tag)
        if vr == element.VR and not isinstance(element.value, bytes):
            return _new(element.tag, vr, list(element.value) if element.VM > 1 else element.value)
        return _new(element.tag, vr, values if len(values) > 1 else values[0])

    def _measured(self, element: DataElement, vr: str, multiplicity: str) -> list[Any] | None:
        order, known, encodings = self.little_endian, self.identifiers, self.encodings
        return measured(element, vr, multiplicity, little_endian=order, identifiers=known, encodings=encodings)

    def _code(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        # Codes stand in items of sequences; at the top they are no code.
        if not depth or next(iter(_texts(dataset, 0x00080102)), "") not in settings()["schemes"]:
            return None
        return self._kept(dataset, element, depth)

    def _walked(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        if element.VR != "SQ" or depth >= DEEPEST_SEQUENCE:
            return None
        items = [self.clean(item, depth + 1) for item in element.value]
        # The place of an item in this sequence is the number of its frame.
        left = items if element.keyword == "PerFrameFunctionalGroupsSequence" else [item for item in items if len(item)]
        return _new(element.tag, "SQ", Sequence(left)) if left or not items else None

    def _date(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        move = moved_datetime if dictionary_VR(element.tag) == "DT" else moved_date
        return self._each(element, lambda text: move(text, self.shift))

    def _time(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        return self._each(element, coarse_time)

    def _each(self, element: DataElement, change: Callable[[str], str | None]) -> DataElement | None:
        texts = texts_of(element.value)
        changed = [change(text) if text else "" for text in texts]
        if None in changed:
            self.notes.add(f"{_name(element.tag)}: is no day or no time; removed")
            return self._emptied(element.tag)
        return _new(element.tag, dictionary_VR(element.tag), changed if len(changed) > 1 else "".join(map(str, changed)))

    def _uid(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        texts = texts_of(element.value)
        changed = [self._new_uid(text) for text in texts]
        return _new(element.tag, "UI", changed if len(changed) > 1 else "".join(changed))

    def _new_uid(self, uid: str) -> str:
        # UIDs that the standard registers (SOP classes, transfer syntaxes, coding schemes) name no one.
        return UID(uid) if not uid or uid in UID_dictionary else self.pseudonymiser.uid(uid)

    def _pseudonym(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        # Inside a sequence another person may be meant.
        if depth and (element.keyword != "PatientID" or "\\".join(texts_of(element.value)) != self.patient_id):
            return None
        return _new(element.tag, dictionary_VR(element.tag), self.participant)

    def _sex(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        given = "".join(texts_of(element.value)).upper()
        return _new(element.tag, "CS", given if given in ("M", "F", "O") else "")

    def _label(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        self.removed += 1
        if element.keyword == "StudyDescription":
            texts = [text for tag in (0x00081030, 0x00321060, 0x00400254) for text in _texts(dataset, tag)]
            return _new(element.tag, "LO", study_label(texts)[:64])
        tags = (element.tag, 0x0008103E, 0x00181030, 0x00180024)
        texts = [text for tag in tags for text in _texts(dataset, tag)]
        return _new(element.tag, "LO", series_label(texts, bool("".join(_texts(dataset, 0x00180010)))))

    def _contrast(self, dataset: Dataset, element: DataElement, depth: int) -> DataElement | None:
        given = "".join(texts_of(element.value)).strip().casefold()
        return _new(element.tag, "LO", CONTRAST_TEXT if given and given not in ("no", "none", "n", "0") else "")

    def _dummy(self, element: DataElement) -> DataElement | None:
        self.removed += 1
        return _new(element.tag, dictionary_VR(element.tag), "REMOVED" if not element.is_empty else "")

    def _emptied(self, tag: BaseTag, always: bool = False) -> DataElement | None:
        vr = dictionary_VR(tag)
        if keyword_for_tag(tag) not in settings()["required"] and not (always and vr != "SQ"):
            return None
        self.removed += 1
        return _new(tag, "US" if " or " in vr else vr, Sequence([]) if vr == "SQ" else None)


def _element(dataset: Dataset, tag: BaseTag | int) -> DataElement | None:
    """The element, or None where its value cannot be read as what it claims to be."""
    try:
        element = dataset[tag]
        _ = element.value
    except Exception:  # pydicom raises many kinds for broken values; such an element is not kept.
        return None
    return element


def _texts(dataset: Dataset, tag: int) -> list[str]:
    element = _element(dataset, tag)
    return texts_of(element.value) if element is not None else []


def _new(tag: BaseTag, vr: str, value: Any) -> DataElement | None:
    try:
        return DataElement(tag, vr, value, validation_mode=_UNCHECKED)
    except Exception:  # A value that its VR cannot hold.
        return None


def _name(tag: BaseTag) -> str:
    return f"({tag.group:04X},{tag.element:04X}) {keyword_for_tag(tag)}"

"""Who a header is about, and whether a text that is to stay still says so."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import permutations
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dawson.intake.dates import parse_date
from dawson.intake.written_dates import days_in, holds_date, plain

LONGEST_TEXT = 4096
_DEEPEST = 32
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
# Elements, besides every person name, whose value is a number or name of somebody or somewhere.
IDENTIFYING = frozenset(
    [
        "PatientID",
        "OtherPatientIDs",
        "AccessionNumber",
        "IssuerOfPatientID",
        "PatientBirthName",
        "PatientMotherBirthName",
        "PatientAddress",
        "PatientTelephoneNumbers",
        "MedicalRecordLocator",
        "AdmissionID",
        "ServiceEpisodeID",
        "RequestedProcedureID",
        "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest",
        "InstitutionName",
        "InstitutionAddress",
        "InstitutionalDepartmentName",
        "StationName",
        "DeviceSerialNumber",
        "PerformedStationName",
        "PerformedStationAETitle",
        "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers",
        "ClinicalTrialSubjectID",
        "MilitaryRank",
        "InsurancePlanIdentification",
        "GantryID",
    ]
)


def squeezed(text: str) -> str:
    """Only the letters and digits of `plain(text)`."""
    return "".join(character for character in plain(text) if character.isalnum())


@dataclass(frozen=True)
class Identifiers:
    """What must not be found in what stays.

    Parameters
    ----------
    long : frozenset of str
        Squeezed texts of four characters or more: found anywhere inside another text.
    short : frozenset of str
        Texts of two or three characters: found only as a word of their own.
    days : frozenset of datetime.date
        Birth date and days of examination: found in any usual way of writing, also with a year of two digits.
    numbers : frozenset of str
        Numbers of five digits or more without the zeros that they were written with in front.
    """

    long: frozenset[str]
    short: frozenset[str]
    days: frozenset[date] = frozenset()
    numbers: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str], names: Iterable[str] = (), dates: Iterable[date] = ()) -> Identifiers:
        """From numbers and addresses (whole), person names (every part), and dates (in the usual ways of writing)."""
        found, numbers, days = set[str](), set[str](), frozenset(dates)
        for text in texts:
            found.update(_variants(text[:LONGEST_TEXT]))
            # A number is often written without its prefix, or without the zeros in front.
            runs = re.findall(r"\d{6,}", text[:LONGEST_TEXT])
            found.update(runs)
            numbers.update(run.lstrip("0") for run in runs if run[0] == "0" and len(run.lstrip("0")) >= 5)
        for name in names:
            for group in name[:LONGEST_TEXT].split("="):
                parts = [part for part in re.split(r"[\s^,;.\\/_-]+", group) if part]
                for part in (*parts, *_joined(parts)):
                    found.update(_variants(part))
        for day in days:
            found.update(day.strftime(form) for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%y%m%d", "%d%m%y", "%m%d%y"))
        found |= numbers
        long, short = (frozenset(text for text in found if least <= len(text) < most) for least, most in ((4, LONGEST_TEXT + 1), (2, 4)))
        return cls(long, short, days, frozenset(numbers))

    def __or__(self, other: Identifiers) -> Identifiers:
        """Those of both."""
        return Identifiers(self.long | other.long, self.short | other.short, self.days | other.days, self.numbers | other.numbers)

    def named(self, text: str) -> bool:
        """Whether a text holds a longer one of them, or one of their days."""
        together = squeezed(text)
        return any(known in together for known in self.long) or bool(self.days and not self.days.isdisjoint(days_in(text)))

    def inside(self, text: str) -> bool:
        """Whether a text holds one of them, or any date."""
        if holds_date(text) or self.named(text):
            return True
        return bool(self.short) and not self.short.isdisjoint(re.findall(r"[^\W_]+", plain(text)))

    def is_number(self, number: Any) -> bool:
        """Whether a number is, digit for digit, one of them.

        Of six digits or more, so that no measurement is taken for a date; of five where the identifier has zeros in front.
        """
        text = str(number).strip()
        try:
            value = float(text)
        except ValueError:
            return self.inside(text)
        if value.is_integer() and abs(value) < 1e20:
            text = str(abs(int(value)))
        digits = "".join(character for character in text if character.isdigit())
        return digits.lstrip("0") in self.numbers or (len(digits) >= 6 and digits in self.long)


def identifiers_of(dataset: Dataset, extra: Iterable[str] = ()) -> Identifiers:
    """Identifiers that a header holds: names, numbers, places, birth date and dates of examination, at any depth.

    Parameters
    ----------
    dataset : pydicom.Dataset
    extra : iterable of str
        Names and numbers known from elsewhere.
    """
    extra = tuple(extra)
    texts, names, dates = list(extra), list(extra), list[date]()
    _collect(dataset, texts, names, dates, 0)
    return Identifiers.of(texts, names, dates)


def _collect(dataset: Dataset, texts: list[str], names: list[str], dates: list[date], depth: int) -> None:
    for tag in list(dataset.keys()):
        if tag.is_private or tag.group == 0x7FE0:
            continue
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            continue
        keyword = keyword_for_tag(tag)
        if vr not in ("PN", "SQ", "DA", "DT") and keyword not in IDENTIFYING:
            continue
        try:
            element = dataset[tag]
        except Exception:  # An element that cannot be read has no text to look for; it is removed later.
            continue
        if element.VR == "SQ":
            for item in element.value if depth < _DEEPEST else ():
                _collect(item, texts, names, dates, depth + 1)
        elif vr in ("DA", "DT"):
            dates.extend(day for day in map(parse_date, texts_of(element.value)) if day is not None)
        else:
            (names if vr == "PN" else texts).extend(texts_of(element.value))


def texts_of(value: Any) -> list[str]:
    """Values of an element as texts, whatever its VR made of them; bytes as Latin-1, without their padding. A sequence has none."""
    if value is None or isinstance(value, Sequence):
        return []
    if isinstance(value, bytes):
        return [value[:LONGEST_TEXT].decode("latin-1").strip(" \0")]
    if isinstance(value, str) or not hasattr(value, "__iter__") or hasattr(value, "components"):
        return [str(value).strip(" \0")]
    return [str(one).strip(" \0") for one in value]


def element_texts(dataset: Dataset, keyword: str) -> list[str]:
    """Values of a header's element as texts; none where it is missing, or written so that it cannot be read."""
    try:
        return texts_of(dataset[keyword].value)
    except Exception:  # pydicom raises whatever the bytes provoke.
        return []


def element_text(dataset: Dataset, keyword: str) -> str:
    """Values of a header's element as one text, as the standard joins them."""
    return "\\".join(element_texts(dataset, keyword))


def _joined(parts: list[str]) -> list[str]:
    """Two short parts of a name written as one word, in both orders; longer parts are found in any word by themselves."""
    short = [part for part in parts if len(squeezed(part)) < 4][:12]
    return [one + other for one, other in permutations(short, 2) if len(squeezed(one + other)) >= 3]


def _variants(text: str) -> set[str]:
    # Müller is also written Mueller and Muller.
    return {squeezed(text), squeezed(unicodedata.normalize("NFKC", text).casefold().translate(_GERMAN))}

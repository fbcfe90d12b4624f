"""Who a header is about, and whether a text that is to stay still says so."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset

from dawson.intake.dates import parse_date

LONGEST_TEXT = 4096
_DEEPEST = 32
# Letters that Unicode does not take apart into a letter and a mark.
_SPECIAL = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h"})
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_ANY_DATE = re.compile(
    rf"(?<!\d)(?:(?:19|20)\d{{2}}([-./ _]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])|{_DAY}[-./ ]{_DAY}[-./ ](?:19|20)\d{{2}})(?!\d)"
)
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


def plain(text: str) -> str:
    """A text without case, accents, width or ligatures, for comparison.

    Examples
    --------
    >>> plain("MÜLLER-Łukasz")
    'muller-lukasz'
    """
    # Twice: letters of special alphabets have a case only once they are plain, and folding may compose letters again.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold().translate(_SPECIAL))
    return "".join(character for character in folded if not unicodedata.combining(character))


def squeezed(text: str) -> str:
    """Only the letters and digits of `plain(text)`."""
    return "".join(character for character in plain(text) if character.isalnum())


def holds_date(text: str) -> bool:
    """Whether a text holds a calendar date with a year of four digits, in any usual order."""
    return _ANY_DATE.search(unicodedata.normalize("NFKC", text)) is not None


@dataclass(frozen=True)
class Identifiers:
    """What must not be found in what stays.

    Parameters
    ----------
    long : frozenset of str
        Squeezed texts of four characters or more: found anywhere inside another text.
    short : frozenset of str
        Texts of two or three characters: found only as a word of their own.
    """

    long: frozenset[str]
    short: frozenset[str]

    @classmethod
    def of(cls, texts: Iterable[str], names: Iterable[str] = (), dates: Iterable[date] = ()) -> Identifiers:
        """From numbers and addresses (whole), person names (every part), and dates (in the usual ways of writing)."""
        found: set[str] = set()
        for text in texts:
            found.update(_variants(text[:LONGEST_TEXT]))
            # A number is often written without its prefix.
            found.update(re.findall(r"\d{6,}", text[:LONGEST_TEXT]))
        for name in names:
            for part in re.split(r"[\s^=,;.\\/_-]+", name[:LONGEST_TEXT]):
                found.update(_variants(part))
        for day in dates:
            found.update(day.strftime(form) for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%y%m%d", "%d%m%y", "%m%d%y"))
        return cls(frozenset(text for text in found if len(text) >= 4), frozenset(text for text in found if 2 <= len(text) < 4))

    def inside(self, text: str) -> bool:
        """Whether a text holds one of them, or any date."""
        if holds_date(text):
            return True
        together = squeezed(text)
        if any(known in together for known in self.long):
            return True
        return bool(self.short) and not self.short.isdisjoint(re.findall(r"[^\W_]+", plain(text)))

    def is_number(self, number: Any) -> bool:
        """Whether a number is, digit for digit, one of them (six digits or more, so that no measurement is taken for a date)."""
        text = str(number).strip()
        try:
            value = float(text)
        except ValueError:
            return self.inside(text)
        if value.is_integer() and abs(value) < 1e20:
            text = str(abs(int(value)))
        digits = "".join(character for character in text if character.isdigit())
        return len(digits) >= 6 and digits in self.long


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
    """Values of an element as texts, whatever its VR made of them; bytes as Latin-1, without their padding."""
    if value is None:
        return []
    if isinstance(value, bytes):
        return [value[:LONGEST_TEXT].decode("latin-1").strip(" \0")]
    if isinstance(value, str) or not hasattr(value, "__iter__") or hasattr(value, "components"):
        return [str(value).strip(" \0")]
    return [str(one).strip(" \0") for one in value]


def _variants(text: str) -> set[str]:
    # Müller is also written Mueller and Muller.
    return {squeezed(text), squeezed(unicodedata.normalize("NFKC", text).casefold().translate(_GERMAN))}

"""What must not come into a study with clinical data: names, dates of birth, addresses, numbers of records; and dates of any kind."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Words of headers, in plain letters, in the languages of the centres that write them.
_WORDS = (
    "name|names|forename|forenames|firstname|lastname|surname|familyname|givenname|maiden|initials|nickname|"
    "vorname|nachname|geburtsname|nom|prenom|prénom|apellido|apellidos|nombre|cognome|nome|"
    "birth|birthday|birthdate|dob|geburtsdatum|geburtstag|naissance|nacimiento|nascita|"
    "address|street|city|town|zip|zipcode|postcode|plz|adresse|strasse|straße|wohnort|ville|direccion|indirizzo|"
    "phone|telephone|tel|mobile|cell_phone|handy|telefon|telefono|téléphone|fax|mail|email|e_mail|url|website|"
    "mrn|ssn|nhs|nhsno|chi|medical_record|record_number|hospital_number|patient_number|case_number|accession|"
    "insurance|versicherung|fallnummer|patientennummer|passport|licence_plate|ip_address|"
    "photo|physician|doctor|neurologist|arzt|contact|guardian|relative|next_of_kin"
)
_IDENTIFYING = re.compile(rf"(^|_)({_WORDS})(_|$)|name$|^이름$|^성명$|생년월일|^姓名$|出生|氏名|生年月日|فامیل|фамилия|дата_рождения")
# Words beside "name" that make it harmless: the drug's name, the scanner's name.
_HARMLESS = re.compile(r"(drug|dmt|scanner|site|sequence|protocol|assay|test|study|therapy|treatment|medication)_?name|^file_?name$")
_DATE_WORDS = re.compile(r"(^|_)(date|dates|datum|fecha|data_di|datetime|timestamp)(_|$)|date$|^日期$|날짜")
_FREE_TEXT = re.compile(r"(^|_)(comments?|notes?|remarks?|free_text|text|bemerkung|bemerkungen|anamnesis|history|report)(_|$)")

_MONTHS = "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_DATE = re.compile(
    r"^(?:"
    r"(?P<iso>\d{4}[-/.]\d{1,2}[-/.]\d{1,2})|(?P<packed>(?:19|20)\d{6})|"
    r"(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.](?:\d{4}|\d{2})|"
    rf"(?P<named>\d{{1,2}}[-. ]?\s?(?:{_MONTHS})[a-zä]*[-. ,]*\d{{2,4}}|(?:{_MONTHS})[a-zä]*\.?\s+\d{{1,2}},?\s+\d{{2,4}})|"
    rf"(?P<month>(?:0?[1-9]|1[0-2])[-/.](?:19|20)\d{{2}}|(?:19|20)\d{{2}}[-/.](?:0?[1-9]|1[0-2])|(?:{_MONTHS})[a-zä]*\.?[- ]?\d{{4}})"
    r")(?:[ T]\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?$",
    re.IGNORECASE,
)
_CONTENT = (
    ("an e-mail address", re.compile(r"[^\s@]+@[^\s@]+\.[a-z]{2,}", re.IGNORECASE)),
    ("a web or IP address", re.compile(r"https?://|\b(?:\d{1,3}\.){3}\d{1,3}\b", re.IGNORECASE)),
    ("a social security number", re.compile(r"^\d{3}-\d{2}-\d{4}$")),
    ("a health service number", re.compile(r"^\d{3} \d{3} \d{4}$")),
    ("a telephone number", re.compile(r"^\+?\(?\d{1,4}\)?[\s/-]\(?\d{2,5}\)?[\s/-]?\d{3,}([\s/-]\d{2,})*$|^\+\d{8,15}$|^0\d{9,12}$")),
    ("the number of a record", re.compile(r"^[a-z]{0,3}[-#]?\d{7,}$", re.IGNORECASE)),
    ("a name (SURNAME, Forename)", re.compile(r"^[^\W\d_][^\W\d_'’-]+,\s*[^\W\d_][^\W\d_'’-]+\.?$")),
    ("a name with its title", re.compile(r"^(mr|mrs|ms|miss|dr|prof|herr|frau|mme|sig|sra?)\.?\s+[^\W\d_]", re.IGNORECASE)),
    (
        "a street address",
        re.compile(r"\b\d{1,4}\s+\w+\s+(street|st|road|rd|avenue|ave|lane|drive)\b|\w+str(asse|aße|\.)\s*\d+", re.IGNORECASE),
    ),
    ("a British postcode", re.compile(r"^[a-z]{1,2}\d[a-z\d]?\s?\d[a-z]{2}$", re.IGNORECASE)),
)


def identifying_header(header: str) -> str:
    """Why a column may name a person or a day by its header; empty where it does not.

    Examples
    --------
    >>> identifying_header("Patient Name"), identifying_header("EDSS"), identifying_header("visit date")
    ('may name a person', '', 'holds dates')
    """
    plain = re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", header.strip()).lower()).strip("_")
    if _HARMLESS.search(plain):
        return ""
    if _IDENTIFYING.search(plain):
        return "may name a person"
    if _DATE_WORDS.search(plain):
        return "holds dates"
    return "is free text, in which anything may stand" if _FREE_TEXT.search(plain) else ""


def identifying_content(text: str) -> str:
    """What a cell of words holds that may name a person, or an empty string.

    Examples
    --------
    >>> identifying_content("j.doe@clinic.org"), identifying_content("Skyra 3T")
    ('an e-mail address', '')
    """
    return next((what for what, pattern in _CONTENT if pattern.search(text.strip())), "")


def identifying_column(cells: Sequence[str]) -> str:
    """What most of the cells of a column hold that may name a person, or an empty string; one odd cell is told with its row."""
    known = [cell for cell in cells if cell]
    found = [what for what in map(identifying_content, known) if what]
    return max(set(found), key=found.count) if found and len(found) * 2 > len(known) else ""


def date_reading(text: str) -> str:
    """How a cell reads as a date, or an empty string where it is none.

    Examples
    --------
    >>> date_reading("2020-01-31"), date_reading("03/04/2020"), date_reading("2.5")
    ('a date', 'a date that may be 3.4. or 4.3.', '')
    """
    match = _DATE.match(text.strip())
    if match is None:
        return ""
    if match["packed"]:
        month, day = int(text.strip()[4:6]), int(text.strip()[6:8])
        return "a date" if 1 <= month <= 12 and 1 <= day <= 31 else ""
    if match["first"]:
        first, second = int(match["first"]), int(match["second"])
        if max(first, second) > 31 or min(first, second) > 12 or 0 in (first, second):
            return ""
        return f"a date that may be {first}.{second}. or {second}.{first}." if max(first, second) <= 12 and first != second else "a date"
    return "a date"

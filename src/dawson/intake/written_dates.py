"""Dates in running text: in digits of any usual order, and with the name of a month."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date

# Letters that Unicode does not take apart into a letter and a mark.
_SPECIAL = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h"})
_LONGEST = 1 << 16
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_ANY_DATE = re.compile(
    r"(?<!\d)(?:"
    r"(?:19|20)\d{2}([-./ _]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    # Without a zero in front only with - and /: versions of programs are numbers with dots between.
    rf"|(?:19|20)\d{{2}}([-/])(?:0?[1-9]|1[0-2])\2{_DAY}"
    rf"|{_DAY}[-./ ]{_DAY}[-./ ](?:19|20)\d{{2}}"
    r")(?!\d)"
)
# How months begin in English, German, French, Spanish and Italian, without accents.
_MONTHS = {
    1: "jan ene gen jaen",
    2: "feb fev",
    3: "mar mrz maer",
    4: "apr avr abr",
    5: "may mai mag",
    6: "jun juin giu",
    7: "jul juil lug",
    8: "aug aou ago",
    9: "sep set",
    10: "oct okt ott",
    11: "nov",
    12: "dec dez dic",
}
_MONTH_OF = {start: month for month, starts in _MONTHS.items() for start in starts.split()}
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})[a-z]{{0,7}}"
_GAP = r"[\s.,/_-]{0,3}(?:del?\s+)?"
_WRITTEN = tuple(
    re.compile(form)
    for form in (
        rf"(?<!\d)(?P<day>{_DAY})(?:st|nd|rd|th|er|o)?{_GAP}{_MONTH}{_GAP}(?P<year>(?:19|20)\d\d|'?\d\d)(?!\d)",
        rf"{_MONTH}{_GAP}(?P<day>{_DAY})(?:st|nd|rd|th|er)?[\s.,/_-]{{0,3}}(?P<year>(?:19|20)\d\d)(?!\d)",
        rf"(?<!\d)(?P<year>(?:19|20)\d\d){_GAP}{_MONTH}{_GAP}(?P<day>{_DAY})(?!\d)",
    )
)
# Looked ahead, so that dates which share a number are both found.
_DIGITS = re.compile(r"(?<!\d)(?=(\d{1,4})[\s./_,-]{1,3}(\d{1,2})[\s./_,-]{1,3}(\d{1,4})(?!\d))")


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


def holds_date(text: str) -> bool:
    """Whether a text holds a calendar date with a year of four digits, in any usual order, its month in digits or by its name.

    Examples
    --------
    >>> holds_date("scan of 3. März 2011"), holds_date("1970-1-12"), holds_date("version 4.1.12")
    (True, True, False)
    """
    if _ANY_DATE.search(unicodedata.normalize("NFKC", text)) is not None:
        return True
    return any(len(year) == 4 for _, _, year in _with_months(text))


def days_in(text: str) -> set[date]:
    """Every day that a text may mean, whichever of its numbers is day, month or year, a year of two digits in this century and the last.

    Examples
    --------
    >>> date(1970, 1, 12) in days_in("coil of 12.1.70"), date(2009, 5, 3) in days_in("3 mai 09")
    (True, True)
    """
    found = set()
    for day, month, year in [*_with_months(text), *_in_digits(text)]:
        for century in ("",) if len(year) == 4 else ("19", "20"):
            try:
                found.add(date(int(century + year), int(month), int(day)))
            except ValueError:
                continue
    return found


def _with_months(text: str) -> Iterator[tuple[str, str, str]]:
    """Day, month and year of dates whose month is a word."""
    if not any(character.isdigit() for character in text[:_LONGEST]):
        return
    simple = plain(text[:_LONGEST])
    for form in _WRITTEN:
        for match in form.finditer(simple):
            yield match["day"], str(_MONTH_OF[match["month"]]), match["year"].lstrip("'")


def _in_digits(text: str) -> Iterator[tuple[str, str, str]]:
    """Day, month and year of three numbers with signs between them, read in each usual order."""
    for match in _DIGITS.finditer(unicodedata.normalize("NFKC", text[:_LONGEST])):
        one, two, three = match.groups()
        if len(three) in (2, 4) and len(one) <= 2:
            yield one, two, three
            yield two, one, three
        if len(one) in (2, 4) and len(three) <= 2:
            yield three, two, one

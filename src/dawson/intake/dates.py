"""Dates of a header: read, moved by whole days, and times of day made coarse."""

from __future__ import annotations

import re
from datetime import date, timedelta

_DATE = re.compile(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})(\d{2})?")
_TIME = re.compile(r"([01]\d|2[0-3])")


def parse_date(text: str) -> date | None:
    """The day of a DA or DT value (also `YYYY.MM.DD` of older files); None where it names no day of the calendar."""
    found = _DATE.match(text.strip(" \0")[:32])
    if not found:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def whole_date(text: str) -> date | None:
    """The day that a text is, and nothing more; None for any other text."""
    found = _DATE.fullmatch(text.strip())
    return parse_date(text) if found and not found[4] else None


def moved_date(text: str, days: int) -> str | None:
    """A DA value moved by whole days; None where it names no day, before or after."""
    day = _moved(text, days)
    return day.strftime("%Y%m%d") if day else None


def moved_datetime(text: str, days: int) -> str | None:
    """A DT value moved by whole days, its time cut to the hour and its time zone left out; None where it names no day."""
    day = _moved(text, days)
    if day is None:
        return None
    hour = _DATE.match(text.strip(" \0")[:32])[4]  # type: ignore[index]
    return day.strftime("%Y%m%d") + (coarse_time(hour) or "" if hour else "")


def coarse_time(text: str) -> str | None:
    """A TM value cut to the hour (`142233.5` to `140000`); None where it is no time."""
    found = _TIME.match(text.strip(" \0"))
    return f"{found[1]}0000" if found else None


def _moved(text: str, days: int) -> date | None:
    day = parse_date(text)
    if day is None or day.year < 1900:
        return None
    return day + timedelta(days=days)


def years_between(birth: date, day: date) -> int:
    """Whole years of age at a day."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))

"""Single values of a header that may say anything: what cannot be understood is missing, and says nothing of the rest."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

LONGEST_TEXT = 256


def items_of(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; none where it is missing or no sequence."""
    try:
        return list(dataset.get(keyword) or [])
    except Exception:
        return []


def value_of(dataset: Dataset, keyword: str) -> Any:
    """A value, or None where it is missing or cannot be understood: one bad element says nothing of the others."""
    try:
        return dataset.get(keyword)
    except Exception:
        return None


def texts_of(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """Values as text, without what does not print; at most 64, each of at most 256 characters."""
    value = value_of(dataset, keyword)
    if value is None:
        return ()
    parts = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    try:
        return tuple(text for part in list(parts)[:64] if (text := clean_text(str(part))))
    except Exception:
        return ()


def text_of(dataset: Dataset, keyword: str) -> str:
    """Values as one text, as the standard joins them."""
    return "\\".join(texts_of(dataset, keyword))[:LONGEST_TEXT]


def clean_text(text: str) -> str:
    """A text without what does not print."""
    return "".join(character for character in text[:LONGEST_TEXT] if character.isprintable()).strip()


def numbers_of(dataset: Dataset, keyword: str, count: int = 0) -> tuple[float, ...]:
    """Finite numbers; none where one is not, or there are fewer than `count`."""
    try:
        found = tuple(float(text) for text in texts_of(dataset, keyword))
    except ValueError:
        return ()
    if not all(math.isfinite(value) and abs(value) < 1e9 for value in found) or len(found) < count:
        return ()
    return found[:count] if count else found


def whole_of(dataset: Dataset, keyword: str) -> int | None:
    """The first value as a whole number."""
    found = numbers_of(dataset, keyword)
    return int(found[0]) if found else None


def positive(value: float | None) -> float | None:
    """A number above 0, else None: headers write 0 for what does not apply."""
    return value if value is not None and value > 0 else None


def within(value: float | None, least: float, most: float) -> float | None:
    """A number that a scanner could have written, to a thousandth; None for any other, which may be something else in disguise."""
    return round(value, 3) if value is not None and least <= value <= most else None


def plain_number(text: str) -> str:
    """A patient number or issuer as the pseudonyms see it: case, width, blanks around it and what does not print make no difference."""
    return unicodedata.normalize("NFKC", clean_text(text)).strip().casefold()


def is_date(text: str) -> bool:
    """Whether it is a day from 1900 on, as YYYYMMDD."""
    try:
        return len(text) == 8 and date(int(text[:4]), int(text[4:6]), int(text[6:])).year >= 1900
    except ValueError:
        return False

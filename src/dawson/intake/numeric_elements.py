"""Numbers of a header that are numbers: of the kind and count that the standard says, and no text in the bytes of one."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from typing import Any

from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dawson.intake.identifiers import Identifiers, texts_of
from dawson.intake.private_elements import BINARY, numbers

_SEARCHED_BYTES = 1 << 16
# Up to here single precision holds every whole number.
_WHOLE_IN_SINGLE = 1 << 24
_PRINTABLE = re.compile(rb"[\x20-\x7e]{4,}")
# No measurement is as small or as large; the bytes of most texts, read as a number, are.
_PLAUSIBLE = {"FD": (1e-40, 1e40), "FL": (1e-20, 1e20)}
# Between these a number whose bytes all happen to be letters is still a number.
_ORDINARY = (1e-9, 1e9)


def fits(count: int, multiplicity: str) -> bool:
    """Whether a number of values is one that a value multiplicity of PS3.6 allows (`1`, `1-3`, `1-n`, `2-2n`, `1-n or 1`).

    Examples
    --------
    >>> fits(4, "2-2n"), fits(3, "2-2n"), fits(2, "1")
    (True, False, False)
    """
    for part in multiplicity.split(" or "):
        least, _, most = part.partition("-")
        if not most:
            most = least
        if most.endswith("n"):
            if count >= int(least) and count % int(most[:-1] or 1) == 0:
                return True
        elif int(least) <= count <= int(most):
            return True
    return False


def measured(
    element: DataElement, vr: str, multiplicity: str, *, little_endian: bool, identifiers: Identifiers, encodings: Iterable[str] = ()
) -> list[Any] | None:
    """Values of an element that is to hold numbers; None where it holds something else, however its bytes can be read.

    Parameters
    ----------
    element : DataElement
    vr, multiplicity : str
        What its values must be, and how many: of the data dictionary, or of the allow-list of private elements.
    little_endian : bool
        Byte order of the data set.
    identifiers : Identifiers
        What no value may be, and its bytes may not spell.
    encodings : iterable of str
        Encodings that the header declares, as Python names them.
    """
    if vr == "OW":
        return None
    if element.VR == "AT" or vr == "AT":
        return _tags(element, vr, multiplicity)
    values = numbers(element, vr, little_endian)
    if values is None or any(identifiers.is_number(value) for value in values):
        return None
    if vr == "FL" and any(identifiers.is_number(whole) for value in values for whole in _same_in_single_precision(value)):
        return None
    # Several values where the standard has one are no reason to lose what a scanner wrote in digits.
    digits = vr == element.VR and vr in ("DS", "IS") and element.tag.is_private is False
    if not digits and not fits(len(values), multiplicity):
        return None
    return None if _spells(element, vr, little_endian, identifiers, encodings) else values


def _same_in_single_precision(value: float) -> Iterable[int]:
    """Whole numbers of eight or nine digits that single precision turns into this one: a day is two or four off in it."""
    if not _WHOLE_IN_SINGLE < abs(value) < 8 * _WHOLE_IN_SINGLE:
        return ()
    step = 2 ** (math.frexp(value)[1] - 24)
    return range(int(abs(value)) - step // 2, int(abs(value)) + step // 2 + 1)


def number_of(element: DataElement) -> tuple[str, str]:
    """VR and value multiplicity that the dictionary gives to a public element of numbers; `OW` for tables of words written as such."""
    vr = dictionary_VR(element.tag)
    if " or " in vr:
        vr = element.VR if element.VR in ("US", "SS", "OW") else "US"
    return vr, dictionary_VM(element.tag)


def encodings_of(dataset: Dataset) -> tuple[str, ...]:
    """Encodings that a header declares, as Python names them; none where it declares nonsense."""
    try:
        return tuple(dict.fromkeys(convert_encodings(texts_of(dataset[0x00080005].value))))
    except Exception:  # Missing, or no encoding that exists.
        return ()


def _tags(element: DataElement, vr: str, multiplicity: str) -> list[Any] | None:
    if element.VR != "AT" or vr != "AT" or isinstance(element.value, bytes):
        return None
    values = list(element.value) if element.VM > 1 else [element.value]
    known = all(isinstance(value, int) and dictionary_has_tag(value) for value in values)
    return values if known and fits(len(values), multiplicity) else None


def _spells(element: DataElement, vr: str, little_endian: bool, identifiers: Identifiers, encodings: Iterable[str]) -> bool:
    """Whether the bytes of a binary number are a text."""
    order, value = "<" if little_endian else ">", element.value
    kind = element.VR if element.VR in BINARY else vr
    if kind not in BINARY:
        return False
    if isinstance(value, bytes):
        content = value
    elif element.VR in BINARY:
        listed = list(value) if element.VM > 1 else [value]
        try:
            content = struct.pack(f"{order}{len(listed)}{BINARY[kind]}", *listed)
        except (struct.error, OverflowError):
            return True
    else:
        return False
    return _is_text(content, kind, order) or _names(content[:_SEARCHED_BYTES], identifiers, encodings)


def _is_text(content: bytes, kind: str, order: str) -> bool:
    if kind in ("US", "SS"):
        return _PRINTABLE.fullmatch(content.strip(b"\0")) is not None
    size = struct.calcsize(BINARY[kind])
    least, most = _PLAUSIBLE.get(kind, (0.0, math.inf))
    for start in range(0, len(content) - size + 1, size):
        one = content[start : start + size]
        (number,) = struct.unpack(f"{order}{BINARY[kind]}", one)
        if not math.isfinite(number) or (number and not least <= abs(number) <= most):
            return True
        ordinary = kind in _PLAUSIBLE and _ORDINARY[0] <= abs(number) <= _ORDINARY[1]
        if not ordinary and _PRINTABLE.fullmatch(one.strip(b"\0")):
            return True
    # Numbers in a row whose bytes are all letters are a text, as ordinary as each may be.
    return len(content) >= 2 * size and _PRINTABLE.fullmatch(content.strip(b"\0")) is not None


def _names(content: bytes, identifiers: Identifiers, encodings: Iterable[str]) -> bool:
    if len(content.strip(b"\0")) < 4:
        return False
    return any(identifiers.named(content.decode(encoding, "ignore")) for encoding in {"latin-1", "utf-8", "utf-16-le", *encodings})

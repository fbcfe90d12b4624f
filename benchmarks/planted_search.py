"""What is left of planted identifiers in a file, and what is kept of its measurement."""

from __future__ import annotations

import io
import itertools
import struct
import warnings
from collections.abc import Iterable
from typing import Any

from planted_identifiers import Planted
from pydicom import dcmread
from pydicom.dataset import Dataset

SEARCHED_ENCODINGS = ("utf-8", "latin-1", "cp1251", "iso8859-5", "iso2022_jp", "euc_jp", "shift_jis", "gb18030", "utf-16-le", "utf-16-be")


def forms(text: str) -> set[bytes]:
    """A text as lower-case bytes in every encoding that is searched, with and without the blanks and carets between its parts."""
    found = set()
    for written in {text, text.replace("^", " "), text.replace("-", "")}:
        # Bytes have no case beyond ASCII: the other alphabets are tried in each case.
        for cased, encoding in itertools.product({written, written.lower(), written.upper(), written.title()}, SEARCHED_ENCODINGS):
            try:
                encoded = cased.encode(encoding).lower()
            except UnicodeEncodeError:
                continue
            if len(encoded) >= 4:
                found.add(encoded)
    if text.isdigit() and 6 <= len(text) <= 9 and int(text) < 2**32:
        found.add(struct.pack("<I", int(text)))
    return found


def decoded(content: bytes) -> str:
    """Everything that a reader sees of a file: every element's value at any depth, lower case."""
    texts: list[str] = []

    def collect(data: Dataset) -> None:
        for element in data:
            if element.VR == "SQ":
                for item in element.value:
                    collect(item)
            elif element.tag != 0x7FE00010:
                texts.append(element.value.decode("latin-1") if isinstance(element.value, bytes) else str(element.value))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = dcmread(io.BytesIO(content), force=True)
        collect(data.file_meta)
        collect(data)
    return "\n".join(texts).lower()


def found_in(content: bytes, needles: Iterable[str], seen: str | None = None) -> list[str]:
    """Which of the texts are left in a file: searched in its bytes, case apart, in every encoding, and in its decoded values."""
    lowered, values = content.lower(), decoded(content) if seen is None else seen
    return [needle for needle in needles if any(form in lowered for form in forms(needle)) or needle.lower() in values]


def texts_left(planted: Planted, content: bytes, file_name: str) -> set[str]:
    """Planted texts that are still in the file or its name; a date that was planted in many places counts once."""
    return {planted.places[place] for place in places_left(planted, content, file_name)}


def places_left(planted: Planted, content: bytes, file_name: str) -> list[str]:
    """Places whose planted text is still in the file or its name."""
    seen = decoded(content)
    left = [place for place, text in planted.places.items() if place != "file name" and found_in(content, [text], seen)]
    return left + (["file name"] if planted.places["file name"].lower() in file_name.lower() else [])


def elements_kept(planted: Planted, data: Dataset) -> list[str]:
    """Paths of the elements to keep whose value is as it was."""
    return [path for path, value in planted.kept.items() if _same(_value_at(data, path), value)]


def _value_at(data: Dataset, path: str) -> Any:
    if path.startswith("("):
        group, offset = int(path[1:5], 16), int(path[8:10], 16)
        return next(
            (
                element.value
                for element in data
                if element.tag.group == group and element.tag.element > 0xFF and element.tag.element & 0xFF == offset
            ),
            None,
        )
    *outer, keyword = path.split("/")
    for name in outer:
        items = data.get(name)
        if not items:
            return None
        data = items[0]
    return data.get(keyword)


def _same(found: Any, value: Any) -> bool:
    if found is None:
        return False
    if isinstance(value, bytes):
        return bytes(found)[: len(value)] == value
    if isinstance(value, list):
        return len(value) == len(found) and all(_same(one, other) for one, other in zip(found, value, strict=True))
    return float(found) == float(value) if isinstance(value, int | float) else str(found) == str(value)

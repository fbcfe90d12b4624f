"""The private elements that stay, read from `private_elements.toml`."""

from __future__ import annotations

import re
import struct
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

NUMERIC_VRS = frozenset({"DS", "IS", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
BINARY = {"FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}


@dataclass(frozen=True)
class AllowedElement:
    """One private element of the allow-list.

    Parameters
    ----------
    creator : str
        Text of the private creator element that reserves its block.
    group, offset : int
        Group, and the last two hexadecimal digits of the element.
    vr : str
        The VR that its value must have; numeric.
    vm : str
        How many values it may have.
    name, reason, source : str
        What it is, why it stays, who says what it is.
    most : float
        No value may be larger in size: dates, patient numbers and times of day are, written as numbers.
    """

    creator: str
    group: int
    offset: int
    vr: str
    vm: str
    name: str
    reason: str
    source: str
    most: float = 1e6


@cache
def allow_list() -> Mapping[tuple[str, int, int], AllowedElement]:
    """Private elements that stay, by creator, group and offset."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    allowed = {}
    for block in content["creator"]:
        for entry in block["elements"]:
            element = AllowedElement(creator=block["name"], group=block["group"], **{"vm": "1", **entry})
            if element.vr not in NUMERIC_VRS or not element.group & 1:
                raise ValueError(f"private_elements.toml: {element.name} is no numeric private element")
            allowed[element.creator, element.group, element.offset] = element
    return allowed


def creator_of(dataset: Dataset, tag: BaseTag) -> str:
    """The private creator that reserves the block of a private element; empty where there is none."""
    try:
        return str(dataset[tag.group << 16 | tag.element >> 8].value).strip(" \0")
    except Exception:  # Whatever a broken header makes the reader raise, there is no creator.
        return ""


def allowed(dataset: Dataset, tag: BaseTag) -> AllowedElement | None:
    """The entry of the allow-list that a private element of `dataset` matches, by its creator."""
    if not tag.is_private or tag.element < 0x1000:
        return None
    return allow_list().get((creator_of(dataset, tag), tag.group, tag.element & 0xFF))


def numbers(element: DataElement, vr: str, little_endian: bool = True) -> list[Any] | None:
    """Values of an element as numbers of `vr`, reading bytes of an unknown VR; None where they are no such numbers.

    Parameters
    ----------
    element : DataElement
    vr : str
        A numeric VR.
    little_endian : bool
        Byte order of the data set, for values that the reader left as bytes.
    """
    value = element.value
    if isinstance(value, bytes):
        value = _unpacked(value, vr, little_endian)
    elif isinstance(value, str):
        value = value.split("\\")
    elif not isinstance(value, list | tuple) and not hasattr(value, "__iter__"):
        value = [value]
    if value is None:
        return None
    try:
        texts = [str(one).strip(" \0") for one in value]
    except TypeError:
        return None
    # `float` also takes nan, inf and 1_000: names, or parts of one.
    if not texts or not all(len(text) <= 32 and _NUMBER.fullmatch(text) for text in texts):
        return None
    if vr in ("DS", "IS"):
        return texts
    return _packable([float(text) for text in texts] if vr in ("FD", "FL") else texts, vr)


def _packable(values: list[Any], vr: str) -> list[Any] | None:
    """Values as numbers that fit into the bytes of a binary VR; None where they do not."""
    try:
        fitting = [one if isinstance(one, float) else int(one) for one in values]
        struct.pack(f"<{len(fitting)}{BINARY[vr]}", *fitting)
    except (ValueError, OverflowError, struct.error):
        return None
    return fitting


def _unpacked(content: bytes, vr: str, little_endian: bool) -> list[Any] | None:
    if vr in ("DS", "IS"):
        try:
            return content.decode("ascii").rstrip(" \0").split("\\")
        except UnicodeDecodeError:
            return None
    code = BINARY[vr]
    if not content or len(content) % struct.calcsize(code):
        return None
    return list(struct.unpack(f"{'<' if little_endian else '>'}{len(content) // struct.calcsize(code)}{code}", content))

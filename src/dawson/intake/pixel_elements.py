"""Elements of group 7FE0: pixels as they are where they can be the image that the header describes, and nothing behind them."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

PIXEL_DATA = 0x7FE00010
_OFFSETS, _LENGTHS = 0x7FE00001, 0x7FE00002
# Bits of a pixel by element. Where other numbers of bits are packed, no one can say from outside where the picture ends.
_BITS = {PIXEL_DATA: (8, 16, 32), 0x7FE00008: (32,), 0x7FE00009: (64,)}


def end_of_picture(dataset: Dataset, tag: int = PIXEL_DATA) -> int | None:
    """Bytes of an uncompressed picture by its rows, columns and bits, even; None where too little is known, or it is compressed.

    Parameters
    ----------
    dataset : pydicom.Dataset
    tag : int
        The element with the pixels: integers, floats (7FE0,0008) or doubles (7FE0,0009).
    """
    try:
        if dataset.file_meta.TransferSyntaxUID.is_compressed:
            return None
        frames, samples = (int(dataset.get(name) or 1) for name in ("NumberOfFrames", "SamplesPerPixel"))
        bits = int(dataset.BitsAllocated)
        if bits not in _BITS[tag]:
            return None
        size = int(dataset.Rows) * int(dataset.Columns) * frames * samples * (bits // 8)
    except Exception:  # Missing, or no numbers.
        return None
    return size + (size & 1) if size > 0 else None


def picture(dataset: Dataset, element: DataElement, little_endian: bool) -> tuple[Any, str]:
    """What stays of an element with pixels or about them.

    Parameters
    ----------
    dataset : pydicom.Dataset
    element : pydicom.DataElement
        Of `PIXELS`.
    little_endian : bool
        Byte order of the data set.

    Returns
    -------
    value
        Of the element; None where it is no part of the image, and goes.
    note : str
        What was removed, empty where nothing was.
    """
    tag, content = int(element.tag), element.value
    name = f"({element.tag.group:04X},{element.tag.element:04X}) {element.keyword}"
    if tag in (_OFFSETS, _LENGTHS):
        right = isinstance(content, bytes) and _is_table(dataset, tag, content, little_endian)
        return (content, "") if right else (None, f"{name}: does not belong to the image; removed")
    end = end_of_picture(dataset, tag)
    if tag != PIXEL_DATA and (end is None or not isinstance(content, bytes) or len(content) < end or PIXEL_DATA in dataset):
        return None, f"{name}: does not belong to the image; removed"
    if end is not None and isinstance(content, bytes) and end < len(content):
        return content[:end], f"{name}: bytes after the last pixel; removed"
    return content, ""


def _is_table(dataset: Dataset, tag: int, content: bytes, little_endian: bool) -> bool:
    """Whether bytes are the offsets, from 0 upwards, or the lengths of the frames of compressed pixels."""
    try:
        frames, whole = int(dataset.get("NumberOfFrames") or 1), len(dataset[PIXEL_DATA].value)
        compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
        numbers = struct.unpack(f"{'<' if little_endian else '>'}{frames}Q", content)
    except Exception:  # Missing, no numbers, or too few or many of them.
        return False
    if tag == _LENGTHS:
        return compressed and all(numbers) and sum(numbers) <= whole
    rising = all(one < other for one, other in pairwise(numbers))
    return compressed and numbers[0] == 0 and rising and numbers[-1] < whole

"""What happens to each public element: DICOM PS3.15 table E.1-1 under a thin layer of ours (`profile.toml`).

The table (edition 2026c) comes with dicom-anonymizer; it says what is to go. What it does not name stays only where it cannot carry free
text: the layer is a list of what is kept, not of what is known to be bad.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.tag import BaseTag, Tag

TABLE_EDITION = "2026c"
NUMERIC = frozenset({"DS", "IS", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "AT", "US or SS", "US or OW", "US or SS or OW"})
TEXT = frozenset({"AE", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT", "PN"})
PIXELS = frozenset({0x7FE00001, 0x7FE00002, 0x7FE00008, 0x7FE00009, 0x7FE00010})


class Action(StrEnum):
    """What is done with an element."""

    KEEP = "kept"
    CODE = "kept where its coding scheme is a standard one"
    WALK = "cleaned item by item"
    DATE = "moved by the patient's shift"
    TIME = "cut to the hour"
    UID = "replaced by a keyed UID"
    PSEUDONYM = "replaced by the pseudonym"
    AGE = "whole years, 90 for more than 89"
    SEX = "kept if it is M, F or O"
    SIZE = "kept if asked for"
    LABEL = "replaced by a label of a closed list"
    CONTRAST = "says only whether there was an agent"
    STAMP = "written anew"
    EMPTY = "emptied"
    DUMMY = "replaced by a dummy"
    REMOVE = "removed"


_OWN = {
    "PatientID": Action.PSEUDONYM,
    "PatientName": Action.PSEUDONYM,
    "PatientAge": Action.AGE,
    "PatientSex": Action.SEX,
    "PatientSize": Action.SIZE,
    "PatientWeight": Action.SIZE,
    "SeriesDescription": Action.LABEL,
    "StudyDescription": Action.LABEL,
    "ProtocolName": Action.LABEL,
    "ContrastBolusAgent": Action.CONTRAST,
    "PatientIdentityRemoved": Action.STAMP,
    "DeidentificationMethod": Action.STAMP,
    "DeidentificationMethodCodeSequence": Action.STAMP,
    "LongitudinalTemporalInformationModified": Action.STAMP,
    "RecognizableVisualFeatures": Action.STAMP,
    "SpecificCharacterSet": Action.REMOVE,
}


@cache
def settings() -> Mapping[str, Any]:
    """Content of `profile.toml`, its lists as sets."""
    content = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    return {name: frozenset(value) if isinstance(value, list) else value for name, value in content.items()}


@cache
def table() -> Mapping[int, str]:
    """Basic Profile column of table E.1-1, by tag: X, Z, D, U, X/Z, X/D, X/Z/D, Z/D, X/Z/U*."""
    from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as edition

    names = {"D": "D", "Z": "Z", "X": "X", "U": "U", "Z_D": "Z/D", "X_Z": "X/Z", "X_D": "X/D", "X_Z_D": "X/Z/D", "X_Z_U_STAR": "X/Z/U*"}
    # Entries of four numbers are the repeating groups of curves and overlays; `action_of` removes those groups whole.
    return {Tag(entry): code for name, code in names.items() for entry in getattr(edition, f"{name}_TAGS") if len(entry) == 2}


@cache
def action_of(tag: int) -> Action:
    """What is done with a public element, by its tag.

    Parameters
    ----------
    tag : int
        Tag of a public element; private ones are ruled by `private_elements`.
    """
    try:
        vr, keyword = dictionary_VR(tag), keyword_for_tag(tag)
    except KeyError:
        return Action.REMOVE
    layer, tag = settings(), BaseTag(tag)
    if keyword in _OWN:
        return _OWN[keyword]
    if keyword in layer["dates"]:
        return Action.DATE
    if keyword in layer["times"]:
        return Action.TIME
    if code := table().get(tag):
        return _of_table(code, vr, keyword in layer["required"])
    if tag in PIXELS:
        return Action.KEEP
    if keyword in layer["codes"]:
        return Action.CODE
    refused = Action.EMPTY if keyword in layer["required"] else Action.REMOVE
    if (
        tag.group not in layer["groups"]
        or (tag.group == 0x0040 and tag.element < layer["group_0040_from"])
        or vr in ("DA", "DT", "TM", "AS")
    ):
        return refused
    if vr == "SQ":
        return Action.WALK
    if vr == "UI":
        return Action.UID
    return Action.KEEP if vr in NUMERIC or vr == "CS" or keyword in layer["texts"] else refused


def _of_table(code: str, vr: str, required: bool) -> Action:
    if code == "U":
        return Action.UID
    if code == "X/Z/U*":
        return Action.WALK
    if code in ("Z", "Z/D"):
        return Action.EMPTY
    if code == "D":
        return Action.DUMMY if vr in TEXT else Action.REMOVE
    # X, and X/Z, X/D, X/Z/D: "X unless Z or D is required to maintain IOD conformance".
    return Action.EMPTY if required and code != "X" else Action.REMOVE


def keeps(keyword: str) -> bool:
    """Whether the profile keeps the value of a public element as it is, if no identifier is found in it.

    Examples
    --------
    >>> keeps("RepetitionTime"), keeps("DeviceSerialNumber")
    (True, False)
    """
    tag = tag_for_keyword(keyword)
    return tag is not None and action_of(tag) in (Action.KEEP, Action.CODE)

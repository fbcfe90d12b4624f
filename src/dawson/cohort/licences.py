"""Licences for data: what each lets a recipient do, so that consent can be asked for exactly that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dawson.errors import CohortError


@dataclass(frozen=True)
class Licence:
    """A licence of an export.

    Parameters
    ----------
    identifier : str
        SPDX identifier, or LicenseRef-NAME for a text of one's own.
    name, url : str
    commercial : bool
        Recipients may use the data commercially.
    passes_on : bool
        Recipients may give the data to anybody: the data are public then, whoever gets them first.
    text : str
        The licence's own text, where it came as a file.
    """

    identifier: str
    name: str
    url: str = ""
    commercial: bool = False
    passes_on: bool = False
    text: str = ""


_CREATIVE_COMMONS = "https://creativecommons.org/licenses/{}/4.0/legalcode"
_OPEN_DATA = "https://opendatacommons.org/licenses/{}/"

LICENCES: dict[str, Licence] = {
    item.identifier: item
    for item in (
        Licence("CC0-1.0", "Creative Commons Zero 1.0", "https://creativecommons.org/publicdomain/zero/1.0/legalcode", True, True),
        Licence("CC-BY-4.0", "Creative Commons Attribution 4.0", _CREATIVE_COMMONS.format("by"), True, True),
        Licence("CC-BY-SA-4.0", "Creative Commons Attribution Share Alike 4.0", _CREATIVE_COMMONS.format("by-sa"), True, True),
        Licence("CC-BY-ND-4.0", "Creative Commons Attribution No Derivatives 4.0", _CREATIVE_COMMONS.format("by-nd"), True, True),
        Licence("CC-BY-NC-4.0", "Creative Commons Attribution Non Commercial 4.0", _CREATIVE_COMMONS.format("by-nc"), False, True),
        Licence(
            "CC-BY-NC-SA-4.0",
            "Creative Commons Attribution Non Commercial Share Alike 4.0",
            _CREATIVE_COMMONS.format("by-nc-sa"),
            False,
            True,
        ),
        Licence(
            "CC-BY-NC-ND-4.0",
            "Creative Commons Attribution Non Commercial No Derivatives 4.0",
            _CREATIVE_COMMONS.format("by-nc-nd"),
            False,
            True,
        ),
        Licence("PDDL-1.0", "Open Data Commons Public Domain Dedication and License 1.0", _OPEN_DATA.format("pddl/1-0"), True, True),
        Licence("ODC-By-1.0", "Open Data Commons Attribution License 1.0", _OPEN_DATA.format("by/1-0"), True, True),
        Licence("ODbL-1.0", "Open Data Commons Open Database License 1.0", _OPEN_DATA.format("odbl/1-0"), True, True),
    )
}
_OWN = re.compile(r"^LicenseRef-[A-Za-z0-9.-]+$")
_LONGEST_TEXT = 1 << 20


def find_licence(given: str) -> Licence:
    """A licence by its SPDX identifier, by a LicenseRef- name of an agreement, or from a text file.

    Parameters
    ----------
    given : str
        Such as ``CC-BY-NC-4.0`` (letter case does not matter), ``LicenseRef-DUA-2026-04`` or the path of a text.

    Returns
    -------
    Licence
        One from a file or an agreement is taken to allow neither commercial use nor passing on.

    Raises
    ------
    CohortError
        It is none of these.

    Examples
    --------
    >>> find_licence("cc-by-4.0").commercial
    True
    """
    by_lower = {name.lower(): licence for name, licence in LICENCES.items()}
    if found := by_lower.get(given.strip().lower()):
        return found
    if _OWN.match(given):
        return Licence(given, f"The agreement {given.removeprefix('LicenseRef-')}")
    path = Path(given)
    if path.is_file():
        try:
            text = path.read_bytes()[:_LONGEST_TEXT].decode("utf-8-sig")
        except UnicodeDecodeError:
            raise CohortError(f"{path} is no UTF-8 text.", "Give the licence as a text file.") from None
        label = re.sub(r"[^A-Za-z0-9.-]+", "-", path.stem).strip("-.") or "own"
        return Licence(f"LicenseRef-{label}", path.stem, text=text)
    raise CohortError(
        f"{given} is no licence for data that is known here.",
        f"Known: {', '.join(LICENCES)}. Or give LicenseRef-NAME for an agreement, or the path of a text file.",
    )


def licence_text(licence: Licence, name: str) -> str:
    """The file LICENSE of an export."""
    if licence.text:
        return licence.text.rstrip() + "\n"
    where = f"The full text is at {licence.url}\n" if licence.url else "Its text is with the parties; ask the sender for it.\n"
    return f"{name}\n\nSPDX-License-Identifier: {licence.identifier}\n\n{licence.name}.\n{where}"

"""What a search for remaining identifiers reports, shown so that the report itself gives nothing away."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

Severity = Literal["high", "medium", "low"]
Kind = Literal[
    "name",
    "date",
    "number",
    "serial",
    "place",
    "description",
    "comment",
    "private",
    "age",
    "uid",
    "pixels",
    "face",
    "path",
    "contact",
    "unread",
    "link",
    "header",
]
_ORDER = {"high": 0, "medium": 1, "low": 2}


@dataclass(frozen=True)
class Finding:
    """Something in a file that may tell who a person is.

    Parameters
    ----------
    file : Path
        The file; the first one where many of a folder have the same.
    where : str
        Element, field, column or line.
    kind : str
        What it is: a name, date, number, serial number, place, description, comment, private element, age, UID, something in the pixels, a
        face, a path, a contact, a header of the file, a link, or a file that could not be read.
    shown : str
        The value, masked: its first letter, its length, nothing more.
    severity : {"high", "medium", "low"}
        High: names a person or nearly does. Medium: free text or numbers that may. Low: worth a look.
    fix : str
        What to do about it.
    files : int
        How many files of the folder have it.
    """

    file: Path
    where: str
    kind: Kind
    shown: str
    severity: Severity
    fix: str
    files: int = 1

    def __str__(self) -> str:
        many = f" (and {self.files - 1} more files)" if self.files > 1 else ""
        return f"{self.severity}: {self.file}{many}: {self.where}: {self.kind} {self.shown}. {self.fix}".strip()


def masked(value: str) -> str:
    """A value that cannot be read back: the first letter or digit, stars, and how long it was.

    Examples
    --------
    >>> masked("Yamashiro^Tarohiko")
    'Y*** (18 characters)'
    >>> masked("")
    '(empty)'
    """
    text = " ".join(value.split())
    if not text:
        return "(empty)"
    if len(text) < 4:
        return f"*** ({len(text)} characters)"
    return f"{text[0] if text[0].isalnum() else '*'}*** ({len(text)} characters)"


@dataclass
class Findings:
    """Findings, the same one in many files of a folder counted once; bounded whatever the folder holds.

    Parameters
    ----------
    most : int
        Different findings that are kept; one more says that there were more.
    """

    most: int = 10_000
    _found: dict[tuple[str, str, str, bytes], Finding] = field(default_factory=dict)
    _last: dict[tuple[str, str, str, bytes], Path] = field(default_factory=dict)
    _left_out: int = 0

    def add(self, finding: Finding, value: str = "") -> None:
        """Add a finding; `value`, in full, tells equal findings from others (without it no two are equal) and is kept as a digest only."""
        told = (value or str(finding.file)).encode("utf-8", "replace")
        key = (str(finding.file.parent), finding.where, finding.kind, hashlib.blake2b(told, digest_size=8).digest())
        if key in self._found:
            if self._last[key] != finding.file:
                self._found[key] = replace(self._found[key], files=self._found[key].files + 1)
            self._last[key] = finding.file
        elif len(self._found) < self.most:
            self._found[key], self._last[key] = finding, finding.file
        else:
            self._left_out += 1

    def __iter__(self) -> Iterator[Finding]:
        yield from sorted(self._found.values(), key=lambda one: (_ORDER[one.severity], str(one.file), one.where))

    def as_list(self, folder: Path) -> list[Finding]:
        """All of them, worst first; the last one says how many were left out."""
        listed = list(self)
        if self._left_out:
            listed.append(
                Finding(folder, "", "unread", f"{self._left_out} more findings", "high", "Clean what is listed, then search again.")
            )
        return listed

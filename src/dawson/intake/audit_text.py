"""Searching text, tables and JSON for what may tell who a person is."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from dawson.intake.descriptors import labels
from dawson.intake.findings import Finding, Findings, Kind, Severity, masked
from dawson.intake.identifiers import Identifiers
from dawson.intake.profile import Action, action_of, settings
from dawson.intake.written_dates import holds_date

LARGEST_JSON = 32 << 20
LONGEST_LINE = 1 << 20
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+")
_PHONE = re.compile(r"(?<![\w.])\+\d[\d ()/-]{7,18}\d")
_LONG_NUMBER = re.compile(r"(?<![\d.])\d{7,}(?!\d|\.\d)")
_COLUMNS: tuple[tuple[str, Kind, Severity], ...] = (
    (r"birth|\bdob\b|geburt|naissance|nacimiento", "date", "high"),
    (r"(?<!file)(?<!site)(?<!scanner)name$|^name|surname|vorname|nachname|firstname|lastname|initials", "name", "high"),
    (
        r"\bmrn\b|patient ?id|patient ?number|medical ?record|\bssn\b|social ?security|insurance|hospital ?(id|number)|nhs|\bpid\b",
        "number",
        "high",
    ),
    (r"address|street|strasse|zip|post ?code|postcode|\bcity\b|village|phone|telephone|mobile|e ?mail", "contact", "high"),
    (r"physician|doctor|operator|radiologist|technician", "name", "medium"),
    (r"serial|station", "serial", "medium"),
    (r"accession", "number", "high"),
    (r"comment|remark|note|free ?text|history", "comment", "medium"),
    (r"\bdate\b|datum|^acq ?time$", "date", "medium"),
)
_AGE_COLUMN = re.compile(r"(^|\b)age\b|\balter\b")
# JSON that describes a dataset, not a person.
_DESCRIBING = frozenset({"dataset_description.json", "participants.json", "sessions.json", "scans.json"})
_DESCRIBING_KEYS = frozenset(
    {"Authors", "Acknowledgements", "HowToAcknowledge", "Funding", "ReferencesAndLinks", "License", "DatasetDOI", "GeneratedBy"}
)
_CLEAN = "Clean it, or take the dataset in with `dawson intake dicom`."


def search_name(path: Path, folder: Path, known: Identifiers, found: Findings) -> None:
    """Search the names of a file and its folders."""
    inside = path.relative_to(folder)
    for part in inside.parts:
        where, fix = "name of the file or folder", "Rename it by its pseudonym."
        if known.inside(part) and not holds_date(part):
            found.add(Finding(path, where, "name", masked(part), "high", fix), part)
        elif holds_date(part):
            found.add(Finding(path, where, "date", masked(part), "medium", fix), part)
        elif _LONG_NUMBER.search(part) and not part.startswith("2.25."):
            found.add(Finding(path, where, "number", masked(part), "low", fix), part)


def search_text(path: Path, known: Identifiers, found: Findings) -> None:
    """Search a text file line by line for known identifiers and contacts."""
    with path.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), b""), 1):
            text = line.decode("utf-8", "replace")
            if _holds_known(text, known):
                found.add(Finding(path, f"line {number}", "name", masked(text), "high", "Take it out."), text)
            elif _EMAIL.search(text) or _PHONE.search(text):
                found.add(Finding(path, f"line {number}", "contact", masked(text), "low", "Take it out if it is a patient's."), text)


def search_json(path: Path, known: Identifiers, found: Findings) -> None:
    """Search the fields of a JSON file: those named as DICOM elements that the profile does not keep, and telling values."""
    if path.stat().st_size > LARGEST_JSON:
        found.add(Finding(path, "", "unread", "larger than 32 MB", "low", "Look at it by hand."))
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        found.add(Finding(path, "", "unread", type(error).__name__, "low", "It is no JSON; look at it by hand."))
        return
    moved = _says_dates_moved(content)
    described = path.name in _DESCRIBING or path.with_suffix(".tsv").exists()
    for where, key, value in _fields(content):
        if described and where.split(".")[0] in _DESCRIBING_KEYS:
            continue
        kind, severity = _judged(key, value, known, described)
        if kind is not None and not (moved and kind == "date" and tag_for_keyword(key) in _MOVED_TAGS):
            found.add(Finding(path, where, kind, masked(str(value)), severity, _CLEAN), str(value))


def _says_dates_moved(content: Any) -> bool:
    """Whether a sidecar says that its dates were modified (113107, as dcm2niix copies it)."""
    codes = content.get("DeidentificationMethodCodeSequence") if isinstance(content, dict) else None
    return isinstance(codes, list) and any(isinstance(code, dict) and str(code.get("CodeValue")) == "113107" for code in codes)


def _fields(content: Any) -> Iterator[tuple[str, str, Any]]:
    waiting: list[tuple[str, str, Any]] = [("", "", content)]
    while waiting:
        where, key, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((f"{where}.{name}".lstrip("."), str(name), one) for name, one in value.items())
        elif isinstance(value, list):
            waiting.extend((where, key, one) for one in value[:1000] if isinstance(one, str | dict | list))
        elif value not in (None, ""):
            yield where, key, value


def _judged(key: str, value: Any, known: Identifiers, described: bool) -> tuple[Kind | None, Severity]:
    text = str(value)
    if _holds_known(text, known):
        return "name", "high"
    if described or key in _HARMLESS or text.upper() in _DUMMIES or (key.endswith("UID") and text.startswith("2.25.")):
        return None, "low"
    tag = tag_for_keyword(key)
    action = action_of(tag) if tag is not None else None
    if action in (Action.REMOVE, Action.EMPTY, Action.DUMMY, Action.UID):
        return _kind_of(key), "medium" if action is Action.UID or "Description" in key else "high"
    if action is Action.PSEUDONYM and not looks_pseudonymous(text):
        return ("name" if key == "PatientName" else "number"), "high"
    if action is Action.LABEL or key in ("ProcedureStepDescription", "ImageComments"):
        return ("description", "medium") if text not in labels() else (None, "low")
    if action is Action.DATE or (isinstance(value, str) and holds_date(text)):
        return "date", "medium"
    if action is Action.TIME and not re.match(r"\d\d:?00:?00(\.0*)?$", text):
        return "date", "low"
    if isinstance(value, str) and (_EMAIL.search(text) or _PHONE.search(text)):
        return "contact", "medium"
    if isinstance(value, str) and re.match(r"(/(home|Users|mnt|media|data)/|[A-Za-z]:\\)", text):
        return "path", "low"
    return None, "low"


_MOVED_TAGS = frozenset(tag_for_keyword(name) for name in settings()["dates"])
_DUMMIES = frozenset({"NONE", "N/A", "REMOVED", "ANONYMIZED", "ANONYMOUS"})
# Versions of programs look like dates.
_HARMLESS = frozenset({"ConversionSoftware", "ConversionSoftwareVersion", "SoftwareVersions", "BIDSVersion", "Version", "SoftwareVersion"})
_FIELD_KINDS: tuple[tuple[str, Kind], ...] = (
    ("UID", "uid"),
    ("Birth|Date|Time", "date"),
    ("Serial|Station|Device", "serial"),
    ("Institution|Address", "place"),
    ("Name$", "name"),
)


def _kind_of(key: str) -> Kind:
    for pattern, kind in _FIELD_KINDS:
        if re.search(pattern, key):
            return kind
    return "comment" if "Comment" in key or "Description" in key else "number"


def looks_pseudonymous(text: str) -> bool:
    """Whether a text looks like a pseudonym: one word of letters and digits mixed, or an invented label such as `sub-01`, `REMOVED`."""
    text = text.strip()
    if re.fullmatch(r"(?i)(sub-?\w+|anon\w*|removed|deidentified|n/a|none|subject\d*|patient\d*|[a-z]{1,4}\d{1,5})", text):
        return True
    return bool(re.fullmatch(r"[A-Z0-9]{8,32}", text) and re.search(r"\d", text) and re.search(r"[A-Z]", text) and not holds_date(text))


def _holds_known(text: str, known: Identifiers) -> bool:
    return bool(known.long or known.days) and known.named(text)


def search_table(path: Path, known: Identifiers, found: Findings) -> None:
    """Search a TSV or CSV file row by row: columns with telling names, ages above 89, dates, contacts, labels that are numbers."""
    delimiter = "," if path.suffix.lower() == ".csv" else "\t"
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        limited = (line[:LONGEST_LINE] for line in iter(lambda: lines.readline(LONGEST_LINE), ""))
        rows = csv.reader(limited, delimiter=delimiter)
        try:
            header = next(rows, [])
            judged = [_column(name) for name in header]
            for row in rows:
                for index, cell in enumerate(row[: len(header)]):
                    if cell and cell != "n/a":
                        _search_cell(path, header[index], judged[index], cell, known, found)
        except csv.Error as error:
            found.add(Finding(path, "", "unread", str(error), "low", "It is no table; look at it by hand."))


def _column(name: str) -> tuple[Kind, Severity] | None:
    words = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).strip().lower()
    if _AGE_COLUMN.search(words):
        return "age", "high"
    return next(((kind, severity) for pattern, kind, severity in _COLUMNS if re.search(pattern, words)), None)


def _search_cell(path: Path, column: str, judged: tuple[Kind, Severity] | None, cell: str, known: Identifiers, found: Findings) -> None:
    where, fix = f"column {column}", "Remove the column or replace its values."
    if _holds_known(cell, known):
        found.add(Finding(path, where, "name", masked(cell), "high", fix), column)
    elif judged and judged[0] == "age":
        if re.fullmatch(r"\d+(\.\d+)?", cell) and float(cell) >= 90 and cell != "90":
            found.add(Finding(path, where, "age", "above 89", "high", "Write 90+ (or 90) for all of them."), column)
    elif judged and judged[0] == "date" and re.fullmatch(r"18\d\d-.*|19[01]\d-.*|192[0-4]-.*", cell):
        return  # BIDS: dates that were moved lie before 1925.
    elif judged:
        found.add(Finding(path, where, judged[0], masked(cell), judged[1], fix), column)
    elif column in ("participant_id", "subject", "subject_id") and (holds_date(cell) or re.fullmatch(r"(sub-)?\d{6,}", cell)):
        found.add(Finding(path, where, "number", masked(cell), "high", "It looks like a patient number: use pseudonyms."), column)
    elif holds_date(cell):
        found.add(Finding(path, where, "date", masked(cell), "medium", "Write days from baseline instead."), column)
    elif _EMAIL.search(cell) or _PHONE.search(cell):
        found.add(Finding(path, where, "contact", masked(cell), "high", fix), column)

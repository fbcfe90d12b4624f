"""A clinic's table as text: CSV, TSV or a sheet of XLSX, every cell as it was typed, with its row as a spreadsheet counts it."""

from __future__ import annotations

import csv
import datetime
import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.errors import CohortError

# More than any registry's table of a study has; a larger file is a mistake or an attack.
LARGEST_BYTES = 64 * 2**20
LARGEST_UNPACKED_BYTES = 512 * 2**20
_SEPARATORS = "\t;,"


@dataclass(frozen=True)
class ClinicalTable:
    """Cells of a table of people.

    Parameters
    ----------
    path : Path
    header : tuple of str
        Names of the columns as they stand there.
    rows : tuple of (int, tuple of str)
        Number of the row, the header being row 1, and its cells; empty rows are left out.
    separator : str
        Between the cells; empty for a spreadsheet.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    separator: str


def read_clinical_table(path: Path | str) -> ClinicalTable:
    """Read a table of people without changing a letter of it.

    Parameters
    ----------
    path : Path or str
        .csv (comma or semicolon), .tsv or .txt (tab), .xlsx (its first sheet; needs the package openpyxl).

    Raises
    ------
    CohortError
        The file is not there, too large, no such table, or has a row with more cells than columns or a column twice.
    """
    path = Path(path)
    if not path.is_file():
        raise CohortError(f"{path} is not there.", "Check the path of the table.")
    if path.stat().st_size > LARGEST_BYTES:
        raise CohortError(f"{path} has {path.stat().st_size / 2**20:.0f} MiB.", f"A clinical table has at most {LARGEST_BYTES >> 20} MiB.")
    if path.suffix.lower() in (".xlsx", ".xlsm"):
        cells, separator = _spreadsheet(path), ""
    elif path.suffix.lower() in (".xls", ".ods", ".sav", ".rds"):
        raise CohortError(f"{path} is of a kind that is not read ({path.suffix}).", "Save it as CSV in UTF-8, or as XLSX.")
    else:
        cells, separator = _text(path)
    return _checked(path, cells, separator)


def _text(path: Path) -> tuple[list[list[str]], str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(
            f"{path} is not UTF-8 text (byte {error.start}).", "Save it as CSV UTF-8; with Excel: Save As, CSV UTF-8 (Comma delimited)."
        ) from None
    if "\0" in text:
        raise CohortError(f"{path} is no text file (it holds zero bytes).", "Save it as CSV in UTF-8.")
    header = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=header.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)), separator
    except csv.Error as error:
        raise CohortError(f"{path} cannot be read as a table: {error}.", "Save it again as CSV in UTF-8.") from None


def _spreadsheet(path: Path) -> list[list[str]]:
    import pandas as pd

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
    except zipfile.BadZipFile:
        raise CohortError(f"{path} is no XLSX file.", "Save it again, or as CSV in UTF-8.") from None
    if unpacked > LARGEST_UNPACKED_BYTES:
        raise CohortError(f"{path} unpacks to {unpacked / 2**20:.0f} MiB.", "Save it as CSV in UTF-8.")
    try:
        sheet = pd.read_excel(path, header=None, dtype=object, engine="openpyxl", na_filter=False)
    except ImportError:
        raise CohortError(f"{path} needs the package openpyxl.", "pip install openpyxl, or save it as CSV in UTF-8.") from None
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile, SyntaxError) as error:
        raise CohortError(f"{path} cannot be read as a spreadsheet: {error}.", "Save it as CSV in UTF-8.") from None
    return [[_shown(cell) for cell in row] for row in sheet.to_numpy(dtype=object).tolist()]


def _shown(cell: Any) -> str:
    """A spreadsheet's cell as it would stand in a CSV."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.date().isoformat() if cell.time() == datetime.time() else cell.isoformat(sep=" ")
    return str(cell)


def _checked(path: Path, cells: list[list[str]], separator: str) -> ClinicalTable:
    if not cells or not any(cell.strip() for cell in cells[0]):
        raise CohortError(f"{path} has no header in its first row.", "Name the columns in row 1.")
    header = [cell.strip() for cell in cells[0]]
    while header and not header[-1]:
        header.pop()
    if "" in header:
        raise CohortError(f"{path} has a column without a name (column {header.index('') + 1}).", "Name it in row 1 or remove it.")
    lower = [name.lower() for name in header]
    if twice := sorted({name for name in lower if lower.count(name) > 1}):
        raise CohortError(f"{path} has a column twice: {', '.join(twice)}.", "Rename or remove one.")
    rows = []
    for number, row in enumerate(cells[1:], start=2):
        if any(cell.strip() for cell in row[len(header) :]):
            raise CohortError(
                f"{path}: row {number} has {len(row)} cells, the header {len(header)}.",
                "Put a cell that holds the separator (or a decimal comma) in quotation marks.",
            )
        padded = [*(cell.strip() for cell in row[: len(header)]), *[""] * (len(header) - len(row))]
        if any(padded):
            rows.append((number, tuple(padded)))
    if not rows:
        raise CohortError(f"{path} has a header and no rows.", "Add one row a person, or one a visit.")
    return ClinicalTable(path, tuple(header), tuple(rows), separator)

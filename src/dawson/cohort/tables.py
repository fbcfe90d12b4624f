"""BIDS tables as they are met: separators, identifiers with or without prefix, columns that stay text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dawson.errors import CohortError
from dawson.files import read_tsv


def read_table(path: Path, text: list[str]) -> pd.DataFrame:
    """A BIDS table, its faults told as a CohortError that names the file."""
    try:
        table = read_tsv(path, text=text)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise CohortError(f"{path} cannot be read as a table: {error}.", "Save it as tab-separated UTF-8 text.") from None
    table.columns = table.columns.str.strip()
    if table.columns.has_duplicates:
        twice = ", ".join(sorted(set(table.columns[table.columns.duplicated()])))
        raise CohortError(f"{path} has a column twice: {twice}.", "Rename or remove one.")
    if "age" in table.columns and "age" not in text:
        # Ages above 89 are published as 90+; one such cell must not turn the ages of everybody into text.
        coded = table["age"].astype(object).map(lambda age: age[:-1] if isinstance(age, str) and age.endswith("+") else age)
        numbers = pd.to_numeric(coded, errors="coerce")
        if not (numbers.isna() & table["age"].notna()).any():
            table["age"] = numbers
    return table


def prefixed(value: object, prefix: str) -> str:
    """An identifier with its BIDS prefix, whether or not it had one; empty stays empty."""
    text = str(value).strip()
    return text if not text or text.startswith(prefix) else prefix + text


def text_columns(dictionary: dict[str, Any]) -> list[str]:
    """Columns that stay text though they may look like numbers: those with levels, or declared as strings."""
    return [
        name
        for name, entry in dictionary.items()
        if isinstance(entry, dict) and ("Levels" in entry or str(entry.get("DataType", "")).lower() in ("string", "text", "categorical"))
    ]

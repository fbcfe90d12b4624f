"""Writing a BIDS dataset: description, participants, sessions, dictionary, README, .bidsignore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from dawson import __version__
from dawson.cohort.tables import prefixed
from dawson.errors import CohortError
from dawson.files import read_json, write_json, write_text, write_tsv

BIDS_VERSION = "1.10.0"

# What a dictionary says of columns that nearly every study has; levels of diagnosis and site belong to the study.
STANDARD_COLUMNS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "Participant"},
    "diagnosis": {"Description": "Diagnosis"},
    "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male", "O": "other"}},
    "age": {"Description": "Age at the first scan", "Units": "year", "Minimum": 0, "Maximum": 120},
    "site": {"Description": "Centre or scanner"},
    "aqp4": {
        "Description": "Serum antibody against aquaporin-4",
        "Levels": {"positive": "positive", "negative": "negative"},
    },
    "mog": {
        "Description": "Serum antibody against myelin oligodendrocyte glycoprotein",
        "Levels": {"positive": "positive", "negative": "negative"},
    },
    "edss": {"Description": "Expanded Disability Status Scale", "Units": "arbitrary", "Minimum": 0, "Maximum": 10},
    "disease_duration": {"Description": "Time since the first symptom", "Units": "year", "Minimum": 0, "Maximum": 100},
    "phenotype": {"Description": "Clinical course"},
}
STANDARD_SESSION_COLUMNS: dict[str, dict[str, Any]] = {
    "session_id": {"Description": "Session"},
    "days_from_baseline": {"Description": "Days since the first scan", "Units": "day"},
    "acq_time": {"Description": "Date of the scan"},
    "clinical_status": {
        "Description": "Clinical state at the scan",
        "Levels": {"relapse": "in relapse", "remission": "in remission"},
    },
    "edss": STANDARD_COLUMNS["edss"],
    "age": {"Description": "Age at the scan", "Units": "year", "Minimum": 0, "Maximum": 120},
}


def write_dataset_description(
    root: Path | str,
    name: str,
    generated_by: str | None = None,
    dataset_type: Literal["raw", "derivative"] = "raw",
    **more: Any,
) -> Path:
    """Write dataset_description.json.

    Parameters
    ----------
    root : Path or str
    name : str
        Title of the dataset.
    generated_by : str, optional
        What made it, such as ``"dawson simulate"``; a cohort whose maker's name starts so is called simulated
        everywhere.
    dataset_type : {"raw", "derivative"}
    **more
        Further BIDS fields (Authors, License, SourceDatasets ...).

    Returns
    -------
    Path
    """
    description: dict[str, Any] = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": dataset_type}
    if generated_by is None and dataset_type == "derivative":
        generated_by = "dawson"
    if generated_by is not None:
        description["GeneratedBy"] = [{"Name": generated_by, "Version": __version__}]
    path = Path(root) / "dataset_description.json"
    write_json(path, description | more)
    return path


def write_participants(root: Path | str, table: pd.DataFrame, dictionary: Mapping[str, Any] | None = None) -> Path:
    """Write participants.tsv and its dictionary, participants.json.

    Parameters
    ----------
    root : Path or str
    table : DataFrame
        One row a person; participant_id with or without its prefix.
    dictionary : mapping, optional
        Column to Description, Levels, Units, Minimum, Maximum; the standard description stands in where a column has
        none.

    Returns
    -------
    Path
        Of participants.tsv.

    Raises
    ------
    CohortError
        There is no participant_id, or one stands twice.
    """
    path = Path(root) / "participants.tsv"
    write_tsv(path, _first(table, "participant_id", "sub-", path))
    write_json(path.with_suffix(".json"), dictionary_for(table.columns, dictionary, STANDARD_COLUMNS))
    return path


def write_sessions(root: Path | str, participant_id: str, table: pd.DataFrame, dictionary: Mapping[str, Any] | None = None) -> Path:
    """Write the sessions table of one person; its columns are described once for everybody, in sessions.json.

    Parameters
    ----------
    root : Path or str
    participant_id : str
        With or without its prefix.
    table : DataFrame
        One row a session: session_id, days_from_baseline, and more.
    dictionary : mapping, optional
        As for `write_participants`.

    Returns
    -------
    Path

    Raises
    ------
    CohortError
        There is no session_id, or one stands twice.
    """
    person = prefixed(participant_id, "sub-")
    path = Path(root) / person / f"{person}_sessions.tsv"
    table = table.drop(columns="participant_id", errors="ignore")
    write_tsv(path, _first(table, "session_id", "ses-", path))
    shared = Path(root) / "sessions.json"
    known = read_json(shared) if shared.is_file() else {}
    entries = known | dictionary_for(table.columns, {**known, **(dictionary or {})}, STANDARD_SESSION_COLUMNS)
    if entries != known:
        write_json(shared, entries)
    return path


def dictionary_for(
    columns: Sequence[str] | pd.Index[Any],
    dictionary: Mapping[str, Any] | None,
    standard: Mapping[str, Any] = STANDARD_COLUMNS,
) -> dict[str, Any]:
    """A data dictionary of exactly these columns: the given entries, else the standard ones, else a bare
    description.
    """
    given = dictionary or {}
    bare = {str(name): {"Description": str(name).replace("_", " ")} for name in columns}
    return {name: dict(given.get(name) or standard.get(name) or entry) for name, entry in bare.items()}


def write_readme(root: Path | str, text: str) -> Path:
    """Write README, which BIDS asks for."""
    path = Path(root) / "README"
    write_text(path, text.rstrip() + "\n")
    return path


def write_bidsignore(root: Path | str, patterns: Sequence[str] = ()) -> Path:
    """Write .bidsignore: what Dawson keeps in a study beside BIDS, and further patterns."""
    path = Path(root) / ".bidsignore"
    # Without a slash at the end: the validator takes a folder for a file here.
    standard = ("/study.toml", "/experiments", "/models", "/governance", "/annotation", "*.html", "*.log")
    write_text(path, "\n".join(dict.fromkeys([*standard, *patterns])) + "\n")
    return path


def _first(table: pd.DataFrame, column: str, prefix: str, path: Path) -> pd.DataFrame:
    """The table with its identifier first, prefixed and unique."""
    if column not in table.columns:
        raise CohortError(f"{path} cannot be written: the table has no column {column}.")
    shown = table.assign(**{column: [prefixed(value, prefix) for value in table[column]]})
    twice = shown[column].duplicated() | (shown[column] == "")
    if twice.any():
        raise CohortError(f"{path} cannot be written: {shown.loc[twice, column].iloc[0] or 'nothing'} stands twice.")
    return shown[[column, *shown.columns.drop(column)]]

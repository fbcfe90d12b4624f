"""Writing clinical data into a study's tables and dictionaries; cells that do not change stay as they were typed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dawson.cohort.consent import governance_of
from dawson.cohort.dataset import Cohort, read_cohort
from dawson.cohort.standard_dictionary import top_coded
from dawson.cohort.tables import prefixed
from dawson.config import GovernanceSection
from dawson.errors import CohortError
from dawson.files import read_json, write_json, write_tsv
from dawson.governance import audit
from dawson.governance.roles import refuse_stranger

if TYPE_CHECKING:
    from dawson.cohort.clinical_import import ClinicalImport


class RawTables:
    """Participants and sessions tables of a study as text, cell by cell.

    Parameters
    ----------
    cohort : Cohort
    """

    def __init__(self, cohort: Cohort) -> None:
        self.root = cohort.root
        self.participants = _raw(self.root / "participants.tsv", "participant_id", "sub-")
        self._known = cohort.sessions
        self._sessions: dict[str, pd.DataFrame] = {}

    def sessions(self, person: str) -> pd.DataFrame:
        """The sessions table of one person; made of the folders where there is none."""
        if person not in self._sessions:
            path = sessions_path(self.root, person)
            if path.is_file():
                table = _raw(path, "session_id", "ses-")
            else:
                table = pd.DataFrame({"session_id": []}, dtype=object).set_index("session_id", drop=False)
            names = self._known.loc[self._known["participant_id"] == person, "session_id"]
            for name in names:
                if name and name not in table.index:
                    table.loc[name] = "n/a"
                    table.loc[name, "session_id"] = name
            self._sessions[person] = table
        return self._sessions[person]

    def value(self, person: str, session: str, column: str) -> str:
        """A cell as it is typed; empty where the column or the row is not there."""
        table, row = (self.sessions(person), session) if session else (self.participants, person)
        return str(table.loc[row, column]).strip() if column in table.columns and row in table.index else ""

    def set(self, person: str, session: str, column: str, value: str) -> None:
        """Set a cell; a new column is n/a elsewhere."""
        table, row = (self.sessions(person), session) if session else (self.participants, person)
        if column not in table.columns:
            table[column] = pd.Series("n/a", index=table.index, dtype=object)
        table.loc[row, column] = value


def _raw(path: Path, key: str, prefix: str) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", encoding="utf-8-sig", dtype=object, keep_default_na=False, na_filter=False)
    table.columns = table.columns.str.strip()
    table.index = pd.Index([prefixed(value, prefix) for value in table[key]])
    return table


def sessions_path(root: Path, person: str) -> Path:
    """The sessions table of one person."""
    return root / person / f"{person}_sessions.tsv"


def write_import(plan: ClinicalImport, *, partial: bool = False, backup: Path | None = None, managed: bool = False) -> tuple[Path, ...]:
    """Write what a clinic's table changes.

    Each file is written whole under another name and renamed, participants.tsv last. Should the work be stopped between two
    files, the same command does the rest: what is written already counts as unchanged then.

    Parameters
    ----------
    plan : ClinicalImport
    partial : bool
        Write the good cells though others are wrong.
    backup : Path, optional
        Folder outside the study for copies of the tables as they were.
    managed : bool
        Consent is managed: the import is noted in the audit log, and the access policy must let its user govern the study. What the
        study says of itself counts first.

    Returns
    -------
    tuple of Path
        The files that changed.

    Raises
    ------
    CohortError
        There are errors or conflicts and `partial` is not set; the study has changed since; the backup lies in the study.
    GovernanceError
        The access policy does not let the user govern the study.
    """
    if plan.blocking and not partial:
        raise CohortError(
            f"{plan.source} has {len(plan.blocking)} cells or columns that cannot be taken; nothing was written.",
            "Correct them, or take the good cells alone with --partial.",
        )
    is_managed = governance_of(plan.root, GovernanceSection(managed=managed)).managed
    if is_managed:
        refuse_stranger(plan.root, "govern")
    raw = RawTables(read_cohort(plan.root))
    for change in plan.changes:
        now = raw.value(change.participant_id, change.session_id, change.column)
        if (now if now != "n/a" else "") != change.old:
            raise CohortError(
                f"{plan.root} has changed since the table was read: {change.column} of {change.participant_id}.", "Run it again."
            )
        raw.set(change.participant_id, change.session_id, change.column, change.new)
    tables = _tables(plan, raw)
    dictionaries = _dictionaries(plan)
    if backup is not None:
        _keep(plan.root, backup, [*tables, *dictionaries])
    for path, content in dictionaries.items():
        write_json(path, content)
    for path, table in tables.items():
        write_tsv(path, table)
    if is_managed and plan.changes:
        people = sorted({change.participant_id for change in plan.changes})
        columns = sorted({change.column for change in plan.changes})
        replaced = sum(bool(change.old) for change in plan.changes)
        detail: dict[str, Any] = {"columns": columns, "cells": len(plan.changes), "replaced": replaced}
        audit.append(plan.root, "import-clinical", people, detail)
    return (*dictionaries, *tables)


def _tables(plan: ClinicalImport, raw: RawTables) -> dict[Path, pd.DataFrame]:
    visits = sorted({change.participant_id for change in plan.changes if change.session_id})
    tables = {sessions_path(plan.root, person): raw.sessions(person) for person in visits}
    if any(not change.session_id for change in plan.changes):
        tables[plan.root / "participants.tsv"] = raw.participants
    return tables


def _dictionaries(plan: ClinicalImport) -> dict[Path, dict[str, Any]]:
    """Dictionaries with the entries of the columns that change, those alone that are new or have gained a level."""
    contents: dict[Path, dict[str, Any]] = {}
    for (table, column), entry in plan.entries.items():
        path = plan.root / f"{table}.json"
        content = contents.get(path) or (read_json(path) if path.is_file() else {})
        contents[path] = content
        known = content.get(column)
        used = {change.new for change in plan.changes if change.column == column and bool(change.session_id) == (table == "sessions")}
        if known is None:
            known = content[column] = entry
        if any(value.endswith("+") and value[:-1].isdigit() for value in used):
            content[column] = top_coded(known)
        elif isinstance(known.get("Levels"), dict):
            new = {level: text for level, text in entry.get("Levels", {}).items() if level in used and level not in known["Levels"]}
            content[column] = {**known, "Levels": {**known["Levels"], **new}} if new else known
    return {path: content for path, content in contents.items() if not path.is_file() or read_json(path) != content}


def _keep(root: Path, backup: Path, paths: list[Path]) -> None:
    backup = backup.resolve()
    if backup.is_relative_to(root):
        raise CohortError(
            f"{backup} lies in the study, where a copy would outlive a withdrawal unseen.", "Give a folder elsewhere with --backup."
        )
    for path in paths:
        target = backup / path.relative_to(root)
        if target.exists():
            raise CohortError(f"{target} exists already.", "Give a new folder with --backup.")
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)

"""Propose a study from images and a table of people, or from a BIDS dataset; change nothing before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dawson.cohort.bids import dictionary_for
from dawson.cohort.dataset import read_cohort
from dawson.cohort.layout import CONTRASTS
from dawson.cohort.matching import ImageFolder
from dawson.cohort.people import ALIASES, numbered_sessions, read_people
from dawson.cohort.problem import Problem
from dawson.cohort.scan import Scan
from dawson.config import StudyConfig, StudySection, dump_config
from dawson.errors import CohortError

MAPPING_COLUMNS = ("source", "target", "participant_id", "session_id", "contrast", "reason")
_MOST_LEVELS = 12


@dataclass(frozen=True, eq=False)
class Proposal:
    """A study as it would be written.

    Parameters
    ----------
    source : Path
        Folder of the images.
    name : str
    is_bids : bool
        The folder is a BIDS dataset already; only a study file is proposed.
    participants, sessions : DataFrame
        Their tables; sessions is empty where nobody has more than one scan.
    mapping : DataFrame
        source (absolute), target (relative to the new study), participant_id, session_id, contrast, reason.
    dictionary : dict
        Skeleton of participants.json.
    config : StudyConfig
    problems : tuple of Problem
        What could not be resolved.
    unused : tuple of Path
        Images of the folder that nobody's row led to.
    notes : tuple of str
        How the table was read.
    """

    source: Path
    name: str
    is_bids: bool
    participants: pd.DataFrame
    sessions: pd.DataFrame
    mapping: pd.DataFrame
    dictionary: dict[str, Any]
    config: StudyConfig
    problems: tuple[Problem, ...]
    unused: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def config_text(self) -> str:
        """The study file, TOML."""
        return dump_config(self.config)

    def describe(self) -> str:
        """The proposal for reading: what becomes what and why, what is unresolved, and the study file."""
        scans = self.mapping.drop_duplicates(["participant_id", "session_id"])
        lines = [f"Study {self.name} from {self.source}: {len(self.participants)} people, {len(scans)} scans."]
        lines += [f"  {note}" for note in self.notes]
        if self.is_bids:
            lines += ["It is a BIDS dataset already; only study.toml is proposed."]
        else:
            lines += ["", "Images:"]
            lines += [
                f"  {_shown(Path(str(row.source)), self.source)} -> {row.target}  ({row.reason})" for row in self.mapping.itertuples()
            ]
        if self.problems:
            lines += ["", f"Unresolved ({len(self.problems)}):", *[f"  {problem}" for problem in self.problems]]
        if self.unused:
            lines += ["", f"Images not used ({len(self.unused)}):"]
            lines += [f"  {_shown(path, self.source)}" for path in self.unused]
        return "\n".join([*lines, "", "study.toml:", self.config_text])


def propose_study(folder: Path | str, csv: Path | str | None = None, name: str | None = None) -> Proposal:
    """Propose a BIDS study; nothing is written.

    Parameters
    ----------
    folder : Path or str
        Folder of NIfTI files, in any arrangement; or a BIDS dataset.
    csv : Path or str, optional
        Table of people, needed unless the folder is a BIDS dataset: id, diagnosis, and where there are: age, sex,
        site, T1w and FLAIR (paths or patterns), session or date, and any other column. One row a person, or one a
        scan.
    name : str, optional
        Of the study; the folder's name by default.

    Returns
    -------
    Proposal

    Raises
    ------
    CohortError
        The folder is not there or holds no image, the table cannot be used, or it is missing.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise CohortError(f"{folder} is not a folder.", "Give the folder of the images.")
    if csv is None:
        if not (folder / "participants.tsv").is_file():
            raise CohortError(f"{folder} is no BIDS dataset (it has no participants.tsv).", "Give a table of people with --csv.")
        return _of_bids(folder, name)
    people = read_people(Path(csv))
    images = ImageFolder(folder)
    if not images.paths:
        raise CohortError(f"{folder} holds no NIfTI file (.nii, .nii.gz).", "Convert DICOM files to NIfTI first.")
    rows, problems = numbered_sessions(people)
    mapping, unresolved = _mapped(rows, images, Path(csv).resolve().parent)
    problems += unresolved
    participants, sessions, odd = _tables(rows)
    dictionary = _dictionary(participants)
    config, told = _config(participants["diagnosis"], "diagnosis", name or folder.name)
    used = set(mapping["source"])
    return Proposal(
        folder,
        name or folder.name,
        False,
        participants,
        sessions,
        mapping,
        dictionary,
        config,
        (*people.problems, *problems, *odd, *told),
        tuple(path for path in images.paths if str(path) not in used),
        people.notes,
    )


def _of_bids(folder: Path, name: str | None) -> Proposal:
    cohort = read_cohort(folder)
    column = next((alias for alias in ALIASES["diagnosis"] if alias in cohort.participants.columns), None)
    found: tuple[Problem, ...] = cohort.problems
    if column is None:
        config = StudyConfig().updated(study={"name": name or cohort.name})
        text = f"has no column of diagnoses, only {', '.join(cohort.participants.columns)}"
        found += (Problem("error", "participants.tsv", text, "Set [study] diagnosis_column and classes in study.toml."),)
    else:
        config, told = _config(cohort.participants[column], column, name or cohort.name)
        found += tuple(told)
    rows = [
        [str(path), str(path.relative_to(folder)), scan.participant_id, scan.session_id, contrast, "BIDS name"]
        for scan in cohort.scans
        for contrast, path in (("T1w", scan.t1w), ("FLAIR", scan.flair))
        if path is not None
    ]
    return Proposal(
        folder,
        name or cohort.name,
        True,
        cohort.participants,
        cohort.sessions,
        pd.DataFrame(rows, columns=list(MAPPING_COLUMNS)),
        cohort.dictionary,
        config,
        found,
        (),
        (),
    )


def _config(diagnoses: pd.Series[Any], column: str, name: str) -> tuple[StudyConfig, list[Problem]]:
    """A study file with the classes that occur; positive is the default's positive class if it occurs, else the
    rarest.
    """
    counts = diagnoses[diagnoses.notna() & (diagnoses.astype(object) != "")].astype(str).value_counts()
    if len(counts) < 2:
        found = f"only {counts.index[0]!r} is there" if len(counts) else "none is there"
        fix = "Set [study] classes in study.toml; the default stands there now."
        config = StudyConfig().updated(study={"name": name, "diagnosis_column": column})
        return config, [Problem("error", column, f"a study compares two diagnoses or more, {found}", fix)]
    classes = sorted(counts.index)
    default = StudySection().positive
    positive = default if default in classes else min(classes, key=lambda label: (counts[label], label))
    smallest, split = int(counts.min()), StudyConfig().split
    section = {"name": name, "classes": classes, "positive": positive, "diagnosis_column": column}
    told = []
    if smallest < split.test_per_class + split.folds:
        text = f"the smallest class has {smallest} people, too few for {split.test_per_class} in each test set"
        told.append(Problem("warning", "study.toml", text, "Lower [split] test_per_class and folds."))
    return StudyConfig().updated(study=section), told


def _mapped(rows: pd.DataFrame, images: ImageFolder, csv_folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    mapping, problems = [], []
    for _, row in rows.iterrows():
        person, session = str(row["participant_id"]), str(row["session_id"])
        scan = Scan(person, session, None, None)
        hints = [str(row[name]) for name in ("session", "date") if name in rows.columns and pd.notna(row[name])]
        for contrast in CONTRASTS:
            if contrast in rows.columns and pd.notna(row[contrast]):
                match = images.given(str(row[contrast]), csv_folder)
            else:
                match = images.searched(str(row["id"]), contrast, hints)
            if match.path is None:
                severity: Any = "error" if contrast == "FLAIR" else "warning"
                fix = f"Name the file in a column {contrast} of the table."
                problems.append(Problem(severity, scan.entities, f"{contrast}: {match.reason}", fix, person))
                continue
            suffix = ".nii.gz" if match.path.name.endswith(".gz") else ".nii"
            target = str(scan.folder / f"{scan.entities}_{contrast}{suffix}")
            mapping.append([str(match.path), target, person, session, contrast, match.reason])
    table = pd.DataFrame(mapping, columns=list(MAPPING_COLUMNS))
    shared = table["source"].duplicated(keep=False)
    for source, same in table[shared].groupby("source", sort=False):
        names = ", ".join(same["target"].map(lambda target: Path(target).name))
        fix = "Name the right files in the columns T1w and FLAIR of the table."
        problems.append(Problem("error", _shown(Path(str(source)), images.root), f"would become {names}", fix))
    return table[~shared].reset_index(drop=True), problems


def _tables(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[Problem]]:
    """Participants and sessions tables: what differs between a person's rows goes to the sessions. Dates stay
    behind.
    """
    known = [
        name
        for name in rows.columns
        if name
        not in (
            "participant_id",
            "session_id",
            "days_from_baseline",
            "label",
            "id",
            "session",
            "date",
            *CONTRASTS,
        )
    ]
    grouped = rows.sort_values(["participant_id", "session_id"], kind="stable").groupby("participant_id", sort=False)
    counts = grouped[known].nunique()
    differing = [name for name in known if counts[name].max() > 1]
    problems = []
    if "diagnosis" in differing:
        for person, labels in grouped["diagnosis"]:
            if len(set(labels.dropna())) > 1:
                text = f"has the diagnoses {' and '.join(sorted(set(labels.dropna())))}; the first is proposed"
                problems.append(Problem("error", str(person), text, "A person has one diagnosis; correct the table.", str(person)))
        differing.remove("diagnosis")
    constant = [name for name in known if name not in differing or name == "age"]
    participants = grouped[constant].first().reset_index()
    order = ["participant_id", *[name for name in ("diagnosis", "sex", "age", "site") if name in constant]]
    participants = participants[[*order, *[name for name in constant if name not in order]]]
    if (rows["session_id"] == "").all():
        return participants, rows.iloc[:0][["participant_id", "session_id", "days_from_baseline"]], problems
    sessions = rows[["participant_id", "session_id", "days_from_baseline", *differing]]
    return participants, sessions.sort_values(["participant_id", "session_id"], ignore_index=True), problems


def _dictionary(participants: pd.DataFrame) -> dict[str, Any]:
    given: dict[str, Any] = {}
    dictionary = dictionary_for(participants.columns, None)
    for name in participants.columns.drop("participant_id"):
        values = participants[name].dropna()
        text = not pd.api.types.is_numeric_dtype(values.dtype)
        declared = dictionary[name].get("Levels", {})
        if text and 0 < values.nunique() <= _MOST_LEVELS:
            # Every value stands as its own explanation until a person writes a better one.
            levels = {value: declared.get(value, value) for value in sorted(set(values.astype(str)))}
            given[name] = {**dictionary[name], "Levels": levels}
    return dictionary_for(participants.columns, given)


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)

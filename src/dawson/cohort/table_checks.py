"""What the tables of a cohort can get wrong: labels, dictionary, ages, the order of sessions, scans that are not
there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from dawson.cohort.dataset import Cohort
from dawson.cohort.dictionary import as_numbers, check_table
from dawson.cohort.problem import Problem
from dawson.cohort.soft_labels import labelled, soft_label_faults
from dawson.config import StudySection
from dawson.files import read_json

OLDEST_YEARS = 120.0


def check_labels(cohort: Cohort, study: StudySection) -> list[Problem]:
    """Diagnoses that are missing, unknown or not compared, and classes that nobody has."""
    column, classes = study.diagnosis_column, ", ".join(study.classes)
    if faults := soft_label_faults(cohort.participants, study):
        return [Problem("error", person or "participants.tsv", text, fix, person) for person, text, fix in faults]
    cohort = labelled(cohort, study)
    if column not in cohort.participants.columns:
        text = f"has no column {column}, which [study] diagnosis_column names"
        fix = f"Its columns are {', '.join(cohort.participants.columns)}; set diagnosis_column in study.toml."
        return [Problem("error", "participants.tsv", text, fix)]
    entry = cohort.dictionary.get(column)
    declared = {str(level) for level in entry.get("Levels", ())} if isinstance(entry, dict) else set()
    labels = cohort.participants.set_index("participant_id")[column]
    problems = []
    for person, label in zip(labels.index.astype(str), labels, strict=True):
        if pd.isna(label) or label == "":
            text, fix = f"has no {column}", "Fill it in, or leave the person out."
            problems.append(Problem("error", person, text, fix, person))
        elif str(label) not in study.classes and str(label) in declared:
            text = f"has the {column} {str(label)!r}, not one of the study's classes ({classes}), and is left out"
            fix = "Add it to [study] classes if it is to be compared."
            problems.append(Problem("warning", person, text, fix, person))
        elif str(label) not in study.classes and not declared:
            text = f"has the unknown {column} {str(label)!r}; the study's classes are {classes}"
            fix = "Correct it, add it to [study] classes, or declare it as a level in participants.json."
            problems.append(Problem("error", person, text, fix, person))
    present = set(labels.dropna().astype(str))
    fix = f"Found are {', '.join(sorted(present)) or 'none'}; correct [study] classes."
    absent = [name for name in study.classes if name not in present]
    return problems + [Problem("error", "study.toml", f"the class {name!r} has nobody", fix) for name in absent]


def check_dictionaries(cohort: Cohort) -> list[Problem]:
    """Every column of both tables against participants.json and sessions.json."""
    problems = check_table(cohort.participants, cohort.dictionary, table_name="participants.tsv", dictionary_name="participants.json")
    try:
        content = read_json(cohort.root / "sessions.json")
    except FileNotFoundError:
        content = {}
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return [*problems, Problem("error", "sessions.json", f"is not valid JSON ({error})", "Correct it.")]
    dictionary: dict[str, Any] = content if isinstance(content, dict) else {}
    return problems + check_table(
        cohort.sessions,
        dictionary,
        table_name="sessions.tsv",
        dictionary_name="sessions.json",
        exempt=("session_id", "days_from_baseline", "acq_time"),
    )


def check_ages(cohort: Cohort) -> list[Problem]:
    """Ages below 0 or above 120 years, in either table."""
    problems = []
    for table in (cohort.participants, cohort.sessions):
        if "age" not in table.columns:
            continue
        ages = as_numbers(table["age"])
        wrong = (ages < 0) | (ages > OLDEST_YEARS)
        for person, age in zip(table.loc[wrong, "participant_id"].astype(str), ages[wrong], strict=True):
            text = f"has the impossible age {age:g} years"
            problems.append(Problem("error", person, text, "Correct it; ages are in years.", person))
    return problems


def check_follow_ups(cohort: Cohort) -> list[Problem]:
    """Sessions whose days contradict the order of their names, or each other; the first by name is the baseline."""
    problems = []
    for key, sessions in cohort.sessions.groupby("participant_id", sort=False):
        person, known = str(key), sessions.dropna(subset=["days_from_baseline"])
        if known.empty:
            continue
        names, days = known["session_id"].tolist(), known["days_from_baseline"].tolist()
        for name, day in zip(names, days, strict=True):
            if day < 0 or day < days[0]:
                text = f"is dated {abs(day - max(days[0], 0)):g} days before the baseline ({names[0] or 'day 0'})"
                fix = "Correct days_from_baseline or acq_time, or name the sessions in the order of their dates."
                problems.append(Problem("error", f"{person}/{name}".rstrip("/"), text, fix, person))
        for day in sorted({day for day in days if days.count(day) > 1}):
            same = ", ".join(name for name, other in zip(names, days, strict=True) if other == day)
            text = f"has several sessions on day {day:g} ({same})"
            problems.append(Problem("warning", person, text, "Check the dates.", person))
        if min(days) > 0 and len(known) == len(sessions):
            text = f"has no session on day 0; the first is on day {min(days):g}"
            fix = "Add the baseline scan; a person without one is not drawn for testing."
            problems.append(Problem("warning", person, text, fix, person))
    return problems


def missing_scans(cohort: Cohort) -> list[Problem]:
    """Sessions on disk that lack their FLAIR (not usable) or their T1w (usable)."""
    problems = []
    for scan in cohort.scans:
        where = str(Path(scan.participant_id, scan.session_id))
        if not (cohort.root / where).is_dir():
            continue  # told already: in the table but not on disk
        if scan.flair is None:
            lacking = "a FLAIR" if scan.t1w is not None else "a scan (neither FLAIR nor T1w)"
            fix = f"Add {scan.folder / (scan.entities + '_FLAIR.nii.gz')}; the session is not used."
            problems.append(Problem("error", where, f"is without {lacking}", fix, scan.participant_id))
        elif scan.t1w is None:
            fix = "Add it if there is one; without it the FLAIR itself is registered to the template."
            problems.append(Problem("warning", where, "is without a T1w", fix, scan.participant_id))
    return problems

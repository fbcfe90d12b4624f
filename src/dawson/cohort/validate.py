"""Every problem of a cohort, before any of it is used: tables, sessions, files, and the images themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dawson.cohort.consent import returned_images
from dawson.cohort.dataset import Cohort
from dawson.cohort.dictionary import as_numbers
from dawson.cohort.images import FileFindings, inspect_file
from dawson.cohort.problem import Problem
from dawson.cohort.soft_labels import labelled, soft_label_faults
from dawson.cohort.splits import make_splits
from dawson.cohort.table_checks import check_ages, check_dictionaries, check_follow_ups, check_labels, missing_scans
from dawson.config import StudyConfig
from dawson.errors import CohortError, ConfigError, TooFewParticipantsError
from dawson.files import read_tsv
from dawson.parallel import each
from dawson.progress import progress

__all__ = ["Problem", "validate_cohort"]

# Brain masks of one head overlap (Dice) by more than 0.93 after registration; preprocessing refuses a pair below 0.8.
SAME_HEAD_OVERLAP = 0.9
OTHER_HEAD_OVERLAP = 0.8


def validate_cohort(cohort: Cohort, config: StudyConfig, voxels: bool = True, jobs: int = 1) -> list[Problem]:
    """List every problem of a cohort.

    Parameters
    ----------
    cohort : Cohort
    config : StudyConfig
        Classes, column names and the split that is planned.
    voxels : bool
        Read the images whole (empty, NaN, truncated, duplicate images); else only their headers.
    jobs : int
        Processes that read images.

    Returns
    -------
    list of Problem
        Errors first, then by where they are.
    """
    problems = [
        *cohort.problems,
        *returned_images(cohort),
        *check_labels(cohort, config.study),
        *check_dictionaries(cohort),
        *check_ages(cohort),
        *check_follow_ups(cohort),
        *missing_scans(cohort),
    ]
    files = _files(cohort)
    findings = _inspected([file.path for file in files], voxels, jobs)
    for file in files:
        problems += [Problem("error", file.where, problem, fix, file.participant_id) for problem, fix in findings[file.path].problems]
    problems += _duplicates(files, findings)
    problems += _preprocessed(cohort)
    problems += _split(cohort, config)
    return sorted(dict.fromkeys(problems), key=lambda item: (item.severity != "error", item.where, item.problem))


@dataclass(frozen=True)
class _File:
    path: Path
    where: str
    participant_id: str
    session_id: str
    contrast: str


def _files(cohort: Cohort) -> list[_File]:
    return [
        _File(path, str(path.relative_to(cohort.root)), scan.participant_id, scan.session_id, contrast)
        for scan in cohort.scans
        for contrast, path in (("T1w", scan.t1w), ("FLAIR", scan.flair))
        if path is not None
    ]


def _inspected(paths: Sequence[Path], voxels: bool, jobs: int) -> dict[Path, FileFindings]:
    found: dict[Path, FileFindings] = {}
    with progress("Checking images", len(paths)) as advance:
        for finding in each(partial(inspect_file, voxels=voxels), paths, jobs=jobs):
            found[finding.path] = finding
            advance(finding.path.name)
    return found


def _duplicates(files: Sequence[_File], findings: dict[Path, FileFindings]) -> list[Problem]:
    """Images with the same voxels, told once for all files that share them."""
    by_content: dict[str, list[_File]] = {}
    for file in files:
        content = findings[file.path].content
        if content:
            by_content.setdefault(content, []).append(file)
    problems = []
    for same in by_content.values():
        if len(same) < 2:
            continue
        people = sorted({file.participant_id for file in same})
        others = ", ".join(file.where for file in same[1:])
        if len(people) > 1:
            text = f"is the same image as {others}, under {len(people)} people ({', '.join(people)})"
            fix = "Find out whose it is and remove the copies; until then these people count as one in every split."
        elif len({file.contrast for file in same}) > 1 and len({file.session_id for file in same}) == 1:
            text, fix = (
                f"is the same image as {others}, as T1w and as FLAIR",
                "Put the right file in place of the wrong one.",
            )
        else:
            text, fix = (
                f"is the same image as {others}",
                "Put the right file in place of the copy, or remove the session.",
            )
        problems.append(Problem("error", same[0].where, text, fix, people[0] if len(people) == 1 else ""))
    return problems


def _preprocessed(cohort: Cohort) -> list[Problem]:
    """What preprocessing found, if it has run: scans that failed, T1w and FLAIR that do not lie on each other."""
    path = cohort.root / "derivatives" / "dawson" / "preprocess.tsv"
    if not path.is_file():
        return []
    try:
        table = read_tsv(path, text=["status", "reason"])
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        where, text = str(path.relative_to(cohort.root)), f"cannot be read ({error})"
        return [Problem("warning", where, text, "Run dawson preprocess again.")]
    if "participant_id" not in table.columns:
        return []
    table = table.reindex(columns=["participant_id", "session_id", "status", "reason", "flair_t1w_overlap"])
    table = table[table["participant_id"].isin(cohort.participants["participant_id"])]
    overlaps = as_numbers(table["flair_t1w_overlap"])
    problems = []
    for row, overlap in zip(table.astype(object).fillna("").itertuples(), overlaps, strict=True):
        person = str(row.participant_id)
        where, severity, text = str(Path(person, str(row.session_id))), "error", ""
        fix = "Look at the contact sheet, and correct the file that is wrong."
        if row.status == "failed":
            # A pair that overlaps too little fails there, and its reason says so.
            text = f"could not be preprocessed: {str(row.reason).rstrip('.')}"
            fix = "Correct the scan, or leave it out."
        elif overlap < SAME_HEAD_OVERLAP:
            text = f"has a T1w and a FLAIR that overlap by {overlap:.2f} after registration (the same head gives "
            text += f"{SAME_HEAD_OVERLAP} or more): they may be of different heads"
            severity = "error" if overlap < OTHER_HEAD_OVERLAP else "warning"
        if text:
            problems.append(Problem("error" if severity == "error" else "warning", where, text, fix, person))
    return problems


def _split(cohort: Cohort, config: StudyConfig) -> list[Problem]:
    """Whether the planned split can be made of the scans that are there."""
    if soft_label_faults(cohort.participants, config.study):
        return []  # told with the labels
    table = labelled(cohort, config.study).scan_table()
    if config.study.diagnosis_column not in table.columns:
        return []
    images = table.assign(label=table[config.study.diagnosis_column].astype(object))
    present = np.array([scan.flair is not None for scan in cohort.scans], bool)
    images = images[present & images["label"].astype(str).isin(config.study.classes).to_numpy(bool)]
    try:
        make_splits(images, config.split.model_copy(update={"repeats": 1}), site_column=config.study.site_column)
    except (TooFewParticipantsError, CohortError, ConfigError) as error:
        fix = error.fix or "Correct [split] in study.toml."
        return [Problem("warning", "study.toml", f"the planned split cannot be made: {error.message.rstrip('.')}", fix)]
    return []

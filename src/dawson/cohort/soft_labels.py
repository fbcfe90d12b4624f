"""Soft labels: class probabilities that a person carries in participants.tsv in place of one diagnosis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from dawson.cohort.dataset import Cohort
from dawson.cohort.dictionary import as_numbers
from dawson.config import StudySection
from dawson.errors import CohortError

# Probabilities are written with a few digits: a third three times is 0.999.
SUM_TOLERANCE = 2e-3


def soft_label_faults(participants: pd.DataFrame, study: StudySection) -> list[tuple[str, str, str]]:
    """What is wrong with the probabilities in a participants table.

    Parameters
    ----------
    participants : DataFrame
    study : StudySection
        Its `soft_labels` says whether the columns are looked at, its `soft_label_prefix` what they are called.

    Returns
    -------
    list of (str, str, str)
        Participant (empty where it is the table), what is wrong, and the fix; empty where nothing is or soft labels are not used.
    """
    if not study.soft_labels:
        return []
    names = [study.soft_label_prefix + name for name in study.classes]
    if lacking := [name for name in names if name not in participants.columns]:
        fix = "Add a column for each class, or set [study] soft_labels = false."
        return [("", f"has no column {', '.join(lacking)}, which soft labels need", fix)]
    faults = []
    given, values = _given(participants, study), _values(participants, study)
    for person, some, row in zip(participants["participant_id"].astype(str), given, values, strict=True):
        shown = ", ".join(f"{name} {value:g}" for name, value in zip(study.classes, row, strict=True))
        if not some.any() or (some.all() and not np.isnan(row).any() and (row >= 0).all() and abs(row.sum() - 1) <= SUM_TOLERANCE):
            continue
        if not some.all():
            text = f"has a probability for some of the classes only ({shown})"
        elif np.isnan(row).any():
            text = f"has a probability that is no number ({shown})"
        elif (row < 0).any():
            text = f"has a negative probability ({shown})"
        else:
            text = f"has class probabilities that sum to {row.sum():.4g}, not 1 ({shown})"
        faults.append((person, text, "Correct participants.tsv; all n/a where the diagnosis is to count."))
    return faults


def read_soft_labels(participants: pd.DataFrame, study: StudySection) -> dict[str, tuple[float, ...]]:
    """Class probabilities of the people who carry them.

    Returns
    -------
    dict
        Participant to one probability a class, in the order of `study.classes`, scaled to sum to 1 exactly; without those whose
        cells are all empty, and empty where the study uses no soft labels.

    Raises
    ------
    CohortError
        A column is missing, or a row is not a set of probabilities; the message names the person.
    """
    if faults := soft_label_faults(participants, study):
        person, text, fix = faults[0]
        raise CohortError(f"{person or 'participants.tsv'} {text}{f' ({len(faults)} such people)' if len(faults) > 1 else ''}.", fix)
    if not study.soft_labels:
        return {}
    given, values = _given(participants, study), _values(participants, study)
    people = participants["participant_id"].astype(str)
    return {
        person: tuple(float(value) for value in row / row.sum())
        for person, there, row in zip(people, given, values, strict=True)
        if there.all()
    }


def most_probable(probability: tuple[float, ...], classes: tuple[str, ...]) -> str:
    """The class with the highest probability, the first of equals.

    Examples
    --------
    >>> most_probable((0.2, 0.7, 0.1), ("A", "B", "C"))
    'B'
    """
    return classes[int(np.argmax(probability))]


def labelled(cohort: Cohort, study: StudySection) -> Cohort:
    """A cohort in which those who carry probabilities have their most probable class as diagnosis.

    So splits, tables of people and counts work on one class a person. Where the study uses no soft labels, the cohort itself.

    Raises
    ------
    CohortError
        As `read_soft_labels`.
    """
    soft = read_soft_labels(cohort.participants, study)
    if not soft:
        return cohort
    people = cohort.participants["participant_id"].astype(str)
    empty = pd.Series([None] * len(people), index=people.index, dtype=object)
    diagnosis = cohort.participants.get(study.diagnosis_column, empty).astype(object)
    labels = [most_probable(soft[person], study.classes) if person in soft else old for person, old in zip(people, diagnosis, strict=True)]
    column = pd.Series(labels, people.index, dtype=object)
    return replace(cohort, participants=cohort.participants.assign(**{study.diagnosis_column: column}))


def _given(participants: pd.DataFrame, study: StudySection) -> npt.NDArray[np.bool_]:
    cells = participants[[study.soft_label_prefix + name for name in study.classes]].astype(object)
    return np.asarray((cells.notna() & (cells != "")).to_numpy(bool))


def _values(participants: pd.DataFrame, study: StudySection) -> npt.NDArray[np.float64]:
    return np.stack([as_numbers(participants[study.soft_label_prefix + name]).to_numpy(float) for name in study.classes], axis=1)

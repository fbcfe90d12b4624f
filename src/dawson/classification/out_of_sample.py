"""From the predictions table to one probability per patient: checked against the splits, then averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dawson.cohort.leakage import guard
from dawson.errors import ExperimentError, LeakageError

KEYS = ["repeat", "fold", "participant_id", "session_id"]
_PREFIX = "probability_"
_FIX = "Run the study again: finished parts are kept, and what is missing is made."
# Probabilities are stored rounded; a row further from 1 than this is no softmax.
_SUM_TOLERANCE = 1e-3


def checked_test_rows(predictions: pd.DataFrame, splits: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The test rows of the predictions, once the splits are leak-free and the predictions keep to them.

    Whole repeats may be missing (a study that was stopped); a repeat that is there must be complete.

    Parameters
    ----------
    predictions : DataFrame
        model, repeat, fold, participant_id, session_id, role, label, probability_CLASS for each class.
    splits : DataFrame
        repeat, fold, participant_id, session_id, role.
    classes : sequence of str
        The diagnoses.

    Returns
    -------
    DataFrame
        The rows with role "test", session_id as text.

    Raises
    ------
    LeakageError
        The guard found a person on both sides, or a person was predicted in another role than the splits give. Checked
        before all else.
    ExperimentError
        The table is empty, lacks a column, has a row twice, a repeat is incomplete, a probability is missing or none, a
        person has two labels or one that is no class, a class has no test patient, or there are several models.
    """
    guard(splits)
    needed = [*KEYS, "role", "label", *(_PREFIX + name for name in classes)]
    if missing := [name for name in needed if name not in predictions.columns]:
        raise ExperimentError(f"The predictions have no column {', '.join(missing)}.", _FIX)
    table, plan = text_keys(predictions), text_keys(splits)
    _check_roles(table, plan)
    test = table[table["role"] == "test"].reset_index(drop=True)
    if test.empty:
        raise ExperimentError("The predictions hold no test image: there is nothing to evaluate.", _FIX)
    models = sorted(set(test["model"].astype(str))) if "model" in test.columns else []
    if len(models) > 1:
        names = ", ".join(models)
        raise ExperimentError(f"The predictions are of several models: {names}.", "Evaluate one model at a time.")
    _check_complete(test, plan)
    _check_probabilities(test, [_PREFIX + name for name in classes])
    _check_labels(test, classes)
    return test


def test_probabilities(predictions: pd.DataFrame) -> pd.DataFrame:
    """The test probability of each image in each repeat: the mean over the repeat's fold models.

    Parameters
    ----------
    predictions : DataFrame
        As in predictions.tsv; rows with a role other than "test" are passed over.

    Returns
    -------
    DataFrame
        repeat, participant_id, session_id, label, probability_CLASS for each class; one row per repeat and image.
    """
    test = text_keys(predictions[predictions["role"] == "test"])
    columns = _probability_columns(test)
    return test.groupby(["repeat", "participant_id", "session_id", "label"], sort=True)[columns].mean().reset_index()


def repeat_means(predictions: pd.DataFrame) -> pd.DataFrame:
    """The test probability of each patient in each repeat: the mean over his or her images.

    Returns
    -------
    DataFrame
        repeat, participant_id, label, probability_CLASS; one row per repeat and patient.
    """
    images = test_probabilities(predictions)
    columns = _probability_columns(images)
    return images.groupby(["repeat", "participant_id", "label"], sort=True)[columns].mean().reset_index()


def patient_means(predictions: pd.DataFrame) -> pd.DataFrame:
    """The out-of-sample probability of each distinct test patient: the mean over images, then over repeats.

    Every repeat counts the same, however many images of the patient it tested.

    Returns
    -------
    DataFrame
        participant_id, label, repeats (how often the patient was drawn for testing), probability_CLASS; one row per
        patient.
    """
    each = repeat_means(predictions)
    columns = _probability_columns(each)
    groups = each.groupby(["participant_id", "label"], sort=True)
    means = groups[columns].mean()
    means.insert(0, "repeats", groups.size())
    return means.reset_index()


def text_keys(table: pd.DataFrame) -> pd.DataFrame:
    """The table with participants and sessions as text; a study without sessions reads back from its file with missing session names."""
    session = table["session_id"].astype(object)
    return table.assign(participant_id=table["participant_id"].astype(str), session_id=session.where(session.notna(), "").astype(str))


def _probability_columns(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if name.startswith(_PREFIX)]


def _check_roles(table: pd.DataFrame, plan: pd.DataFrame) -> None:
    if (twice := table.duplicated(KEYS)).any() and ("model" not in table or table.duplicated([*KEYS, "model"]).any()):
        row = table[twice].iloc[0]
        raise ExperimentError(f"{_place(row)} is predicted twice.", _FIX)
    planned = plan[[*KEYS, "role"]].drop_duplicates().rename(columns={"role": "planned"})
    both = table[[*KEYS, "role"]].merge(planned, on=KEYS, how="left")
    wrong = both[both["role"].astype(str) != both["planned"].astype(str)]
    if not wrong.empty:
        row = wrong.iloc[0]
        planned_role = "in no role at all" if pd.isna(row["planned"]) else f"for {row['planned']}"
        raise LeakageError(
            f"{_place(row)} is predicted for {row['role']}, but the splits have this image {planned_role}.",
            "The predictions were not made from these splits: run the study again.",
        )


def _check_complete(test: pd.DataFrame, plan: pd.DataFrame) -> None:
    wanted = plan[(plan["role"] == "test") & plan["repeat"].isin(test["repeat"].unique())]
    found = wanted[KEYS].merge(test[KEYS], on=KEYS, how="left", indicator=True)
    lost = found[found["_merge"] == "left_only"]
    if not lost.empty:
        raise ExperimentError(f"{_place(lost.iloc[0])} has no prediction ({len(lost)} such in all).", _FIX)


def _check_probabilities(test: pd.DataFrame, columns: list[str]) -> None:
    values = test[columns].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        good = (values >= 0).all(axis=1) & (values <= 1).all(axis=1) & (np.abs(values.sum(axis=1) - 1) < _SUM_TOLERANCE)
    if not good.all():
        row = test[~good].iloc[0]
        shown = ", ".join(f"{name.removeprefix(_PREFIX)} {row[name]}" for name in columns)
        raise ExperimentError(f"{_place(row)} has no usable probabilities ({shown}).", _FIX)


def _check_labels(test: pd.DataFrame, classes: Sequence[str]) -> None:
    unknown = test[~test["label"].isin(list(classes))]
    if not unknown.empty:
        row = unknown.iloc[0]
        raise ExperimentError(
            f"{_place(row)} has the label {row['label']!r}, which is none of {', '.join(classes)}.",
            "Correct [study] classes or the participants table.",
        )
    labels = test.groupby("participant_id")["label"].nunique()
    if (labels > 1).any():
        raise ExperimentError(f"{labels.index[labels > 1][0]} has two labels.", "A person has one diagnosis in a study.")
    if absent := [name for name in classes if not (test["label"] == name).any()]:
        raise ExperimentError(
            f"No test patient is of class {', '.join(absent)}: sensitivity, specificity and AUC need every class.",
            "Choose a test set that holds every class.",
        )


def _place(row: pd.Series) -> str:
    image = f" {row['session_id']}" if row["session_id"] else ""
    return f"{row['participant_id']}{image} in repeat {row['repeat']}, fold {row['fold']}"

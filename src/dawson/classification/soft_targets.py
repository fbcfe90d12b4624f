"""Class probabilities as training targets and as the truth of a test: the soft labels of a study on their way to the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.cases import entry
from dawson.errors import ExperimentError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from dawson.config import EvaluationSection, StudySection

TARGET_PREFIX = "target_"
# The most probable class of a person counts as the truth above this; at it, two classes are as likely as each other.
DECISIVE = 0.5


def target_columns(table: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Names of the target columns of a table of images, runs or predictions; none where labels are hard."""
    names = [TARGET_PREFIX + name for name in classes]
    return names if set(names) <= set(table.columns) else []


def with_targets(table: pd.DataFrame, soft: Mapping[str, tuple[float, ...]], study: StudySection) -> pd.DataFrame:
    """A table of images with a column `target_CLASS` for each class, in place of the columns that the probabilities came from.

    A person with a diagnosis only has 1 for that class. Where nobody is in doubt no target is added: hard labels say the same,
    and train bit for bit as they always did.

    Parameters
    ----------
    table : DataFrame
        participant_id, label.
    soft : mapping
        Participant to probabilities, in the order of `study.classes`.
    study : StudySection
    """
    table = table.drop(columns=[study.soft_label_prefix + name for name in study.classes], errors="ignore")
    certain = {name: tuple(float(name == other) for other in study.classes) for name in study.classes}
    rows = [soft.get(person, certain[label]) for person, label in zip(table["participant_id"], table["label"], strict=True)]
    targets = np.array(rows, dtype=np.float64).reshape(len(table), len(study.classes))
    if np.isin(targets, (0.0, 1.0)).all():
        return table
    return table.assign(**{TARGET_PREFIX + name: targets[:, index] for index, name in enumerate(study.classes)})


def targets_of(table: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float32] | None:
    """Targets of a table's images, shape (images, classes); None where labels are hard."""
    names = target_columns(table, classes)
    return table[names].to_numpy(dtype=np.float32) if names else None


def decisive_rows(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """The predictions of people whose most probable class can be taken for the truth: above one half.

    Without soft labels, the table itself.

    Raises
    ------
    ExperimentError
        A class has no such person.
    """
    names = target_columns(predictions, classes)
    if not names:
        return predictions
    kept = predictions[predictions[names].max(axis=1) > DECISIVE].reset_index(drop=True)
    if absent := [name for name in classes if not (kept["label"] == name).any()]:
        raise ExperimentError(
            f"No test patient is of class {', '.join(absent)} with a probability above one half.",
            "Choose a test set that holds somebody of every class of whom that is fairly sure.",
        )
    return kept


def soft_figures(
    patients: pd.DataFrame, targets: pd.DataFrame, classes: Sequence[str], section: EvaluationSection, seed: int = 0
) -> dict[str, Any]:
    """How the predictions agree with the soft truth, over all test patients, the undecided ones too.

    Parameters
    ----------
    patients : DataFrame
        participant_id, label, probability_CLASS: one row a patient, as `out_of_sample.patient_means` gives.
    targets : DataFrame
        Predictions with the target columns.
    classes : sequence of str
    section : EvaluationSection
    seed : int
        Of the bootstrap over patients.

    Returns
    -------
    dict
        n, soft (not certain), undecided (no class above one half, left out of the other figures), and the Brier score and the
        negative log likelihood against the soft truth, each with its interval. The least Brier score and likelihood that any
        prediction could reach are 0 and the entropy of the truth.
    """
    from dawson.statistics.bootstrap import patient_bootstrap
    from dawson.statistics.calibration import brier_score, negative_log_likelihood

    names = target_columns(targets, classes)
    truth = targets.drop_duplicates("participant_id").set_index("participant_id").loc[patients["participant_id"], names].to_numpy(float)
    probability = patients[[f"probability_{name}" for name in classes]].to_numpy(float)
    known = truth[truth > 0]
    result: dict[str, Any] = {
        "n": len(patients),
        "soft": int((truth.max(axis=1) < 1).sum()),
        "undecided": int((truth.max(axis=1) <= DECISIVE).sum()),
        "entropy_of_truth": float(-(known * np.log(known)).sum() / len(truth)),
    }
    for name, score in (("brier", brier_score), ("nll", negative_log_likelihood)):
        interval = patient_bootstrap(
            lambda rows, score=score: score(probability[rows], truth[rows]),  # type: ignore[misc]
            patients["label"].to_numpy(dtype=str),
            n_bootstraps=section.bootstraps,
            seed=seed,
            confidence=section.confidence,
        )
        result[name] = entry(interval)
    return result

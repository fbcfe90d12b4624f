"""How far a study's predictions may be trusted: calibration, abstention and uncertainty out of sample, for trust.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dawson.classification.abstain import abstention_part
from dawson.classification.calibrate import calibration_part, temperatures, with_temperature
from dawson.config import EvaluationSection
from dawson.errors import DawsonError, TooFewParticipantsError
from dawson.statistics.uncertainty import split_uncertainty


def trust_figures(
    predictions: pd.DataFrame,
    *,
    classes: Sequence[str],
    positive: str,
    section: EvaluationSection,
    sites: Mapping[str, str] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything in trust.json. A part that cannot be computed says why under `reason` and leaves the others alone.

    Parameters
    ----------
    predictions : DataFrame
        As in predictions.tsv, validation and test rows; checked by `evaluation.evaluate` before.
    classes : sequence of str
    positive : str
    section : EvaluationSection
    sites : mapping of str to str, optional
        Site of each participant.
    seed : int
        Of the bootstraps.

    Returns
    -------
    dict
        calibration, abstention, uncertainty, as described in docs/reference/files.
    """
    parts: dict[str, Any] = {}
    try:
        parts["calibration"] = calibration_part(predictions, classes, positive, section, seed)
    except DawsonError as error:
        parts["calibration"] = {"reason": str(error)}
    try:
        parts["abstention"] = abstention_part(predictions, sites or {}, classes, positive, section, seed)
    except DawsonError as error:
        parts["abstention"] = {"alpha": section.abstain_alpha, "promised": 1 - section.abstain_alpha, "reason": str(error)}
    parts["uncertainty"] = uncertainty_part(predictions, classes)
    return parts


def uncertainty_part(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Mean uncertainty of the tested patients, divided into what the data leave open and what the fold models disagree on.

    The probabilities are at their repeat's temperature where one can be fitted.

    Returns
    -------
    dict
        data, members (nats), share_of_members; or reason, where a repeat has one fold model only.
    """
    tested = predictions[predictions["role"] == "test"]
    try:
        tested = with_temperature(tested, temperatures(predictions, classes), classes)
    except TooFewParticipantsError:
        tested = with_temperature(tested, dict.fromkeys(tested["repeat"].unique(), 1.0), classes)
    columns, rows = [f"probability_{name}" for name in classes], []
    for _, part in tested.groupby("repeat"):
        ordered = part.sort_values(["fold", "participant_id", "session_id"])
        members = ordered["fold"].nunique()
        if members < 2:
            return {"reason": "A repeat has one fold model only: there is nothing to disagree."}
        divided = split_uncertainty(ordered[columns].to_numpy(dtype=np.float64).reshape(members, -1, len(columns)))
        images = ordered["participant_id"].to_numpy()[: len(ordered) // members]
        rows.append(pd.DataFrame({"participant_id": images, "data": divided.data, "members": divided.members}))
    # Over the images of a repeat, then over repeats: everybody counts the same.
    each = [part.groupby("participant_id")[["data", "members"]].mean() for part in rows]
    mean = pd.concat(each).groupby(level=0).mean().mean()
    total = float(mean["data"] + mean["members"])
    return {
        "data": float(mean["data"]),
        "members": float(mean["members"]),
        "share_of_members": float(mean["members"]) / total if total > 0 else 0.0,
    }

"""An experiment folder, read: what a report is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.config import StudyConfig, read_config
from dawson.errors import ExperimentError
from dawson.files import read_json, read_tsv
from dawson.report.findings import Findings, read_findings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

EXCLUSION_COLUMNS = ("participant_id", "session_id", "stage", "reason")


@dataclass(frozen=True)
class Experiment:
    """What a study run left behind.

    Parameters
    ----------
    folder : Path
    config : StudyConfig
        As the run used it.
    splits, predictions : DataFrame
        The tables of that name.
    metrics : mapping
        metrics.json.
    explanations : mapping of str to ndarray, or None
        Arrays of explanations.npz; None where no explanation was made.
    environment : mapping
        environment.json, empty where it is missing.
    exclusions : DataFrame
        participant_id, session_id, stage, reason; no rows where nothing was excluded.
    runs : tuple of mapping
        One for each network that made a prediction, with its history of epochs.
    findings : Findings
        What was found beyond the figures of merit.
    """

    folder: Path
    config: StudyConfig
    splits: pd.DataFrame
    predictions: pd.DataFrame
    metrics: Mapping[str, Any]
    explanations: Mapping[str, NDArray[np.generic]] | None
    environment: Mapping[str, Any]
    exclusions: pd.DataFrame
    runs: tuple[Mapping[str, Any], ...]
    findings: Findings = field(default_factory=Findings)

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the study file."""
        return [str(name) for name in self.metrics["classes"]]

    @property
    def positive(self) -> str:
        """The class that sensitivity is about."""
        return str(self.metrics["positive"])

    def labels(self) -> dict[str, str]:
        """Class of each participant, as the predictions table gives it."""
        first = self.predictions.drop_duplicates("participant_id")
        return {str(who): str(label) for who, label in zip(first["participant_id"], first["label"], strict=True)}


def read_experiment(folder: Path) -> Experiment:
    """Read an experiment folder.

    Raises
    ------
    ExperimentError
        A file that every finished run has is missing.
    """
    import numpy as np
    import pandas as pd

    for name in ("config.toml", "splits.tsv", "predictions.tsv", "metrics.json"):
        if not (folder / name).is_file():
            raise ExperimentError(f"{folder / name} is missing, so there is nothing to report.", "Finish it with `dawson study run`.")
    explanations = None
    if (folder / "explanations.npz").is_file():
        with np.load(folder / "explanations.npz", allow_pickle=False) as arrays:
            explanations = {name: arrays[name] for name in arrays.files}
    exclusions = pd.DataFrame(columns=list(EXCLUSION_COLUMNS))
    if (folder / "exclusions.tsv").is_file():
        exclusions = read_tsv(folder / "exclusions.tsv", text=("stage", "reason")).fillna("")
    environment = read_json(folder / "environment.json") if (folder / "environment.json").is_file() else {}
    predictions = read_tsv(folder / "predictions.tsv", text=("label", "model"))
    return Experiment(
        folder=folder,
        config=read_config(folder / "config.toml"),
        splits=read_tsv(folder / "splits.tsv"),
        predictions=predictions,
        metrics=read_json(folder / "metrics.json"),
        explanations=explanations,
        environment=environment,
        exclusions=exclusions,
        runs=_runs(folder, predictions),
        findings=read_findings(folder),
    )


def _runs(folder: Path, predictions: pd.DataFrame) -> tuple[Mapping[str, Any], ...]:
    """Records of the networks behind the predictions; those of repeats that a later run gave up stay on disk."""
    used = {(int(repeat), int(fold)) for repeat, fold in predictions[["repeat", "fold"]].drop_duplicates().itertuples(index=False)}
    records = [read_json(path) for path in sorted((folder / "runs").glob("*.json"))]
    return tuple(record for record in records if (record.get("repeat"), record.get("fold")) in used)

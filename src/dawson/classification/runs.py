"""One run of a study: one repeat, one fold. Runs are independent, resumable, and the same whatever the number of jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.classification.device import choose
from dawson.classification.explanations import explanation_arrays, is_complete
from dawson.classification.image_harmonisation import IntensityScale, fit_intensity, harmonised
from dawson.classification.images import label_indices, stack_of
from dawson.classification.soft_targets import target_columns, targets_of
from dawson.classification.training import predict_logits, softmax, train
from dawson.cohort.leakage import guard
from dawson.files import atomic_path, digest_of, read_json, read_tsv, sha256, write_json, write_tsv

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from dawson.classification.training import Trained
    from dawson.config import TrainingSection

ROLES = ("train", "validation", "test")


@dataclass(frozen=True)
class Run:
    """What one run needs to know; small enough to be sent to another machine that sees the same files.

    Parameters
    ----------
    repeat, fold : int
    table : DataFrame
        participant_id, session_id, label, role, path, hash: the images of this run (those with role `unused` left out); and
        target_CLASS for each class where labels are soft.
    classes : tuple of str
    training : TrainingSection
    seed : int
        The study's seed.
    folder : Path
        Where the results go.
    explain : bool
        Also explain the test images.
    weights : Path or None
        Where to keep the weights; None forgets them.
    intensity : str
        Harmonisation of brightness, fitted on the training images of this run; see `image_harmonisation`.
    """

    repeat: int
    fold: int
    table: pd.DataFrame
    classes: tuple[str, ...]
    training: TrainingSection
    seed: int
    folder: Path
    explain: bool = False
    weights: Path | None = None
    intensity: str = "none"

    @property
    def name(self) -> str:
        """Start of this run's file names."""
        return f"repeat-{self.repeat:03d}_fold-{self.fold}"

    @property
    def digest(self) -> str:
        """Digest of everything that decides the result: images, labels (soft ones too), roles, settings, seed."""
        return self._digest(self.table)

    @property
    def training_digest(self) -> str:
        """Digest of what decides the network: as `digest`, without the images that are only tested."""
        return self._digest(self.table[self.table["role"] != "test"])

    @property
    def judged_digests(self) -> list[str]:
        """Digest of each image that the network judges: whose, with which role, label and content."""
        return sorted(digest_of(row) for row in self._rows(self.table[self.table["role"] != "train"]))

    def _rows(self, images: pd.DataFrame) -> list[list[Any]]:
        columns = ["participant_id", "session_id", "label", "role", "hash", *target_columns(self.table, self.classes)]
        rows: list[list[Any]] = images[columns].to_numpy().tolist()
        return rows

    def _digest(self, images: pd.DataFrame) -> str:
        rows = self._rows(images)
        settings = self.training.model_dump(exclude={"device", "precision"})
        content = [sorted(rows), list(self.classes), settings, self.seed, self.repeat, self.fold]
        # Only where something is harmonised, so that runs from before this setting existed keep their digest.
        return digest_of(content if self.intensity == "none" else [*content, {"intensity": self.intensity}])

    @property
    def record(self) -> Path:
        """The JSON file whose presence, with the right digest, says that the run is complete."""
        return self.folder / f"{self.name}.json"

    @property
    def predictions(self) -> Path:
        """The table of this run's out-of-sample predictions."""
        return self.folder / f"{self.name}.tsv"

    @property
    def explanations(self) -> Path:
        """The explanations of this run's test images."""
        return self.folder / f"{self.name}_explanations.npz"

    def has_network(self) -> bool:
        """Whether an earlier attempt trained this very network, whatever was tested with it."""
        return self._recorded().get("training_digest") == self.training_digest

    def is_done(self) -> bool:
        """Whether an earlier attempt finished this very run with all the files that are asked for now."""
        record = self._recorded()
        if not self.predictions.exists() or not (record.get("digest") == self.digest or self._is_trimmed(record)):
            return False
        if self.explain and not is_complete(self.explanations):
            return False
        return self.weights is None or (self.weights.exists() and sha256(self.weights) == record.get("weights_sha256"))

    def _recorded(self) -> dict[str, Any]:
        try:
            return dict(read_json(self.record)) if self.record.exists() else {}
        except ValueError:
            return {}

    def _is_trimmed(self, record: Mapping[str, Any]) -> bool:
        """Whether the network is this one and its results were cut to the tests of now, as when a tested person withdrew.

        What it judges now must be among what it judged then, image, label and all; and the predictions of others must be gone.
        """
        if not self.has_network() or not set(self.judged_digests) <= set(record.get("judged_digests", ())):
            return False
        keys = ["participant_id", "session_id", "role"]
        judged = self.table.loc[self.table["role"] != "train", keys].astype(str)
        predicted = read_tsv(self.predictions, text=("role",))[keys].astype(str)
        return sorted(judged.to_numpy().tolist()) == sorted(predicted.to_numpy().tolist())


def seen_images(run: Run, table: pd.DataFrame) -> tuple[NDArray[np.float32], IntensityScale | None]:
    """The images of a run as its network sees them, and how they were harmonised.

    Parameters
    ----------
    run : Run
    table : DataFrame
        The run's own table, in the order that is wanted.

    Returns
    -------
    images : ndarray of float32, shape (images, channels, rows, columns)
    scale : IntensityScale or None
        None where nothing is harmonised.
    """
    images = stack_of(table)
    scale = fit_intensity(run.intensity, images[np.flatnonzero(table["role"] == "train")]) if run.intensity != "none" else None
    return harmonised(scale, images), scale


def execute(run: Run) -> dict[str, Any]:
    """Train one network, predict its validation and test images, write the results, return the record.

    The processor computes each run in one thread: runs are spread over cores instead, which is faster in all and makes the
    result independent of the number of jobs.

    Raises
    ------
    LeakageError
        A person or an image has two roles.
    """
    import torch

    table = run.table.sort_values(["participant_id", "session_id"]).reset_index(drop=True)
    keys = zip(table["participant_id"], table["session_id"], strict=True)
    hashes = dict(zip(keys, table["hash"], strict=True))
    guard(table.assign(repeat=run.repeat, fold=run.fold), hashes)

    started = time.monotonic()
    computing = choose(run.training)
    threads = torch.get_num_threads()
    if computing.on_cpu:
        torch.set_num_threads(1)
    try:
        images, scale = seen_images(run, table)
        labels = label_indices(table["label"].tolist(), run.classes)
        rows = {role: np.flatnonzero(table["role"] == role) for role in ROLES}
        trained = train(
            images,
            labels,
            rows["train"],
            rows["validation"],
            classes=len(run.classes),
            training=run.training,
            computing=computing,
            seed=(run.seed, run.repeat, run.fold),
            targets=targets_of(table, run.classes),
        )
        judged = np.concatenate([rows["validation"], rows["test"]])
        logits = predict_logits(trained.network, images[judged])
        if run.explain and len(rows["test"]):
            _write_explanations(run, trained, images[rows["test"]], table.iloc[rows["test"]])
    finally:
        torch.set_num_threads(threads)

    if run.weights is not None:
        save_weights(trained.network, run.weights)
    write_tsv(run.predictions, _prediction_table(run, table.iloc[judged], logits))
    record = {
        "repeat": run.repeat, "fold": run.fold, "digest": run.digest, "training_digest": run.training_digest,
        "judged_digests": run.judged_digests,
        "seconds": round(time.monotonic() - started, 2),
        "device": computing.device, "precision": computing.precision, "best_epoch": trained.best_epoch,
        "images": {role: len(rows[role]) for role in ROLES},
        "participants": {role: int(table.loc[rows[role], "participant_id"].nunique()) for role in ROLES},
        "weights_sha256": sha256(run.weights) if run.weights is not None else None, "history": trained.history,
    }  # fmt: skip
    if scale is not None:
        record["intensity"] = scale.to_json()
    write_json(run.record, record)
    return record


def _prediction_table(run: Run, rows: pd.DataFrame, logits: np.ndarray) -> pd.DataFrame:
    table = rows[["participant_id", "session_id", "role", "label"]].reset_index(drop=True)
    table.insert(0, "model", run.training.network)
    table.insert(1, "repeat", run.repeat)
    table.insert(2, "fold", run.fold)
    probability = softmax(logits)
    for index, name in enumerate(run.classes):
        table[f"logit_{name}"] = logits[:, index].astype(float).round(6)
    for index, name in enumerate(run.classes):
        table[f"probability_{name}"] = probability[:, index].round(8)
    for name in target_columns(rows, run.classes):
        table[name] = rows[name].to_numpy()
    return table


def _write_explanations(run: Run, trained: Trained, images: np.ndarray, rows: pd.DataFrame) -> None:
    targets = label_indices(rows["label"].tolist(), run.classes)
    seed = (run.seed, run.repeat, run.fold)
    arrays = explanation_arrays(trained.network, images, targets, run.training.network, len(run.classes), seed)
    arrays |= {column: rows[column].to_numpy(dtype=str) for column in ("participant_id", "session_id")}
    with atomic_path(run.explanations) as temporary:
        np.savez_compressed(temporary, **arrays)


def save_weights(network: Any, path: Path) -> None:
    """Write a network's weights as safetensors."""
    from safetensors.torch import save_file

    state: Mapping[str, Any] = network.state_dict()
    with atomic_path(path) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, temporary)

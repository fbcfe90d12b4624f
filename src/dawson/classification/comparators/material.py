"""What comparators work on, and the loop over repeats and folds that most of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.errors import ExperimentError

if TYPE_CHECKING:
    from dawson.config import HarmonisationSection
    from dawson.imaging.lesion_features import LesionFeatures

Rows = NDArray[np.intp]
Probability = NDArray[np.float64]
KEYS = ["participant_id", "session_id"]


@dataclass(frozen=True)
class Fold:
    """The rows of one repeat and fold in the table of images, by role."""

    repeat: int
    fold: int
    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True, eq=False)
class Material:
    """A study's images, splits and network predictions, as comparators see them.

    Parameters
    ----------
    images : DataFrame
        One row an image: participant_id, session_id, label and the columns of participants and sessions; index 0 to n - 1.
    splits : DataFrame
        repeat, fold, participant_id, session_id, role: of these images only, and free of leaks.
    network : DataFrame
        The network's predictions, as in predictions.tsv, in the roles that the splits give.
    lesions : dict of (str, str) to tuple of LesionFeatures
        By participant and session.
    classes : tuple of str
    balanced : bool
        Give every class the same weight in fitting, as the network was trained.
    clinical : tuple of str
        Columns that fusion takes in.
    harmonisation : HarmonisationSection or None
        What is done about sites in the features of lesions; None is nothing.
    site_column : str
    """

    images: pd.DataFrame
    splits: pd.DataFrame
    network: pd.DataFrame
    lesions: dict[tuple[str, str], tuple[LesionFeatures, ...]]
    classes: tuple[str, ...]
    balanced: bool = True
    clinical: tuple[str, ...] = ()
    harmonisation: HarmonisationSection | None = None
    site_column: str = "site"

    @property
    def labels(self) -> NDArray[np.intp]:
        """Index of each image's class (n,)."""
        place = {name: k for k, name in enumerate(self.classes)}
        return np.array([place[label] for label in self.images["label"]], dtype=np.intp)

    def lesions_of_images(self) -> list[tuple[LesionFeatures, ...]]:
        """The lesions of each image, in the order of the table; every image has its own entry after `with_lesions`."""
        return [self.lesions[key] for key in zip(self.images["participant_id"], self.images["session_id"], strict=True)]

    def with_lesions(self) -> Material:
        """The part of the material that has lesion tables."""
        keep = np.array([key in self.lesions for key in zip(self.images["participant_id"], self.images["session_id"], strict=True)], bool)
        images = self.images[keep].reset_index(drop=True)
        splits, network = (table.merge(images[KEYS], on=KEYS, how="inner") for table in (self.splits, self.network))
        return replace(self, images=images, splits=splits, network=network)

    def folds(self) -> Iterator[Fold]:
        """Every repeat and fold."""
        row = pd.Series(np.arange(len(self.images)), index=pd.MultiIndex.from_frame(self.images[KEYS]))
        place = row.reindex(pd.MultiIndex.from_frame(self.splits[KEYS])).to_numpy(dtype=np.intp)
        for key, index in sorted(self.splits.groupby(["repeat", "fold"]).indices.items()):
            repeat, fold = (int(part) for part in np.asarray(key))
            role = self.splits["role"].to_numpy()[index]
            yield Fold(repeat, fold, *(np.sort(place[index[role == name]]) for name in ("train", "validation", "test")))

    def weights(self, rows: Rows) -> NDArray[np.float64]:
        """Weight of each of some images in fitting: people count alike, however many images each has, and classes where `balanced`.

        Raises
        ------
        ExperimentError
            A class has nobody there.
        """
        person = self.images["participant_id"].iloc[rows]
        weight = np.asarray(1.0 / person.map(person.value_counts()), dtype=np.float64)
        people = weight.sum()
        each = np.bincount(self.labels[rows], weight, len(self.classes))
        if (each == 0).any():
            absent = ", ".join(name for name, total in zip(self.classes, each, strict=True) if total == 0)
            raise ExperimentError(f"There is nobody of class {absent} to learn from in some fold.")
        return weight * (people / len(each) / each)[self.labels[rows]] if self.balanced else weight


def predictions_table(material: Material, fold: Fold, rows: Rows, role: str, probability: Probability) -> pd.DataFrame:
    """Predictions of some images of a fold in the columns of predictions.tsv, the model's name apart."""
    table = material.images.iloc[rows][[*KEYS, "label"]].reset_index(drop=True)
    table = table.assign(repeat=fold.repeat, fold=fold.fold, role=role)
    table = table[["repeat", "fold", *KEYS, "role", "label"]]
    return table.assign(**{f"probability_{name}": probability[:, k].round(8) for k, name in enumerate(material.classes)})


def by_fold(material: Material, fit_predict: Callable[[Rows, Rows], Probability]) -> pd.DataFrame:
    """Learn from the training images of each fold, predict its validation and test images.

    Parameters
    ----------
    material : Material
    fit_predict : callable
        `fit_predict(training, wanted)`, rows of the table of images, returns probabilities (wanted, classes).

    Returns
    -------
    DataFrame
        Without the column `model`.
    """
    parts = []
    for fold in material.folds():
        probability = fit_predict(fold.train, np.concatenate([fold.validation, fold.test]))
        parts.append(predictions_table(material, fold, fold.validation, "validation", probability[: len(fold.validation)]))
        parts.append(predictions_table(material, fold, fold.test, "test", probability[len(fold.validation) :]))
    return pd.concat(parts, ignore_index=True)

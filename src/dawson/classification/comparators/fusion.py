"""Network, rules, lesion features and clinical columns in one: logistic stacking on out-of-fold predictions.

Who may teach the stacker. Within a repeat nobody who is tested trains or validates anything. Everybody else validates in exactly one
fold, whose network (and whose lesion classifier) never learned from that person; in the other folds the person trained. So the
validation predictions of a repeat, pooled over its folds, are out of fold, one for each image, and the stacker learns from these and
from nothing else. It is then given the tested people's scores averaged over the folds, as the network is judged. Rules and clinical
columns need no such care, since nothing in them was learned; medians and scales come from the people who teach the stacker.

What remains: a network keeps the epoch that did best on its validation images, so that its validation scores are a little better than
its test scores, and the stacker trusts it a little too much. This costs the fusion, and gives it nothing: no tested person is involved.
The mean of the folds' test scores is also less noisy than the single scores that the stacker learned from. Validation images are
predicted by a stacker of the other folds' people; since the models behind those people's scores learned from this fold, its validation
predictions are out of fold in the last step only. They serve for looking; figures are of test images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.classification.comparators import Comparator, lesion_features
from dawson.classification.comparators.material import KEYS, Fold, Material, Rows, predictions_table
from dawson.classification.comparators.regression import fit_predict
from dawson.classification.comparators.rules import answers
from dawson.errors import ExperimentError, LeakageError

if TYPE_CHECKING:
    from collections.abc import Iterator

FUSED_RULES = ("matthews", "barkhof", "cacciaguerra")
_STRENGTH = 1.0
_LEAST_PROBABILITY = 1e-6


def predict(material: Material) -> pd.DataFrame:
    """Stack what there is; with lesion tables for some images only, the fusion is of those."""
    if material.lesions:
        material = material.with_lesions()
    unknown = [name for name in material.clinical if name not in material.images]
    if unknown:
        raise ExperimentError(
            f"[comparators] clinical names columns that are in no table: {', '.join(unknown)}.", "Correct the study file."
        )
    for name in material.clinical:
        _refuse_answer(material, name)
    if not (material.lesions or material.clinical):
        raise ExperimentError(
            "There is nothing to fuse the network with: no lesion mask in template space and no clinical column.",
            "Add lesion masks, or name columns in [comparators] clinical.",
        )
    learned = [material.network]
    fixed = material.images[list(material.clinical)].copy()
    if material.lesions:
        learned.append(lesion_features.predict(material))
        for rule in FUSED_RULES:
            fixed[f"rule {rule}"] = answers(material, rule).astype(float)
    parts = []
    for repeat in _repeats(material):
        scores = [_scores(material, table, repeat) for table in learned]
        parts += _stacked(material, repeat, scores, fixed)
    return pd.concat(parts, ignore_index=True)


def _refuse_answer(material: Material, column: str) -> None:
    """Refuse a clinical column that is the diagnosis under another name, or names people."""
    values, labels = material.images[column].astype(str), material.images["label"].astype(str)
    pairs = set(zip(values, labels, strict=True))
    if column == "participant_id" or len(pairs) == values.nunique() == labels.nunique():
        raise ExperimentError(
            f"[comparators] clinical names {column}, which tells every participant's diagnosis.", "Name columns that are known before it."
        )


def _repeats(material: Material) -> Iterator[list[Fold]]:
    """The folds of each repeat that the network has predictions for."""
    there = set(material.network["repeat"].astype(int))
    found: dict[int, list[Fold]] = {}
    for fold in material.folds():
        if fold.repeat in there:
            found.setdefault(fold.repeat, []).append(fold)
    yield from found.values()


def _scores(material: Material, table: pd.DataFrame, folds: list[Fold]) -> NDArray[np.float64]:
    """Log-odds (images, classes - 1) of a model in one repeat: validation as predicted by the one fold that did not learn from the
    image, test as the mean over folds, NaN for images in neither role.
    """
    part = table[table["repeat"] == folds[0].repeat]
    logits = log_odds(part, material.classes)
    both = pd.concat([part[[*KEYS, "role"]].reset_index(drop=True), pd.DataFrame(logits)], axis=1)
    means = both[both["role"].isin(["validation", "test"])].drop(columns="role").groupby(KEYS).mean()
    return means.reindex(pd.MultiIndex.from_frame(material.images[KEYS])).to_numpy(dtype=np.float64)


def log_odds(table: pd.DataFrame, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Logit of every class less that of the first, shape (rows, classes - 1); from the probabilities where there are no logits."""
    columns = [f"logit_{name}" for name in classes]
    if all(name in table for name in columns):
        values = table[columns].to_numpy(dtype=np.float64)
    else:
        probability = table[[f"probability_{name}" for name in classes]].to_numpy(dtype=np.float64)
        values = np.log(np.clip(probability, _LEAST_PROBABILITY, 1.0))
    return np.asarray(values[:, 1:] - values[:, :1])


def _stacked(material: Material, folds: list[Fold], scores: list[NDArray[np.float64]], fixed: pd.DataFrame) -> list[pd.DataFrame]:
    table = fixed.copy()
    for model, values in enumerate(scores):
        for column in range(values.shape[1]):
            table[f"score {model} {column}"] = values[:, column]
    tested = np.unique(np.concatenate([fold.test for fold in folds]))
    teachers = np.concatenate([fold.validation for fold in folds])
    _refuse_tested(material, teachers, tested)
    test = fit_predict(material, table, list(table.columns), np.sort(teachers), tested, _STRENGTH)
    parts = []
    for fold in folds:
        # A validation image's own label must not teach the stacker that predicts it.
        others = np.sort(np.concatenate([other.validation for other in folds if other.fold != fold.fold]))
        validation = fit_predict(material, table, list(table.columns), others, fold.validation, _STRENGTH)
        parts.append(predictions_table(material, fold, fold.validation, "validation", validation))
        parts.append(predictions_table(material, fold, fold.test, "test", test[np.searchsorted(tested, fold.test)]))
    return parts


def _refuse_tested(material: Material, teachers: Rows, tested: Rows) -> None:
    person = material.images["participant_id"].to_numpy()
    both = set(person[teachers]) & set(person[tested])
    if both or len(set(teachers.tolist())) != len(teachers):
        who = ", ".join(sorted(both)) or "an image"
        raise LeakageError(f"{who} would teach the fusion twice, or teach it and be tested by it.", "Make the splits again.")


COMPARATOR = Comparator(
    name="fusion",
    description="logistic stacking of the network's out-of-fold score with rules and lesion features (where there are lesion masks) and "
    "with the clinical columns that the study file names",
    needs_lesions=False,
    predict=predict,
)

"""A yes-or-no rule as a classifier: how often each class of the training people gets each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dawson.classification.comparators.material import Material, Probability, Rows, by_fold
from dawson.imaging.lesion_rules import RULES

if TYPE_CHECKING:
    import pandas as pd

# Half a person more with each answer (Jeffreys): an answer that nobody of a class got in training is rare, not impossible.
_PRIOR = 0.5


def answers(material: Material, rule: str) -> NDArray[np.bool_]:
    """What a rule of `lesion_rules.RULES` says of every image (n,)."""
    return np.array([RULES[rule](lesions).positive for lesions in material.lesions_of_images()], dtype=bool)


def predict_by_rule(material: Material, rule: str) -> pd.DataFrame:
    """Probabilities of the classes given a rule's answer; the rule itself is never trained.

    By Bayes' rule from the smoothed frequencies of the answers among training people of each class. All classes count as equally
    likely before the answer where `material.balanced`, else as often as among the training people.
    """
    answer = answers(material, rule)

    def fit_predict(training: Rows, wanted: Rows) -> Probability:
        return answer_probabilities(
            answer[training],
            material.labels[training],
            _people(material, training),
            answer[wanted],
            len(material.classes),
            material.balanced,
        )

    return by_fold(material, fit_predict)


def answer_probabilities(
    answer: NDArray[np.bool_],
    labels: NDArray[np.intp],
    people: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    classes: int,
    balanced: bool,
) -> Probability:
    """Probabilities (wanted, classes) of the classes given answers.

    Parameters
    ----------
    answer, labels : ndarray (n,)
        Of the training images.
    people : ndarray (n,)
        How many people each of these stands for.
    wanted : ndarray of bool (m,)
        Answers to judge.
    classes : int
    balanced : bool
        Take all classes for equally frequent.

    Examples
    --------
    >>> seen, labels = np.array([True, True, True, False]), np.array([0, 0, 1, 1])
    >>> answer_probabilities(seen, labels, np.ones(4), np.array([True, False]), 2, True).round(3).tolist()
    [[0.625, 0.375], [0.25, 0.75]]
    """
    yes = np.bincount(labels[answer], people[answer], classes)
    all_ = np.bincount(labels, people, classes)
    share = (yes + _PRIOR) / (all_ + 2 * _PRIOR)
    before = np.ones(classes) if balanced else all_
    likely = np.where(wanted[:, None], share, 1 - share) * before
    return np.asarray(likely / likely.sum(axis=1, keepdims=True))


def _people(material: Material, rows: Rows) -> NDArray[np.float64]:
    material.weights(rows)  # refuses a fold without one of the classes
    person = material.images["participant_id"].iloc[rows]
    return np.asarray(1.0 / person.map(person.value_counts()), dtype=np.float64)

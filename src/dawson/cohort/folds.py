"""Stratified k-fold over people: nobody is divided, every class is in every part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from dawson.cohort.layout import natural_key
from dawson.errors import CohortError, TooFewParticipantsError

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class People:
    """The people behind a table of images, whatever the order of its rows was.

    Parameters
    ----------
    images : DataFrame, n rows
        Sorted by participant and session.
    ids : ndarray of object, shape (p,)
        Sorted participant identifiers.
    codes : ndarray of int, shape (n,)
        Position in `ids` of each image's person.
    classes : tuple of str
        Sorted class names.
    labels : ndarray of int, shape (p,)
        Position in `classes` of each person's class.
    image_counts : ndarray of int, shape (p,)
    """

    images: pd.DataFrame
    ids: npt.NDArray[np.object_]
    codes: Integers
    classes: tuple[str, ...]
    labels: Integers
    image_counts: Integers

    def first_image(self, among: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.bool_]:
        """Which rows are their person's first image (lowest days_from_baseline, then session name).

        Parameters
        ----------
        among : ndarray of bool, shape (n,), optional
            Only these rows are looked at.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        rows = np.arange(len(self.images)) if among is None else np.flatnonzero(among)
        days = np.full(len(self.images), np.nan)
        if "days_from_baseline" in self.images.columns:
            days = self.images["days_from_baseline"].to_numpy(float, na_value=np.nan)
        # lexsort is stable and puts NaN last; rows are in session order already.
        rows = rows[np.lexsort((days[rows], self.codes[rows]))]
        first = np.zeros(len(self.images), bool)
        first[rows[np.unique(self.codes[rows], return_index=True)[1]]] = True
        return first


def people_of(images: pd.DataFrame) -> People:
    """Check a table of images and see the people in it.

    Raises
    ------
    CohortError
        A column or label is missing, an image stands twice, a person has two labels, or there is one class only.
    """
    lacking = [name for name in ("participant_id", "session_id", "label") if name not in images.columns]
    if lacking:
        raise CohortError(f"The table of images has no column {', '.join(lacking)}.")
    if images.empty:
        raise CohortError("There is no image to split.", "Preprocess the scans first, or widen --where.")
    ids, sessions = images["participant_id"].astype(str), images["session_id"].fillna("").astype(str)
    order = sorted(range(len(ids)), key=lambda row: (ids.iloc[row], natural_key(sessions.iloc[row])))
    images = images.assign(participant_id=ids.to_numpy(object), session_id=sessions.to_numpy(object))
    images = images.iloc[order].reset_index(drop=True)
    twice = images.duplicated(["participant_id", "session_id"])
    if twice.any():
        row = images.loc[twice].iloc[0]
        raise CohortError(f"The image of {row['participant_id']} {row['session_id']} stands twice in the table.".replace("  ", " "))
    missing = images["label"].isna() | (images["label"] == "")
    if missing.any():
        who = ", ".join(sorted(set(images.loc[missing, "participant_id"]))[:5])
        raise CohortError(f"{who} has no label.", "Fill in the diagnosis, or leave the person out with --where.")
    names, codes = np.unique(images["participant_id"].to_numpy(object).astype(str), return_inverse=True)
    classes, label_codes = np.unique(images["label"].astype(str).to_numpy(object).astype(str), return_inverse=True)
    labels = np.zeros(len(names), np.int64)
    labels[codes] = label_codes
    divided = labels[codes] != label_codes
    if divided.any():
        who = images.loc[divided, "participant_id"].iloc[0]
        both = sorted(set(images.loc[images["participant_id"] == who, "label"].astype(str)))
        raise CohortError(f"{who} has the labels {' and '.join(both)}.", "A person has one diagnosis; correct participants.tsv.")
    if len(classes) < 2:
        raise CohortError(f"All images have the label {classes[0]}.", "A study compares two classes or more.")
    return People(
        images,
        names.astype(object),
        codes.astype(np.int64),
        tuple(str(name) for name in classes),
        labels,
        np.bincount(codes, minlength=len(names)).astype(np.int64),
    )


def grouped_folds(people: People, chosen: Integers, folds: int, rng: np.random.Generator, purpose: str) -> Integers:
    """Deal people into folds, class by class.

    In each class, people are shuffled, those with the most images go first, and each goes to the fold with the fewest
    people of that class, then the fewest of its images, then the fewest images, then at random. So the people of a
    class differ by at most one between folds, and the numbers of images are near each other too.

    Parameters
    ----------
    people : People
    chosen : ndarray of int, shape (m,)
        Whom to deal, as positions in `people.ids`, sorted.
    folds : int
    rng : numpy.random.Generator
    purpose : str
        Named in the error.

    Returns
    -------
    ndarray of int, shape (p,)
        Fold of each person; -1 for those who were not chosen.

    Raises
    ------
    TooFewParticipantsError
        A class has fewer people than there are folds, so that a fold would have none of it.
    """
    counts = np.bincount(people.labels[chosen], minlength=len(people.classes))
    if counts.min() < folds:
        short = ", ".join(f"{name} {count}" for name, count in zip(people.classes, counts, strict=True) if count < folds)
        raise TooFewParticipantsError(
            f"Every one of {purpose} ({folds}) needs somebody of every class, but there are too few people: {short}.",
            f"Use --folds {counts.min()} or fewer." if counts.min() >= 2 else "Add people, or leave this class out of the study.",
        )
    fold_of = np.full(len(people.ids), -1, np.int64)
    images = [0] * folds
    for label in rng.permutation(len(people.classes)):
        members = rng.permutation(chosen[people.labels[chosen] == label])
        members = members[np.argsort(-people.image_counts[members], kind="stable")]
        people_here, images_here = [0] * folds, [0] * folds
        for person in members:
            luck = rng.permutation(folds)
            fold = min(range(folds), key=lambda at: (people_here[at], images_here[at], images[at], luck[at]))
            fold_of[person] = fold
            size = int(people.image_counts[person])
            people_here[fold] += 1
            images_here[fold] += size
            images[fold] += size
    return fold_of

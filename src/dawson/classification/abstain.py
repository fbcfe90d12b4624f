"""When a model should keep silent: class-conditional cross-conformal sets, and whether they keep their promise, per class and site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dawson.classification.cases import Cases, entry
from dawson.classification.out_of_sample import patient_means, text_keys
from dawson.config import EvaluationSection
from dawson.errors import TooFewParticipantsError
from dawson.statistics.bootstrap import draw_counts
from dawson.statistics.calibration import apply_temperature
from dawson.statistics.conformal import (
    answers,
    coverage_by_class,
    cross_conformal_p_values,
    prediction_sets,
    risk_coverage,
    smallest_calibration,
)
from dawson.statistics.interval import Interval
from dawson.statistics.ratios import person_means, ratio_interval

ABOUT = (
    "class-conditional cross-conformal sets of each repeat: every validation participant calibrates the fold model that left him or her "
    "out, and ranks are pooled over the folds; these participants also chose the epoch, which flatters them a little, so that the "
    "promise must be measured; figures count every tested patient once, with the mean over his or her tests"
)
NOT_RECORDED = "not recorded"
_IMAGE = ["repeat", "participant_id", "session_id", "label"]


def conformal_sets(predictions: pd.DataFrame, classes: Sequence[str], alpha: float) -> tuple[pd.DataFrame, int]:
    """The classes that cannot be excluded for each tested image, in each repeat that has enough people to calibrate on.

    Parameters
    ----------
    predictions : DataFrame
        As in predictions.tsv, with validation and test rows.
    classes : sequence of str
    alpha : float
        Share of the patients of each class whose class may be missed.

    Returns
    -------
    sets : DataFrame
        repeat, participant_id, session_id, label, in_CLASS (bool); one row a repeat and tested image.
    n_repeats : int
        Repeats that there are, those left out included.

    Raises
    ------
    TooFewParticipantsError
        No repeat has `smallest_calibration(alpha)` validation participants of every class: a class could never be excluded.
    """
    index = {name: k for k, name in enumerate(classes)}
    least, parts, have = smallest_calibration(alpha), [], dict.fromkeys(classes, 0)
    rounds = list(text_keys(predictions).groupby("repeat"))
    for _, rows in rounds:
        held, tested = rows[rows["role"] == "validation"], rows[rows["role"] == "test"]
        people = held.drop_duplicates("participant_id")["label"].value_counts()
        sizes = {name: int(people.get(name, 0)) for name in classes}
        if min(sizes.values()) < least:
            have = sizes
            continue
        folds = sorted(tested["fold"].unique())
        images = tested[_IMAGE].drop_duplicates().sort_values(_IMAGE).reset_index(drop=True)
        by_fold = np.stack(
            [probabilities(tested[tested["fold"] == fold].sort_values(_IMAGE), classes) for fold in folds]  # one row an image, as `images`
        )
        p_values = cross_conformal_p_values(
            probabilities(held, classes),
            held["label"].map(index).to_numpy(dtype=np.intp),
            np.searchsorted(folds, held["fold"].to_numpy()),
            held["participant_id"].to_numpy(dtype=str),
            by_fold,
        )
        parts.append(with_sets(images, prediction_sets(p_values, alpha), classes))
    if not parts:
        shown = ", ".join(f"{name} {n}" for name, n in have.items())
        raise TooFewParticipantsError(
            f"Sets that may miss {100 * alpha:g} % need at least {least} validation participants of each class to calibrate on "
            f"(here: {shown}).",
            "More participants, or a larger [evaluation] abstain_alpha.",
        )
    return pd.concat(parts, ignore_index=True), len(rounds)


def with_sets(images: pd.DataFrame, sets: NDArray[np.bool_], classes: Sequence[str]) -> pd.DataFrame:
    """The images with a column in_CLASS for each class: whether it cannot be excluded."""
    return images.assign(**{f"in_{name}": sets[:, k] for k, name in enumerate(classes)})


def probabilities(rows: pd.DataFrame, classes: Sequence[str]) -> NDArray[np.float64]:
    """Probabilities from the logits, which unlike the stored ones are not rounded to ties; shape (rows, classes)."""
    return apply_temperature(rows[[f"logit_{name}" for name in classes]].to_numpy(dtype=np.float64), 1.0)


def abstention_part(
    predictions: pd.DataFrame,
    sites: Mapping[str, str],
    classes: Sequence[str],
    positive: str,
    section: EvaluationSection,
    seed: int = 0,
) -> dict[str, Any]:
    """What the sets promise and what they keep: the part `abstention` of trust.json.

    Parameters
    ----------
    predictions : DataFrame
        As in predictions.tsv.
    sites : mapping of str to str
        Site of each participant; empty where none is known.
    classes : sequence of str
    positive : str
    section : EvaluationSection
    seed : int
        Of the bootstraps.

    Raises
    ------
    TooFewParticipantsError
        As `conformal_sets`.
    """
    sets, n_repeats = conformal_sets(predictions, classes, section.abstain_alpha)
    patients = Cases(patient_means(predictions), classes, positive)
    coverage, risk = risk_coverage(patients.probability.max(axis=1), patients.called == patients.truth)
    return {
        "about": ABOUT,
        "repeats": {"used": int(sets["repeat"].nunique()), "of": n_repeats},
        **set_figures(sets, sites, classes, section, seed),
        "risk_coverage": {"coverage": coverage.tolist(), "risk": risk.tolist()},
    }


def set_figures(
    sets: pd.DataFrame, sites: Mapping[str, str], classes: Sequence[str], section: EvaluationSection, seed: int = 0
) -> dict[str, Any]:
    """Coverage by class and by site, how often the sets name one class, and the error where they do.

    Parameters
    ----------
    sets : DataFrame
        From `conformal_sets`, or `with_sets` of images with the same columns.
    sites : mapping of str to str
        Site of each participant.
    classes : sequence of str
    section : EvaluationSection
        abstain_alpha must be the one that the sets were made with.
    seed : int
        Of the bootstraps.

    Returns
    -------
    dict
        alpha, promised, coverage, sets, error_when_single, by_site.
    """
    member = sets[[f"in_{name}" for name in classes]].to_numpy(dtype=bool)
    truth = sets["label"].map({name: k for k, name in enumerate(classes)}).to_numpy().astype(np.intp)
    who = sets["participant_id"].astype(str).to_numpy()
    names, first, person = np.unique(who, return_index=True, return_inverse=True)
    covered = coverage_by_class(member, truth, who, section.bootstraps, seed, section.confidence)
    size = member.sum(axis=1)
    share = {kind: float(person_means(rows, person, len(names)).mean()) for kind, rows in _kinds(size).items()}
    by_site = []
    at = np.array([str(sites.get(name) or NOT_RECORDED) for name in names], dtype=object)
    for site in sorted(set(at)) if sites else ():
        here = np.flatnonzero(at == site)
        rows = np.isin(person, here)
        inside = np.searchsorted(here, person[rows]).astype(np.intp)
        held, wrong = _coverage_and_error(member[rows], truth[rows], inside, truth[first][here], section, seed)
        by_site.append(
            {
                "site": site,
                "n": len(here),
                "coverage": entry(held),
                "error_when_single": entry(wrong),
                "warning": lost_coverage(f"At site {site}", held, section),
            }
        )
    _, error = _coverage_and_error(member, truth, person.astype(np.intp), truth[first], section, seed)
    return {
        "alpha": section.abstain_alpha,
        "promised": 1 - section.abstain_alpha,
        "coverage": {name: entry(covered[k]) for k, name in enumerate(classes)},
        "sets": share,
        "error_when_single": entry(error),
        "by_site": by_site,
    }


def lost_coverage(where: str, coverage: Interval, section: EvaluationSection) -> str | None:
    """A sentence where the sets hold the true class less often than promised, beyond chance; None elsewhere.

    Parameters
    ----------
    where : str
        Start of the sentence, such as "At site A".
    coverage : Interval
    section : EvaluationSection
    """
    promised = 1 - section.abstain_alpha
    # An undefined bound compares as false.
    if not coverage.high < promised:
        return None
    return (
        f"{where} the sets hold the true class in {100 * coverage.estimate:.0f} % of the patients "
        f"({100 * section.confidence:g} % interval {100 * coverage.low:.0f} to {100 * coverage.high:.0f}), fewer than the "
        f"{100 * promised:g} % promised: the promise does not hold there."
    )


def _kinds(size: NDArray[np.intp]) -> dict[str, NDArray[np.bool_]]:
    return {"single": size == 1, "cannot_tell": size > 1, "empty": size == 0}


def _coverage_and_error(
    member: NDArray[np.bool_],
    truth: NDArray[np.intp],
    person: NDArray[np.intp],
    strata: NDArray[np.intp],
    section: EvaluationSection,
    seed: int,
) -> tuple[Interval, Interval]:
    """Coverage over all classes, and the error where one class is named; rows belong to people with the classes `strata`."""
    people = len(strata)
    counts = draw_counts(strata, section.bootstraps, seed)
    covered = person_means(member[np.arange(len(truth)), truth], person, people)
    named = answers(member)
    single = person_means(named >= 0, person, people)
    wrong = person_means((named >= 0) & (named != truth), person, people)
    return (
        ratio_interval(covered, np.ones(people), counts, section.confidence),
        ratio_interval(wrong, single, counts, section.confidence),
    )

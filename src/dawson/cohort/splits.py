"""Who trains, validates and is tested: one table, written before any training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from dawson.cohort.folds import People, grouped_folds, people_of
from dawson.cohort.where import where_mask
from dawson.config import SplitSection
from dawson.errors import CohortError, ConfigError, TooFewParticipantsError

ROLES = ("train", "validation", "test", "unused")
COLUMNS = ("repeat", "fold", "participant_id", "session_id", "role")
_TRAIN, _VALIDATION, _TEST, _UNUSED = range(4)
Roles = npt.NDArray[np.int8]


def make_splits(images: pd.DataFrame, split: SplitSection, *, site_column: str = "site") -> pd.DataFrame:
    """Assign a role to every image in every repeat and fold.

    A repeat is one test set; its folds are the k models whose test probabilities are averaged. The rest of the people
    go to a stratified k-fold in which nobody is divided (`dawson.cohort.folds`). By scheme:

    held-out-draw
        Seok, Cho et al. 2023: `repeats` times, `test_per_class` people of each class are drawn from those with
        exactly one image, which is a baseline where `days_from_baseline` says so; seed = split.seed + repeat.
    nested-k-fold
        `repeats` shuffles into `folds` outer folds, each once the test set: repeats * folds repeats.
    leave-one-site-out
        Each site once the test set; repeat i is site i of `site_names`.
    external
        Repeat 0; the test set is the images that `external_where` chooses. Other images of these people are unused.

    In nested-k-fold and leave-one-site-out a tested person is tested on the first image (lowest days_from_baseline,
    then session name); the other images of that person are unused.

    Parameters
    ----------
    images : DataFrame
        One row an image: participant_id, session_id, label, and where the scheme needs them the site column,
        days_from_baseline, and the columns of `external_where`. The order of rows does not matter.
    split : SplitSection
    site_column : str

    Returns
    -------
    DataFrame
        repeat (int), fold (int), participant_id, session_id, role (train, validation, test, unused); every image once
        in each repeat and fold, sorted by these columns.

    Raises
    ------
    CohortError
        The images cannot be split: a label is missing, a person has two labels, an image stands twice, a site is
        missing.
    TooFewParticipantsError
        A class has too few people; the message says how many there are and what would be possible.
    ConfigError
        The settings cannot be used (external without a selection, a negative seed).
    """
    if split.seed < 0:
        raise ConfigError(f"[split] seed = {split.seed} is negative.", "Give 0 or a positive number.")
    people = people_of(images)
    schemes = {
        "held-out-draw": _held_out_draw,
        "nested-k-fold": _nested,
        "leave-one-site-out": _sites,
        "external": _external,
    }
    rounds = []
    for repeat, (roles, seed) in enumerate(schemes[split.scheme](people, split, site_column)):
        rounds.append((repeat, _with_folds(people, roles, split.folds, seed)))
    return _table(people, rounds)


def final_splits(images: pd.DataFrame, folds: int, seed: int) -> pd.DataFrame:
    """Splits of the model that is handed on: everybody trains or validates, nobody is tested.

    Parameters
    ----------
    images : DataFrame
        As for `make_splits`.
    folds : int
        Members of the ensemble.
    seed : int

    Returns
    -------
    DataFrame
        As `make_splits` with repeat 0.

    Raises
    ------
    CohortError, TooFewParticipantsError
        As `make_splits`.
    """
    people = people_of(images)
    free = np.full(len(people.images), _TRAIN, np.int8)
    return _table(people, [(0, _with_folds(people, free, folds, [seed, 1]))])


def site_names(images: pd.DataFrame, site_column: str = "site") -> list[str]:
    """Sites in the order in which leave-one-site-out tests them.

    Raises
    ------
    CohortError
        There is no such column, a value is missing, or there is one site only.
    """
    if site_column not in images.columns:
        raise CohortError(
            f"leave-one-site-out needs the column {site_column}.",
            "Add it to participants.tsv or set [study] site_column.",
        )
    missing = images[site_column].isna() | (images[site_column] == "")
    if missing.any():
        who = ", ".join(sorted(set(images.loc[missing, "participant_id"]))[:5])
        raise CohortError(f"The site of {who} is missing.", "Fill it in, or leave these people out with --where.")
    names = sorted(set(images[site_column].astype(str)))
    if len(names) < 2:
        raise CohortError(f"There is one site only ({names[0]}).", "Use the scheme held-out-draw or nested-k-fold.")
    return names


def _held_out_draw(people: People, split: SplitSection, site_column: str) -> Iterator[tuple[Roles, int | Sequence[int]]]:
    single = people.image_counts == 1
    if "days_from_baseline" in people.images.columns:
        # Somebody whose baseline was excluded has one image too, but it is a follow-up.
        follow_up = people.images["days_from_baseline"].to_numpy(float, na_value=np.nan) > 0
        single &= ~np.isin(np.arange(len(people.ids)), people.codes[follow_up])
    pools = [np.flatnonzero(single & (people.labels == label)) for label in range(len(people.classes))]
    possible = min(min(len(pool), int((people.labels == label).sum()) - split.folds) for label, pool in enumerate(pools))
    if possible < split.test_per_class:
        have = ", ".join(
            f"{name} {len(pool)} (of {int((people.labels == label).sum())})"
            for label, (name, pool) in enumerate(zip(people.classes, pools, strict=True))
        )
        raise TooFewParticipantsError(
            f"The test set takes {split.test_per_class} people of each class with exactly one scan and leaves at least "
            f"{split.folds} of each for the folds; people with exactly one scan: {have}.",
            f"Use --test-per-class {possible} or less." if possible >= 1 else "Use --scheme nested-k-fold, or fewer --folds.",
        )
    for repeat in range(split.repeats):
        draw = np.random.default_rng(split.seed + repeat)
        tested = np.concatenate([draw.choice(pool, split.test_per_class, replace=False) for pool in pools])
        roles = np.full(len(people.images), _TRAIN, np.int8)
        roles[np.isin(people.codes, tested)] = _TEST
        yield roles, [split.seed + repeat, 1]


def _nested(people: People, split: SplitSection, site_column: str) -> Iterator[tuple[Roles, int | Sequence[int]]]:
    first = people.first_image()
    everybody = np.arange(len(people.ids))
    for shuffle in range(split.repeats):
        outer = grouped_folds(people, everybody, split.folds, np.random.default_rng(split.seed + shuffle), "the outer folds")
        for fold in range(split.folds):
            yield _tested(people, outer[people.codes] == fold, first), [split.seed + shuffle, 1, fold]


def _sites(people: People, split: SplitSection, site_column: str) -> Iterator[tuple[Roles, int | Sequence[int]]]:
    names = site_names(people.images, site_column)
    at = people.images[site_column].astype(str).to_numpy()
    for number, name in enumerate(names):
        yield _tested(people, at == name, people.first_image(at == name)), [split.seed, 1, number]


def _external(people: People, split: SplitSection, site_column: str) -> Iterator[tuple[Roles, int | Sequence[int]]]:
    if not split.external_where.strip():
        raise ConfigError("The scheme external needs [split] external_where.", "Say who is tested, for instance \"site == 'B'\".")
    chosen = where_mask(split.external_where, people.images)
    if not chosen.any():
        raise CohortError(f'No image matches external_where = "{split.external_where}".', "Correct the selection.")
    yield _tested(people, chosen, chosen), [split.seed, 1]


def _tested(people: People, chosen: npt.NDArray[np.bool_], images: npt.NDArray[np.bool_]) -> Roles:
    """Roles in which the people of the chosen rows are out of training, and tested on some of those rows."""
    out = np.isin(people.codes, people.codes[chosen])
    return np.select([chosen & images, out], [_TEST, _UNUSED], _TRAIN).astype(np.int8)


def _with_folds(people: People, roles: Roles, folds: int, seed: int | Sequence[int]) -> list[Roles]:
    """Roles in each fold: those who are not tested are divided into training and validation."""
    rest = np.unique(people.codes[roles == _TRAIN])
    part = grouped_folds(people, rest, folds, np.random.default_rng(seed), "the folds")
    return [np.where((roles == _TRAIN) & (part[people.codes] == fold), _VALIDATION, roles).astype(np.int8) for fold in range(folds)]


def _table(people: People, rounds: list[tuple[int, list[Roles]]]) -> pd.DataFrame:
    blocks = [(repeat, fold, roles) for repeat, by_fold in rounds for fold, roles in enumerate(by_fold)]
    size = len(people.images)
    return pd.DataFrame(
        {
            "repeat": np.repeat([repeat for repeat, _, _ in blocks], size),
            "fold": np.repeat([fold for _, fold, _ in blocks], size),
            "participant_id": np.tile(people.images["participant_id"].to_numpy(object), len(blocks)),
            "session_id": np.tile(people.images["session_id"].to_numpy(object), len(blocks)),
            "role": np.array(ROLES, object)[np.concatenate([roles for _, _, roles in blocks])],
        },
        columns=list(COLUMNS),
    )

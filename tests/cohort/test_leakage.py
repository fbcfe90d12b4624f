from __future__ import annotations

import time

import pandas as pd
import pytest

from dawson.cohort.leakage import guard, split_digest
from dawson.cohort.splits import make_splits
from dawson.config import SplitSection
from dawson.errors import LeakageError


def table(*rows: tuple[int, int, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["repeat", "fold", "participant_id", "session_id", "role"])


@pytest.fixture
def splits(images_of):
    return make_splits(images_of(A=[1] * 12 + [3] * 4, B=[1] * 12 + [2] * 4), SplitSection(repeats=4, folds=3, test_per_class=4))


@pytest.mark.parametrize("other", ["validation", "test"])
def test_two_roles_in_one_fold(other):
    with pytest.raises(LeakageError, match=f"sub-7 is in train and {other} of repeat 2, fold 1"):
        guard(table((2, 1, "sub-7", "ses-1", "train"), (2, 1, "sub-7", "ses-2", other), (2, 1, "sub-8", "", "train")))


@pytest.mark.parametrize("other", ["train", "validation"])
def test_tested_in_one_fold_and_seen_in_another(other):
    with pytest.raises(LeakageError, match="sub-7 is tested in one fold of repeat 0"):
        guard(table((0, 0, "sub-7", "", "test"), (0, 1, "sub-7", "", other)))


def test_what_is_allowed():
    guard(table((0, 0, "a", "", "train"), (0, 1, "a", "", "validation")))  # folds of one repeat
    guard(table((0, 0, "a", "", "test"), (1, 0, "a", "", "train")))  # repeats are apart
    guard(table((0, 0, "a", "1", "test"), (0, 0, "a", "2", "unused"), (0, 1, "a", "1", "test")))
    guard(table((0, 0, "a", "1", "unused"), (0, 0, "b", "1", "unused")))
    guard(table())


def test_same_image_under_two_names_names_both():
    rows = table((0, 0, "sub-1", "ses-1", "train"), (0, 0, "sub-2", "ses-1", "test"), (0, 0, "sub-3", "ses-1", "train"))
    hashes = {("sub-1", "ses-1"): "x", ("sub-2", "ses-1"): "x", ("sub-3", "ses-1"): "y"}
    guard(rows)
    with pytest.raises(LeakageError, match="sub-1 and sub-2 have the same image and are in train and test"):
        guard(rows, hashes)
    guard(rows.assign(role="train"), hashes)
    guard(rows, dict.fromkeys(hashes, ""))  # no hash known


def test_a_shared_image_ties_all_other_images_of_its_owners():
    # the shared image is unused, but the brain of sub-1 is trained on under one name and tested under another
    rows = table((0, 0, "sub-1", "a", "train"), (0, 0, "sub-2", "a", "unused"), (0, 0, "sub-2", "b", "test"))
    with pytest.raises(LeakageError, match="sub-1 and sub-2"):
        guard(rows, {("sub-1", "a"): "x", ("sub-2", "a"): "x", ("sub-2", "b"): "y"})


def test_chains_of_shared_images():
    rows = table((0, 0, "a", "1", "train"), (0, 0, "b", "1", "train"), (0, 0, "c", "1", "validation"))
    hashes = {("a", "1"): "p", ("b", "1"): "p", ("b", "2"): "q", ("c", "1"): "q"}
    with pytest.raises(LeakageError, match="a and b and c"):
        guard(rows, hashes)


def test_every_single_planted_leak_is_found(splits):
    guard(splits)
    tested = splits[splits["role"] == "test"]
    for at in tested.index[:: len(tested) // 40]:
        for role in ("train", "validation"):
            planted = splits.copy()
            planted.loc[at, "role"] = role
            with pytest.raises(LeakageError, match=splits.loc[at, "participant_id"]):
                guard(planted)


def test_moving_one_scan_of_a_person_is_found(splits):
    follow_up = splits[(splits["session_id"] == "ses-3") & (splits["role"] == "train")].index[0]
    planted = splits.copy()
    planted.loc[follow_up, "role"] = "validation"
    with pytest.raises(LeakageError, match=splits.loc[follow_up, "participant_id"]):
        guard(planted)


def test_order_of_rows_does_not_matter(splits):
    planted = splits.copy()
    at = planted.index[planted["role"] == "test"][5]
    planted.loc[at, "role"] = "train"
    for seed in range(3):
        guard(splits.sample(frac=1, random_state=seed))
        with pytest.raises(LeakageError):
            guard(planted.sample(frac=1, random_state=seed))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.drop(columns="fold"), "no column fold"),
        (lambda rows: rows.assign(role="training"), "unknown role training"),
        (lambda rows: rows.assign(role=None), "unknown role"),
        (lambda rows: rows.assign(participant_id=None), "without participant_id"),
        (lambda rows: rows.assign(participant_id=""), "without participant_id"),
        (lambda rows: rows.assign(repeat=float("nan")), "without repeat or fold"),
    ],
)
def test_tables_that_are_no_splits(change, says):
    with pytest.raises(LeakageError, match=says):
        guard(change(table((0, 0, "a", "", "train"))))


def test_guard_of_a_full_study_is_fast(images_of):
    images = images_of(A=[1] * 40 + [3] * 50, B=[1] * 40 + [2] * 35)
    splits = make_splits(images, SplitSection(test_per_class=15))
    hashes = {key: str(key) for key in zip(images["participant_id"], images["session_id"], strict=True)}
    began = time.perf_counter()
    guard(splits, hashes)
    assert len(splits) == 500 * len(images)
    assert time.perf_counter() - began < 2.0


def test_digest_sees_roles_and_nothing_else(splits):
    digest = split_digest(splits)
    assert split_digest(splits.sample(frac=1, random_state=0).assign(more=1)) == digest
    assert split_digest(splits.assign(repeat=splits["repeat"].astype(float))) == digest
    changed = splits.copy()
    changed.loc[0, "role"] = "unused"
    assert split_digest(changed) != digest

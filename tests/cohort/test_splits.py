from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dawson.cohort.leakage import guard, split_digest
from dawson.cohort.splits import COLUMNS, ROLES, final_splits, make_splits, site_names
from dawson.config import SplitSection
from dawson.errors import CohortError, ConfigError, TooFewParticipantsError

SCHEMES = ("held-out-draw", "nested-k-fold", "leave-one-site-out", "external")


def paper_counts(people: int, single: int, scans: int) -> list[int]:
    counts = [1] * single + [2] * (people - single)
    for extra in range(scans - sum(counts)):
        counts[single + extra % (people - single)] += 1
    return counts


@pytest.fixture
def paper(images_of):
    """The seed paper's cohort: 86 / 70 people, 199 / 109 scans, 34 / 46 without follow-up."""
    return images_of(site="ABC", MS=paper_counts(86, 34, 199), NMOSD=paper_counts(70, 46, 109))


def section(scheme: str = "held-out-draw", **values) -> SplitSection:
    values = {"repeats": 3, "folds": 3, "test_per_class": 4, "external_where": "site == 'B'"} | values
    return SplitSection(scheme=scheme, **values)


def test_paper_sized_held_out_draw(paper):
    splits = make_splits(paper, SplitSection(repeats=10))
    labels = paper.set_index(["participant_id", "session_id"])["label"]
    assert list(splits.columns) == list(COLUMNS)
    assert len(splits) == 10 * 5 * 308
    test = splits[splits["role"] == "test"].join(labels, on=["participant_id", "session_id"])
    assert (test.groupby(["repeat", "fold", "label"]).size() == 15).all()
    counts = paper["participant_id"].value_counts()
    assert (counts[test["participant_id"].unique()] == 1).all()
    # the k models of a repeat share their test set
    for _, repeat in test.groupby("repeat"):
        assert len(set(repeat.groupby("fold")["participant_id"].agg(frozenset))) == 1


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", range(12))
def test_every_scheme_is_complete_and_leak_free(images_of, scheme, seed):
    rng = np.random.default_rng(seed)
    sizes = {label: [1] * 8 + list(rng.integers(2, 5, rng.integers(7, 15))) for label in ("A", "B", "C")}
    images = images_of(site="XYB", **sizes)
    splits = make_splits(images, section(scheme, seed=seed))
    guard(splits)
    assert set(splits["role"]) <= set(ROLES)
    assert not splits.duplicated(["repeat", "fold", "participant_id", "session_id"]).any()
    assert (splits.groupby(["repeat", "fold"]).size() == len(images)).all()
    labels = images.drop_duplicates("participant_id").set_index("participant_id")["label"]
    trained = splits[splits["role"].isin(["train", "validation"])].join(labels, on="participant_id")
    # every class in every training and every validation part
    assert (trained.groupby(["repeat", "fold", "role"])["label"].nunique() == 3).all()
    # over the folds of a repeat everybody who is not tested validates exactly once
    validated = splits[splits["role"] == "validation"].groupby(["repeat", "participant_id"])["fold"].nunique()
    assert (validated == 1).all()
    rest = trained.groupby("repeat")["participant_id"].nunique()
    assert validated.groupby("repeat").size().equals(rest)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_order_of_rows_does_not_matter(images_of, scheme):
    images = images_of(site="XB", A=[1] * 9 + [2, 3, 11], B=[1] * 9 + [2] * 4)
    splits = make_splits(images, section(scheme))
    for seed in range(3):
        shuffled = images.sample(frac=1, random_state=seed)
        pd.testing.assert_frame_equal(make_splits(shuffled, section(scheme)), splits)


def test_seeds_change_splits_and_repeats_are_seeds(images_of):
    images = images_of(A=[1] * 20, B=[1] * 20)
    first, second = make_splits(images, section(seed=0, repeats=2)), make_splits(images, section(seed=1, repeats=1))
    assert split_digest(first[first["repeat"] == 0]) != split_digest(second)
    # seed = split.seed + repeat
    later = first[first["repeat"] == 1].assign(repeat=0)
    assert split_digest(later) == split_digest(second)


def test_folds_are_balanced_in_people_and_images(paper):
    splits = final_splits(paper, 5, seed=0)
    assert set(splits["role"]) == {"train", "validation"}
    labels = paper.set_index(["participant_id", "session_id"])["label"]
    part = splits[splits["role"] == "validation"].join(labels, on=["participant_id", "session_id"])
    people = part.groupby(["label", "fold"])["participant_id"].nunique().groupby("label")
    images = part.groupby(["label", "fold"]).size().groupby("label")
    assert (people.max() - people.min() <= 1).all()
    assert (images.max() - images.min() <= 3).all()


def test_nested_folds_test_everybody_once_a_shuffle(images_of):
    images = images_of(A=[1, 2, 3] * 4, B=[2] * 10)
    splits = make_splits(images, section("nested-k-fold", repeats=2, folds=3))
    assert splits["repeat"].nunique() == 6
    test = splits[(splits["role"] == "test") & (splits["fold"] == 0)]
    assert (test["participant_id"].value_counts() == 2).all()
    assert test["participant_id"].nunique() == 22
    # a tested person is tested on the baseline, and the follow-ups are unused
    assert set(test["session_id"]) == {"ses-1"}
    unused = splits[(splits["role"] == "unused") & (splits["fold"] == 0)]
    assert set(unused["session_id"]) == {"ses-2", "ses-3"}


def test_first_image_goes_by_days_not_by_name(images_of):
    images = images_of(A=[2] * 6, B=[2] * 6)
    images["days_from_baseline"] = np.where(images["session_id"] == "ses-2", 0.0, 90.0)
    splits = make_splits(images, section("nested-k-fold"))
    assert set(splits.loc[splits["role"] == "test", "session_id"]) == {"ses-2"}


def test_sites_are_left_out_in_order(images_of):
    images = images_of(site="QPR", A=[1, 2] * 9, B=[1] * 18)
    splits = make_splits(images, section("leave-one-site-out"))
    sites = images.drop_duplicates("participant_id").set_index("participant_id")["site"]
    tested = splits[splits["role"] == "test"].join(sites, on="participant_id").groupby("repeat")["site"].unique()
    assert [list(at) for at in tested] == [["P"], ["Q"], ["R"]] == [[name] for name in site_names(images)]


def test_somebody_at_two_sites_is_never_on_both_sides(images_of):
    images = images_of(site="PQ", A=[2] * 12, B=[2] * 12)
    images.loc[images["participant_id"] == "sub-A000", "site"] = ["P", "Q"]
    splits = make_splits(images, section("leave-one-site-out"))
    guard(splits)
    one = splits[(splits["participant_id"] == "sub-A000") & (splits["fold"] == 0)]
    assert sorted(one["role"]) == ["test", "test", "unused", "unused"]


def test_external_set_is_what_was_asked_for(images_of):
    images = images_of(site="AB", A=[2] * 12, B=[1] * 12)
    splits = make_splits(images, section("external", external_where="site == 'B' and days_from_baseline == 0"))
    first = splits[splits["fold"] == 0]
    wanted = images[(images["site"] == "B") & (images["days_from_baseline"] == 0)]
    assert set(first.loc[first["role"] == "test", "participant_id"]) == set(wanted["participant_id"])
    assert set(first.loc[first["role"] == "unused", "session_id"]) == {"ses-2"}
    assert set(splits["repeat"]) == {0}


def test_a_single_follow_up_is_no_baseline(images_of):
    images = images_of(A=[1] * 10, B=[1] * 10)
    images.loc[images["participant_id"] == "sub-A000", "days_from_baseline"] = 200.0
    splits = make_splits(images, section(repeats=40, folds=2))
    assert "sub-A000" not in set(splits.loc[splits["role"] == "test", "participant_id"])
    assert "sub-A001" in set(splits.loc[splits["role"] == "test", "participant_id"])


def test_too_few_without_follow_up_says_how_many_there_are(images_of):
    images = images_of(MS=[1] * 6 + [2] * 20, NMOSD=[1] * 11 + [2] * 20)
    with pytest.raises(TooFewParticipantsError) as error:
        make_splits(images, SplitSection())
    assert "MS 6 (of 26)" in str(error.value)
    assert "NMOSD 11 (of 31)" in str(error.value)
    assert "--test-per-class 6" in str(error.value)
    make_splits(images, SplitSection(test_per_class=6, repeats=2))
    with pytest.raises(TooFewParticipantsError):
        make_splits(images, SplitSection(test_per_class=7, repeats=2))


def test_offer_leaves_enough_for_the_folds(images_of):
    images = images_of(MS=[1] * 10, NMOSD=[1] * 30)
    with pytest.raises(TooFewParticipantsError, match="--test-per-class 5 or less"):
        make_splits(images, SplitSection())
    make_splits(images, SplitSection(test_per_class=5, repeats=2))


def test_nobody_without_follow_up_offers_another_scheme(images_of):
    with pytest.raises(TooFewParticipantsError, match="nested-k-fold"):
        make_splits(images_of(MS=[2] * 30, NMOSD=[1] * 30), SplitSection())


def test_a_class_smaller_than_the_folds_is_named(images_of):
    with pytest.raises(TooFewParticipantsError, match=r"rare 3.*--folds 3"):
        final_splits(images_of(common=[1] * 20, rare=[4, 1, 1]), 5, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda images: images.drop(columns="label"), "no column label"),
        (lambda images: images.iloc[:0], "no image"),
        (lambda images: pd.concat([images, images.iloc[:1]]), "sub-A000 ses-1 stands twice"),
        (lambda images: images.assign(label=images["label"].where(images.index != 3)), "sub-A003 has no label"),
        (lambda images: images.assign(label=np.where(images.index == 12, "B", images["label"])), "sub-A010"),
        (lambda images: images[images["label"] == "A"], "All images have the label A"),
    ],
)
def test_images_that_cannot_be_split(images_of, change, says):
    with pytest.raises(CohortError, match=says):
        make_splits(change(images_of(A=[1] * 10 + [3], B=[1] * 10)), section())


def test_settings_that_cannot_be_used(images_of):
    images = images_of(site="XY", A=[1] * 10, B=[1] * 10)
    with pytest.raises(ConfigError, match="negative"):
        make_splits(images, section(seed=-1))
    with pytest.raises(ConfigError, match="external_where"):
        make_splits(images, section("external", external_where=""))
    with pytest.raises(CohortError, match="No image matches"):
        make_splits(images, section("external", external_where="site == 'Z'"))
    with pytest.raises(CohortError, match="needs the column centre"):
        make_splits(images, section("leave-one-site-out"), site_column="centre")
    with pytest.raises(CohortError, match="sub-A000 is missing"):
        make_splits(images.assign(site=images["site"].where(images.index > 0)), section("leave-one-site-out"))
    with pytest.raises(CohortError, match="one site only"):
        make_splits(images.assign(site="X"), section("leave-one-site-out"))

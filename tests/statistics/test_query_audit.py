from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.statistics.query_audit import Disclosure, SumAudit, disclosure_of


def looked_through(released: np.ndarray, minimum: int) -> int:
    """The fewest people over whom a combination is a sum, by trying every set of people; `minimum` where there is none."""
    people = released.shape[1]
    rank = np.linalg.matrix_rank(released.astype(float))
    for count in range(1, minimum):
        for support in combinations(range(people), count):
            rest = np.delete(released.astype(float), support, axis=1)
            if (np.linalg.matrix_rank(rest) if rest.size else 0) < rank:
                return count
    return minimum


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(2, 5), st.integers(0, 10**6))
def test_agrees_with_trying_every_set_of_people(releases: int, people: int, minimum: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    released = rng.random((releases, people)) < rng.uniform(0.2, 0.8)
    if rng.random() < 0.5:  # people who are alike, as in tables
        released = np.repeat(released, rng.integers(1, 4, people), axis=1)[:, :12]
    if not released.any():
        return
    expected = looked_through(released, minimum)
    found = disclosure_of(released, minimum)
    assert (found is None) == (expected == minimum)
    assert found is None or expected <= found.people < minimum


def test_small_cell_follows_from_its_table() -> None:
    # 30 people in two groups by two levels; the cell of 3 is not released, but its margins and neighbour are
    group = np.arange(30) < 15
    level = (np.arange(30) % 15) < 12
    released = np.array([group, group & level])
    assert disclosure_of(released, 5) == Disclosure(3)
    assert disclosure_of(released, 3) is None


def test_two_small_cells_that_are_only_known_together_are_safe() -> None:
    people = np.arange(40)
    three, nine = people < 3, (people >= 3) & (people < 12)
    released = np.array([np.ones(40, bool), ~(three | nine)])
    assert disclosure_of(released, 10) is None
    assert disclosure_of(np.vstack([released, ~three]), 10) == Disclosure(3)


def test_many_overlapping_questions_are_refused_before_one_person_stands_alone() -> None:
    rng = np.random.default_rng(4)
    audit, admitted = SumAudit(np.zeros((0, 60), bool), 5), []
    for _ in range(34):
        members = rng.random(60) < 0.5
        if audit.admits(members):
            audit.add(members)
            admitted.append(members)
    matrix = np.array(admitted, float)
    assert 5 < len(admitted) < 34
    space = np.linalg.svd(matrix)[2][: np.linalg.matrix_rank(matrix)]
    # nobody's own value lies in what the released sums span
    assert (space**2).sum(axis=0).max() < 1 - 1e-6


def test_repeating_a_question_tells_nothing_new() -> None:
    members = np.arange(20) < 12
    audit = SumAudit(members[None], 10)
    assert audit.admits(members)
    assert not audit.admits(np.arange(20) < 11)
    assert audit.copy().admits(np.ones(20, bool)) is False  # 8 others


@pytest.mark.parametrize("rows", [np.zeros((0, 5), bool), np.zeros((3, 5), bool)])
def test_nothing_released_tells_nothing(rows: np.ndarray) -> None:
    assert disclosure_of(rows, 10) is None

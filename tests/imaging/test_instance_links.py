"""Links of lesions over time: every case by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from dawson.imaging.instance_links import LinkedGroup, link_instances, overlaps, track_instances


def line(*numbers: int) -> NDArray[np.int32]:
    """A row of voxels: each digit is the instance at its place."""
    return np.array(numbers, dtype=np.int32)[:, None, None]


def test_overlaps_are_counted_by_pair() -> None:
    assert overlaps(line(1, 1, 1, 0, 2), line(0, 3, 3, 3, 3)) == {(1, 3): 2, (2, 3): 1}


def test_one_to_one_new_and_gone() -> None:
    groups = link_instances(line(1, 1, 0, 2, 0, 0), line(0, 1, 0, 0, 0, 2))
    assert groups == (LinkedGroup((1,), (1,)), LinkedGroup((2,), ()), LinkedGroup((), (2,)))
    assert [group.event for group in groups] == ["", "", ""]


def test_two_that_become_one_merge_and_the_reverse_splits() -> None:
    apart, together = line(1, 1, 0, 2, 2, 2), line(1, 1, 1, 1, 1, 1)
    (group,) = link_instances(apart, together)
    assert group == LinkedGroup((1, 2), (1,)) and group.event == "merge"
    (group,) = link_instances(together, apart)
    assert group == LinkedGroup((1,), (1, 2)) and group.event == "split"


def test_a_chain_of_overlaps_is_one_group() -> None:
    (group,) = link_instances(line(1, 1, 1, 0, 2, 2), line(1, 0, 2, 2, 2, 0))
    assert group == LinkedGroup((1, 2), (1, 2)) and group.event == "merge and split"


def test_a_small_share_of_the_smaller_lesion_can_be_too_little() -> None:
    first, second = line(1, 1, 1, 1, 0, 0, 0), line(0, 0, 0, 1, 1, 1, 1)
    assert len(link_instances(first, second)) == 1
    assert len(link_instances(first, second, minimum_share=0.5)) == 2


def test_no_lesions_no_groups() -> None:
    assert link_instances(line(0, 0), line(0, 0)) == ()


def test_a_lesion_keeps_its_number_whatever_its_instance_number() -> None:
    tracks = track_instances([line(1, 0, 2, 0, 0), line(0, 0, 1, 0, 2), line(2, 0, 1, 0, 3)])
    assert tracks.numbers == [{1: 1, 2: 2}, {1: 2, 2: 3}, {1: 2, 3: 3, 2: 1}]
    # the first was missed at the second session and is known again at the third
    assert tracks.returned == [set(), set(), {2}]


def test_after_a_merge_the_larger_overlap_gives_the_number() -> None:
    tracks = track_instances([line(1, 1, 0, 2, 2, 2), line(1, 1, 1, 1, 1, 1)])
    assert tracks.numbers == [{1: 1, 2: 2}, {1: 2}]
    assert tracks.went_into[0] == {1: 2}


def test_after_a_split_the_larger_part_keeps_the_number() -> None:
    tracks = track_instances([line(1, 1, 1, 1, 1, 1), line(1, 1, 0, 2, 2, 2)])
    assert tracks.numbers[1] == {2: 1, 1: 2}
    assert tracks.came_from[1] == {1: 1}


maps = arrays(np.int32, (12, 1, 1), elements=st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(maps, maps)
def test_groups_of_the_exchanged_scans_are_the_same_groups_turned_round(first: NDArray[np.int32], second: NDArray[np.int32]) -> None:
    there = {(group.first, group.second) for group in link_instances(first, second)}
    back = {(group.second, group.first) for group in link_instances(second, first)}
    assert there == back


@settings(max_examples=60, deadline=None)
@given(st.lists(maps, min_size=1, max_size=4))
def test_no_number_is_given_twice_in_a_session(sessions: list[NDArray[np.int32]]) -> None:
    tracks = track_instances(sessions)
    for instances, numbers in zip(sessions, tracks.numbers, strict=True):
        assert set(numbers) == set(np.unique(instances[instances > 0]))
        assert len(set(numbers.values())) == len(numbers)

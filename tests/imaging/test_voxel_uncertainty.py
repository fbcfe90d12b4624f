"""Entropy and mutual information over members."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dawson.imaging.voxel_uncertainty import binary_entropy, expected_entropy, mutual_information, predictive_entropy


def test_entropy_is_scipys():
    p = np.array([0.0, 0.1, 0.37, 0.5, 0.99, 1.0])
    reference = stats.entropy(np.stack([p, 1 - p]), base=2)
    np.testing.assert_allclose(binary_entropy(p), reference, atol=1e-6)


def test_members_that_agree_share_no_information():
    members = np.tile(np.random.default_rng(0).random((1, 4, 4, 4)), (5, 1, 1, 1))
    np.testing.assert_allclose(mutual_information(members), 0, atol=1e-6)


def test_information_is_what_is_left_of_the_whole():
    members = np.random.default_rng(1).random((3, 5, 5, 5)).astype(np.float32)
    whole = expected_entropy(members) + mutual_information(members)
    np.testing.assert_allclose(whole, predictive_entropy(members), atol=1e-6)
    assert (mutual_information(members) >= 0).all()


def test_certain_opposites_are_one_bit():
    assert mutual_information(np.array([[0.0], [1.0]])).tolist() == [1.0]
    assert expected_entropy(np.array([[0.0], [1.0]])).tolist() == [0.0]


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        binary_entropy(np.array([1.2]))


def test_a_single_map_is_no_ensemble():
    with pytest.raises(ValueError, match="members"):
        mutual_information(np.zeros(4))

import numpy as np
import pytest
from scipy.stats import entropy

from dawson.statistics.uncertainty import split_uncertainty


def members(seed=0, count=5, n=20, classes=3):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), size=(count, n))


def test_the_parts_add_up_and_are_not_negative():
    parts = split_uncertainty(members())
    np.testing.assert_allclose(parts.data + parts.members, parts.total)
    assert (parts.members >= 0).all() and (parts.data >= 0).all()


def test_entropies_agree_with_scipy():
    chance = members(1)
    parts = split_uncertainty(chance)
    np.testing.assert_allclose(parts.total, entropy(chance.mean(axis=0), axis=1))
    np.testing.assert_allclose(parts.data, entropy(chance, axis=2).mean(axis=0))


def test_members_part_is_the_mean_divergence_from_the_mean_prediction():
    chance = members(2)
    expected = entropy(chance, np.broadcast_to(chance.mean(axis=0), chance.shape), axis=2).mean(axis=0)
    np.testing.assert_allclose(split_uncertainty(chance).members, expected)


def test_equal_members_disagree_on_nothing():
    one = members(3, count=1)
    parts = split_uncertainty(np.repeat(one, 7, axis=0))
    np.testing.assert_allclose(parts.members, 0, atol=1e-12)
    np.testing.assert_allclose(parts.total, parts.data)


def test_sure_members_that_contradict_each_other_leave_nothing_to_the_data():
    parts = split_uncertainty([[[1, 0]], [[0, 1]], [[1, 0]], [[0, 1]]])
    assert (parts.data[0], parts.members[0]) == (0, pytest.approx(np.log(2)))


def test_no_member_knows():
    parts = split_uncertainty(np.full((4, 1, 3), 1 / 3))
    assert (parts.total[0], parts.members[0]) == (pytest.approx(np.log(3)), pytest.approx(0, abs=1e-12))


@pytest.mark.parametrize(("chance", "message"), [([[0.5, 0.5]], "shape"), ([[[0.5, 0.6]]], "sum to 1")])
def test_what_is_no_ensemble_is_refused(chance, message):
    with pytest.raises(ValueError, match=message):
        split_uncertainty(chance)

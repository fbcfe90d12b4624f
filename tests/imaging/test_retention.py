"""Retention curves against masks filled in by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc

from dawson.imaging.lesion_metrics import ndsc
from dawson.imaging.retention import retention


def case(seed: int = 0):
    rng = np.random.default_rng(seed)
    truth = rng.random((12, 12, 12)) < 0.05
    guess = truth ^ (rng.random(truth.shape) < 0.04)
    inside = rng.random(truth.shape) < 0.9
    return guess, truth, inside, rng


def test_every_point_is_the_ndsc_of_the_mask_with_the_uncertain_voxels_put_right() -> None:
    guess, truth, inside, rng = case()
    uncertainty = rng.random(truth.shape)
    curve = retention(guess, truth, uncertainty, inside)
    order = np.argsort(uncertainty[inside])
    wrong, right = guess[inside][order], truth[inside][order]
    for place in (0, 10, 50, 120, 199):
        kept = int(right.size * curve.retained[place])
        mixed = np.concatenate([wrong[:kept], right[kept:]])
        assert curve.ndsc[place] == pytest.approx(ndsc(mixed, right))
    assert curve.retained[[0, -1]].tolist() == [0, 1]
    assert curve.aac == pytest.approx(1 - auc(curve.retained, curve.ndsc))


def test_uncertainty_that_finds_the_faults_is_better_than_none_and_the_wrong_way_round_is_worst() -> None:
    guess, truth, inside, rng = case(1)
    faults = (guess != truth).astype(float)
    aac = [retention(guess, truth, uncertainty, inside).aac for uncertainty in (faults, rng.random(truth.shape), -faults)]
    assert aac[0] < aac[1] < aac[2]
    # the curve can only fall where the faults are: in the last 4 to 5 % of the voxels
    assert aac[0] < 0.05


def test_a_perfect_mask_has_nothing_above_its_curve_and_empty_ones_neither() -> None:
    _, truth, inside, rng = case(2)
    assert retention(truth, truth, rng.random(truth.shape), inside).aac == pytest.approx(0)
    nothing = np.zeros(truth.shape)
    assert retention(nothing, nothing, rng.random(truth.shape), inside).aac == pytest.approx(0)

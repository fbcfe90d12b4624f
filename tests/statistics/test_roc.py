import numpy as np
import pytest
from sklearn.metrics import roc_curve

from dawson.statistics.figures import auc
from dawson.statistics.roc import roc_points, roc_with_band


def cases(seed=0, n=50):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.5
    return truth, np.round(rng.normal(size=n) + truth, 1)


def test_curve_by_hand():
    # Highest first: P, N, P+N tied, N.
    fpr, tpr = roc_points([True, False, True, False, False], [4, 3, 2, 2, 1])
    np.testing.assert_allclose(fpr, [0, 0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(tpr, [0, 1 / 2, 1 / 2, 1, 1])


@pytest.mark.parametrize("seed", range(4))
def test_area_under_the_points_is_the_area(seed):
    truth, score = cases(seed)
    fpr, tpr = roc_points(truth, score)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auc(truth, score))


@pytest.mark.parametrize("seed", range(4))
def test_points_agree_with_scikit_learn(seed):
    truth, score = cases(seed)
    fpr, tpr = roc_points(truth, score)
    theirs = {(round(x, 9), round(y, 9)) for x, y in zip(*roc_curve(truth, score, drop_intermediate=False)[:2], strict=True)}
    assert {(round(x, 9), round(y, 9)) for x, y in zip(fpr, tpr, strict=True)} <= theirs


def test_band_holds_the_curve_and_rises():
    truth, score = cases()
    curve = roc_with_band(truth, score, n_bootstraps=300, seed=1)
    assert curve.fpr.shape == curve.tpr.shape == curve.low.shape == curve.high.shape
    top = np.array([curve.tpr[curve.fpr == place].max() for place in curve.fpr])
    assert np.all((curve.low <= top) & (top <= curve.high))
    assert np.all(np.diff(curve.low) >= -1e-12)
    assert curve.low[-1] == curve.high[-1] == 1


def test_more_patients_narrow_the_band():
    few, many = (roc_with_band(*cases(3, n), n_bootstraps=200) for n in (30, 600))
    assert np.mean(many.high - many.low) < 0.5 * np.mean(few.high - few.low)


def test_same_seed_same_band():
    one, two = (roc_with_band(*cases(), n_bootstraps=50, seed=9) for _ in range(2))
    np.testing.assert_array_equal(one.low, two.low)


def test_band_of_one_resample_is_that_curve():
    # Perfect separation: whoever is drawn, the curve is the corner.
    curve = roc_with_band([True] * 3 + [False] * 3, [0.9, 0.8, 0.7, 0.3, 0.2, 0.1], n_bootstraps=20)
    np.testing.assert_array_equal(curve.fpr, [0, 0, 1])
    np.testing.assert_array_equal(curve.tpr, [0, 1, 1])
    np.testing.assert_array_equal(curve.low, [1, 1, 1])


def test_one_class_has_no_curve():
    with pytest.raises(ValueError, match="both classes"):
        roc_points([True, True], [0.1, 0.2])

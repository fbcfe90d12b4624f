import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import logit, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from dawson.statistics.bootstrap import draw_counts, patient_bootstrap
from dawson.statistics.calibration import (
    HIGHEST_TEMPERATURE,
    LOWEST_TEMPERATURE,
    apply_temperature,
    brier_score,
    calibration_intervals,
    calibration_line,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)


def draws(seed=0, n=60, classes=2):
    """Truth drawn from softmax(logits): calibrated by construction."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(n, classes))
    truth = np.array([rng.choice(classes, p=row) for row in softmax(logits, axis=1)])
    return logits, truth


def columns(positive):
    positive = np.asarray(positive, dtype=float)
    return np.stack([1 - positive, positive], axis=1)


@pytest.mark.parametrize("classes", [2, 3])
def test_likelihood_and_brier_agree_with_scikit_learn(classes):
    logits, truth = draws(classes=classes)
    probability = softmax(logits, axis=1)
    assert negative_log_likelihood(probability, truth) == pytest.approx(log_loss(truth, probability))
    assert brier_score(probability, truth) == pytest.approx(brier_score_loss(truth, probability, labels=range(classes)))


def test_a_false_certainty_costs_what_scikit_learn_says():
    assert negative_log_likelihood([[1.0, 0.0], [0.5, 0.5]], [1, 0]) == pytest.approx(log_loss([1, 0], [[1.0, 0.0], [0.5, 0.5]]))


def test_brier_of_two_classes_by_hand():
    # 0.1^2, 0.6^2, 0.3^2, 0.2^2: sum 0.50.
    assert brier_score(columns([0.9, 0.4, 0.3, 0.2]), [1, 1, 0, 0]) == pytest.approx(0.125)


def test_soft_truth_of_whole_labels_is_hard_truth():
    logits, truth = draws(classes=3)
    probability, soft = softmax(logits, axis=1), np.eye(3)[truth]
    assert negative_log_likelihood(probability, soft) == negative_log_likelihood(probability, truth)
    assert brier_score(probability, soft) == brier_score(probability, truth)
    assert fit_temperature(logits, soft) == fit_temperature(logits, truth)


def test_soft_truth_by_hand():
    # Said 0.8, true 0.6: squared 0.04; cross-entropy -0.6 log 0.8 - 0.4 log 0.2.
    assert brier_score([[0.2, 0.8]], [[0.4, 0.6]]) == pytest.approx(0.04)
    assert negative_log_likelihood([[0.2, 0.8]], [[0.4, 0.6]]) == pytest.approx(-0.6 * math.log(0.8) - 0.4 * math.log(0.2))


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_temperature_finds_the_scale_of_the_logits(scale):
    logits, truth = draws(1, n=20000, classes=3)
    # 20000 draws: the inverse temperature has a standard error of about 0.01.
    assert fit_temperature(scale * logits, truth) == pytest.approx(scale, rel=0.04)


def test_temperature_is_the_best_of_a_grid():
    logits, truth = draws(2)
    fitted = negative_log_likelihood(apply_temperature(3 * logits, fit_temperature(3 * logits, truth)), truth)
    grid = [negative_log_likelihood(apply_temperature(3 * logits, t), truth) for t in np.geomspace(0.1, 20, 400)]
    assert fitted <= min(grid)
    assert fitted == pytest.approx(min(grid), abs=1e-4)


def test_temperature_lowers_the_likelihood_of_others_too():
    lower = 0
    for seed in range(50):
        logits, truth = draws(seed, n=240)
        t = fit_temperature(2 * logits[:120], truth[:120])
        others = 2 * logits[120:]
        lower += negative_log_likelihood(apply_temperature(others, t), truth[120:]) < negative_log_likelihood(
            apply_temperature(others, 1), truth[120:]
        )
    assert lower >= 45


def test_temperature_keeps_the_order_of_the_classes():
    logits, _ = draws(3, classes=4)
    np.testing.assert_array_equal(apply_temperature(logits, 3.3).argsort(axis=1), logits.argsort(axis=1))


def test_a_row_of_weight_two_is_two_rows():
    logits, truth = draws(4, n=12)
    twice = np.repeat(np.arange(12), np.where(np.arange(12) < 5, 2, 1))
    weight = np.where(np.arange(12) < 5, 2.0, 1.0)
    assert fit_temperature(logits, truth, weight) == pytest.approx(fit_temperature(logits[twice], truth[twice]))


def test_temperature_without_an_optimum_stays_in_its_bounds():
    logits = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    assert fit_temperature(logits, [0, 1, 0]) == LOWEST_TEMPERATURE
    assert fit_temperature(logits, [1, 0, 1]) == HIGHEST_TEMPERATURE


@pytest.mark.parametrize("bins", [3, 5, 10])
def test_reliability_agrees_with_scikit_learn(bins):
    logits, truth = draws(5, n=90)
    value = softmax(logits, axis=1)[:, 1]
    observed, mean = calibration_curve(truth, value, n_bins=bins)
    points = reliability(value, truth == 1, bins)
    assert [point.observed for point in points] == pytest.approx(list(observed))
    assert [point.mean_probability for point in points] == pytest.approx(list(mean))
    weights = np.array([point.n for point in points])
    expected = float(weights @ np.abs(observed - mean) / 90)
    assert expected_calibration_error(value, truth == 1, bins) == pytest.approx(expected)


def test_calibration_error_by_hand():
    # Bins 0-0.5 and 0.5-1: (0.1, 0.3 | one of two) gap 0.3; (0.6, 0.7, 0.8 | three of three) gap 0.3.
    error = expected_calibration_error([0.1, 0.3, 0.6, 0.7, 0.8], [True, False, True, True, True], bins=2)
    assert error == pytest.approx(0.3)


def test_the_interval_of_a_bin_is_exact_binomial():
    (point,) = reliability([0.7] * 10, [True] * 10)
    # Clopper-Pearson of 10 of 10: 0.025^(1/10).
    assert (point.low, point.high, point.n) == (pytest.approx(0.025**0.1), 1.0, 10)


@pytest.mark.parametrize("seed", range(5))
def test_line_agrees_with_logistic_regression(seed):
    logits, truth = draws(seed, n=70)
    value = softmax(1.3 * logits + [0.7, 0.0], axis=1)[:, 1]
    score = logit(value)
    full = sm.GLM(truth, sm.add_constant(score), family=sm.families.Binomial()).fit(tol=1e-12)
    shift = sm.GLM(truth, np.ones(70), family=sm.families.Binomial(), offset=score).fit(tol=1e-12)
    slope, intercept = calibration_line(value, truth == 1)
    assert slope == pytest.approx(full.params[1], rel=1e-6)
    assert intercept == pytest.approx(shift.params[0], rel=1e-6)


def test_calibrated_probabilities_have_slope_one_and_intercept_zero():
    logits, truth = draws(6, n=20000)
    slope, intercept = calibration_line(softmax(logits, axis=1)[:, 1], truth == 1)
    # 20000 draws: standard errors of about 0.015 and 0.02.
    assert slope == pytest.approx(1, abs=0.05)
    assert intercept == pytest.approx(0, abs=0.07)


def test_line_is_undefined_where_the_classes_are_separated_or_absent():
    slope, intercept = calibration_line([0.1, 0.2, 0.8], [False, False, True])
    assert math.isnan(slope)
    assert math.isfinite(intercept)
    assert all(math.isnan(value) for value in calibration_line([0.1, 0.2], [True, True]))
    assert math.isnan(calibration_line([0.5, 0.5], [False, True])[0])


def test_intervals_are_those_of_the_written_out_bootstrap():
    logits, truth = draws(7, n=40)
    probability = softmax(logits, axis=1)
    ours = calibration_intervals(probability, truth, 1, draw_counts(truth, 100, 3))
    slow = {
        "nll": lambda rows: negative_log_likelihood(probability[rows], truth[rows]),
        "brier": lambda rows: brier_score(probability[rows], truth[rows]),
        "ece": lambda rows: expected_calibration_error(probability[rows, 1], truth[rows] == 1),
        "slope": lambda rows: calibration_line(probability[rows, 1], truth[rows] == 1)[0],
        "intercept": lambda rows: calibration_line(probability[rows, 1], truth[rows] == 1)[1],
    }
    assert set(ours) == set(slow)
    for name, statistic in slow.items():
        theirs = patient_bootstrap(statistic, truth, n_bootstraps=100, seed=3)
        assert (ours[name].estimate, ours[name].low, ours[name].high) == pytest.approx(
            (theirs.estimate, theirs.low, theirs.high), rel=1e-6
        ), name


def test_intervals_of_the_slope_hold_the_truth():
    held = 0
    for seed in range(100):
        logits, truth = draws(100 + seed, n=120)
        interval = calibration_intervals(softmax(logits, axis=1), truth, 1, draw_counts(truth, 300, seed))["slope"]
        held += interval.low <= 1 <= interval.high
    # 100 trials: 0.95 has a standard error of 0.022.
    assert held >= 88


@pytest.mark.parametrize(
    ("probability", "truth", "message"),
    [
        ([[0.5, 0.6]], [0], "sum to 1"),
        ([[0.5, 0.5]], [2], "indices of the 2 classes"),
        ([[0.5, 0.5]], [0, 1], "truth has shape"),
        ([[0.5, 0.5]], [[0.5, 0.9]], "soft labels"),
        ([[math.nan, 0.5]], [0], "sum to 1"),
    ],
)
def test_what_is_no_probability_is_refused(probability, truth, message):
    with pytest.raises(ValueError, match=message):
        brier_score(probability, truth)

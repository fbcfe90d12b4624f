import math
import warnings

import numpy as np
import pytest
from scipy.special import expit

from dawson.statistics.conformal import (
    answers,
    class_conditional_p_values,
    coverage_by_class,
    cross_conformal_p_values,
    prediction_sets,
    risk_coverage,
    smallest_calibration,
)
from dawson.statistics.proportions import exact_binomial


def columns(positive):
    positive = np.asarray(positive, dtype=float)
    return np.stack([1 - positive, positive], axis=-1)


def counted(calibration, truth, fold, person, tested):
    """p values straight from the definition, all pairs one by one."""
    n, classes = tested.shape[1:]
    p = np.empty((n, classes))
    for row in range(n):
        for label in range(classes):
            people = sorted({who for who, own in zip(person, truth, strict=True) if own == label})
            total = 1.0
            for who in people:
                scans = [i for i in range(len(person)) if person[i] == who]
                total += np.mean([calibration[i, label] <= tested[fold[i], row, label] for i in scans])
            p[row, label] = total / (len(people) + 1)
    return p


def scans(seed, people=30, folds=3, n=12, classes=3):
    """Calibration scans (one to three a person) and tested ones, rounded so that there are ties."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, 4, size=people))
    truth, fold = rng.integers(0, classes, size=people)[person], (np.arange(people) % folds)[person]
    calibration = np.round(rng.dirichlet(np.ones(classes), size=person.size), 1)
    tested = np.round(rng.dirichlet(np.ones(classes), size=(folds, n)), 1)
    return calibration, truth, fold, np.array([f"sub-{who:02d}" for who in person]), tested


@pytest.mark.parametrize("seed", range(3))
def test_pooled_ranks_are_those_of_the_definition(seed):
    case = scans(seed)
    np.testing.assert_allclose(cross_conformal_p_values(*case), counted(*case))


def test_one_network_agrees_with_crepes_class_conditional():
    from crepes import WrapClassifier
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(150, 2)), rng.integers(0, 3, size=150)
    x[np.arange(150), np.minimum(y, 1)] += y
    model = WrapClassifier(LogisticRegression())
    model.fit(x[:60], y[:60])
    model.calibrate(x[60:120], y[60:120], class_cond=True)
    theirs = model.predict_p(x[120:], smoothing=False)
    ours = class_conditional_p_values(model.predict_proba(x[60:120]), y[60:120], np.arange(60), model.predict_proba(x[120:]))
    np.testing.assert_allclose(ours, theirs)


def test_p_values_by_hand():
    # Class 1: patients at 0.2, 0.5, 0.8; a new one at 0.5 is reached by two of them.
    calibration, truth = columns([0.2, 0.5, 0.8, 0.1]), [1, 1, 1, 0]
    p = class_conditional_p_values(calibration, truth, list("abcd"), columns([0.5]))
    np.testing.assert_allclose(p, [[1 / 2, 3 / 4]])


def test_a_patient_with_two_scans_counts_half_for_each():
    # Patient a at 0.2 and 0.8, b at 0.3: at 0.5 half of a and all of b are as strange.
    p = class_conditional_p_values(columns([0.2, 0.8, 0.3]), [1, 1, 1], list("aab"), columns([0.5]))
    assert p[0, 1] == pytest.approx((1 + 0.5 + 1) / 3)


def test_copies_of_a_scan_change_nothing():
    calibration, truth, fold, person, tested = scans(4)
    once = cross_conformal_p_values(calibration, truth, fold, person, tested)
    again = np.repeat(np.arange(person.size), 3)
    np.testing.assert_allclose(cross_conformal_p_values(calibration[again], truth[again], fold[again], person[again], tested), once)


def test_folds_of_one_network_are_one_calibration_set():
    calibration, truth, fold, person, tested = scans(5)
    same = np.repeat(tested[:1], 3, axis=0)
    np.testing.assert_allclose(
        cross_conformal_p_values(calibration, truth, fold, person, same),
        class_conditional_p_values(calibration, truth, person, tested[0]),
    )


def test_a_class_that_nobody_calibrates_is_never_excluded():
    p = class_conditional_p_values([[0.8, 0.1, 0.1]] * 20, [0] * 20, np.arange(20), [[1.0, 0.0, 0.0]])
    assert p[0, 1] == 1
    assert prediction_sets(p, 0.9)[0, 1]


def test_nine_patients_can_exclude_at_ten_per_cent_and_eight_cannot():
    for patients in (8, 9):
        p = class_conditional_p_values(columns(np.full(patients, 0.9)), [1] * patients, np.arange(patients), columns([0.1]))
        assert prediction_sets(p, 0.1)[0, 1] == (patients == 8)
    assert smallest_calibration(0.1) == 9


@pytest.mark.parametrize("alpha", [0.5, 0.2, 0.1, 0.05, 0.03, 0.01])
def test_smallest_calibration_is_the_least(alpha):
    n = smallest_calibration(alpha)
    assert 1 / (n + 1) <= alpha < 1 / n


def test_a_smaller_error_rate_gives_larger_sets():
    p = cross_conformal_p_values(*scans(6))
    assert (prediction_sets(p, 0.05) >= prediction_sets(p, 0.2)).all()


def test_answers_are_single_classes():
    assert answers([[False, True], [True, True], [False, False]]).tolist() == [1, -1, -1]


def draw(rng, people, fold_noise, visit_noise, folds=5, shift=0.0, tested=20):
    """A study: calibration patients with one to four scans, tested ones with one, `folds` networks with noise of their own."""

    def logits(truth, rows):
        base = np.where(truth, 1.0, -1.0) + rng.normal(size=truth.size)
        return base[rows] + visit_noise * rng.normal(size=rows.size)

    truth = np.arange(people) % 2 == 1
    rows = np.repeat(np.arange(people), rng.integers(1, 5, size=people))
    fold = (rng.permutation(people) % folds)[rows]
    calibration = expit(1.5 * (logits(truth, rows) + fold_noise * rng.normal(size=rows.size)))
    new_truth = np.arange(2 * tested) % 2 == 1
    new = logits(new_truth, np.arange(2 * tested)) + shift
    probability = expit(1.5 * (new + fold_noise * rng.normal(size=(folds, 2 * tested))))
    p = cross_conformal_p_values(columns(calibration), truth[rows].astype(int), fold, rows, columns(probability))
    return prediction_sets(p, 0.1), new_truth.astype(int)


def covered(people, fold_noise, visit_noise, draws=200, shift=0.0):
    """Coverage of each class over the draws; draws are resampled, since the patients of one share its calibration."""
    rng = np.random.default_rng(11)
    studies = [draw(rng, people, fold_noise, visit_noise, shift=shift) for _ in range(draws)]
    sets, truth = (np.concatenate(parts) for parts in zip(*studies, strict=True))
    study = np.repeat(np.arange(draws), len(studies[0][1]))
    return coverage_by_class(sets, truth, groups=2 * study + truth, seed=0)


@pytest.mark.parametrize("people", [24, 60])
@pytest.mark.parametrize(("fold_noise", "visit_noise"), [(0.0, 0.0), (0.5, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_two_hundred_draws_cover_each_class(people, fold_noise, visit_noise):
    for interval in covered(people, fold_noise, visit_noise).values():
        assert interval.high >= 0.9
        # Conservative, most with few patients and folds that disagree, but not uselessly so.
        assert interval.estimate <= 0.985


def test_almost_every_draw_has_an_interval_that_reaches_the_promise():
    rng = np.random.default_rng(3)
    reached = []
    for seed in range(60):
        sets, truth = draw(rng, 120, 0.5, 0.5)
        intervals = coverage_by_class(sets, truth, n_bootstraps=300, seed=seed)
        reached.extend(interval.high >= 0.9 for interval in intervals.values())
    # Calibration sets differ, so that a few draws fall short by more than their test patients' noise.
    assert np.mean(reached) >= 0.9


def test_a_shifted_site_loses_coverage():
    assert covered(60, 0.5, 0.5, draws=30, shift=1.5)[0].high < 0.75


def test_coverage_counts_a_person_once():
    # Person a: covered in one of two rows, b in all of three: (0.5 + 1) / 2.
    sets = [[True, False], [False, True], [True, False], [True, True], [True, False]]
    interval = coverage_by_class(sets, [0] * 5, list("aabbb"), n_bootstraps=500, seed=0)[0]
    assert interval.estimate == pytest.approx(0.75)
    assert (interval.low, interval.high) == (0.5, 1.0)


def test_coverage_of_all_has_exact_bounds_and_of_nobody_none():
    result = coverage_by_class([[True, False]] * 8, [0] * 8)
    assert result[0] == exact_binomial(8, 8)
    assert math.isnan(result[1].estimate)


def test_coverage_is_the_same_with_the_same_seed():
    sets, truth = draw(np.random.default_rng(0), 40, 0.5, 0.5)
    assert coverage_by_class(sets, truth, seed=4) == coverage_by_class(sets, truth, seed=4)


def test_risk_coverage_by_hand():
    coverage, risk = risk_coverage([0.6, 0.9, 0.8, 0.6, 0.7], [0, 1, 1, 1, 0.5])
    assert coverage.tolist() == [0.2, 0.4, 0.6, 1.0]
    assert risk == pytest.approx([0, 0, 0.5 / 3, 1.5 / 5])


def test_risk_of_all_is_the_error_rate_in_any_order():
    rng = np.random.default_rng(0)
    score, right = rng.random(50), rng.random(50) < 0.7
    coverage, risk = risk_coverage(score, right)
    assert (coverage[-1], risk[-1]) == (1, pytest.approx(1 - right.mean()))


def test_the_programs_warnings_filter_is_left_alone():
    calibration, truth, fold, person, tested = scans(0)
    cross_conformal_p_values(calibration, truth, fold, person, tested)
    assert not any(entry[0] == "always" and entry[2] is UserWarning and entry[1] is None for entry in warnings.filters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": [0, 1, 1]}, "sub-a has two classes"),
        ({"fold": [0, 1, 1]}, "sub-a has two folds"),
        ({"fold": [0, 0, 2]}, "not among"),
        ({"calibration": columns([0.5, math.nan, 0.5])}, "finite"),
        ({"calibration": np.full((3, 3), 1 / 3)}, "do not fit"),
        ({"person": ["sub-a"]}, "per calibration row"),
    ],
)
def test_what_cannot_calibrate_is_refused(change, message):
    given = {"calibration": columns([0.2, 0.4, 0.6]), "truth": [0, 0, 1], "fold": [0, 0, 1], "person": ["sub-a", "sub-a", "sub-b"]}
    with pytest.raises(ValueError, match=message):
        cross_conformal_p_values(*{**given, **change}.values(), columns([[0.5], [0.5]]))

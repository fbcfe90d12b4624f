import numpy as np
import pytest

from dawson.statistics.decision_curve import net_benefit, treat_all

# Ten patients, four positive.
TRUTH = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
CHANCE = np.array([0.9, 0.7, 0.5, 0.2, 0.8, 0.4, 0.3, 0.2, 0.1, 0.1])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, 0.4),  # everybody: 4/10 - 6/10 * 0
        (0.2, 0.3),  # 0.2 or more: 4 hits, 4 alarms: 0.4 - 0.4 * 0.25
        (0.25, 0.2),  # 3 hits, 3 alarms: 0.3 - 0.3 / 3
        (0.5, 0.2),  # 3 hits, 1 alarm: 0.3 - 0.1
        (0.75, -0.2),  # 1 hit, 1 alarm: 0.1 - 0.1 * 3
        (0.95, 0.0),  # nobody
    ],
)
def test_net_benefit_by_hand(threshold, expected):
    assert net_benefit(TRUTH, CHANCE, [threshold])[0] == pytest.approx(expected)


def test_at_the_prevalence_of_the_sample_nothing_changes():
    thresholds = np.linspace(0, 0.9, 10)
    np.testing.assert_allclose(net_benefit(TRUTH, CHANCE, thresholds, prevalence=0.4), net_benefit(TRUTH, CHANCE, thresholds))


def test_another_prevalence_by_hand():
    # At 0.5: sensitivity 3/4, one of six called falsely; prevalence 0.1: 0.075 - 0.15.
    assert net_benefit(TRUTH, CHANCE, [0.5], prevalence=0.1)[0] == pytest.approx(0.75 * 0.1 - 0.9 / 6)


def test_another_prevalence_is_that_of_a_sample_with_such_a_mix():
    rows = np.concatenate([np.flatnonzero(TRUTH), np.repeat(np.flatnonzero(~TRUTH), 3)])
    thresholds = np.linspace(0, 0.9, 10)
    np.testing.assert_allclose(
        net_benefit(TRUTH, CHANCE, thresholds, prevalence=4 / 22), net_benefit(TRUTH[rows], CHANCE[rows], thresholds)
    )


def test_calling_everybody_is_treating_all():
    thresholds = np.linspace(0, 0.9, 10)
    np.testing.assert_allclose(net_benefit(TRUTH, np.ones(10), thresholds), treat_all(0.4, thresholds))


def test_treating_all_is_worth_nothing_at_the_prevalence():
    assert treat_all(0.3, [0.3])[0] == pytest.approx(0)


def test_perfect_probabilities_are_worth_the_prevalence_at_every_threshold():
    np.testing.assert_allclose(net_benefit(TRUTH, TRUTH.astype(float), [0.1, 0.5, 0.9]), 0.4)


def test_a_prevalence_cannot_stand_for_an_absent_class():
    assert np.isnan(net_benefit([True, True], [0.5, 0.6], [0.5], prevalence=0.2))[0]


@pytest.mark.parametrize("threshold", [1.0, -0.1, np.nan])
def test_thresholds_lie_below_one(threshold):
    with pytest.raises(ValueError, match="thresholds"):
        net_benefit(TRUTH, CHANCE, [threshold])


def test_prevalence_is_a_share():
    with pytest.raises(ValueError, match="prevalence"):
        treat_all(40, [0.5])

"""Ranking schemes against tables worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from dawson.statistics.challenge_ranking import (
    competition_ranks,
    mean_then_rank,
    overall_ranks,
    rank_stability,
    rank_then_mean,
    significance_ranks,
)

NAN = float("nan")
# Dice of three entries on four cases.
# Means: 0.70, 0.75, 0.60. Ranks by case: (1, 2, 3), (1, 2, 3), (1, 2, 3), (3, 1, 2); their means: 1.5, 1.75, 2.75.
SCORES = [[0.9, 0.9, 0.9, 0.1], [0.8, 0.8, 0.8, 0.6], [0.7, 0.7, 0.7, 0.3]]


def test_the_two_schemes_may_disagree():
    assert mean_then_rank(SCORES).tolist() == [2, 1, 3]
    assert rank_then_mean(SCORES).tolist() == [1, 2, 3]


def test_distances_rank_the_other_way_round():
    assert mean_then_rank(SCORES, higher_is_better=False).tolist() == [2, 3, 1]
    assert rank_then_mean(SCORES, higher_is_better=False).tolist() == [3, 2, 1]


def test_a_missing_case_counts_as_the_worst_answer():
    scores = [[0.9, NAN], [0.5, 0.0]]
    assert mean_then_rank(scores, worst=0.0).tolist() == [1, 2]
    assert mean_then_rank(scores).tolist() == [2, 1]
    # by cases: best and last, against last and best
    assert rank_then_mean(scores).tolist() == [1, 1]


def test_an_infinite_distance_comes_before_no_answer():
    assert mean_then_rank([[1.0, np.inf], [2.0, 3.0], [1.0, NAN]], higher_is_better=False, worst=np.inf).tolist() == [2, 1, 2]
    assert rank_then_mean([[np.inf], [3.0], [NAN]], higher_is_better=False).tolist() == [2, 1, 3]


def test_equal_scores_share_the_better_rank():
    assert competition_ranks([1.0, 2.0, 2.0, NAN, NAN]).tolist() == [3, 1, 1, 4, 4]


def test_sums_in_another_order_are_still_equal():
    assert mean_then_rank([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]).tolist() == [1, 1]


def test_metrics_are_combined_by_the_weighted_mean_of_their_ranks():
    assert overall_ranks([[1, 2, 3], [3, 1, 2]]).tolist() == [2, 1, 3]
    assert overall_ranks([[1, 2, 3], [3, 1, 2]], weights=[5, 1]).tolist() == [1, 2, 3]


def test_significance_counts_whom_an_entry_beats_after_holm():
    rng = np.random.default_rng(0)
    good = rng.normal(0.8, 0.05, 30)
    scores = np.array([good, good - 0.1, good + rng.normal(0, 0.02, 30)])
    ranks, beats = significance_ranks(scores)
    assert beats[0, 1] and beats[2, 1]
    assert not beats[1].any() and not beats[0, 2] and not beats[2, 0]
    assert ranks.tolist() == [1, 3, 1]


def test_significance_of_one_pair_is_that_of_scipy():
    rng = np.random.default_rng(3)
    one, other = rng.normal(0.02, 1, (2, 12))
    smallest = min(wilcoxon(one - other, alternative=side).pvalue for side in ("greater", "less"))
    # two ordered pairs are tested, so Holm doubles the smaller P value
    assert significance_ranks([one, other], alpha=2 * smallest * 1.01)[1].any()
    assert not significance_ranks([one, other], alpha=2 * smallest * 0.99)[1].any()


def test_equal_entries_never_beat_each_other():
    assert not significance_ranks([[0.5, 0.6], [0.5, 0.6]])[1].any()


def test_stability_reproduces_with_its_seed_and_draws_people_whole():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(4, 12))
    people = np.repeat(["a", "b", "c", "d"], 3)
    drawn: list[np.ndarray] = []

    def ranking(times):
        drawn.append(times)
        return mean_then_rank(scores, weights=times)

    first = rank_stability(ranking, people, 50, seed=5)
    again = rank_stability(ranking, people, 50, seed=5)
    other = rank_stability(ranking, people, 50, seed=6)
    assert np.array_equal(first.shares, again.shares) and np.array_equal(first.kendall_tau, again.kendall_tau)
    assert not np.array_equal(first.kendall_tau, other.kendall_tau)
    assert all((times.reshape(4, 3) == times.reshape(4, 3)[:, :1]).all() for times in drawn)
    assert np.allclose(first.shares.sum(axis=1), 1)


def test_clear_differences_make_firm_ranks_and_noise_does_not():
    rng = np.random.default_rng(2)
    noise = rng.normal(size=(3, 40))
    clear = noise + np.array([[20.0], [10.0], [0.0]])
    firm = rank_stability(lambda times: mean_then_rank(clear, weights=times), range(40), 200)
    loose = rank_stability(lambda times: mean_then_rank(noise, weights=times), range(40), 200)
    assert (firm.kendall_tau == 1).all() and firm.low.tolist() == firm.high.tolist() == [1, 2, 3]
    assert loose.kendall_tau.mean() < 0.9


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_best_on_every_case_is_first_by_every_scheme(entries, cases, chance):
    scores = np.array([[chance.random() for _ in range(cases)] for _ in range(entries)])
    scores[0] = 2.0
    assert mean_then_rank(scores)[0] == rank_then_mean(scores)[0] == significance_ranks(scores)[0][0] == 1
    assert mean_then_rank(scores, higher_is_better=False)[0] == rank_then_mean(scores, higher_is_better=False)[0] == entries


def test_weights_must_fit():
    with pytest.raises(ValueError, match="weights"):
        mean_then_rank(SCORES, weights=[1, 1])
    with pytest.raises(ValueError, match="entries by cases"):
        mean_then_rank([0.1, 0.2])

"""The leaderboard of a phase: the best entry of each team, ranked by every scheme, with how firm the ranks are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawson.challenge.scoreboard import Floats, Scoreboard, read_scores
from dawson.challenge.settings import ChallengeSettings
from dawson.challenge.task import Metric
from dawson.errors import ChallengeError
from dawson.statistics.bootstrap import draw_counts, percentile_interval
from dawson.statistics.challenge_ranking import (
    MEAN_THEN_RANK,
    RANK_THEN_MEAN,
    SCHEMES,
    SIGNIFICANCE,
    RankStability,
    competition_ranks,
    mean_then_rank,
    overall_ranks,
    rank_stability,
    rank_then_mean,
    significance_ranks,
)
from dawson.statistics.interval import Interval

INTERVAL_BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Standing:
    """Ranks of one metric, or of all together where `metric` is None.

    Parameters
    ----------
    metric : Metric or None
    means : tuple of Interval
        Of each entry, with a bootstrap over patients; empty for all together.
    ranks : dict of str to ndarray
        By scheme.
    stability : RankStability or None
        Of the challenge's scheme; None where no bootstraps are asked for, or there are fewer than two entries.
    beats : ndarray of bool, shape (entries, entries), or None
        Which entries are significantly better than which; None for all together and for metrics of sets.
    """

    metric: Metric | None
    means: tuple[Interval, ...]
    ranks: dict[str, Floats]
    stability: RankStability | None
    beats: NDArray[np.bool_] | None


@dataclass(frozen=True)
class Leaderboard:
    """What a phase has come to.

    Parameters
    ----------
    phase : str
    scheme : str
        Of the challenge; `overall.ranks[scheme]` is the order.
    board : Scoreboard
    standings : tuple of Standing
        One for each ranked metric.
    overall : Standing
    competitors : tuple of int
        Entries of teams, the best first; entries of the organiser are out of competition.
    """

    phase: str
    scheme: str
    board: Scoreboard
    standings: tuple[Standing, ...]
    overall: Standing
    competitors: tuple[int, ...]


def make_leaderboard(
    challenge: Path, settings: ChallengeSettings, phase: str, *, at: datetime | None = None, organiser: bool = False
) -> Leaderboard:
    """Rank the entries of a phase.

    Of every team the last scored entry counts. Entries of the organiser are ranked with the others, out of competition.

    Parameters
    ----------
    challenge : Path
    settings : ChallengeSettings
    phase : str
    at : datetime, optional
        The moment; now by default.
    organiser : bool
        Also while scores are not to be seen.

    Raises
    ------
    ChallengeError
        Nothing is scored, or the scores are not to be seen yet.
    """
    stage = settings.phase(phase)
    if not organiser and not stage.shows_scores(at or datetime.now(UTC)):
        raise ChallengeError(f"Scores of phase {phase} are shown when it has closed.", f"It closes at {stage.closes:%Y-%m-%d %H:%M %Z}.")
    board = read_scores(challenge, settings, phase)
    metrics = [settings.task.metric(name) for name in settings.metrics]
    standings = tuple(_standing(board, metric, settings) for metric in metrics)
    overall = _overall(board, metrics, standings, settings)
    order = np.argsort(overall.ranks[settings.ranking.scheme], kind="stable")
    competitors = tuple(int(place) for place in order if not board.entries[int(place)].reference)
    return Leaderboard(phase, settings.ranking.scheme, board, standings, overall, competitors)


def _standing(board: Scoreboard, metric: Metric, settings: ChallengeSettings) -> Standing:
    draws = draw_counts(np.zeros(len(board.cases)), INTERVAL_BOOTSTRAPS, settings.ranking.seed, groups=np.asarray(board.people))
    once = np.ones(len(board.cases))
    ranks = {scheme: _ranking(board, metric, scheme, settings)(once) for scheme in _schemes(metric)}
    if metric.of == "set":
        value = board.set_scores[metric.name]
        found = np.array([value(times) for times in draws])
        means = tuple(percentile_interval(float(now), found[:, place]) for place, now in enumerate(value(once)))
        return Standing(metric, means, ranks, _stability(board, metric, settings), None)
    scores, applies = _with_worst(board, metric)
    means = tuple(percentile_interval(float(row[applies].mean()), _means(row[applies], draws[:, applies])) for row in scores)
    beats = significance_ranks(_told(board, metric), metric.higher_is_better, settings.ranking.alpha)[1]
    return Standing(metric, means, ranks, _stability(board, metric, settings), beats)


def _means(row: Floats, draws: Floats) -> Floats:
    """Means of resamples; NaN for one without any case of the metric. An infinite score makes its means infinite."""
    total = draws.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        finite = np.where(np.isfinite(row), row, 0.0)
        means = draws @ finite / total
    for place in np.flatnonzero(~np.isfinite(row)):
        means[draws[:, place] > 0] = row[place]
    return np.asarray(means, dtype=np.float64)


def _with_worst(board: Scoreboard, metric: Metric) -> tuple[Floats, NDArray[np.bool_]]:
    """Scores with the worst value for missing answers, and the cases of which the metric says something."""
    scores = board.scores[metric.name]
    applies = board.applies(metric.name)
    return np.where(np.isnan(scores), metric.worst, scores), applies


def _told(board: Scoreboard, metric: Metric) -> Floats:
    return board.scores[metric.name][:, board.applies(metric.name)]


def _schemes(metric: Metric) -> tuple[str, ...]:
    return SCHEMES if metric.of == "case" else (MEAN_THEN_RANK,)


def _ranking(board: Scoreboard, metric: Metric, scheme: str, settings: ChallengeSettings) -> Callable[[Floats], Floats]:
    """Ranks by a scheme, of cases that count so and so often."""
    if metric.of == "set":
        value, sign = board.set_scores[metric.name], 1 if metric.higher_is_better else -1
        return lambda times: competition_ranks(sign * value(times))
    scores = _told(board, metric)
    applies = board.applies(metric.name)

    def ranked(times: Floats) -> Floats:
        own = times[applies]
        if not own.sum():
            return np.ones(len(scores))
        if scheme == RANK_THEN_MEAN:
            return rank_then_mean(scores, metric.higher_is_better, own)
        if scheme == SIGNIFICANCE:
            return significance_ranks(scores, metric.higher_is_better, settings.ranking.alpha, own)[0]
        return mean_then_rank(scores, metric.higher_is_better, metric.worst, own)

    return ranked


def _scheme_for(metric: Metric, settings: ChallengeSettings) -> str:
    return settings.ranking.scheme if settings.ranking.scheme in _schemes(metric) else MEAN_THEN_RANK


def _stability(board: Scoreboard, metric: Metric, settings: ChallengeSettings) -> RankStability | None:
    return _bootstrapped(board, _ranking(board, metric, _scheme_for(metric, settings), settings), settings)


def _bootstrapped(board: Scoreboard, ranking: Callable[[Floats], Floats], settings: ChallengeSettings) -> RankStability | None:
    if len(board.entries) < 2 or not settings.ranking.bootstraps or len(set(board.people)) < 2:
        return None
    return rank_stability(ranking, board.people, settings.ranking.bootstraps, settings.ranking.seed)


def _overall(board: Scoreboard, metrics: Sequence[Metric], standings: Sequence[Standing], settings: ChallengeSettings) -> Standing:
    weights = settings.ranking.weights or None
    ranks = {}
    for scheme in SCHEMES:
        of_metrics = [one.ranks.get(scheme, one.ranks[MEAN_THEN_RANK]) for one in standings]
        ranks[scheme] = overall_ranks(of_metrics, weights)
    rankings = [_ranking(board, metric, _scheme_for(metric, settings), settings) for metric in metrics]
    stability = _bootstrapped(board, lambda times: overall_ranks([ranking(times) for ranking in rankings], weights), settings)
    return Standing(None, (), ranks, stability, None)

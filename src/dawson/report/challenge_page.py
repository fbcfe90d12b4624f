"""The page of a challenge's phase: leaderboard, firmness of its ranks, and what the rules are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dawson.challenge.build import hidden_cases
from dawson.challenge.leaderboard import Leaderboard, Standing
from dawson.challenge.settings import ChallengeSettings
from dawson.challenge.task import Metric
from dawson.files import write_json, write_tsv
from dawson.report.banners import banners
from dawson.report.challenge_figures import beats_figure, cases_figure, stability_figure
from dawson.report.rendering import write_page
from dawson.statistics.interval import Interval

FOLDER = "leaderboard"
_FEWEST_OF_SUBGROUP = 3


@dataclass(frozen=True)
class _Row:
    rank: str
    team: str
    method: str
    reference: bool
    scores: list[str]
    rank_interval: str
    received: str


def write_leaderboard(
    challenge: Path, settings: ChallengeSettings, board: Leaderboard, *, organiser: bool = False, at: datetime | None = None
) -> Path:
    """Write page, table and JSON of a phase below `leaderboard/`.

    Parameters
    ----------
    challenge : Path
    settings : ChallengeSettings
    board : Leaderboard
    organiser : bool
        Also show scores case by case while entries can still be made; the files then go below `hidden/`.
    at : datetime, optional

    Returns
    -------
    Path
        Of the page.
    """
    phase = settings.phase(board.phase)
    now = at or datetime.now(UTC)
    # case by case, a score tells a participant where to look
    detailed = organiser or (phase.closes is not None and now >= phase.closes)
    secret = organiser and not (phase.closes is not None and now >= phase.closes)
    folder = challenge / "hidden" / FOLDER if secret else challenge / FOLDER
    table = leaderboard_table(settings, board)
    write_tsv(folder / f"{board.phase}.tsv", table)
    write_json(folder / f"{board.phase}.json", leaderboard_json(settings, board))
    note = "Simulated data" if settings.challenge.simulated else ""
    context: dict[str, Any] = {
        "banners": banners(simulated=settings.challenge.simulated, managed=None),
        "simulated": settings.challenge.simulated,
        "about": settings.challenge,
        "task": settings.task,
        "phase": phase,
        "scheme": board.scheme,
        "alpha": settings.ranking.alpha,
        "metrics": [settings.task.metric(name) for name in settings.metrics],
        "rows": _rows(settings, board),
        "cases": len(board.board.cases),
        "people": len(set(board.board.people)),
        "tau": _tau(board.overall),
        "stability": stability_figure(_names(board), board.overall.stability, "stability", note) if board.overall.stability else None,
        "schemes": _schemes(board),
        "details": [_detail(board, one, place, note) for place, one in enumerate(board.standings) if detailed],
        "subgroups": _subgroups(challenge, settings, board) if detailed else [],
        "organiser": secret,
    }
    return write_page(folder / f"{board.phase}.html", "challenge.html", context)


def leaderboard_page(challenge: Path, phase: str) -> Path:
    """Where the page of a phase lies that everybody may see."""
    return challenge / FOLDER / f"{phase}.html"


def leaderboard_table(settings: ChallengeSettings, board: Leaderboard) -> pd.DataFrame:
    """One row an entry, the best first: rank, team, method, reference, entry, and each metric with its interval, rounded as shown."""
    digits = settings.ranking.digits
    rows: list[dict[str, Any]] = []
    for place in np.argsort(board.overall.ranks[board.scheme], kind="stable"):
        entry = board.board.entries[int(place)]
        row: dict[str, Any] = {
            "rank": _rank(board, int(place)),
            "team": entry.team,
            "method": entry.method,
            "reference": entry.reference,
            "entry": entry.entry_id,
        }
        for one in board.standings:
            assert one.metric is not None
            mean = one.means[int(place)]
            row |= {one.metric.name: round(mean.estimate, digits), f"{one.metric.name}_low": round(mean.low, digits)}
            row |= {f"{one.metric.name}_high": round(mean.high, digits)}
        rows.append(row)
    return pd.DataFrame(rows)


def leaderboard_json(settings: ChallengeSettings, board: Leaderboard) -> dict[str, Any]:
    """The leaderboard for other programs, rounded as shown."""
    return {
        "challenge": settings.challenge.title,
        "task": settings.task.name,
        "phase": board.phase,
        "scheme": board.scheme,
        "SimulatedData": settings.challenge.simulated,
        "research_use_only": True,
        "cases": len(board.board.cases),
        "people": len(set(board.board.people)),
        "kendall_tau": _tau(board.overall),
        "entries": [
            {str(name): _known(value) for name, value in row.items()} for row in leaderboard_table(settings, board).to_dict("records")
        ],
    }


def _known(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _names(board: Leaderboard) -> list[str]:
    return [f"{entry.team}{' (' + entry.method + ')' if entry.reference and entry.method else ''}" for entry in board.board.entries]


def _rank(board: Leaderboard, place: int) -> int:
    """Rank among the competitors; that of an entry out of competition is where it would stand."""
    ranks = board.overall.ranks[board.scheme]
    better = [other for other in board.competitors if ranks[other] < ranks[place]]
    return len(better) + 1


def _rows(settings: ChallengeSettings, board: Leaderboard) -> list[_Row]:
    rows = []
    for position in np.argsort(board.overall.ranks[board.scheme], kind="stable"):
        place = int(position)
        entry = board.board.entries[place]
        stability = board.overall.stability
        between = "" if stability is None else f"{stability.low[place]:.0f}–{stability.high[place]:.0f}"
        scores = [_score(one.means[place], settings.ranking.digits) for one in board.standings]
        rank = "–" if entry.reference else str(_rank(board, place))
        rows.append(_Row(rank, entry.team, entry.method, entry.reference, scores, between, entry.at.strftime("%d %b %Y").lstrip("0")))
    return rows


def _score(mean: Interval, digits: int) -> str:
    if not np.isfinite(mean.estimate):
        return "missing cases"
    if not (np.isfinite(mean.low) and np.isfinite(mean.high)):
        return f"{mean.estimate:.{digits}f}"
    return f"{mean.estimate:.{digits}f} ({mean.low:.{digits}f}–{mean.high:.{digits}f})"


def _tau(standing: Standing) -> float | None:
    if standing.stability is None or np.isnan(standing.stability.kendall_tau).all():
        return None
    return round(float(np.nanmean(standing.stability.kendall_tau)), 3)


def _schemes(board: Leaderboard) -> list[tuple[str, list[str]]]:
    """Ranks by every scheme, entry by entry in the order of the leaderboard."""
    order = np.argsort(board.overall.ranks[board.scheme], kind="stable")
    names = _names(board)
    return [(names[entry], [f"{ranks[entry]:.0f}" for ranks in board.overall.ranks.values()]) for entry in order]


def _detail(board: Leaderboard, standing: Standing, place: int, note: str) -> Mapping[str, Any]:
    metric = standing.metric
    assert metric is not None
    ranks = next(iter(standing.ranks.values()))
    names = _names(board)
    of_cases = metric.of == "case"
    return {
        "title": metric.title,
        "cases": cases_figure(names, ranks, board.board.scores[metric.name], metric.title, f"cases{place}", note) if of_cases else None,
        "beats": None if standing.beats is None else beats_figure(names, ranks, standing.beats, f"beats{place}", note),
    }


def _subgroups(challenge: Path, settings: ChallengeSettings, board: Leaderboard) -> list[Mapping[str, Any]]:
    """Means of the first metric by columns of the hidden table; groups of fewer than three people are left out."""
    hidden = hidden_cases(challenge).set_index("case").loc[list(board.board.cases)]
    metric: Metric = settings.task.metric(settings.metrics[0])
    if metric.of == "set":
        return []
    told: list[Mapping[str, Any]] = []
    for column in [name for name in settings.ranking.subgroups if name in hidden.columns]:
        groups = _grouped(hidden[column])
        levels = [level for level in sorted(set(groups)) if hidden.loc[groups == level, "person"].nunique() >= _FEWEST_OF_SUBGROUP]
        counts = [int(hidden.loc[groups == level, "person"].nunique()) for level in levels]
        rows = [
            (name, [_mean(scores[(groups == level).to_numpy()], settings) for level in levels]) for name, scores in _by_entry(board, metric)
        ]
        told.append({"column": column, "metric": metric.title, "levels": list(zip(levels, counts, strict=True)), "rows": rows})
    return told


def _by_entry(board: Leaderboard, metric: Metric) -> list[tuple[str, Any]]:
    order = np.argsort(board.overall.ranks[board.scheme], kind="stable")
    scores = np.where(board.board.answered, board.board.scores[metric.name], metric.worst)
    return [(_names(board)[place], scores[place]) for place in order]


def _mean(scores: Sequence[float], settings: ChallengeSettings) -> str:
    known = np.asarray(scores)[~np.isnan(scores)]
    return f"{known.mean():.{settings.ranking.digits}f}" if known.size else "–"


def _grouped(values: pd.Series) -> pd.Series:
    """Names as they are; numbers of many values in thirds."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 6:
        return pd.qcut(values, 3, duplicates="drop").astype(str)
    return values.astype(str)

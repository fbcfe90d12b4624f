"""Scores of the entries of a phase, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawson.challenge.build import hidden_cases
from dawson.challenge.entries import Entry, answer_path, entry_folder, read_entries
from dawson.challenge.scoring import ANSWERED, SCORES, cases_of_phase, true_rows
from dawson.challenge.settings import ChallengeSettings
from dawson.challenge.tables import answered_rows
from dawson.errors import ChallengeError
from dawson.files import read_tsv

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scoreboard:
    """Scores of entries on the cases of a phase.

    Parameters
    ----------
    entries : tuple of Entry
    cases, people : tuple of str
        Of each column of the scores, and the person of the case.
    answered : ndarray of bool, shape (entries, cases)
    scores : dict of str to ndarray of float, shape (entries, cases)
        By metric of cases; NaN where an answer is missing, and where the metric says nothing of a case.
    set_scores : dict of str to callable
        By metric of sets: takes how often each case counts, shape (cases,), and gives a figure an entry.
    """

    entries: tuple[Entry, ...]
    cases: tuple[str, ...]
    people: tuple[str, ...]
    answered: NDArray[np.bool_]
    scores: dict[str, Floats]
    set_scores: dict[str, Callable[[Floats], Floats]]

    def applies(self, metric: str) -> NDArray[np.bool_]:
        """Cases of which a metric says something, shape (cases,): an answer without a score tells of a case that has none."""
        return np.asarray(~(self.answered & np.isnan(self.scores[metric])).any(axis=0))


def read_scores(challenge: Path, settings: ChallengeSettings, phase: str) -> Scoreboard:
    """Scores of the last scored entry of every team.

    Raises
    ------
    ChallengeError
        There is none, or a table of scores does not hold the cases of the phase.
    """
    latest: dict[str, Entry] = {}
    for entry in read_entries(challenge):
        if entry.phase == phase and entry.state == "scored":
            latest[f"{entry.team.casefold()}{' *' if entry.reference else ''}{entry.method if entry.reference else ''}"] = entry
    if not latest:
        raise ChallengeError(f"No entry of phase {phase} is scored.", "Score with `dawson challenge score`.")
    entries = tuple(latest.values())
    cases = tuple(cases_of_phase(challenge, settings, phase))
    hidden = hidden_cases(challenge)
    person_of = dict(zip(hidden["case"], hidden["person"], strict=True))
    tables = []
    for entry in entries:
        table = read_tsv(entry_folder(challenge, entry.entry_id) / SCORES, text=("case", "status")).set_index("case")
        if set(table.index) != set(cases):
            raise ChallengeError(f"The scores of {entry.entry_id} are not of the cases of phase {phase}.", "Score it again.")
        tables.append(table.loc[list(cases)])
    names = [metric.name for metric in settings.task.metrics if metric.of == "case"]
    scores = {name: np.array([table[name].to_numpy(dtype=np.float64) for table in tables]) for name in names}
    answered = np.array([(table["status"] == ANSWERED).to_numpy() for table in tables])
    people = tuple(str(person_of[case]) for case in cases)
    return Scoreboard(entries, cases, people, answered, scores, _set_scores(challenge, settings, entries, cases, answered))


def _set_scores(
    challenge: Path, settings: ChallengeSettings, entries: Sequence[Entry], cases: Sequence[str], answered: NDArray[np.bool_]
) -> dict[str, Callable[[Floats], Floats]]:
    task = settings.task
    if task.score_set is None:
        return {}
    truth = true_rows(challenge)
    answers = [answered_rows(settings, cases, answer_path(challenge, entry)) for entry in entries]
    complete = [bool(of_entry.all()) for of_entry in answered]
    known: dict[bytes, dict[str, Floats]] = {}

    def figures(times: Floats) -> dict[str, Floats]:
        key = np.asarray(times).tobytes()
        if key not in known:
            drawn = [case for case, count in zip(cases, times, strict=True) for _ in range(int(count))]
            found = []
            for rows, whole in zip(answers, complete, strict=True):
                assert task.score_set is not None
                # an entry that left cases out has no figure: it comes last
                scored = (
                    task.score_set([rows[case] for case in drawn], [truth[case] for case in drawn], settings.challenge.targets)
                    if whole
                    else {}
                )
                found.append(scored)
            names = [metric.name for metric in task.metrics if metric.of == "set"]
            known[key] = {name: np.array([one.get(name, math.nan) for one in found]) for name in names}
        return known[key]

    return {
        metric.name: (lambda times, name=metric.name: figures(times)[name])  # type: ignore[misc]
        for metric in task.metrics
        if metric.of == "set"
    }

"""Scoring of entries: in a process of its own, with an end to its time and memory, beside the hidden truth."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dawson.challenge.build import hidden_cases, truth_path
from dawson.challenge.checking import AnswerCheck, answered_masks, check_masks
from dawson.challenge.entries import Entry, answer_path, entry_folder, mark, read_entry
from dawson.challenge.settings import ChallengeSettings, read_challenge
from dawson.challenge.tables import answered_rows, check_table
from dawson.errors import ChallengeError
from dawson.files import read_json, write_json, write_tsv

if TYPE_CHECKING:
    import pandas as pd

CHECK, SCORES = "check.json", "scores.tsv"
ANSWERED, MISSING = "scored", "missing"


def cases_of_phase(challenge: Path, settings: ChallengeSettings, phase: str) -> list[str]:
    """Test cases on which a phase is scored."""
    part = settings.phase(phase).cases
    table = hidden_cases(challenge)
    return sorted(table.loc[table["part"] == part, "case"])


def check_answer(challenge: Path, settings: ChallengeSettings, phase: str, answer: Path) -> AnswerCheck:
    """Whether an answer can be scored, and case by case why not.

    Parameters
    ----------
    challenge : Path
    settings : ChallengeSettings
    phase : str
    answer : Path
        A zip of masks, or a table.
    """
    cases = cases_of_phase(challenge, settings, phase)
    if settings.task.answer == "mask":
        return check_masks(challenge, settings, cases, answer)
    return check_table(settings, cases, answer)


def score_entry(challenge: Path, entry_id: str) -> Entry:
    """Check and score an entry in a process of its own; what becomes of it is written beside it.

    Parameters
    ----------
    challenge : Path
    entry_id : str

    Returns
    -------
    Entry
        Its state is scored; refused, where check.json says why; or failed, where time or memory ran out. A failed one can be
        scored again.

    Raises
    ------
    ChallengeError
        There is no such entry.
    """
    settings, entry = read_challenge(challenge), read_entry(challenge, entry_id)
    limits = settings.limits

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limits.scoring_memory_mb << 20,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (limits.scoring_seconds, limits.scoring_seconds + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    command = [sys.executable, "-m", "dawson.challenge.scoring", str(challenge.absolute()), entry_id]
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command,
            env=os.environ | quiet,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2 * limits.scoring_seconds + 30,
            preexec_fn=bound,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return mark(challenge, entry, "failed", f"scoring took longer than {2 * limits.scoring_seconds + 30} s")
    now = read_entry(challenge, entry_id)
    if done.returncode == 0:
        return now
    # what the process said may tell of the truth: it stays in the folder, for the organiser
    (entry_folder(challenge, entry_id) / "scoring.log").write_bytes(done.stderr[-100_000:])
    return mark(challenge, now, "failed", "scoring broke off: out of time or memory, or a fault of the scorer")


def read_check(challenge: Path, entry_id: str) -> AnswerCheck | None:
    """What was found in an entry; None before it was looked at."""
    path = entry_folder(challenge, entry_id) / CHECK
    if not path.is_file():
        return None
    content = read_json(path)
    return AnswerCheck(tuple(content["present"]), tuple(content["missing"]), content["problems"], tuple(content["notes"]))


def _score(challenge: Path, entry_id: str) -> None:
    """Runs in the process of its own."""
    settings, entry = read_challenge(challenge), read_entry(challenge, entry_id)
    answer = answer_path(challenge, entry)
    check = check_answer(challenge, settings, entry.phase, answer)
    folder = entry_folder(challenge, entry_id)
    write_json(folder / CHECK, asdict(check))
    if not check.is_valid:
        reason = (
            "no case is answered"
            if not check.problems
            else f"{len(check.problems)} {'problem' if len(check.problems) == 1 else 'problems'}: {_first(check.problems)}"
        )
        mark(challenge, entry, "refused", reason)
        return
    write_tsv(folder / SCORES, _table(challenge, settings, entry.phase, answer, check))
    mark(challenge, entry, "scored")


def _first(problems: dict[str, str]) -> str:
    name, problem = next(iter(problems.items()))
    return f"{name} {problem}"


def _table(challenge: Path, settings: ChallengeSettings, phase: str, answer: Path, check: AnswerCheck) -> pd.DataFrame:
    import pandas as pd

    names = [metric.name for metric in settings.task.metrics if metric.of == "case"]
    rows: list[dict[str, Any]] = [
        {"case": case, "status": ANSWERED, **{name: scores[name] for name in names}}
        for case, scores in _scores(challenge, settings, phase, answer, check.present)
    ]
    rows += [{"case": case, "status": MISSING, **dict.fromkeys(names, math.nan)} for case in check.missing]
    return pd.DataFrame(rows).sort_values("case", ignore_index=True)


def _scores(challenge: Path, settings: ChallengeSettings, phase: str, answer: Path, present: Sequence[str]) -> Any:
    import nibabel as nib

    task = settings.task
    if task.answer == "table":
        assert task.score_row is not None
        rows, truth = answered_rows(settings, cases_of_phase(challenge, settings, phase), answer), true_rows(challenge)
        for case in present:
            yield case, task.score_row(rows[case], truth[case], settings.challenge.targets)
        return
    assert task.score_mask is not None
    for case, mask in answered_masks(challenge, settings, present, answer):
        image: Any = nib.load(truth_path(challenge, case))
        truth_mask = np.asarray(image.dataobj) > 0
        if truth_mask.shape != mask.shape:
            raise ChallengeError(f"The truth of {case} is not on the grid of its images.", "Make the challenge again.")
        yield case, task.score_mask(mask, truth_mask, tuple(float(side) for side in image.header.get_zooms()[:3]))


def true_rows(challenge: Path) -> dict[str, dict[str, Any]]:
    """The hidden truth of the test cases by case, for tables."""
    return {str(row["case"]): {str(name): value for name, value in row.items()} for row in hidden_cases(challenge).to_dict("records")}


if __name__ == "__main__":
    _score(Path(sys.argv[1]), sys.argv[2])

"""Work in the background: scoring, one entry after another, whatever waits on the disk, so that nothing is lost with the process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from dawson.challenge.entries import read_entries
from dawson.challenge.leaderboard import make_leaderboard
from dawson.challenge.scoring import score_entry
from dawson.challenge.settings import read_challenge
from dawson.errors import DawsonError
from dawson.report.challenge_page import leaderboard_page, write_leaderboard
from dawson.web.server import Server, now

_LOOK_EVERY_S = 30.0
_log = logging.getLogger(__name__)


def score_waiting(challenges: Mapping[str, Path]) -> int:
    """Score every entry that was received and not looked at, and write the leaderboards anew; how many there were."""
    done = 0
    for folder in list(challenges.values()):
        entries = read_entries(folder)
        phases = {phase for phase in {entry.phase for entry in entries if entry.state == "scored"} if _is_due(folder, phase)}
        for entry in entries:
            if entry.state in ("received", "valid"):
                phases.add(score_entry(folder, entry.entry_id).phase)
                done += 1
        for phase in phases:
            rank_phase(folder, phase)
    return done


def _is_due(folder: Path, name: str) -> bool:
    """Whether a leaderboard is to be written although no entry came: the phase has closed, or the page is lost."""
    phase, page, at = read_challenge(folder).phase(name), leaderboard_page(folder, name), now()
    if not phase.shows_scores(at):
        return False
    return not page.is_file() or (phase.closes is not None and page.stat().st_mtime < phase.closes.timestamp() <= at.timestamp())


def rank_phase(folder: Path, phase: str) -> None:
    """Write the leaderboard of a phase, where scores may be seen."""
    settings = read_challenge(folder)
    try:
        write_leaderboard(folder, settings, make_leaderboard(folder, settings, phase))
    except DawsonError as error:
        # no entry is scored yet, or the scores of this phase are hidden until it closes
        _log.info("%s: %s", folder.name, error)


class Scorer:
    """A thread that scores what waits, at once when it is told of an entry, and drops copies of what may not be shown any more.

    Parameters
    ----------
    server : Server
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._news, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="scorer")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell(self) -> None:
        """There is a new entry."""
        self._news.set()

    def stop(self) -> None:
        """End after the entry at hand."""
        self._over.set()
        self._news.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self._news.clear()
            try:
                self._server.drop_copies()
                score_waiting(self._server.challenges)
            except (DawsonError, OSError):
                _log.exception("work in the background broke off; it is tried again")
            self._news.wait(_LOOK_EVERY_S)

"""What every page of a running server needs: the study, the database, and who may be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session, sessionmaker

from dawson.annotation.build import campaigns_of
from dawson.annotation.campaigns import find_campaign, open_campaign
from dawson.annotation.items import read_items
from dawson.annotation.settings import read_campaign
from dawson.cohort.consent import governance_of
from dawson.config import StudyConfig
from dawson.governance.gate import rule, use_of
from dawson.web.copies import Copies
from dawson.web.making import Making


@dataclass
class Server:
    """A study that is served.

    Parameters
    ----------
    study : Path
    sessions : sessionmaker
    config : StudyConfig
    open_to_all : bool
        Anybody may sign up as a volunteer.
    challenges : dict of str to Path
        Folders of challenges by the name of their pages.
    challenge_home : Path or None
        Where organisers may make new ones.
    mailbox : Path or None
        Of the trusted analysis, whose airlock is shown.
    new_entry : callable
        Called when an entry came.
    """

    study: Path
    sessions: sessionmaker[Session]
    config: StudyConfig
    open_to_all: bool = False
    challenges: dict[str, Path] = field(default_factory=dict)
    challenge_home: Path | None = None
    mailbox: Path | None = None
    new_entry: Callable[[], None] = lambda: None
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    copies: Copies = field(default_factory=Copies)
    making: Making = field(default_factory=Making)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction: kept when the block ends, undone when it fails."""
        with self.sessions.begin() as session:
            yield session

    def adopt_campaigns(self) -> list[str]:
        """Open every campaign of the study that the database does not know; gives their names."""
        adopted = []
        for folder in campaigns_of(self.study):
            with self.session() as session:
                if find_campaign(session, folder.name) is None:
                    settings = read_campaign(folder)
                    open_campaign(session, folder.name, settings, read_items(folder, settings, self.study), now())
                    adopted.append(folder.name)
        return adopted

    def drop_copies(self) -> None:
        """Remove the served copies of people who may not be shown any more, and those of challenges that were changed."""
        for public in (True, False):
            people = [participant_id for participant_id, is_public in self.copies.people() if is_public == public]
            for participant_id in set(people) - self.shown_of(people, public=public, record=False):
                self.copies.drop(participant_id)
        self.copies.drop_stale(self.challenges)

    def shown_of(self, people: Sequence[str], *, public: bool, record: bool, actor: str = "") -> set[str]:
        """Whom of some people consent lets show at this moment, to the public or to invited raters."""
        if not people:
            return set()
        governance = governance_of(self.study, self.config.governance)
        use = use_of(governance, "annotate", public=public)
        ruling = rule(self.study, people, use, managed=governance.managed, record=record, detail={"rater": actor})
        return set(ruling.allowed)

    def may_be_shown(self, participant_id: str, *, public: bool, actor: str, record: bool) -> bool:
        """Whether consent lets a person be shown at this moment, see `shown_of`."""
        return participant_id in self.shown_of([participant_id], public=public, record=record, actor=actor)


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)

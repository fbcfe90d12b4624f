"""`challenge.toml`: what is asked, when, by which rules, and how it is ranked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, field_validator, model_validator

from dawson.challenge.task import Task, task_named
from dawson.config import Section, read_toml, toml_table, validated
from dawson.errors import ConfigError
from dawson.files import write_text

CHALLENGE_FILE = "challenge.toml"
Scheme = Literal["mean-then-rank", "rank-then-mean", "significance"]


class AboutSection(Section):
    """What people read before they take part."""

    title: Annotated[str, Field(min_length=1)]
    task: str
    targets: tuple[str, ...] = ()
    organiser: Annotated[str, Field(min_length=1)]
    contact: str = ""
    about: str = ""
    licence: Annotated[str, Field(min_length=1)]
    data_statement: Annotated[str, Field(min_length=1)]
    simulated: bool = False
    """Nobody of the challenge is a real person."""


class Phase(Section):
    """A time in which entries are taken.

    `cases` says on which part of the test cases they are scored: the open part, whose scores everybody may climb on, or the final one,
    which is scored once for a team and shown when the phase has closed.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    opens: AwareDatetime
    closes: AwareDatetime | None = None
    cases: Literal["open", "final"] = "open"
    quota: Annotated[int, Field(ge=1)] = 20
    quota_per_day: Annotated[int, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _in_order(self) -> Phase:
        if self.closes is not None and self.closes <= self.opens:
            raise ValueError(f"phase {self.name} closes before it opens")
        if self.cases == "final" and self.closes is None:
            raise ValueError(f"phase {self.name} is scored on the final cases and must close")
        if self.cases == "final" and self.quota != 1:
            raise ValueError(f"phase {self.name} is scored on the final cases: its quota must be 1")
        return self

    def is_open(self, at: datetime) -> bool:
        """Whether entries are taken at a moment; the moment of closing is outside."""
        return self.opens <= at and (self.closes is None or at < self.closes)

    def shows_scores(self, at: datetime) -> bool:
        """Whether scores may be seen at a moment: those of final cases only when nobody can enter any more."""
        return self.cases == "open" or (self.closes is not None and at >= self.closes)


class RankingSection(Section):
    """By which metrics, weighed how, by which scheme."""

    metrics: tuple[str, ...] = ()
    weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    scheme: Scheme = "mean-then-rank"
    bootstraps: Annotated[int, Field(ge=0, le=10_000)] = 1000
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    seed: Annotated[int, Field(ge=0)] = 0
    digits: Annotated[int, Field(ge=1, le=4)] = 3
    """Digits of the scores that participants see: more would tell of the hidden truth."""
    subgroups: tuple[str, ...] = ()
    """Columns of the hidden table of cases by which scores are shown apart when a phase has closed."""

    @model_validator(mode="after")
    def _weights_fit(self) -> RankingSection:
        if self.weights and len(self.weights) != len(self.metrics):
            raise ValueError(f"{len(self.metrics)} metrics and {len(self.weights)} weights")
        return self


class LimitsSection(Section):
    """How large an entry may be, and how long its scoring may take."""

    entry_mb: Annotated[int, Field(ge=1)] = 512
    scoring_seconds: Annotated[int, Field(ge=1)] = 1800
    scoring_memory_mb: Annotated[int, Field(ge=256)] = 4096


class ChallengeSettings(Section):
    """The whole file."""

    challenge: AboutSection
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    ranking: RankingSection = RankingSection()
    limits: LimitsSection = LimitsSection()

    @field_validator("phases")
    @classmethod
    def _names_differ(cls, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        names = [phase.name for phase in phases]
        if len(set(names)) != len(names):
            raise ValueError(f"a phase stands twice: {', '.join(names)}")
        return phases

    @model_validator(mode="after")
    def _task_is_known(self) -> ChallengeSettings:
        try:
            task = task_named(self.challenge.task)
            for name in self.ranking.metrics:
                task.metric(name)
        except ConfigError as error:
            raise ValueError(str(error).rstrip(".")) from None
        if task.answer == "table" and not self.challenge.targets:
            raise ValueError(f"the task {task.name} needs targets: the columns to tell, or the classes")
        return self

    @property
    def task(self) -> Task:
        """What is asked."""
        return task_named(self.challenge.task)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that are ranked; the task's first where none is given."""
        return self.ranking.metrics or (self.task.metrics[0].name,)

    def phase(self, name: str | None, at: datetime | None = None) -> Phase:
        """A phase by its name, or the one that is open.

        Raises
        ------
        ConfigError
            There is none of this name, or no phase is open.
        """
        moment = at or datetime.now(UTC)
        names = ", ".join(phase.name for phase in self.phases)
        if name is not None:
            for phase in self.phases:
                if phase.name == name:
                    return phase
            raise ConfigError(f"The challenge has no phase {name!r}.", f"Its phases: {names}.")
        for phase in self.phases:
            if phase.is_open(moment):
                return phase
        raise ConfigError("No phase of the challenge takes entries now.", f"Its phases: {names}.")


def read_challenge(folder: Path) -> ChallengeSettings:
    """Read the file of a challenge.

    Raises
    ------
    ConfigError
        There is none, or a setting is wrong.
    """
    path = folder / CHALLENGE_FILE
    if not path.is_file():
        raise ConfigError(f"{folder} holds no {CHALLENGE_FILE}.", "Make a challenge with `dawson challenge new`.")
    return validated(ChallengeSettings, read_toml(path), str(path), f"Correct {path}.")


def write_challenge(folder: Path, settings: ChallengeSettings) -> Path:
    """Write the file of a challenge, every setting with its value."""
    parts = [toml_table("challenge", settings.challenge.model_dump(mode="json"))]
    parts += [toml_table("phases", phase.model_dump(mode="json", exclude_none=True), many=True) for phase in settings.phases]
    parts += [
        toml_table("ranking", settings.ranking.model_dump(mode="json")),
        toml_table("limits", settings.limits.model_dump(mode="json")),
    ]
    path = folder / CHALLENGE_FILE
    write_text(path, "\n".join(parts))
    return path

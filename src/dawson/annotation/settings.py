"""A campaign's rules: campaign.toml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from dawson.annotation.task import Choice, Task, task_named
from dawson.config import Section, read_toml, validated
from dawson.errors import ConfigError

CAMPAIGN_FILE = "campaign.toml"
Share = Annotated[float, Field(ge=0, le=1)]
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")


class CampaignPart(Section):
    """What the campaign is.

    `contrasts` are what is shown, the first at first. `artefact` is what image quality is about, such as motion. `public` says that
    anybody may sign up and see the scans: then only people whose consent covers public annotation are shown.
    """

    title: Annotated[str, Field(min_length=1, max_length=200)]
    task: str
    question: str = ""
    instructions: str = ""
    contrasts: tuple[str, ...] = ()
    artefact: str = ""
    organiser: Annotated[str, Field(min_length=1)] = "the organiser"
    licence: str = "CC-BY-NC-4.0"
    public: bool = False
    simulated: bool = False

    @field_validator("task")
    @classmethod
    def _known(cls, name: str) -> str:
        task_named(name)
        return name


class LearningPart(Section):
    """How raters learn and show what they can: items with feedback, then a gate of items without."""

    tutorial_items: Annotated[int, Field(ge=0)] = 5
    gate_items: Annotated[int, Field(ge=0)] = 8
    gate_right: Share = 0.75
    attempts: Annotated[int, Field(ge=1)] = 3


class ChecksPart(Section):
    """Hidden checks: shares of a rater's items that have a known answer, or that the rater has answered before."""

    gold_share: Share = 0.10
    repeat_share: Share = 0.05
    repeat_after: Annotated[int, Field(ge=1)] = 15
    gold_dice: Share = 0.6
    careless_after: Annotated[int, Field(ge=1)] = 12
    promote_after: Annotated[int, Field(ge=1)] = 40
    promote_above: Share = 0.85

    @model_validator(mode="after")
    def _sum(self) -> ChecksPart:
        if self.gold_share + self.repeat_share > 0.5:
            raise ValueError("gold_share and repeat_share together leave less than half of the answers for new items")
        return self


class EndPart(Section):
    """When an item has been rated enough: at a posterior of `certain` after `minimum` ratings, else at `maximum` it goes to the experts."""

    minimum: Annotated[int, Field(ge=1)] = 3
    maximum: Annotated[int, Field(ge=1)] = 9
    certain: Annotated[float, Field(gt=0.5, lt=1)] = 0.98
    drawings: Annotated[int, Field(ge=2)] = 3
    drawings_agree: Share = 0.5
    lease_minutes: Annotated[float, Field(gt=0)] = 30.0

    @model_validator(mode="after")
    def _order(self) -> EndPart:
        if self.maximum < self.minimum:
            raise ValueError(f"maximum = {self.maximum} is less than minimum = {self.minimum}")
        return self


class ChoicePart(Section):
    """An answer of the campaign's own."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
    title: Annotated[str, Field(min_length=1, max_length=60)]
    counts: bool = True


class CampaignSettings(Section):
    """The whole of campaign.toml."""

    campaign: CampaignPart
    learning: LearningPart = LearningPart()
    checks: ChecksPart = ChecksPart()
    end: EndPart = EndPart()
    choices: tuple[ChoicePart, ...] = ()

    @model_validator(mode="after")
    def _choices(self) -> CampaignSettings:
        keys = [choice.key for choice in self.choices]
        if self.choices and self.task.kind == "mask":
            raise ValueError("a campaign of drawings has no choices")
        if len(set(keys)) != len(keys) or len(keys) == 1 or len(keys) > 9:
            raise ValueError("choices: two to nine with different keys are needed, or none for those of the task")
        if self.choices and sum(choice.counts for choice in self.choices) < 2:
            raise ValueError("choices: two or more must count")
        return self

    @property
    def task(self) -> Task:
        """The task of the campaign."""
        return task_named(self.campaign.task)

    @property
    def answers(self) -> tuple[Choice, ...]:
        """What may be chosen."""
        return tuple(Choice(one.key, one.title, one.counts) for one in self.choices) or self.task.choices

    @property
    def classes(self) -> tuple[str, ...]:
        """Keys of the answers that say something of the item."""
        return tuple(choice.key for choice in self.answers if choice.counts)

    @property
    def question(self) -> str:
        """What raters are asked."""
        return self.campaign.question or self.task.question

    @property
    def contrasts(self) -> tuple[str, ...]:
        """What is shown."""
        return self.campaign.contrasts or self.task.contrasts


def check_name(name: str) -> str:
    """The name of a campaign, which is also that of its folder and page.

    Raises
    ------
    ConfigError
        It has other signs than small letters, digits and hyphens.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be the name of a campaign.", "Take small letters, digits and hyphens, such as crowd-2026.")
    return name


def parse_campaign(content: dict[str, Any], origin: str) -> CampaignSettings:
    """Check the content of a campaign file.

    Raises
    ------
    ConfigError
        Naming each value that is wrong and why.
    """
    return validated(CampaignSettings, content, origin, "Correct the value; docs/reference/campaign lists them all.")


def read_campaign(folder: Path) -> CampaignSettings:
    """Read campaign.toml of a campaign's folder.

    Raises
    ------
    ConfigError
        It is missing, is not TOML, or a value is wrong.
    """
    path = folder / CAMPAIGN_FILE
    if not path.is_file():
        raise ConfigError(f"{path} does not exist.", "Make a campaign with dawson annotate new.")
    return parse_campaign(read_toml(path), str(path))

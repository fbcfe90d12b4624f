"""Where a rater stands in a campaign, and where an item does."""

from __future__ import annotations

from collections.abc import Sequence

from dawson.annotation.rules import item_posterior, state_of
from dawson.annotation.settings import CampaignSettings
from dawson.storage.models import Member

TUTORIAL, GATE, RATING, CLOSED = "tutorial", "gate", "rating", "closed"
"""What a rater goes through; closed is who failed the last attempt."""


def send_back(member: Member, settings: CampaignSettings) -> None:
    """A rater learns anew, or is out where this was the last attempt."""
    if member.attempt < settings.learning.attempts:
        member.attempt += 1
        member.stage = TUTORIAL
    else:
        member.stage = CLOSED


def weigh_ratings(rows: Sequence[tuple[int, str]], settings: CampaignSettings, skills: dict[int, float]) -> tuple[list[float], str]:
    """Posterior and state that follow from (account, answer) of an item."""
    place = {key: number for number, key in enumerate(settings.classes)}
    told = [(place[answer], skills[account]) for account, answer in rows if answer in place]
    posterior = item_posterior([label for label, _ in told], [skill for _, skill in told], len(place))
    return [round(float(value), 6) for value in posterior], state_of(posterior, len(rows), settings.end)

"""The rules of a new challenge as most want them: an open phase, a final one in its last week, the task's first metrics."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dawson.challenge.build import ChallengePlan
from dawson.challenge.settings import ChallengeSettings
from dawson.config import validated

_FINAL_DAYS = 7


def draft_settings(
    plan: ChallengePlan, *, title: str, organiser: str, licence: str, data_statement: str, days: int, at: datetime
) -> ChallengeSettings:
    """Rules for a planned challenge; `challenge.toml` is the place to change them before it begins.

    Parameters
    ----------
    plan : ChallengePlan
    title : str
        May be empty: the task and the study are named then.
    organiser : str
    licence : str
        Its identifier, see `dawson.cohort.licences.Licence`.
    data_statement : str
        Where the data come from and who agreed; may be empty.
    days : int
        For which the open phase takes entries; the final one takes those of the last week.
    at : datetime
        When it begins.

    Raises
    ------
    ConfigError
        A rule cannot be used.
    """
    begins = at.replace(microsecond=0)
    ends = begins + timedelta(days=days)
    final_opens = ends - timedelta(days=min(_FINAL_DAYS, days))
    content: dict[str, Any] = {
        "challenge": {
            "title": title or f"{plan.task.title} of {plan.cohort.name}",
            "task": plan.task.name,
            "targets": plan.targets,
            "organiser": organiser,
            "licence": licence,
            "data_statement": data_statement or ("Simulated by Dawson." if plan.cohort.simulated else "Ask the organiser."),
            "simulated": plan.cohort.simulated,
        },
        "phases": [
            {"name": "open", "opens": begins, "closes": ends},
            {"name": "final", "opens": final_opens, "closes": ends, "cases": "final", "quota": 1, "quota_per_day": 1},
        ],
        "ranking": {"metrics": [metric.name for metric in plan.task.metrics[:2]], "subgroups": ["site"]},
    }
    return validated(ChallengeSettings, content, "The challenge", "Change the options.")

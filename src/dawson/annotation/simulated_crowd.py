"""A crowd that never was: raters of known skill who work through a campaign by the very functions that serve people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from dawson.annotation.campaigns import open_campaign, record_answer, shown_item, take_item
from dawson.annotation.items import Item, Role
from dawson.annotation.settings import CampaignSettings
from dawson.annotation.skills import fit_skills
from dawson.storage.models import Account, Campaign, CampaignItem, Lease

_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class CrowdPlan:
    """Who rates what.

    Parameters
    ----------
    volunteers, experts : int
    careless : float
        Share of the volunteers who answer by chance.
    volunteer_skill, expert_skill : (float, float)
        Least and most chance to be right on an item of no difficulty.
    items, checks : int
        To be rated, and of known answer.
    difficulty : float
        An item takes away a share of the skill beyond chance, uniform between 0 and this.
    classes : tuple of str
        Of equal frequency.
    """

    volunteers: int = 35
    experts: int = 5
    careless: float = 0.2
    volunteer_skill: tuple[float, float] = (0.7, 0.92)
    expert_skill: tuple[float, float] = (0.9, 0.97)
    items: int = 300
    checks: int = 40
    difficulty: float = 0.4
    classes: tuple[str, ...] = ("accept", "reject")


@dataclass(frozen=True, eq=False)
class Crowd:
    """What is true of a simulated crowd, and its campaign.

    Parameters
    ----------
    campaign : str
    truth : dict of int to str
        Number of an item to its class.
    skill : dict of str to float
        Pseudonym to the chance to be right; of careless raters that of chance.
    careless : frozenset of str
    difficulty : dict of int to float
    """

    campaign: str
    truth: dict[int, str]
    skill: dict[str, float]
    careless: frozenset[str]
    difficulty: dict[int, float]

    def answer(self, pseudonym: str, number: int, classes: Sequence[str], rng: np.random.Generator) -> str:
        """What a rater says of an item."""
        chance = 1 / len(classes)
        p = chance + (self.skill[pseudonym] - chance) * (1 - self.difficulty[number])
        if rng.random() < p:
            return self.truth[number]
        return str(rng.choice([one for one in classes if one != self.truth[number]]))


def gather_crowd(session: Session, settings: CampaignSettings, plan: CrowdPlan, rng: np.random.Generator) -> Crowd:
    """Make the accounts, the items and the campaign."""
    total = plan.items + plan.checks
    truth = {number: str(rng.choice(plan.classes)) for number in range(1, total + 1)}
    difficulty = dict(zip(truth, rng.uniform(0, plan.difficulty, total), strict=True))
    items = []
    for number in truth:
        role: Role = "tutorial" if number <= settings.learning.tutorial_items else "gold" if number <= plan.checks else "item"
        gold = truth[number] if role != "item" else ""
        items.append(Item(number, role, f"sub-{number:04d}", "", (f"sub-{number:04d}.nii.gz",), place=(0.0, 0.0, 0.0), gold=gold))
    open_campaign(session, "crowd", settings, items, _START)
    n_careless = round(plan.careless * plan.volunteers)
    skills: dict[str, float] = {}
    for number in range(plan.volunteers + plan.experts):
        expert = number >= plan.volunteers
        span = plan.expert_skill if expert else plan.volunteer_skill
        name = f"{'expert' if expert else 'rater'}-{number:02d}"
        skills[name] = 1 / len(plan.classes) if number < n_careless else float(rng.uniform(*span))
        session.add(Account(name=name, pseudonym=name, password="", role="expert" if expert else "volunteer", agreed_at=_START))
    session.flush()
    return Crowd("crowd", truth, skills, frozenset(list(skills)[:n_careless]), difficulty)


def rate_all(sessions: sessionmaker[Session], crowd: Crowd, settings: CampaignSettings, seed: int, most: int = 100_000) -> int:
    """Raters come in random order and take what the campaign gives them, until there is nothing left to give.

    Returns
    -------
    int
        Answers given.
    """
    rng = np.random.default_rng([seed, 1])
    keys = [choice.key for choice in settings.answers if choice.counts]
    now, given = _START, 0
    with sessions.begin() as session:
        campaign = session.scalars(select(Campaign).where(Campaign.name == crowd.campaign)).one()
        accounts = list(session.scalars(select(Account).order_by(Account.id)))
        idle: set[int] = set()
        while len(idle) < len(accounts) and given < most:
            account = accounts[int(rng.integers(len(accounts)))]
            if account.id in idle:
                continue
            now += timedelta(seconds=20)
            lease: Lease | None = take_item(session, campaign, account, now, rng)
            if lease is None:
                idle.add(account.id)
                continue
            number = shown_item(lease.item).number
            record_answer(session, lease, crowd.answer(account.pseudonym, number, keys, rng), 10.0, now)
            given += 1
            if given % 500 == 0:
                # an item may have been opened again
                idle.clear()
        fit_skills(session, campaign, settings)
    return given


def labels_of(session: Session, crowd: Crowd, classes: Sequence[str]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Of the items that were to be rated: true class, the campaign's, and how many ratings each took."""
    rows = session.execute(
        select(CampaignItem.number, CampaignItem.posterior, CampaignItem.n_ratings)
        .join(Campaign)
        .where(Campaign.name == crowd.campaign, CampaignItem.role == "item")
        .order_by(CampaignItem.number)
    ).all()
    truth = [classes.index(crowd.truth[number]) for number, _, _ in rows]
    told = [int(np.argmax(posterior)) for _, posterior, _ in rows]
    return np.array(truth), np.array(told), np.array([count for *_, count in rows])

"""How far each rater is to be believed: estimated from hidden checks and from all raters together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from dawson.annotation.rules import careless, promoted
from dawson.annotation.settings import CampaignSettings
from dawson.annotation.standing import RATING, send_back, weigh_ratings
from dawson.statistics.categorical_consensus import Consensus, Ratings, one_coin
from dawson.storage.models import Account, Campaign, CampaignItem, Member, Rating

PRIOR = (4.0, 2.0)
"""Right and wrong ratings that everybody starts with."""
_START = PRIOR[0] / sum(PRIOR)
_TELLING = ("item", "gold", "gate")


@dataclass(frozen=True)
class Gathered:
    """Ratings of a campaign as arrays.

    Parameters
    ----------
    ratings : Ratings
    gold : ndarray of int (items,)
        Class of the items of known answer or with an expert's word, else -1.
    items, accounts : list of int
        Identifiers of items and raters.
    """

    ratings: Ratings
    gold: NDArray[np.intp]
    items: list[int]
    accounts: list[int]


def gather_ratings(session: Session, campaign: Campaign, settings: CampaignSettings) -> Gathered:
    """Every rating that says something: not those of the tutorial, not repeats, not "cannot tell"; the first where there are two."""
    place = {key: number for number, key in enumerate(settings.classes)}
    rows = session.execute(
        select(Rating.item_id, Rating.account_id, Rating.answer)
        .join(CampaignItem)
        .where(CampaignItem.campaign_id == campaign.id, Rating.purpose.in_(_TELLING))
        .order_by(Rating.id)
    ).all()
    first: dict[tuple[int, int], int] = {}
    for item, account, answer in rows:
        if answer in place:
            first.setdefault((item, account), place[answer])
    known = session.execute(
        select(CampaignItem.id, CampaignItem.role, CampaignItem.shown, CampaignItem.adjudicated)
        .where(CampaignItem.campaign_id == campaign.id)
        .order_by(CampaignItem.id)
    ).all()
    items = [item for item, *_ in known]
    answers = [adjudicated or (shown["gold"] if role != "item" else "") for _, role, shown, adjudicated in known]
    accounts = sorted({account for _, account in first})
    row_of, column_of = {item: at for at, item in enumerate(items)}, {account: at for at, account in enumerate(accounts)}
    ratings = Ratings(
        np.array([row_of[item] for item, _ in first], dtype=np.intp),
        np.array([column_of[account] for _, account in first], dtype=np.intp),
        np.array(list(first.values()), dtype=np.intp),
        len(items),
        len(accounts),
        len(place),
    )
    return Gathered(ratings, np.array([place.get(answer, -1) for answer in answers], dtype=np.intp), items, accounts)


def consensus_of(gathered: Gathered) -> Consensus:
    """One-coin Dawid-Skene with the known answers clamped."""
    return one_coin(gathered.ratings, gathered.gold, PRIOR)


def member_skills(session: Session, campaign: Campaign) -> dict[int, float]:
    """Account to its chance to be right as last estimated; what everybody starts with where it was not."""
    rows = session.execute(select(Member.account_id, Member.skill).where(Member.campaign_id == campaign.id))
    return {account: skill or _START for account, skill in rows}


def fit_skills(session: Session, campaign: Campaign, settings: CampaignSettings) -> None:
    """Estimate all skills anew, send careless raters back to the tutorial, promote good ones, and weigh all items again.

    An item that was done is opened again where its ratings no longer suffice.
    """
    gathered = gather_ratings(session, campaign, settings)
    if not gathered.accounts:
        return
    skills = consensus_of(gathered).skill
    counts = np.bincount(gathered.ratings.rater, minlength=len(gathered.accounts))
    crowd = float(np.median([skill.estimate for skill in skills]))
    campaign.crowd_skill = crowd
    rows = session.execute(select(Member, Account.role).join(Account).where(Member.campaign_id == campaign.id))
    members = {member.account_id: (member, role) for member, role in rows}
    for account, skill, count in zip(gathered.accounts, skills, counts, strict=True):
        member, role = members[account]
        member.skill, member.skill_low, member.skill_high = skill.estimate, skill.low, skill.high
        member.promoted = promoted(skill, int(count), settings.checks)
        is_careless = careless(skill, int(count), len(settings.classes), crowd, settings.checks)
        if role == "volunteer" and member.stage == RATING and is_careless:
            send_back(member, settings)
    session.flush()
    known = member_skills(session, campaign)
    given: dict[int, list[tuple[int, str]]] = {}
    answers = session.execute(
        select(Rating.item_id, Rating.account_id, Rating.answer)
        .join(CampaignItem)
        .where(CampaignItem.campaign_id == campaign.id, Rating.purpose == "item")
        .order_by(Rating.id)
    )
    for item_id, account, answer in answers:
        given.setdefault(item_id, []).append((account, answer))
    for item in session.scalars(select(CampaignItem).where(CampaignItem.id.in_(given), CampaignItem.adjudicated == "")):
        item.posterior, item.state = weigh_ratings(given[item.id], settings, known)
    session.flush()

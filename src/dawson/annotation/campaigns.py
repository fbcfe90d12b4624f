"""A campaign as it runs: who gets which item, and what an answer changes. Every function works within the caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from dawson.annotation.items import Item
from dawson.annotation.rules import Candidate, choose_item, choose_purpose, gold_points
from dawson.annotation.settings import CampaignSettings
from dawson.annotation.skills import fit_skills, member_skills
from dawson.annotation.standing import CLOSED, GATE, RATING, TUTORIAL, send_back, weigh_ratings
from dawson.errors import AnnotationError
from dawson.storage.models import Account, Campaign, CampaignItem, Lease, Member, Rating

FIT_EVERY = 20
"""Ratings after which all skills are estimated anew."""
WITHDRAWN = "withdrawn"
"""Role and state of an item whose person may not be shown any more."""
_SKILLED = ("expert", "organiser", "manager")


def settings_of(campaign: Campaign) -> CampaignSettings:
    """The rules of a campaign."""
    return CampaignSettings.model_validate(campaign.settings)


def shown_item(item: CampaignItem) -> Item:
    """What an item shows and what is known of it."""
    content = dict(item.shown)
    for name in ("images", "earlier", "place"):
        content[name] = tuple(content[name]) if content[name] is not None else None
    return Item(**content)


def open_campaign(session: Session, name: str, settings: CampaignSettings, items: Sequence[Item], now: datetime) -> Campaign:
    """Put a campaign into the database, where it runs from now on.

    Raises
    ------
    AnnotationError
        There is one of that name.
    """
    if find_campaign(session, name) is not None:
        raise AnnotationError(f"The campaign {name} runs already.", "Give another name.")
    campaign = Campaign(name=name, settings=settings.model_dump(mode="json"), opened_at=now)
    session.add(campaign)
    session.flush()
    uniform = [1 / len(settings.classes)] * len(settings.classes) if settings.classes else []
    session.add_all(
        CampaignItem(campaign_id=campaign.id, number=one.number, role=one.role, shown=asdict(one), posterior=uniform, state="open")
        for one in items
    )
    session.flush()
    return campaign


def find_campaign(session: Session, name: str) -> Campaign | None:
    """The campaign of that name."""
    return session.scalar(select(Campaign).where(Campaign.name == name))


def member_of(session: Session, campaign: Campaign, account: Account, now: datetime) -> Member:
    """What a rater has shown in a campaign; from now on a rater of it. Experts begin with rating."""
    found = session.scalar(select(Member).where(Member.campaign_id == campaign.id, Member.account_id == account.id))
    if found is None:
        stage = RATING if account.role in _SKILLED else TUTORIAL
        found = Member(campaign_id=campaign.id, account_id=account.id, stage=stage, attempt=1, joined_at=now)
        session.add(found)
        session.flush()
    return found


def take_item(session: Session, campaign: Campaign, account: Account, now: datetime, rng: np.random.Generator) -> Lease | None:
    """The next item of a rater: the one at hand, else a new one; None where there is nothing for this rater.

    Parameters
    ----------
    session : Session
    campaign : Campaign
    account : Account
    now : datetime
    rng : Generator
        Of what is hidden in between, and of ties.
    """
    mine = session.scalar(
        select(Lease).join(CampaignItem).where(Lease.account_id == account.id, CampaignItem.campaign_id == campaign.id).limit(1)
    )
    if mine is not None and mine.ends_at > now:
        return mine
    if mine is not None:
        session.delete(mine)
        session.flush()
    if campaign.closed_at is not None:
        return None
    settings = settings_of(campaign)
    member = member_of(session, campaign, account, now)
    item, purpose = _next(session, campaign, settings, member, account, now, rng)
    if item is None:
        return None
    lease = Lease(
        token=secrets.token_urlsafe(24), item_id=item, account_id=account.id, purpose=purpose, made_at=now,
        ends_at=now + timedelta(minutes=settings.end.lease_minutes),
    )  # fmt: skip
    session.add(lease)
    session.flush()
    return lease


def give_back(session: Session, lease: Lease) -> None:
    """Return an item unanswered."""
    session.delete(lease)
    session.flush()


def record_answer(session: Session, lease: Lease, answer: str, seconds: float, now: datetime, right: bool | None = None) -> Rating:
    """Keep an answer and draw its consequences. One that comes late is kept too: nobody's work is lost.

    Parameters
    ----------
    session : Session
    lease : Lease
    answer : str
        Key of a choice; of a drawing the path of its file.
    seconds : float
        That the rater took.
    now : datetime
    right : bool, optional
        Of a drawing of an item with a known answer, whether it agrees.

    Raises
    ------
    AnnotationError
        The answer is none of the choices.
    """
    item = session.scalars(select(CampaignItem).where(CampaignItem.id == lease.item_id).with_for_update()).one()
    campaign = item.campaign
    settings = settings_of(campaign)
    if settings.task.kind == "choice":
        if answer not in {choice.key for choice in settings.answers}:
            raise AnnotationError(f"{answer!r} is none of the answers.", f"They are {', '.join(one.key for one in settings.answers)}.")
        right = answer == shown_item(item).gold if item.role != "item" else None
    account = session.get_one(Account, lease.account_id)
    member = member_of(session, campaign, account, now)
    attempt = member.attempt if lease.purpose in (TUTORIAL, GATE) else 1
    rating = Rating(
        item_id=item.id, account_id=account.id, purpose=lease.purpose, attempt=attempt, answer=answer, right=right, seconds=seconds, at=now
    )
    session.add(rating)
    session.delete(lease)
    session.flush()
    if lease.purpose == "item":
        item.n_ratings += 1
        if settings.task.kind == "choice":
            update_item(session, item, settings, member_skills(session, campaign))
    _reward(session, member, item, rating)
    _advance(session, campaign, settings, member)
    if settings.classes and _count(session, campaign) - campaign.fitted_at >= FIT_EVERY:
        fit_skills(session, campaign, settings)
        campaign.fitted_at = _count(session, campaign)
    session.flush()
    return rating


def adjudicate(session: Session, item: CampaignItem, account: Account, answer: str, now: datetime) -> None:
    """An expert's word, which ends an item; the ratings stay as they are.

    Raises
    ------
    AnnotationError
        The answer is none that says something of the item.
    """
    settings = settings_of(item.campaign)
    if settings.task.kind == "choice" and answer not in settings.classes:
        raise AnnotationError(f"{answer!r} cannot be the last word.", f"It is one of {', '.join(settings.classes)}.")
    earlier = session.scalar(
        select(func.count())
        .select_from(Rating)
        .where(Rating.item_id == item.id, Rating.account_id == account.id, Rating.purpose == "expert")
    )
    session.add(
        Rating(
            item_id=item.id, account_id=account.id, purpose="expert", attempt=1 + (earlier or 0), answer=answer, right=None, seconds=0.0,
            at=now,
        )
    )  # fmt: skip
    item.adjudicated, item.state = answer, "done"
    if settings.classes:
        item.posterior = [float(key == answer) for key in settings.classes]
    session.flush()


def update_item(session: Session, item: CampaignItem, settings: CampaignSettings, skills: dict[int, float]) -> None:
    """Posterior and state of an item from its ratings as they are now."""
    if item.adjudicated:
        return
    rows = session.execute(
        select(Rating.account_id, Rating.answer).where(Rating.item_id == item.id, Rating.purpose == "item").order_by(Rating.id)
    ).all()
    item.posterior, item.state = weigh_ratings([(account, answer) for account, answer in rows], settings, skills)


def _next(
    session: Session,
    campaign: Campaign,
    settings: CampaignSettings,
    member: Member,
    account: Account,
    now: datetime,
    rng: np.random.Generator,
) -> tuple[int | None, str]:
    _advance(session, campaign, settings, member)
    if member.stage == CLOSED:
        return None, ""
    if member.stage == TUTORIAL:
        done = select(Rating.item_id).where(Rating.account_id == account.id, Rating.purpose == TUTORIAL, Rating.attempt == member.attempt)
        ordered = _of_role(campaign, TUTORIAL).where(CampaignItem.id.not_in(done)).order_by(CampaignItem.number)
        return session.scalar(ordered.limit(1)), TUTORIAL
    if member.stage == GATE:
        return _fresh_gold(session, campaign, account, rng, again=member.attempt), GATE
    gold = _fresh_gold(session, campaign, account, rng)
    repeat = _repeatable(session, campaign, settings, account, rng)
    purpose = choose_purpose(settings.checks, rng, gold_left=gold is not None, repeats_left=repeat is not None)
    if purpose == "gold":
        return gold, purpose
    if purpose == "repeat":
        return repeat, purpose
    return _open_item(session, campaign, settings, account, now, rng), "item"


def _advance(session: Session, campaign: Campaign, settings: CampaignSettings, member: Member) -> None:
    """Move a rater from the tutorial to the gate, and from there to rating, back, or out."""
    done = _stage_counts(session, campaign, member)
    if member.stage == TUTORIAL:
        tutorial = session.scalar(select(func.count()).select_from(_of_role(campaign, TUTORIAL).subquery())) or 0
        if done[TUTORIAL][0] >= tutorial:
            member.stage = GATE
    if member.stage == GATE:
        pool = session.scalar(select(func.count()).select_from(_of_role(campaign, "gold").subquery())) or 0
        needed = min(settings.learning.gate_items, pool)
        answered, right = done[GATE]
        if answered >= needed:
            if right >= settings.learning.gate_right * needed:
                member.stage = RATING
            else:
                send_back(member, settings)
    session.flush()


def _stage_counts(session: Session, campaign: Campaign, member: Member) -> dict[str, tuple[int, int]]:
    """Of this attempt, answers and right ones, of tutorial and gate."""
    found = {TUTORIAL: (0, 0), GATE: (0, 0)}
    rows = session.execute(
        select(Rating.purpose, Rating.right)
        .join(CampaignItem)
        .where(CampaignItem.campaign_id == campaign.id, Rating.account_id == member.account_id, Rating.attempt == member.attempt)
        .where(Rating.purpose.in_((TUTORIAL, GATE)))
    )
    for purpose, right in rows:
        answered, correct = found[purpose]
        found[purpose] = (answered + 1, correct + bool(right))
    return found


def _of_role(campaign: Campaign, role: str) -> Any:
    return select(CampaignItem.id).where(CampaignItem.campaign_id == campaign.id, CampaignItem.role == role)


def _fresh_gold(session: Session, campaign: Campaign, account: Account, rng: np.random.Generator, again: int = 0) -> int | None:
    """A hidden check that the rater has not answered; at the gate, where there are too few for every attempt, not in this one."""
    pool = set(session.scalars(_of_role(campaign, "gold")))
    answered = session.execute(
        select(Rating.item_id, Rating.purpose, Rating.attempt).where(Rating.account_id == account.id, Rating.purpose.in_((GATE, "gold")))
    ).all()
    fresh = pool - {item for item, _, _ in answered}
    if not fresh and again:
        fresh = pool - {item for item, purpose, attempt in answered if purpose == GATE and attempt == again}
    return int(rng.choice(sorted(fresh))) if fresh else None


def _repeatable(session: Session, campaign: Campaign, settings: CampaignSettings, account: Account, rng: np.random.Generator) -> int | None:
    """An item that the rater answered long enough ago, once."""
    rows = session.execute(
        select(Rating.item_id, Rating.purpose)
        .join(CampaignItem)
        .where(CampaignItem.campaign_id == campaign.id, Rating.account_id == account.id, Rating.purpose.in_(("item", "repeat")))
        .order_by(Rating.id)
    ).all()
    first = [item for item, purpose in rows if purpose == "item"]
    left = sorted(set(first[: max(0, len(first) - settings.checks.repeat_after)]) - {item for item, purpose in rows if purpose == "repeat"})
    return int(rng.choice(left)) if left else None


def _open_item(
    session: Session, campaign: Campaign, settings: CampaignSettings, account: Account, now: datetime, rng: np.random.Generator
) -> int | None:
    rated = select(Rating.item_id).where(Rating.account_id == account.id, Rating.purpose == "item")
    waiting = (
        select(Lease.item_id, func.count().label("n"))
        .where(Lease.ends_at > now, Lease.purpose == "item")
        .group_by(Lease.item_id)
        .subquery()
    )
    rows = session.execute(
        select(CampaignItem.id, CampaignItem.n_ratings, func.coalesce(waiting.c.n, 0), CampaignItem.posterior)
        .outerjoin(waiting, waiting.c.item_id == CampaignItem.id)
        .where(CampaignItem.campaign_id == campaign.id, CampaignItem.role == "item", CampaignItem.state == "open")
        .where(CampaignItem.id.not_in(rated))
        .order_by(CampaignItem.id)
    ).all()
    most = settings.end.maximum if settings.task.kind == "choice" else settings.end.drawings
    left = [Candidate(item, given + out, np.array(posterior or [1.0])) for item, given, out, posterior in rows if given + out < most]
    return choose_item(left, rng)


def _reward(session: Session, member: Member, item: CampaignItem, rating: Rating) -> None:
    """Points for taking part and for right answers to hidden checks; never for answering as others do."""
    if rating.purpose in (TUTORIAL, GATE):
        return
    member.points += 1
    if rating.purpose == "gold" and rating.right:
        others = select(Rating.right).where(Rating.item_id == item.id, Rating.account_id != rating.account_id, Rating.right.is_not(None))
        given = [bool(one) for one in session.scalars(others)]
        member.points += gold_points(sum(given) / len(given) if given else 1.0)


def _count(session: Session, campaign: Campaign) -> int:
    counted = select(func.count()).select_from(Rating).join(CampaignItem).where(CampaignItem.campaign_id == campaign.id)
    return session.scalar(counted) or 0


def drop_leases(session: Session, campaign: Campaign) -> None:
    """Nobody has an item of this campaign any more."""
    ids = select(CampaignItem.id).where(CampaignItem.campaign_id == campaign.id)
    session.execute(delete(Lease).where(Lease.item_id.in_(ids)))


def set_aside(session: Session, item: CampaignItem) -> None:
    """Nobody gets an item any more, since its person may not be shown; whoever has it before them loses it."""
    item.role = item.state = WITHDRAWN
    session.execute(delete(Lease).where(Lease.item_id == item.id))
    session.flush()

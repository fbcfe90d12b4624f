"""The front page, and the page of a campaign: what is asked, how far it is, who helps."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from dawson.annotation.campaigns import find_campaign, settings_of
from dawson.annotation.results import progress_of
from dawson.challenge.settings import read_challenge
from dawson.storage.models import Account, Campaign, Member
from dawson.web.guard import Anybody, Volunteer, server_of
from dawson.web.render import page

router = APIRouter()
_BOARD = 20


@router.get("/")
def front(request: Request, caller: Anybody) -> HTMLResponse:
    """All campaigns and challenges, for those who are logged in."""
    campaigns: list[dict[str, Any]] = []
    if caller.account is not None:
        with server_of(request).session() as session:
            for campaign in session.scalars(select(Campaign).order_by(Campaign.closed_at.is_not(None), Campaign.name)):
                campaigns.append({"campaign": campaign, "settings": settings_of(campaign), "progress": progress_of(session, campaign)})
    server = server_of(request)
    challenges = {name: read_challenge(folder) for name, folder in sorted(server.challenges.items())} if caller.account else {}
    may_make = server.challenge_home is not None and caller.has("organiser")
    return page(request, caller, "front.html", campaigns=campaigns, challenges=challenges, may_make=may_make)


@router.get("/campaigns/{name}")
def campaign(request: Request, caller: Volunteer, name: str) -> HTMLResponse:
    """One campaign."""
    with server_of(request).session() as session:
        found = campaign_or_404(session, name)
        mine = session.scalar(select(Member).where(Member.campaign_id == found.id, Member.account_id == caller.own.id))
        board = session.execute(
            select(Account.pseudonym, Account.role, Member.points)
            .join(Member)
            .where(Member.campaign_id == found.id, Member.points > 0)
            .order_by(Member.points.desc(), Account.pseudonym)
            .limit(_BOARD)
        ).all()
        context: dict[str, Any] = {
            "campaign": found, "settings": settings_of(found), "progress": progress_of(session, found), "mine": mine, "board": board,
        }  # fmt: skip
    return page(request, caller, "campaign.html", **context)


def campaign_or_404(session: Session, name: str) -> Campaign:
    """The campaign of that name."""
    found = find_campaign(session, name)
    if found is None:
        raise HTTPException(404, "There is no such campaign.")
    return found

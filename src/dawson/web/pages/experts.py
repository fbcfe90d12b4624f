"""The experts' queue: items that raters could not settle, questions about items, and the last word."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dawson.annotation.campaigns import adjudicate, settings_of, shown_item
from dawson.storage.models import Account, Campaign, CampaignItem, Member, Message, Rating
from dawson.web.guard import Caller, Key, Volunteer, server_of
from dawson.web.pages.campaigns import campaign_or_404
from dawson.web.pages.images import viewer_of
from dawson.web.render import page
from dawson.web.server import now

router = APIRouter()


@router.get("/campaigns/{name}/experts")
def queue(request: Request, caller: Volunteer, name: str) -> HTMLResponse:
    """What waits for an expert."""
    with server_of(request).session() as session:
        campaign = campaign_or_404(session, name)
        _refuse_others(session, caller, campaign)
        waiting = session.scalars(
            select(CampaignItem)
            .where(CampaignItem.campaign_id == campaign.id, CampaignItem.state == "expert", CampaignItem.role == "item")
            .order_by(CampaignItem.number)
        ).all()
        asked = session.execute(
            select(CampaignItem, func.count(Message.id))
            .join(Message)
            .where(CampaignItem.campaign_id == campaign.id)
            .group_by(CampaignItem.id)
            .order_by(func.max(Message.id).desc())
        ).all()
        settings = settings_of(campaign)
    return page(request, caller, "experts.html", campaign=campaign, settings=settings, waiting=waiting, asked=asked)


@router.get("/items/{item_id}")
def item_page(request: Request, caller: Volunteer, item_id: Key) -> HTMLResponse:
    """One item with everything that was said of it."""
    with server_of(request).session() as session:
        item = _item(session, caller, item_id)
        settings = settings_of(item.campaign)
        ratings = session.execute(
            select(Rating, Account.pseudonym, Member.skill)
            .join(Account, Account.id == Rating.account_id)
            .outerjoin(Member, (Member.account_id == Rating.account_id) & (Member.campaign_id == item.campaign_id))
            .where(Rating.item_id == item.id, Rating.purpose.in_(("item", "expert")))
            .order_by(Rating.id)
        ).all()
        messages = session.scalars(select(Message).where(Message.item_id == item.id).order_by(Message.id)).all()
        titles = {choice.key: choice.title for choice in settings.answers}
        posterior = [(titles[key], value) for key, value in zip(settings.classes, item.posterior, strict=False)]
        return page(
            request, caller, "item.html", item=item, campaign=item.campaign, settings=settings, ratings=ratings, messages=messages,
            titles=titles, posterior=posterior, viewer=viewer_of(item, settings, drawing=False), shown=shown_item(item),
        )  # fmt: skip


@router.post("/items/{item_id}/word")
def last_word(request: Request, caller: Volunteer, item_id: Key, answer: Annotated[str, Form(max_length=64)]) -> Response:
    """The last word on an item; of a drawing, which rater's counts is not asked: all stay in the release."""
    with server_of(request).session() as session:
        item = _item(session, caller, item_id)
        adjudicate(session, item, caller.own, answer, now())
        name = item.campaign.name
    return RedirectResponse(f"/campaigns/{name}/experts", 303)


@router.post("/items/{item_id}/messages")
def reply(request: Request, caller: Volunteer, item_id: Key, text: Annotated[str, Form(min_length=1, max_length=2000)]) -> Response:
    """An answer in the item's thread."""
    with server_of(request).session() as session:
        item = _item(session, caller, item_id)
        session.add(Message(item_id=item.id, account_id=caller.own.id, text=text.replace("\0", "").strip(), at=now()))
    return RedirectResponse(f"/items/{item_id}", 303)


def _item(session: Session, caller: Caller, item_id: Key) -> CampaignItem:
    item = session.get(CampaignItem, item_id)
    if item is None:
        raise HTTPException(404, "There is no such item.")
    _refuse_others(session, caller, item.campaign)
    return item


def _refuse_others(session: Session, caller: Caller, campaign: Campaign) -> None:
    """Experts, and raters who were promoted in this campaign."""
    own = select(Member.promoted).where(Member.campaign_id == campaign.id, Member.account_id == caller.own.id)
    if not (caller.has("expert") or session.scalar(own)):
        raise HTTPException(403, "This is for experts.")

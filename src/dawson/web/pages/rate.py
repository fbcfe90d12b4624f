"""Rating: the next item, the answer, and in the tutorial what would have been right."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dawson.annotation.campaigns import give_back, member_of, record_answer, set_aside, settings_of, shown_item, take_item
from dawson.annotation.drawing_answers import record_drawing
from dawson.annotation.standing import TUTORIAL
from dawson.storage.models import Account, CampaignItem, Lease, Message, Rating
from dawson.web.guard import Caller, Key, Volunteer, server_of
from dawson.web.pages.campaigns import campaign_or_404
from dawson.web.pages.images import viewer_of
from dawson.web.render import page
from dawson.web.server import Server, now

router = APIRouter()
_LONGEST_S = 24 * 3600.0


@router.get("/campaigns/{name}/rate")
def next_item(request: Request, caller: Volunteer, name: str) -> HTMLResponse:
    """The item that is at hand, or the next."""
    server = server_of(request)
    with server.session() as session:
        campaign = campaign_or_404(session, name)
        account = _account(session, caller)
        lease = _shown_lease(server, session, campaign, account)
        member, settings = member_of(session, campaign, account, now()), settings_of(campaign)
        context: dict[str, Any] = {"campaign": campaign, "settings": settings, "member": member}
        if lease is None:
            return page(request, caller, "nothing.html", **context)
        seen = 1 + _answered(session, lease, account, member.attempt)
        messages = session.scalars(select(Message).where(Message.item_id == lease.item_id).order_by(Message.id)).all()
        own = [message for message in messages if message.account_id == account.id or message.account.role != "volunteer"]
        viewer = viewer_of(lease.item, settings, drawing=settings.task.kind == "mask")
        return page(request, caller, "rate.html", lease=lease, viewer=viewer, seen=seen, messages=own, **context)


@router.post("/leases/{token}")
def answer(
    request: Request,
    caller: Volunteer,
    token: str,
    answer: Annotated[str, Form(max_length=64)],
    seconds: Annotated[float, Form(ge=0)] = 0.0,
) -> Response:
    """A choice."""
    with server_of(request).session() as session:
        lease = _own_lease(session, caller, token)
        name, settings = lease.item.campaign.name, settings_of(lease.item.campaign)
        if settings.task.kind != "choice":
            raise HTTPException(400, "This item is drawn.")
        rating = record_answer(session, lease, answer, min(seconds, _LONGEST_S), now())
        return RedirectResponse(_after(rating, name), 303)


@router.post("/leases/{token}/drawing")
async def draw(request: Request, caller: Volunteer, token: str, seconds: float = 0.0) -> JSONResponse:
    """A mask, as the bytes of a NIfTI file."""
    from fastapi.concurrency import run_in_threadpool

    if request.headers.get("content-type", "") != "application/octet-stream":
        raise HTTPException(415, "Send the bytes of a NIfTI file as application/octet-stream.")
    data = await request.body()

    def keep() -> str:
        server = server_of(request)
        with server.session() as session:
            lease = _own_lease(session, caller, token)
            name, settings = lease.item.campaign.name, settings_of(lease.item.campaign)
            if settings.task.kind != "mask":
                raise HTTPException(400, "This item is answered by a choice.")
            return _after(record_drawing(session, server.study, lease, data, min(max(seconds, 0.0), _LONGEST_S), now()), name)

    return JSONResponse({"next": await run_in_threadpool(keep)})


@router.post("/leases/{token}/back")
def skip(request: Request, caller: Volunteer, token: str) -> Response:
    """Give an item back unanswered."""
    with server_of(request).session() as session:
        lease = _own_lease(session, caller, token)
        name = lease.item.campaign.name
        give_back(session, lease)
    return RedirectResponse(f"/campaigns/{name}", 303)


@router.post("/leases/{token}/question")
def ask(request: Request, caller: Volunteer, token: str, text: Annotated[str, Form(min_length=1, max_length=2000)]) -> Response:
    """A question to the experts about the item at hand."""
    with server_of(request).session() as session:
        lease = _own_lease(session, caller, token)
        session.add(Message(item_id=lease.item_id, account_id=lease.account_id, text=text.replace("\0", "").strip(), at=now()))
        name = lease.item.campaign.name
    return RedirectResponse(f"/campaigns/{name}/rate", 303)


@router.get("/feedback/{rating}")
def feedback(request: Request, caller: Volunteer, rating: Key) -> HTMLResponse:
    """What would have been right, of one's own answer to an item of the tutorial."""
    with server_of(request).session() as session:
        given = session.get(Rating, rating)
        if given is None or given.account_id != _account(session, caller).id or given.purpose != TUTORIAL:
            raise HTTPException(404, "There is no such answer.")
        item, settings = given.item, settings_of(given.item.campaign)
        titles = {choice.key: choice.title for choice in settings.answers}
        shown = shown_item(item)
        return page(
            request, caller, "feedback.html", campaign=item.campaign, settings=settings, rating=given,
            said=titles.get(given.answer, "your drawing"), correct=titles.get(shown.gold, ""), explanation=shown.explanation,
            viewer=viewer_of(item, settings, drawing=False, solution=settings.task.kind == "mask"),
        )  # fmt: skip


def _shown_lease(server: Server, session: Session, campaign: Any, account: Account) -> Lease | None:
    """The next item whose person may be shown at this moment; those who may not are taken out of the campaign."""
    settings = settings_of(campaign)
    while (lease := take_item(session, campaign, account, now(), server.rng)) is not None:
        person = shown_item(lease.item).participant_id
        if server.may_be_shown(person, public=settings.campaign.public, actor=account.pseudonym, record=True):
            return lease
        set_aside(session, lease.item)
    return None


def _answered(session: Session, lease: Lease, account: Account, attempt: int) -> int:
    """How many items of the stage at hand a rater has answered."""
    counted = (
        select(func.count())
        .select_from(Rating)
        .join(CampaignItem)
        .where(CampaignItem.campaign_id == lease.item.campaign_id, Rating.account_id == account.id)
    )
    if lease.purpose in (TUTORIAL, "gate"):
        return session.scalar(counted.where(Rating.purpose == lease.purpose, Rating.attempt == attempt)) or 0
    # what is a hidden check must not be told apart by the count
    return session.scalar(counted.where(Rating.purpose.in_(("item", "gold", "repeat")))) or 0


def _after(rating: Rating, name: str) -> str:
    return f"/feedback/{rating.id}" if rating.purpose == TUTORIAL else f"/campaigns/{name}/rate"


def _account(session: Session, caller: Caller) -> Account:
    return session.get_one(Account, caller.own.id)


def _own_lease(session: Session, caller: Caller, token: str) -> Lease:
    lease = session.scalar(select(Lease).where(Lease.token == token, Lease.account_id == _account(session, caller).id))
    if lease is None:
        raise HTTPException(404, "This item is not before you any more. What you answered last was kept.")
    return lease

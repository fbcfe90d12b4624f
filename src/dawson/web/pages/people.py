"""Accounts and invitations, for the manager."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select

from dawson.storage.models import ROLES, Account
from dawson.web.guard import Caller, Key, Manager, server_of
from dawson.web.render import page
from dawson.web.security import INVITATION, INVITATION_LASTS, end_tickets, issue
from dawson.web.server import now

router = APIRouter()
Role = Literal["volunteer", "expert", "organiser", "manager"]


@router.get("/people")
def people(request: Request, caller: Manager) -> HTMLResponse:
    """Everybody, by role."""
    return _page(request, caller)


@router.post("/people/invitations")
def invite(request: Request, caller: Manager, role: Annotated[Role, Form()]) -> HTMLResponse:
    """An invitation for one person; its address is shown once."""
    with server_of(request).session() as session:
        secret = issue(session, INVITATION, now(), INVITATION_LASTS, role=role)
    return _page(request, caller, link=f"{request.base_url}join/{secret}", role=role)


@router.post("/people/{account_id}/role")
def change_role(request: Request, caller: Manager, account_id: Key, role: Annotated[Role, Form()]) -> Response:
    """Give an account another role; it must log in again."""
    with server_of(request).session() as session:
        account = _other(session.get(Account, account_id), caller)
        account.role = role
        end_tickets(session, account)
    return RedirectResponse("/people", 303)


@router.post("/people/{account_id}/close")
def close(request: Request, caller: Manager, account_id: Key) -> Response:
    """Close an account, or open it again."""
    with server_of(request).session() as session:
        account = _other(session.get(Account, account_id), caller)
        account.closed_at = None if account.closed_at else now()
        end_tickets(session, account)
    return RedirectResponse("/people", 303)


def _other(account: Account | None, caller: Caller) -> Account:
    """Somebody else: a manager who closed the own account would lock everybody out."""
    if account is None or (account.closed_at is not None and not account.password):
        raise HTTPException(404, "There is no such account.")
    if account.id == caller.own.id:
        raise HTTPException(400, "Your own account is changed by another manager.")
    return account


def _page(request: Request, caller: Caller, *, link: str = "", role: str = "") -> HTMLResponse:
    with server_of(request).session() as session:
        accounts = sorted(session.scalars(select(Account)), key=lambda one: (-ROLES.index(one.role), one.name))
    return page(request, caller, "people.html", accounts=accounts, roles=ROLES, link=link, role=role)

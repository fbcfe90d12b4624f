"""Logging in and out, joining, one's own account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dawson.errors import AnnotationError
from dawson.storage.models import Account, Ticket
from dawson.web.guard import COOKIE, Anybody, Caller, Volunteer, server_of
from dawson.web.render import page
from dawson.web.security import (
    INVITATION,
    SESSION,
    SESSION_LASTS,
    TOKEN,
    TOKEN_LASTS,
    check_login,
    end_tickets,
    find_ticket,
    hash_password,
    issue,
    make_account,
)
from dawson.web.server import now

router = APIRouter()
OPEN = "open"
"""What stands in place of an invitation where anybody may join."""


@router.get("/login")
def login_form(request: Request, caller: Anybody, next: str = "/") -> HTMLResponse:
    """The form."""
    return page(request, caller, "login.html", next=_inside(next), problem="")


@router.post("/login")
def login(
    request: Request,
    caller: Anybody,
    name: Annotated[str, Form(max_length=80)],
    password: Annotated[str, Form(max_length=200)],
    next: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Let somebody in, slowly where there were failures."""
    address = request.client.host if request.client else ""
    try:
        with server_of(request).session() as session:
            account = check_login(session, name, password, address, now())
            if account is not None:
                return _let_in(request, session, account, _inside(next), now())
        problem, status = "Name or password is wrong.", 401
    except AnnotationError as error:
        problem, status = str(error), 429
    return page(request, caller, "login.html", status, next=_inside(next), problem=problem)


@router.post("/logout")
def logout(request: Request, caller: Volunteer) -> Response:
    """End this session."""
    with server_of(request).session() as session:
        ticket = find_ticket(session, SESSION, request.cookies.get(COOKIE, ""), now())
        if ticket is not None:
            session.delete(ticket)
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE)
    return response


@router.get("/join/{invitation}")
def join_form(request: Request, caller: Anybody, invitation: str) -> HTMLResponse:
    """The form of an invitation, with what a rater agrees to."""
    with server_of(request).session() as session:
        role = _invited(request, session, invitation)
    return page(request, caller, "join.html", role=role, invitation=invitation, problem="", name="")


@router.post("/join/{invitation}")
def join(
    request: Request,
    caller: Anybody,
    invitation: str,
    name: Annotated[str, Form(max_length=80)],
    password: Annotated[str, Form(max_length=200)],
    agrees: Annotated[bool, Form()] = False,
) -> Response:
    """Make an account; the invitation is used up."""
    try:
        with server_of(request).session() as session:
            role = _invited(request, session, invitation)
            if not agrees:
                raise AnnotationError("Nobody can take part who does not agree.")
            account = make_account(session, name.strip(), password, role, now())
            ticket = find_ticket(session, INVITATION, invitation, now())
            if ticket is not None:
                session.delete(ticket)
            return _let_in(request, session, account, "/", now())
    except AnnotationError as error:
        return page(request, caller, "join.html", 400, role="", invitation=invitation, problem=str(error), name=name)


@router.get("/account")
def own_account(request: Request, caller: Volunteer) -> HTMLResponse:
    """Password and tokens."""
    return _account_page(request, caller)


@router.post("/account/password")
def change_password(
    request: Request,
    caller: Volunteer,
    old: Annotated[str, Form(max_length=200)],
    new: Annotated[str, Form(max_length=200)],
) -> Response:
    """Change the password, which logs out everywhere else."""
    try:
        with server_of(request).session() as session:
            address = request.client.host if request.client else ""
            account = check_login(session, caller.own.name, old, address, now())
            if account is not None:
                account.password = hash_password(new, account.name)
                end_tickets(session, account)
                return _let_in(request, session, account, "/account", now())
        problem = "The old password is wrong."
    except AnnotationError as error:
        problem = str(error)
    return _account_page(request, caller, problem=problem, status=400)


@router.post("/account/tokens")
def make_token(request: Request, caller: Volunteer, title: Annotated[str, Form(min_length=1, max_length=80)]) -> HTMLResponse:
    """A token for a program; it is shown once."""
    with server_of(request).session() as session:
        account = session.get_one(Account, caller.own.id)
        secret = issue(session, TOKEN, now(), TOKEN_LASTS, account=account, title=title.replace("\0", ""))
    return _account_page(request, caller, secret=secret)


@router.post("/account/tokens/end")
def end_tokens(request: Request, caller: Volunteer) -> Response:
    """End all tokens of an account."""
    with server_of(request).session() as session:
        session.execute(delete(Ticket).where(Ticket.account_id == caller.own.id, Ticket.kind == TOKEN))
    return RedirectResponse("/account", 303)


@router.post("/account/close")
def close_account(request: Request, caller: Volunteer) -> Response:
    """Close one's account: name and password go, answers stay under the pseudonym."""
    with server_of(request).session() as session:
        account = session.get_one(Account, caller.own.id)
        account.closed_at, account.name, account.password = now(), f"closed-{account.id}", ""
        end_tickets(session, account)
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE)
    return response


def _account_page(request: Request, caller: Caller, *, secret: str = "", problem: str = "", status: int = 200) -> HTMLResponse:
    with server_of(request).session() as session:
        tokens = session.scalars(select(Ticket).where(Ticket.account_id == caller.own.id, Ticket.kind == TOKEN)).all()
    return page(request, caller, "account.html", status, tokens=tokens, secret=secret, problem=problem)


def _invited(request: Request, session: Session, invitation: str) -> str:
    """The role of an invitation, which is good once; of the open door that of a volunteer."""
    if invitation == OPEN and server_of(request).open_to_all:
        return "volunteer"
    ticket = find_ticket(session, INVITATION, invitation, now())
    if ticket is None:
        raise HTTPException(404, "This invitation is not known, was used, or has ended. Ask for another.")
    return ticket.role


def _let_in(request: Request, session: Session, account: Account, where: str, at: datetime) -> Response:
    secret = issue(session, SESSION, at, SESSION_LASTS, account=account)
    response = RedirectResponse(where, 303)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, secret, max_age=int(SESSION_LASTS.total_seconds()), httponly=True, samesite="lax", secure=secure)
    return response


def _inside(target: str) -> str:
    """A place on this server, never another one."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"

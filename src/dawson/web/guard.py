"""Who asks, and whether they may: every route names one guard, and none is without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi import Path as InPath
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import HTTPException

from dawson.storage.models import Account, Ticket
from dawson.web.security import SESSION, TOKEN, find_ticket, may, same
from dawson.web.server import Server, now

COOKIE = "dawson_session"
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf"
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Parameters
    ----------
    account : Account or None
        None for a visitor.
    guard : str
        What a form must send back.
    """

    account: Account | None
    guard: str = ""

    @property
    def own(self) -> Account:
        """The account of a caller who is logged in, which the guards of all but open routes make sure of."""
        assert self.account is not None
        return self.account

    @property
    def role(self) -> str:
        """Role, or nothing."""
        return self.account.role if self.account else ""

    def has(self, role: str) -> bool:
        """Whether the caller may do what a role may."""
        return self.account is not None and may(self.account.role, role)


def server_of(request: Request) -> Server:
    """The server of a request."""
    server: Server = request.app.state.server
    return server


async def caller_of(request: Request) -> Caller:
    """Who asks, by cookie or by a program's token; a change by cookie must carry the form's secret."""
    refuse_other_origins(request)
    bearer = request.headers.get("authorization", "")
    if bearer.lower().startswith("bearer "):
        ticket = await run_in_threadpool(_ticket, request, TOKEN, bearer[7:].strip())
        if ticket is None:
            raise HTTPException(401, "The token is not known or has ended.")
        return Caller(ticket.account)
    ticket = await run_in_threadpool(_ticket, request, SESSION, request.cookies.get(COOKIE, ""))
    if ticket is None:
        return Caller(None)
    if request.method not in _SAFE:
        sent = request.headers.get(CSRF_HEADER) or ""
        if not sent and request.headers.get("content-type", "").startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
            sent = str((await request.form()).get(CSRF_FIELD, ""))
        if not same(sent, ticket.guard):
            raise HTTPException(403, "The form is too old. Load the page again.")
    return Caller(ticket.account, ticket.guard)


def _ticket(request: Request, kind: str, secret: str) -> Ticket | None:
    with server_of(request).session() as session:
        return find_ticket(session, kind, secret, now())


def refuse_other_origins(request: Request) -> None:
    """A change asked for by a page of another site is refused, before anybody is logged in too."""
    if request.method in _SAFE:
        return
    origin = request.headers.get("origin", "")
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "This was sent by another site.")
    if origin and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise HTTPException(403, "This was sent by another site.")


def at_least(role: str) -> Callable[..., object]:
    """The guard of a route that needs a role; empty for one that is open to everybody."""

    async def guard(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if role and caller.account is None:
            raise HTTPException(401, "Please log in.")
        if role and not caller.has(role):
            raise HTTPException(403, "Your account may not do this.")
        return caller

    guard.needs = role  # type: ignore[attr-defined]
    return guard


ANYBODY = at_least("")
Anybody: TypeAlias = Annotated[Caller, Depends(ANYBODY)]
Volunteer: TypeAlias = Annotated[Caller, Depends(at_least("volunteer"))]
Organiser: TypeAlias = Annotated[Caller, Depends(at_least("organiser"))]
Manager: TypeAlias = Annotated[Caller, Depends(at_least("manager"))]
Key: TypeAlias = Annotated[int, InPath(ge=1, le=2**31 - 1)]
"""The number of a row in an address, small enough for every database."""

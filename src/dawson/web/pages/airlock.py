"""The airlock of the trusted analysis: what requests ask, what would leave, and the second person's decision."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dawson.enclave.airlock import Standing, decide, latest_held, standings_of
from dawson.errors import EnclaveError
from dawson.web.guard import Caller, Organiser, server_of
from dawson.web.render import page

router = APIRouter()


@router.get("/airlock")
def requests(request: Request, caller: Organiser) -> HTMLResponse:
    """Every request that the site has seen, those that wait first."""
    _refuse_without(request)
    standings = standings_of(server_of(request).study)[::-1]
    waiting = [one for one in standings if one.status == "held"]
    return page(request, caller, "airlock.html", waiting=waiting, others=[one for one in standings if one.status != "held"])


@router.get("/airlock/{identifier}")
def held(request: Request, caller: Organiser, identifier: str) -> HTMLResponse:
    """What would be released of a request, and what the rules kept back."""
    return _held_page(request, caller, identifier)


@router.post("/airlock/{identifier}")
def decision(
    request: Request,
    caller: Organiser,
    identifier: str,
    release: Annotated[bool, Form()],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Release an answer or stop it, as the reviewer whose name in the site's policy is the account's."""
    server = server_of(request)
    _refuse_without(request)
    assert server.mailbox is not None
    _known(request, identifier)
    try:
        decide(server.study, server.mailbox, identifier, release=release, reason=reason, actor=caller.own.name)
    except EnclaveError as error:
        return _held_page(request, caller, identifier, str(error), 400)
    return RedirectResponse("/airlock", 303)


def _held_page(request: Request, caller: Caller, identifier: str, problem: str = "", status: int = 200) -> HTMLResponse:
    _refuse_without(request)
    standing = _known(request, identifier)
    try:
        answer = latest_held(server_of(request).study, identifier)
    except EnclaveError:
        raise HTTPException(404, "No answer to this request waits for a decision.") from None
    counted: dict[str, int] = {}
    for reason in answer.withheld.values():
        counted[reason] = counted.get(reason, 0) + 1
    return page(
        request, caller, "held.html", status, standing=standing, asked=standing.request, held=answer, withheld=counted, problem=problem,
    )  # fmt: skip


def _known(request: Request, identifier: str) -> Standing:
    for one in standings_of(server_of(request).study):
        if one.request.identifier == identifier:
            return one
    raise HTTPException(404, "There is no such request.")


def _refuse_without(request: Request) -> None:
    if server_of(request).mailbox is None:
        raise HTTPException(404, "This server shows no airlock; dawson serve --mailbox does.")

"""An organiser makes a challenge from the study that is served: looks at what it would hold, then has it made."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from dawson.challenge.build import ChallengePlan, build_challenge, plan_challenge
from dawson.challenge.cases import Shares
from dawson.challenge.draft import draft_settings
from dawson.challenge.settings import ChallengeSettings
from dawson.challenge.task import TASKS, task_named
from dawson.cohort.dataset import read_cohort
from dawson.cohort.licences import LICENCES
from dawson.errors import ChallengeError, DawsonError
from dawson.web.guard import Caller, Organiser, server_of
from dawson.web.render import page
from dawson.web.server import Server, now

router = APIRouter()
RESERVED = {"", "new", "making"}
"""Names that a challenge cannot have: they are taken by pages, or are none."""
_LABEL = r"^[A-Za-z0-9]*$"


class Wanted(BaseModel):
    """The form. Who is in which part is drawn secretly when the challenge is made, so a look beforehand tells counts alone."""

    title: Annotated[str, Field(min_length=1, max_length=120)] = ""
    task: Annotated[str, Field(max_length=60)] = "lesion-segmentation"
    targets: Annotated[str, Field(max_length=500)] = ""
    maker: Annotated[str, Field(max_length=60, pattern=_LABEL)] = "expert"
    where: Annotated[str, Field(max_length=1000)] = ""
    organiser: Annotated[str, Field(min_length=1, max_length=200)] = ""
    licence: Annotated[str, Field(max_length=200)] = "CC-BY-NC-4.0"
    data_statement: Annotated[str, Field(max_length=1000)] = ""
    days: Annotated[int, Field(ge=1, le=3650)] = 90
    test_percent: Annotated[int, Field(ge=5, le=95)] = 50

    def plan(self, server: Server, *, record: bool) -> ChallengePlan:
        """Its cases."""
        targets = [part.strip() for part in self.targets.split(",") if part.strip()]
        shares = Shares(test=self.test_percent / 100)
        task = task_named(self.task)
        return plan_challenge(
            server.study, task, server.config, targets=targets, maker=self.maker, where=self.where, shares=shares, record=record
        )

    def settings(self, plan: ChallengePlan, at: datetime) -> ChallengeSettings:
        """Its rules."""
        # a licence of one's own is read from a file, which no page may name
        if self.licence not in LICENCES and not re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", self.licence):
            raise ChallengeError(f"The licence {self.licence} is not known.", "Choose one of the list.")
        return draft_settings(
            plan,
            title=self.title,
            organiser=self.organiser,
            licence=self.licence,
            data_statement=self.data_statement,
            days=self.days,
            at=at,
        )


@router.get("/challenges/new")
def form(request: Request, caller: Organiser) -> HTMLResponse:
    """What is asked, of whom, under which terms."""
    _home(server_of(request))
    maker = "sim" if read_cohort(server_of(request).study).simulated else "expert"
    return _form(request, caller, Wanted.model_construct(maker=maker))


@router.post("/challenges")
def make(request: Request, caller: Organiser, wanted: Annotated[Wanted, Form()], go: Annotated[bool, Form()] = False) -> Response:
    """Look what a challenge would hold, or make it in the background."""
    server = server_of(request)
    home = _home(server)
    try:
        plan = wanted.plan(server, record=False)
        settings = wanted.settings(plan, now())
        name = page_name(wanted.title)
        if name in RESERVED or name in server.challenges or (home / name).exists():
            raise ChallengeError(f"A challenge cannot be called {wanted.title!r} here.", "Give a title that no other has.")
    except DawsonError as error:
        return _form(request, caller, wanted, problem=_without_places(error, server), status=400)
    if not go:
        return _form(request, caller, wanted, plan=plan)

    def build() -> None:
        try:
            server.challenges[name] = build_challenge(plan, home / name, settings)
        except DawsonError as error:
            raise ChallengeError(_without_places(error, server)) from error
        server.new_entry()

    if not server.making.start(name, build):
        return _form(request, caller, wanted, problem="It is being made already.", status=400)
    return RedirectResponse(f"/challenges/making/{name}", 303)


@router.get("/challenges/making/{name}")
def being_made(request: Request, caller: Organiser, name: str) -> Response:
    """Waits until a challenge is made, and leads to it."""
    server = server_of(request)
    waits = server.making.is_on(name)
    if not waits and name in server.challenges:
        return RedirectResponse(f"/challenges/{name}", 303)
    problem = server.making.problem(name)
    if not waits and not problem:
        raise HTTPException(404, "No challenge of that name is being made.")
    return page(request, caller, "making.html", name=name, problem=problem, waits=waits)


def page_name(text: str) -> str:
    """Name of a challenge in addresses.

    Examples
    --------
    >>> page_name("Lesions of 2026!")
    'lesions-of-2026'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _without_places(error: DawsonError, server: Server) -> str:
    """What went wrong, without where on this machine."""
    return str(error).replace(str(server.study), "the study").replace(str(server.challenge_home), "the folder of challenges")


def _home(server: Server) -> Path:
    if server.challenge_home is None:
        raise HTTPException(404, "This server has no folder for new challenges; dawson serve --challenges gives it one.")
    return server.challenge_home


def _form(
    request: Request, caller: Caller, wanted: Wanted, *, plan: ChallengePlan | None = None, problem: str = "", status: int = 200
) -> HTMLResponse:
    tasks: list[Any] = [task_named(name) for name in TASKS]
    return page(
        request, caller, "new-challenge.html", status, wanted=wanted, tasks=tasks, licences=LICENCES.values(), plan=plan, problem=problem,
        left_out=next(iter(plan.left_out.items()), None) if plan else None,
    )  # fmt: skip

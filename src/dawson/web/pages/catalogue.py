"""The catalogue: what studies tell everybody of themselves, and how to ask them more."""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from dawson.enclave.study_card import cards_of
from dawson.web.guard import Anybody, server_of
from dawson.web.render import page

router = APIRouter()
_log = logging.getLogger(__name__)


@router.get("/catalogue")
def catalogue(request: Request, caller: Anybody) -> HTMLResponse:
    """The cards that this site published or got from others."""
    cards, problems = cards_of(server_of(request).study)
    for problem in problems:
        _log.warning("a card of the catalogue cannot be read: %s", problem)
    return page(request, caller, "catalogue.html", cards=cards)

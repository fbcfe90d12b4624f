"""What organisers see and do: raters, releases, opening and closing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dawson.annotation.campaigns import drop_leases, settings_of
from dawson.annotation.release import allowed_people, release_labels, releases_of
from dawson.annotation.results import agreement, progress_of, raters_table
from dawson.web.guard import Organiser, server_of
from dawson.web.pages.campaigns import campaign_or_404
from dawson.web.render import page
from dawson.web.server import now

router = APIRouter()


@router.get("/campaigns/{name}/raters")
def raters(request: Request, caller: Organiser, name: str) -> HTMLResponse:
    """Every rater with skill and repeatability, and the releases."""
    server = server_of(request)
    with server.session() as session:
        campaign = campaign_or_404(session, name)
        rows = [
            {key: None if value != value else value for key, value in row.items()}
            for row in raters_table(session, campaign).to_dict("records")
        ]
        context: dict[str, Any] = {
            "campaign": campaign, "settings": settings_of(campaign), "raters": rows, "agreement": agreement(session, campaign),
            "progress": progress_of(session, campaign), "releases": [path.name for path in releases_of(server.study, name)],
        }  # fmt: skip
    return page(request, caller, "raters.html", **context)


@router.post("/campaigns/{name}/release")
def release(request: Request, caller: Organiser, name: str) -> Response:
    """Write the next version of the labels."""
    server = server_of(request)
    with server.session() as session:
        campaign = campaign_or_404(session, name)
        allowed = allowed_people(session, server.study, campaign, server.config.governance)
        release_labels(session, server.study, campaign, allowed, now())
    return RedirectResponse(f"/campaigns/{name}/raters", 303)


@router.post("/campaigns/{name}/close")
def close(request: Request, caller: Organiser, name: str) -> Response:
    """End a campaign, or open it again."""
    with server_of(request).session() as session:
        campaign = campaign_or_404(session, name)
        campaign.closed_at = None if campaign.closed_at else now()
        drop_leases(session, campaign)
    return RedirectResponse(f"/campaigns/{name}", 303)

"""Challenges: rules and data, handing in, what was found in one's entries, the leaderboard."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, UploadFile
from fastapi.exceptions import HTTPException
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from dawson.challenge.build import PUBLIC
from dawson.challenge.entries import Entry, read_entries, take_entry
from dawson.challenge.scoring import read_check
from dawson.challenge.settings import ChallengeSettings, read_challenge
from dawson.errors import ChallengeError, ConfigError
from dawson.report.challenge_page import leaderboard_page
from dawson.web.guard import Caller, Volunteer, server_of
from dawson.web.render import page
from dawson.web.server import now

router = APIRouter()
_WAITS = ("received", "valid")


@router.get("/challenges/{name}")
def challenge(request: Request, caller: Volunteer, name: str) -> HTMLResponse:
    """One challenge."""
    return _challenge_page(request, caller, name)


@router.get("/challenges/{name}/data.zip")
def data(request: Request, caller: Volunteer, name: str) -> FileResponse:
    """The public folder as one file; nothing else of a challenge is ever sent."""
    folder, server = _folder(request, name), server_of(request)
    packed = server.copies.packed(name, folder / PUBLIC)
    return FileResponse(packed, filename=f"{name}.zip")


@router.post("/challenges/{name}/entries")
def hand_in(
    request: Request,
    caller: Volunteer,
    name: str,
    answer: Annotated[UploadFile, File()],
    method: Annotated[str, Form(max_length=200)] = "",
    phase: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """An answer: kept at once, checked and scored in the background. The team is the pseudonym of the account."""
    folder = _folder(request, name)
    wants_json = "text/html" not in request.headers.get("accept", "")
    with tempfile.NamedTemporaryFile(prefix="entry-") as kept:
        shutil.copyfileobj(answer.file, kept)
        kept.flush()
        try:
            settings = read_challenge(folder)
            entry = take_entry(folder, settings, Path(kept.name), caller.own.pseudonym, method=method, phase=phase or None, at=now())
        except (ChallengeError, ConfigError) as error:
            # the messages name the temporary file, which tells nobody anything
            problem = str(error).replace(kept.name, "The file")
            return JSONResponse({"detail": problem}, 400) if wants_json else _challenge_page(request, caller, name, problem, 400)
    server_of(request).new_entry()
    where = f"/challenges/{name}/entries/{entry.entry_id}"
    return JSONResponse({"entry": entry.entry_id, "address": where}, 201) if wants_json else RedirectResponse(where, 303)


@router.get("/challenges/{name}/entries/{entry_id}")
def own_entry(request: Request, caller: Volunteer, name: str, entry_id: str) -> Response:
    """What was found in an entry, case by case: for its team and for organisers."""
    folder = _folder(request, name)
    own = [entry for entry in _entries(folder, caller) if entry.entry_id == entry_id]
    if not own:
        raise HTTPException(404, "There is no such entry.")
    check = read_check(folder, entry_id)
    entry = own[0]
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"entry": entry_id, "state": entry.state, "reason": entry.reason, "check": vars(check) if check else None})
    return page(
        request, caller, "entry.html", name=name, settings=read_challenge(folder), entry=entry, check=check, waits=entry.state in _WAITS
    )


@router.get("/challenges/{name}/leaderboard/{phase}")
def leaderboard(request: Request, caller: Volunteer, name: str, phase: str) -> FileResponse:
    """The leaderboard of a phase, as it was last written."""
    folder = _folder(request, name)
    settings = read_challenge(folder)
    if phase not in {one.name for one in settings.phases} or not settings.phase(phase).shows_scores(now()):
        raise HTTPException(404, "This phase has no leaderboard that may be seen now.")
    path = leaderboard_page(folder, phase)
    if not path.is_file():
        raise HTTPException(404, "No entry is scored yet.")
    return FileResponse(path, media_type="text/html")


def _challenge_page(request: Request, caller: Caller, name: str, problem: str = "", status: int = 200) -> HTMLResponse:
    folder = _folder(request, name)
    settings, at = read_challenge(folder), now()
    return page(
        request, caller, "challenge.html", status, name=name, settings=settings, phases=_phases(folder, settings, at), problem=problem,
        entries=_entries(folder, caller, everybodys=False), about=_readme(folder),
        open_phases=[phase for phase in settings.phases if phase.is_open(at)],
    )  # fmt: skip


def _folder(request: Request, name: str) -> Path:
    folder = server_of(request).challenges.get(name)
    if folder is None:
        raise HTTPException(404, "There is no such challenge.")
    return folder


def _entries(folder: Path, caller: Caller, *, everybodys: bool = True) -> list[Entry]:
    """Entries that a caller may look into, the newest first."""
    own = caller.own.pseudonym.casefold()
    seen = [entry for entry in read_entries(folder) if entry.team.casefold() == own or (everybodys and caller.has("organiser"))]
    return seen[::-1]


def _phases(folder: Path, settings: ChallengeSettings, at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "phase": phase,
            "open": phase.is_open(at),
            "board": phase.shows_scores(at) and leaderboard_page(folder, phase.name).is_file(),
        }
        for phase in settings.phases
    ]


def _readme(folder: Path) -> str:
    path = folder / PUBLIC / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""

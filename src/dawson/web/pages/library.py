"""What a study has to show without any individual: reports made to be shared, and cards of models."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.exceptions import HTTPException
from fastapi.responses import FileResponse, HTMLResponse

from dawson.web.guard import Volunteer, server_of
from dawson.web.render import page

router = APIRouter()
REPORT, CARD = "report-shared.html", "card.md"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


@router.get("/library")
def library(request: Request, caller: Volunteer) -> HTMLResponse:
    """Reports and models by name."""
    study = server_of(request).study
    reports, models = _names(study / "experiments", REPORT), _names(study / "models", CARD)
    return page(request, caller, "library.html", reports=reports, models=models)


@router.get("/library/reports/{name}")
def report(request: Request, caller: Volunteer, name: str) -> FileResponse:
    """The report of an experiment as `dawson report --share` wrote it."""
    return FileResponse(_file(server_of(request).study / "experiments", name, REPORT), media_type="text/html")


@router.get("/library/models/{name}")
def model(request: Request, caller: Volunteer, name: str) -> HTMLResponse:
    """The card of a model."""
    text = _file(server_of(request).study / "models", name, CARD).read_text(encoding="utf-8")
    return page(request, caller, "card.html", name=name, text=text)


def _names(folder: Path, wanted: str) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"*/{wanted}") if _NAME.fullmatch(path.parent.name))


def _file(folder: Path, name: str, wanted: str) -> Path:
    path = folder / name / wanted
    if not _NAME.fullmatch(name) or not path.is_file():
        raise HTTPException(404, "There is no such page.")
    return path

"""The application: routes, headers, limits, and errors that explain and reveal nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import text
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.middleware.base import RequestResponseEndpoint

from dawson.annotation.drawings import LARGEST_UPLOAD
from dawson.challenge.settings import read_challenge
from dawson.errors import AnnotationError
from dawson.web.guard import ANYBODY, Caller, caller_of
from dawson.web.pages import (
    accounts,
    airlock,
    campaigns,
    catalogue,
    challenges,
    experts,
    images,
    library,
    new_challenge,
    organise,
    people,
    rate,
)
from dawson.web.render import page, style_sheet
from dawson.web.scoring import Scorer
from dawson.web.server import Server

HEADERS = {
    # NiiVue sets styles of elements by script, which this allows, and unpacks images in a worker of its own
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_FORM_LIMIT = 2**20
_TITLES = {401: "Please log in", 403: "Not allowed", 404: "Not found", 405: "Not possible", 413: "Too large", 422: "Not understood"}


def create_app(server: Server) -> FastAPI:
    """The application that serves a study."""

    @asynccontextmanager
    async def alive(_app: FastAPI) -> AsyncIterator[None]:
        scorer = Scorer(server)
        server.new_entry = scorer.tell
        scorer.start()
        yield
        scorer.stop()

    app = FastAPI(title="Dawson", docs_url=None, redoc_url=None, openapi_url=None, lifespan=alive)
    app.state.server = server
    app.mount("/static", StaticFiles(directory=str(files("dawson.web").joinpath("static"))), name="static")
    for part in (accounts, airlock, campaigns, catalogue, new_challenge, challenges, rate, images, experts, library, organise, people):
        app.include_router(part.router)

    @app.get("/style.css", dependencies=[Depends(ANYBODY)])
    def style() -> Response:
        return Response(style_sheet(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    @app.get("/healthz", dependencies=[Depends(ANYBODY)])
    def health() -> PlainTextResponse:
        with server.session() as session:
            session.execute(text("SELECT 1"))
        return PlainTextResponse("ok")

    @app.middleware("http")
    async def guarded(request: Request, call_next: RequestResponseEndpoint) -> Response:
        refused = _too_large(request, server)
        response = refused or await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if not request.url.path.startswith(("/static", "/style.css")):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    @app.exception_handler(AnyHTTPException)
    async def told(request: Request, error: Exception) -> Response:
        assert isinstance(error, AnyHTTPException)
        if error.status_code == 401 and request.method == "GET" and "authorization" not in request.headers:
            return RedirectResponse(f"/login?next={request.url.path}", 303)
        return await _error(request, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def misunderstood(request: Request, _error_: Exception) -> Response:
        return await _error(request, 422, "Something that was sent is missing or has the wrong form.")

    @app.exception_handler(AnnotationError)
    async def refused(request: Request, error: Exception) -> Response:
        return await _error(request, 400, str(error))

    return app


def _too_large(request: Request, server: Server) -> Response | None:
    """Bodies without a length are refused, so that none can grow while it is read."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return None
    length = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers or not length.isdigit():
        return PlainTextResponse("The length of what is sent must be told.", 411)
    return PlainTextResponse("This is too large.", 413) if int(length) > _largest_body(request.url.path, server) else None


def _largest_body(path: str, server: Server) -> int:
    parts = path.strip("/").split("/")
    if parts[-1] == "drawing":
        return LARGEST_UPLOAD
    if parts[0] == "challenges" and parts[-1] == "entries" and (folder := server.challenges.get(parts[1])) is not None:
        return (read_challenge(folder).limits.entry_mb << 20) + _FORM_LIMIT
    return _FORM_LIMIT


async def _error(request: Request, status: int, detail: str) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": detail}, status)
    try:
        caller = await caller_of(request) if request.method == "GET" else Caller(None)
    except HTTPException:
        caller = Caller(None)
    return page(request, caller, "error.html", status, title=_TITLES.get(status, "This did not work"), detail=detail)

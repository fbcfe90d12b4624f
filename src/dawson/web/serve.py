"""Running the server."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select

from dawson.annotation.build import database_path
from dawson.config import StudyConfig
from dawson.storage.database import open_database
from dawson.storage.models import Account
from dawson.web.app import create_app
from dawson.web.security import INVITATION, INVITATION_LASTS, issue
from dawson.web.server import Server, now


def prepare_server(study: Path, config: StudyConfig, *, open_to_all: bool = False) -> Server:
    """Open the database of a study and every campaign that is not in it yet."""
    server = Server(study, open_database(database_path(study)), config, open_to_all)
    server.adopt_campaigns()
    return server


def first_invitation(server: Server) -> str | None:
    """An invitation for the first manager; None where there is one already."""
    with server.session() as session:
        managers = session.scalar(select(func.count()).select_from(Account).where(Account.role == "manager", Account.closed_at.is_(None)))
        return None if managers else issue(session, INVITATION, now(), INVITATION_LASTS, role="manager")


def run_server(server: Server, host: str, port: int) -> None:
    """Serve until somebody stops it."""
    import uvicorn

    # addresses are digested only where logins fail: no access log keeps who looked at what
    uvicorn.run(create_app(server), host=host, port=port, log_level="warning", access_log=False, server_header=False)

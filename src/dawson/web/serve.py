"""Running the server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import func, select

from dawson.annotation.build import database_path
from dawson.challenge.settings import CHALLENGE_FILE, read_challenge
from dawson.config import StudyConfig
from dawson.errors import ConfigError
from dawson.storage.database import open_database
from dawson.storage.models import Account
from dawson.web.app import create_app
from dawson.web.pages.new_challenge import RESERVED, page_name
from dawson.web.security import INVITATION, INVITATION_LASTS, issue
from dawson.web.server import Server, now


def prepare_server(
    study: Path,
    config: StudyConfig,
    *,
    open_to_all: bool = False,
    challenges: Sequence[Path] = (),
    challenge_home: Path | None = None,
    mailbox: Path | None = None,
) -> Server:
    """Open the database of a study and every campaign that is not in it yet, and look whether the challenges can be read.

    Parameters
    ----------
    study : Path
    config : StudyConfig
    open_to_all : bool
        Anybody may sign up as a volunteer.
    challenges : sequence of Path
        Folders of single challenges.
    challenge_home : Path, optional
        All challenges in this folder are run too, and organisers may make new ones there.
    mailbox : Path, optional
        Of the trusted analysis.

    Raises
    ------
    ConfigError
        A challenge cannot be read, or two have one name; or the folder for new ones lies in the study.
    """
    if challenge_home is not None:
        challenge_home = challenge_home.resolve()
        if challenge_home.is_relative_to(study.resolve()):
            raise ConfigError(f"{challenge_home} lies in the study.", "Challenges are handed out: give a folder elsewhere.")
        challenges = [*challenges, *sorted(path.parent for path in challenge_home.glob(f"[!.]*/{CHALLENGE_FILE}"))]
    folders = {folder.resolve() for folder in challenges}
    named = {page_name(folder.name): folder for folder in folders}
    if len(named) < len(folders) or named.keys() & RESERVED:
        raise ConfigError(
            "Two challenges have the same name of their folder, or one has none that an address can have.", "Give the folders other names."
        )
    for folder in named.values():
        read_challenge(folder)
    server = Server(study, open_database(database_path(study)), config, open_to_all, named, challenge_home, mailbox)
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

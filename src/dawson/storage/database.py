"""The connection: SQLite in a file unless `DAWSON_DATABASE_URL` names a PostgreSQL server; brought up to date when it is opened."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from dawson.errors import ConfigError

URL_VARIABLE = "DAWSON_DATABASE_URL"
_WAIT_S = 30


def open_database(default: Path | None = None, url: str | None = None) -> sessionmaker[Session]:
    """Open the database, make or bring up to date its tables, and give what makes sessions.

    Parameters
    ----------
    default : Path, optional
        SQLite file that is taken where no address is given.
    url : str, optional
        Address; by default that of `DAWSON_DATABASE_URL`.

    Returns
    -------
    sessionmaker

    Raises
    ------
    ConfigError
        The address is none, its driver is not installed, or nothing answers.
    """
    address = url or os.environ.get(URL_VARIABLE, "")
    if not address:
        if default is None:
            raise ConfigError("No database is given.", f"Set {URL_VARIABLE}.")
        default.parent.mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{default.resolve()}"
    try:
        engine = create_engine(address, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _careful)
            event.listen(engine, "begin", _begin)
        _bring_up_to_date(engine)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(f"{URL_VARIABLE} cannot be used: {error}.", "Such as postgresql+psycopg://user:password@host/name.") from None
    except OperationalError as error:
        raise ConfigError(f"The database cannot be opened: {error.orig}.", "Is it running, and may this user write to it?") from None
    return sessionmaker(engine, expire_on_commit=False)


def _careful(connection: Any, _record: object) -> None:
    """SQLite that loses nothing it has confirmed, even when the machine is switched off, and lets readers read meanwhile."""
    # transactions begin with `_begin`, not where the driver guesses
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", f"busy_timeout={_WAIT_S * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    # at once a writer: a reader that later wants to write could be refused
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _bring_up_to_date(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("dawson.storage").joinpath("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def flush_to_disk(sessions: sessionmaker[Session]) -> None:
    """Let nothing that was deleted stay in SQLite's journal; a PostgreSQL server sees to that by itself."""
    engine = sessions.kw["bind"]
    if engine.dialect.name == "sqlite":
        # outside of any transaction, which SQLAlchemy's own connections begin
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

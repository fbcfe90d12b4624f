"""Secrets of a centre: files that only their owner can read, in a folder that lies in no study."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from dawson.errors import GovernanceError
from dawson.governance.ledger import create_exclusively

SECRET_BYTES = 32
_OTHERS = 0o077


def key_folder() -> Path:
    """Where keys lie: the folder that DAWSON_KEYS names, else ~/.config/dawson/keys. It is made where it is missing, for its owner only.

    Raises
    ------
    GovernanceError
        The folder lies inside a study, or cannot be made.
    """
    folder = named_key_folder()
    _refuse_study(folder)
    if not folder.is_dir():
        try:
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)  # somebody else may have made it in between
            folder.chmod(0o700)
        except OSError as error:
            raise GovernanceError(
                f"The folder of keys {folder} cannot be made: {error.strerror}.", "Name another by DAWSON_KEYS."
            ) from None
    return folder


def named_key_folder() -> Path:
    """The folder that `key_folder` gives, which need not exist; nothing is made."""
    named = os.environ.get("DAWSON_KEYS", "")
    return Path(named).expanduser() if named else Path.home() / ".config" / "dawson" / "keys"


def read_or_make_secret(name: str, folder: Path | None = None) -> bytes:
    """Read a secret of 32 bytes; the first time it is drawn at random and written for its owner only.

    Two processes that ask for a new secret at once get the same one.

    Parameters
    ----------
    name : str
        File name, such as ``intake.key``.
    folder : Path, optional
        By default `key_folder()`.

    Returns
    -------
    bytes, length 32

    Raises
    ------
    GovernanceError
        The file can be read by others, lies inside a study, or has not 32 bytes.
    """
    path = (key_folder() if folder is None else folder) / name
    _refuse_study(path.parent)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        create_exclusively(path, secrets.token_bytes(SECRET_BYTES))
    return read_key(path)


def read_key(path: Path) -> bytes:
    """Read a secret of 32 bytes that is there already; none is made.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes, length 32

    Raises
    ------
    GovernanceError
        The file is missing, can be read by others, lies inside a study, or has not 32 bytes.
    """
    content = read_secret(path)
    if len(content) != SECRET_BYTES:
        raise GovernanceError(
            f"{path} has {len(content)} bytes where a key has {SECRET_BYTES}.",
            "Restore it from your backup: a new key would give every person another pseudonym.",
        )
    return content


def read_secret(path: Path) -> bytes:
    """The bytes of a key file that nobody but its owner can read.

    Raises
    ------
    GovernanceError
        The file is a link or no file, can be read by others, or lies inside a study.
    """
    _refuse_study(path.parent)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        raise GovernanceError(f"The key {path} cannot be read: {error.strerror}.") from None
    with os.fdopen(descriptor, "rb") as stream:
        if os.fstat(descriptor).st_mode & _OTHERS:
            raise GovernanceError(f"The key {path} can be read by others than its owner.", f"Run: chmod 600 {path}")
        return stream.read()


def _refuse_study(folder: Path) -> None:
    place = folder.expanduser().resolve()
    for parent in (place, *place.parents):
        if (parent / "dataset_description.json").is_file():
            raise GovernanceError(
                f"Keys may not lie inside a study, and {folder} is inside {parent}.", "Name a folder outside by DAWSON_KEYS."
            )

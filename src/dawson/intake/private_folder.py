"""A folder that only its owner can enter: made by Dawson, and never made out of one that is somebody else's."""

from __future__ import annotations

from pathlib import Path

from dawson.errors import IntakeError

_MARK = ".dawson-private"


def check_private(folder: Path) -> None:
    """Refuse a folder that exists and was not made by `make_private`; nothing is written.

    Raises
    ------
    IntakeError
        It is no folder, or holds what is not Dawson's.
    """
    if folder.exists() and not folder.is_dir():
        raise IntakeError(f"{folder} is no folder.", "Give another.")
    if folder.is_dir() and not (folder / _MARK).exists() and any(folder.iterdir()):
        raise IntakeError(
            f"{folder} exists and was not made by Dawson, which would lock it for everybody but you.", "Give a new or an empty folder."
        )


def make_private(folder: Path) -> None:
    """Make a folder, or make sure of one, that only its owner can enter.

    Raises
    ------
    IntakeError
        As `check_private`.
    """
    check_private(folder)
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    (folder / _MARK).touch(mode=0o600)

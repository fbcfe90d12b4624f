"""What is made for sending: copies of images with clean headers, packed challenges; kept no longer than they may be shown."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from dawson.files import atomic_path


class Copies:
    """Files in a folder of this process, which goes with it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dawson-images-")
        self._people: dict[str, bool] = {}
        self._lock = threading.Lock()

    def people(self) -> list[tuple[str, bool]]:
        """Participants with a copy, and whether any copy is for the public."""
        with self._lock:
            return list(self._people.items())

    def of(self, participant_id: str, what: str, make: Callable[[Path], object], *, public: bool) -> Path:
        """The copy of an image of a person, made by a function that takes the path, where it is not there yet.

        Parameters
        ----------
        participant_id : str
        what : str
            Tells this copy from every other, and from those of the same file before it changed.
        make : callable
        public : bool
            See `people`.
        """
        copy = self._home(participant_id) / f"{hashlib.sha256(what.encode()).hexdigest()}.nii.gz"
        with self._lock:
            self._people[participant_id] = public or self._people.get(participant_id, False)
        if not copy.exists():
            copy.parent.mkdir(exist_ok=True)
            make(copy)
        return copy

    def drop(self, participant_id: str) -> None:
        """Remove all copies of a person."""
        with self._lock:
            self._people.pop(participant_id, None)
        shutil.rmtree(self._home(participant_id), ignore_errors=True)

    def packed(self, name: str, public: Path) -> Path:
        """The public folder of a challenge as one file, as the folder is now."""
        packed = self._packed(name, public)
        if not packed.exists():
            with atomic_path(packed) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as out:
                for path in _files(public):
                    out.write(path, path.relative_to(public))
        return packed

    def drop_stale(self, challenges: Mapping[str, Path]) -> None:
        """Remove packed challenges whose folder has changed since: a withdrawal takes images out of it."""
        kept = {self._packed(name, folder / "public") for name, folder in list(challenges.items())}
        for path in Path(self._folder.name).glob("challenge-*.zip"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _home(self, participant_id: str) -> Path:
        return Path(self._folder.name) / hashlib.sha256(participant_id.encode()).hexdigest()[:32]

    def _packed(self, name: str, public: Path) -> Path:
        told = [f"{path.relative_to(public)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in _files(public)]
        return Path(self._folder.name) / f"challenge-{name}-{hashlib.sha256(chr(10).join(told).encode()).hexdigest()[:32]}.zip"


def _files(public: Path) -> list[Path]:
    return sorted(path for path in public.rglob("*") if path.is_file() and not path.is_symlink())

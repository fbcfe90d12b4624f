"""Challenges that are being made in the background, while organisers wait for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from dawson.errors import DawsonError

_log = logging.getLogger(__name__)


class Making:
    """What is being made, and what could not be."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def start(self, name: str, make: Callable[[], None]) -> bool:
        """Make something in a thread of its own; False where that name is being made already."""
        with self._lock:
            if name in self._threads:
                return False
            self._problems.pop(name, None)
            thread = self._threads[name] = threading.Thread(target=self._run, args=(name, make), daemon=True, name=f"making {name}")
            thread.start()
        return True

    def is_on(self, name: str) -> bool:
        """Whether it is being made."""
        return name in self._threads

    def problem(self, name: str) -> str:
        """Why it could not be made; empty where nothing is known against it."""
        return self._problems.get(name, "")

    def _run(self, name: str, make: Callable[[], None]) -> None:
        try:
            make()
        except DawsonError as error:
            _log.exception("%s could not be made", name)
            self._problems[name] = str(error)
        except (OSError, ValueError):
            # their texts name files
            _log.exception("%s could not be made", name)
            self._problems[name] = "The reason is in the log of the server."
        finally:
            with self._lock:
                del self._threads[name]

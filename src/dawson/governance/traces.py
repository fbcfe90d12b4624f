"""What a study holds of a person, and how a room takes part in removing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Trace:
    """Something of a study that shows a person or was made from one.

    Parameters
    ----------
    kind : str
        Such as ``image``, ``row``, ``model``, ``report``.
    path : str
        Relative to the study.
    detail : str
        What it has of the person.
    action : str
        What was done, or what somebody must do.
    """

    kind: str
    path: str
    detail: str = ""
    action: str = ""


class Hook(Protocol):
    """How a room takes part in withdrawals; both methods may be called again after a crash, and `remove` then finds less."""

    def find(self, study: Path, participant_id: str) -> list[Trace]:
        """List what there is of a person and change nothing."""
        ...

    def remove(self, study: Path, participant_id: str) -> list[Trace]:
        """Remove what can be, and list it with what was done and what somebody must do."""
        ...

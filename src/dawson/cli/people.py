"""Which participants a command was asked about."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from dawson.errors import CohortError

if TYPE_CHECKING:
    from dawson.cohort.dataset import Cohort


def prefixed_names(given: Sequence[str] | None) -> list[str]:
    """Participants as they were typed, each with its `sub-`."""
    from dawson.cohort.tables import prefixed

    return [prefixed(name, "sub-") for name in given or ()]


def asked_participants(given: Sequence[str] | None, cohort: Cohort, refused: Container[str]) -> set[str]:
    """The participants of `--participant`; empty means everybody.

    Raises
    ------
    CohortError
        Somebody is neither in the cohort nor among those whom consent leaves out.
    """
    wanted = set(prefixed_names(given))
    known = set(cohort.participants["participant_id"])
    if missing := sorted(name for name in wanted if name not in known and name not in refused):
        raise CohortError(f"{', '.join(missing)} not in participants.tsv of {cohort.root}.", "Check the spelling of --participant.")
    return wanted

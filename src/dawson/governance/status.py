"""Where the governance of a study stands, in one view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dawson.config import STUDY_FILE, GovernanceSection, read_config
from dawson.files import read_tsv
from dawson.governance.access import access_path, read_policy
from dawson.governance.audit_verify import verify
from dawson.governance.consent import ConsentRecord, read_ledger
from dawson.governance.gate import rule, use_of
from dawson.governance.pages import pages_showing
from dawson.governance.tombstones import read_tombstones
from dawson.governance.withdrawal import unfinished

# How long before its last day a consent or an agreement is named as about to expire.
SOON = timedelta(days=90)


@dataclass(frozen=True)
class Status:
    """What `dawson governance status` says.

    Parameters
    ----------
    managed : bool
        By the study file.
    purpose : str
    people : int
        In participants.tsv.
    allowed : int
        Of them, who may be used for training for the study's purpose now.
    refused : dict of str to int
        Reason to number of people.
    expiring : tuple of str
        Participants whose consent ends within `SOON`.
    withdrawn : int
    unfinished : tuple of str
        Participants whose withdrawal was interrupted.
    pages : dict of str to tuple of str
        Pages that were made before, to the people on them who may not be selected or analysed now.
    agreements : dict of str to str
        Agreement to how long it holds.
    events : int
        In the audit log.
    problems, notes : tuple of str
        What `verify` found.
    """

    managed: bool
    purpose: str
    people: int
    allowed: int
    refused: dict[str, int]
    expiring: tuple[str, ...]
    withdrawn: int
    unfinished: tuple[str, ...]
    pages: dict[str, tuple[str, ...]]
    agreements: dict[str, str]
    events: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def participants_of(study: Path | str) -> list[str]:
    """participant_id, with its prefix, of everybody in participants.tsv; nobody where there is no such table."""
    path = Path(study) / "participants.tsv"
    if not path.is_file():
        return []
    return [f"sub-{str(name).removeprefix('sub-')}" for name in read_tsv(path, text=("participant_id",))["participant_id"]]


def status_of(study: Path | str, at: datetime | None = None) -> Status:
    """Consent, access, withdrawals and audit of a study.

    Raises
    ------
    GovernanceError
        One of its files cannot be read.
    """
    study = Path(study)
    moment = at or datetime.now(UTC)
    governance = read_config(study / STUDY_FILE).governance
    people = participants_of(study)
    ruling = rule(study, people, use_of(governance, "train"), managed=governance.managed, at=moment, record=False)
    found = verify(study)
    return Status(
        managed=governance.managed,
        purpose=governance.purpose,
        people=len(people),
        allowed=len(ruling.allowed),
        refused=counted(ruling.refused),
        expiring=_expiring(read_ledger(study).latest, moment),
        withdrawn=len(read_tombstones(study)),
        unfinished=tuple(unfinished(study)),
        pages=pages_showing(study, _not_to_be_shown(study, people, governance, moment)),
        agreements=_agreements(study, moment),
        events=len(found.events),
        problems=tuple(found.problems),
        notes=tuple(found.notes),
    )


def _not_to_be_shown(study: Path, people: Iterable[str], governance: GovernanceSection, at: datetime) -> set[str]:
    """Who may neither be selected nor analysed now: pages of quality and preprocessing, and reports, show them to nobody any more."""
    everybody = list(dict.fromkeys((*people, *read_tombstones(study))))
    uses = [use_of(governance, action) for action in ("select", "analyse")]
    refused = [rule(study, everybody, use, managed=governance.managed, at=at, record=False).refused for use in uses]
    return set(refused[0]) | set(refused[1])


def counted(refused: Mapping[str, str]) -> dict[str, int]:
    """How many people are refused for each reason, most first."""
    counts: dict[str, int] = {}
    for reason in refused.values():
        counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _expiring(latest: Mapping[str, ConsentRecord], at: datetime) -> tuple[str, ...]:
    today = at.astimezone(UTC).date()
    return tuple(
        name
        for name, record in latest.items()
        if record.status == "given" and record.expires is not None and today <= record.expires <= today + SOON
    )


def _agreements(study: Path, at: datetime) -> dict[str, str]:
    if not access_path(study).is_file():
        return {}
    today = at.astimezone(UTC).date()
    found = {}
    for agreement in read_policy(study).agreements:
        if today > agreement.expires:
            found[agreement.id] = f"expired on {agreement.expires}"
        elif today < agreement.signed:
            found[agreement.id] = f"holds from {agreement.signed}"
        else:
            found[agreement.id] = f"until {agreement.expires}" + (", soon" if agreement.expires <= today + SOON else "")
    return found

"""The gate before every use of people's data: who may be used now for this, who may not, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from dawson.config import GovernanceSection
from dawson.errors import GovernanceError
from dawson.files import sha256
from dawson.governance import audit
from dawson.governance.access import access_path
from dawson.governance.consent import ConsentRecord, read_ledger
from dawson.governance.countries import covered_countries
from dawson.governance.diseases import disease_code
from dawson.governance.permission import Action, Use, refusal
from dawson.governance.roles import refuse_stranger
from dawson.governance.scopes import check_purpose
from dawson.governance.tombstones import read_tombstones

__all__ = ["Action", "Ruling", "Use", "is_withdrawn", "rule", "use_of"]

WITHDRAWN = "consent was withdrawn"


@dataclass(frozen=True)
class Ruling:
    """What the gate says.

    Parameters
    ----------
    allowed : tuple of str
        Participants who may be used, in the order asked for.
    refused : dict of str to str
        Participants who may not, each with the reason as a sentence without its full stop.
    """

    allowed: tuple[str, ...]
    refused: dict[str, str]


def use_of(config: GovernanceSection, action: Action, **changes: Any) -> Use:
    """The use that a study file states for an action.

    Parameters
    ----------
    config : GovernanceSection
        ``[governance]`` of the study file.
    action : Action
    **changes
        Fields of `Use` that differ from the study file, such as the country of a recipient.
    """
    stated = Use(action, config.purpose, config.diseases, config.commercial, config.country)
    return replace(stated, **changes)


def rule(
    study: Path,
    participants: Iterable[str],
    use: Use,
    *,
    managed: bool,
    at: datetime | None = None,
    actor: str | None = None,
    record: bool = True,
    detail: Mapping[str, Any] | None = None,
) -> Ruling:
    """Decide about everybody at this moment.

    Parameters
    ----------
    study : Path
        The BIDS dataset whose ``governance/`` holds the records.
    participants : iterable of str
        participant_id; nobody else is ever in the answer.
    use : Use
    managed : bool
        True: the last consent record of a person decides, and none, an expired, a withdrawn or a narrower one is a no. False: everybody
        but those who withdrew, by tombstone or ledger, and nothing is logged.
    at : datetime, optional
        The moment; now by default. One without a time zone is taken as UTC.
    actor : str, optional
        Who asks; by default the user of this machine.
    record : bool
        Write the ruling to the audit log. False for dry runs, which use nobody's data.
    detail : mapping, optional
        More for the audit log.

    Returns
    -------
    Ruling

    Raises
    ------
    GovernanceError
        The purpose, a disease or the country of the use is not known, or the records cannot be read: then nothing may be used. Or the
        access policy lists people, and whoever asks has no role that includes the action.
    """
    people = tuple(dict.fromkeys(participants))
    latest = read_ledger(study).latest
    stones = _withdrawn(study, latest)
    if not managed:
        return _sorted(people, {person: WITHDRAWN for person in people if person in stones})
    moment = datetime.now(UTC) if at is None else at if at.tzinfo else at.replace(tzinfo=UTC)
    use = checked(use)
    if record:
        refuse_stranger(study, use.action, actor, moment)
    covered = covered_countries(study)
    reasons = {person: WITHDRAWN if person in stones else refusal(latest.get(person), use, covered, moment) for person in people}
    ruling = _sorted(people, {person: reason for person, reason in reasons.items() if reason})
    if record:
        _log(study, use, ruling, actor, detail or {})
    return ruling


def checked(use: Use) -> Use:
    """The use with its diseases as Mondo identifiers and its country in capitals.

    Raises
    ------
    GovernanceError
        The action, the purpose, a disease or the country is not known.
    """
    if use.action not in get_args(Action):
        raise GovernanceError(f"The action {use.action!r} is not known.", f"Known: {', '.join(get_args(Action))}.")
    check_purpose(use.purpose)
    country = use.country.strip().upper()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise GovernanceError(f"The country {use.country!r} is no ISO 3166 code of two letters.", "Write SI for Slovenia, for example.")
    return replace(use, diseases=tuple(disease_code(word) for word in use.diseases), country=country)


def is_withdrawn(study: Path, participant_id: str) -> bool:
    """Whether a tombstone or the consent ledger says that somebody withdrew."""
    return participant_id in _withdrawn(study, read_ledger(study).latest)


def _withdrawn(study: Path, latest: Mapping[str, ConsentRecord]) -> set[str]:
    return {*read_tombstones(study), *(person for person, record in latest.items() if record.status == "withdrawn")}


def _sorted(people: tuple[str, ...], refused: dict[str, str]) -> Ruling:
    return Ruling(tuple(person for person in people if person not in refused), refused)


def _log(study: Path, use: Use, ruling: Ruling, actor: str | None, detail: Mapping[str, Any]) -> None:
    counted: dict[str, int] = {}
    for reason in ruling.refused.values():
        counted[reason] = counted.get(reason, 0) + 1
    content = {**detail, "use": asdict(use), "allowed": len(ruling.allowed), "refused": counted}
    if access_path(study).is_file():
        content["policy_sha256"] = sha256(access_path(study))
    audit.append(study, use.action, ruling.allowed, content, actor)

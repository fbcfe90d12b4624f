"""The airlock of a site: answers that are held until a second person releases them, and what became of every request.

governance/enclave/requests/ID/request.json     the signed request
held-01.json     an answer, what the rules kept back, who let the request in
decided-01.json  who released or stopped it, and why
refused.json     why there is no answer
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from dawson.enclave.cells import Sums
from dawson.enclave.history import enclave_folder
from dawson.enclave.mailbox import Answer, put_answer
from dawson.enclave.policy import EnclavePolicy, read_policy
from dawson.enclave.request import Request, parse_request
from dawson.errors import EnclaveError
from dawson.files import read_json, write_json
from dawson.governance import audit
from dawson.governance.ledger import governance_folder
from dawson.governance.signing import read_or_make_signer

_REQUEST, _REFUSED = "request.json", "refused.json"


@dataclass(frozen=True)
class Held:
    """An answer in the airlock.

    Parameters
    ----------
    request : str
        Identifier.
    round : int
    cells : dict
        What would be released: key to n and sums.
    withheld : dict of str to str
        What the rules kept back, and which rule; it never leaves the site.
    let_in_by, at : str
        Account, and when in UTC.
    simulated : bool
    """

    request: str
    round: int
    cells: dict[str, Sums]
    withheld: dict[str, str]
    let_in_by: str
    at: str
    simulated: bool


@dataclass(frozen=True)
class Standing:
    """Where a request is at a site.

    Parameters
    ----------
    request : Request
    status : {"refused", "held", "released", "stopped", "taken"}
    round : int
    reason : str
    """

    request: Request
    status: str
    round: int
    reason: str


def _folder(study: Path | str, identifier: str) -> Path:
    return enclave_folder(study) / "requests" / identifier


def keep_request(study: Path, message: Mapping[str, Any]) -> None:
    """Keep a signed request with its answers."""
    identifier = parse_request(message["content"]).identifier
    path = _folder(study, identifier) / _REQUEST
    if not path.is_file():
        write_json(path, dict(message))


def hold(
    study: Path, request: Request, number: int, cells: Mapping[str, Sums], withheld: Mapping[str, str], actor: str, *, simulated: bool
) -> Held:
    """Put an answer into the airlock."""
    held = Held(request.identifier, number, dict(cells), dict(withheld), actor, _now(), simulated)
    write_json(_folder(study, request.identifier) / f"held-{number:02d}.json", asdict(held))
    detail = {"request": request.identifier, "round": number, "cells": len(cells), "withheld": len(withheld)}
    audit.append(study, "request-held", (), detail, actor)
    return held


def read_held(study: Path, identifier: str, number: int) -> Held | None:
    """An answer in the airlock, decided on or not; None where there is none."""
    path = _folder(study, identifier) / f"held-{number:02d}.json"
    return Held(**read_json(path)) if path.is_file() else None


def put_refusal(study: Path, mailbox: Path, policy: EnclavePolicy, request: Request, reason: str, actor: str, number: int) -> None:
    """Refuse a request: remembered, logged, told."""
    audit.append(study, "request-refused", (), {"request": request.identifier, "project": request.project, "reason": reason}, actor)
    write_json(
        _folder(study, request.identifier) / _REFUSED, {"request": request.content(), "reason": reason, "at": _now(), "round": number}
    )
    _tell(study, mailbox, Answer(request=request.identifier, site=policy.site, round=number, status="refused", reason=reason))


def is_refused(study: Path, identifier: str) -> bool:
    """Whether a request was refused or its answer stopped: nothing follows."""
    return (_folder(study, identifier) / _REFUSED).is_file()


def projects(study: Path, project: str, but: str = "") -> tuple[int, int]:
    """How many requests of a project were taken, and how many refused; one of them left aside."""
    standings = [standing for standing in standings_of(study) if standing.request.project == project]
    others = [standing for standing in standings if standing.request.identifier != but]
    refused = sum(standing.status == "refused" for standing in others)
    return len(others) - refused, refused


def standings_of(study: Path) -> list[Standing]:
    """Every request that the site has seen, the newest last."""
    found = []
    for folder in (enclave_folder(study) / "requests").glob("*"):
        refused, message = folder / _REFUSED, folder / _REQUEST
        if refused.is_file():
            content = read_json(refused)
            status = "stopped" if content.get("stopped") else "refused"
            found.append((content["at"], Standing(parse_request(content["request"]), status, int(content["round"]), content["reason"])))
        elif message.is_file():
            request = parse_request(read_json(message)["content"])
            rounds = sorted(int(path.stem[-2:]) for path in folder.glob("held-*.json"))
            last = rounds[-1] if rounds else 0
            decided = (folder / f"decided-{last:02d}.json").is_file()
            found.append((request.made, Standing(request, "taken" if not last else "released" if decided else "held", last, "")))
    return [standing for _, standing in sorted(found, key=lambda item: (item[0], item[1].request.identifier))]


def decide(study: Path, mailbox: Path, identifier: str, *, release: bool, reason: str = "", actor: str | None = None) -> Answer:
    """A second person releases a held answer, or stops it for good.

    Parameters
    ----------
    study : Path
    mailbox : Path
    identifier : str
        Of the request.
    release : bool
    reason : str
        Why it is stopped; the asker does not hear it.
    actor : str, optional
        By default the user of this machine.

    Returns
    -------
    Answer
        As it was signed and put into the mailbox.

    Raises
    ------
    EnclaveError
        Nothing is held of this request; the actor is no reviewer, or is the one who let the request in; or a stop has no reason.
    """
    study, actor = Path(study), actor or audit.current_user()
    policy = read_policy(study)
    held = latest_held(study, identifier)
    if actor not in policy.reviewers:
        raise EnclaveError(f"{actor} is no reviewer of this site.", "Reviewers: " + ", ".join(policy.reviewers))
    if actor == held.let_in_by:
        raise EnclaveError(f"{actor} let this request in, so another reviewer has to decide.", "Reviewers: " + ", ".join(policy.reviewers))
    if not release and not reason.strip():
        raise EnclaveError("Stopping an answer needs a reason, for the site's own record.", "Give --reason.")
    detail = {"request": identifier, "round": held.round, "let_in_by": held.let_in_by, "reason": reason}
    audit.append(study, "request-released" if release else "request-stopped", (), detail, actor)
    decision = {"by": actor, "at": _now(), "released": release, "reason": reason}
    write_json(_folder(study, identifier) / f"decided-{held.round:02d}.json", decision)
    if release:
        return _tell(
            study,
            mailbox,
            Answer(
                request=identifier, site=policy.site, round=held.round, status="released", cells=cast("Any", held.cells),
                simulated=held.simulated,
            ),
        )  # fmt: skip
    request = parse_request(read_json(_folder(study, identifier) / _REQUEST)["content"])
    told = "The site decided not to release its answer."
    write_json(
        _folder(study, identifier) / _REFUSED,
        {"request": request.content(), "reason": told, "at": _now(), "round": held.round, "stopped": True},
    )
    return _tell(study, mailbox, Answer(request=identifier, site=policy.site, round=held.round, status="refused", reason=told))


def latest_held(study: Path, identifier: str) -> Held:
    """The answer of a request that waits for a decision.

    Raises
    ------
    EnclaveError
        None does.
    """
    folder = _folder(study, identifier)
    for path in sorted(folder.glob("held-*.json"), reverse=True):
        if not (folder / path.name.replace("held", "decided")).is_file():
            return Held(**read_json(path))
    raise EnclaveError(f"No answer to {identifier} waits for a decision.", "`dawson request review` lists those that do.")


def _tell(study: Path, mailbox: Path, answer: Answer) -> Answer:
    head = audit.known_head(governance_folder(study))
    told = answer.model_copy(update={"audit_events": head.count, "audit_link": head.link})
    put_answer(mailbox, told, read_or_make_signer())
    return told


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

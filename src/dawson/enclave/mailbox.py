"""A folder that carries messages between researchers and sites: a shared drive, an SFTP folder, whatever is copied to and fro.

Nobody has to trust it: messages are signed, and nothing but requests and released answers is ever put there.

    requests/ID.json            the researcher's request
    answers/ID/01/SITE.json     what a site released in a round, or that it will not
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dawson.config import Section, validated
from dawson.enclave.analysis import Round
from dawson.enclave.request import Request, parse_request
from dawson.enclave.sealed import opened, read_message, write_sealed
from dawson.errors import ConfigError, EnclaveError
from dawson.governance.signing import Signer

_IDENTIFIER = re.compile(r"[0-9a-f]{16}")


class Answer(Section):
    """What a site says to a request in one round.

    Parameters
    ----------
    request, site : str
    round : int
        From 1.
    status : {"released", "refused"}
    reason : str
        Why it is refused, as far as others may know.
    cells : dict
        Key to n and sums.
    simulated : bool
        The people of this site are simulated.
    audit_events, audit_link : int, str
        How long the site's audit log was when this was released, and the link of its last line: whoever keeps answers can prove later that
        the log was rewritten.
    """

    format: Literal["dawson-answer-1"] = "dawson-answer-1"
    request: str
    site: str
    round: int = Field(ge=1, le=99)
    status: Literal["released", "refused"]
    reason: str = ""
    cells: dict[str, dict[str, float | list[float] | list[list[float]]]] = Field(default_factory=dict)
    simulated: bool = False
    audit_events: int = 0
    audit_link: str = ""


def put_request(mailbox: Path, request: Request, signer: Signer) -> Path:
    """Put a signed request into the mailbox.

    Raises
    ------
    EnclaveError
        It is there already.
    """
    path = mailbox / "requests" / f"{request.identifier}.json"
    if path.exists():
        raise EnclaveError(f"{path} is there already.", "The same request need not be made twice.")
    write_sealed(path, request.content(), signer)
    return path


def identifiers(mailbox: Path) -> list[str]:
    """Identifiers of the requests in a mailbox, the oldest file first.

    Raises
    ------
    EnclaveError
        The folder is not there.
    """
    if not mailbox.is_dir():
        raise EnclaveError(f"There is no mailbox {mailbox}.", "Make the folder that is shared with the other sites, or name another.")
    found = [path for path in (mailbox / "requests").glob("*.json") if _IDENTIFIER.fullmatch(path.stem)]
    return [path.stem for path in sorted(found, key=lambda path: (path.stat().st_mtime, path.name))]


def unverified_request(mailbox: Path, identifier: str) -> tuple[Request, dict[str, Any]]:
    """A request, and the message it came in, whose signature is still to be checked.

    Raises
    ------
    EnclaveError
        There is none, or it is no request.
    """
    if not _IDENTIFIER.fullmatch(identifier):
        raise EnclaveError(f"{identifier!r} is no request.", "A request is named by 16 digits or letters from a to f.")
    message = read_message(mailbox / "requests" / f"{identifier}.json")
    request = parse_request(message["content"] if isinstance(message["content"], dict) else {})
    if request.identifier != identifier:
        raise EnclaveError(f"The request {identifier} is another than its name says.", "Ask for it again.")
    return request, message


def put_answer(mailbox: Path, answer: Answer, signer: Signer) -> Path:
    """Put a signed answer into the mailbox; the same answer may be put again, another in its place may not.

    Raises
    ------
    EnclaveError
        Another answer of the site is there.
    """
    path = answer_path(mailbox, answer.request, answer.round, answer.site)
    if path.is_file() and read_message(path)["content"] != answer.model_dump(mode="json"):
        raise EnclaveError(f"Another answer is there already: {path}.", "An answer that was released is not changed.")
    write_sealed(path, answer.model_dump(mode="json"), signer)
    return path


def answer_path(mailbox: Path, identifier: str, number: int, site: str) -> Path:
    """Where the answer of a site to a round lies."""
    return mailbox / "answers" / identifier / f"{number:02d}" / f"{site}.json"


def read_answer(mailbox: Path, identifier: str, number: int, site: str, key: str) -> Answer | None:
    """The answer of a site; None where there is none yet.

    Raises
    ------
    EnclaveError
        It is not signed by the site, or is an answer to something else.
    """
    path = answer_path(mailbox, identifier, number, site)
    if not path.is_file():
        return None
    content = opened(read_message(path), key, f"the site {site}")
    try:
        answer = validated(Answer, content, f"The answer of {site}", "Ask the site for it again.")
    except ConfigError as error:
        raise EnclaveError(error.message, error.fix) from None
    if (answer.request, answer.round, answer.site) != (identifier, number, site):
        raise EnclaveError(f"The answer in {path} is one to something else.", "Ask the site for it again.")
    return answer


def states(mailbox: Path, request: Request) -> dict[str, str]:
    """What each site said last, in words, by name; as it lies there, without a look at signatures."""
    found = {}
    for site in request.sites:
        state, number = "has not answered", 1
        while (path := answer_path(mailbox, request.identifier, number, site)).is_file():
            content = read_message(path)["content"]
            said = content.get("status") if isinstance(content, dict) else None
            state = f"refused: {content.get('reason')}" if said == "refused" else f"released round {number}"
            number += 1
        found[site] = state
    return found


def complete_rounds(mailbox: Path, request: Request, keys: Mapping[str, str]) -> list[dict[str, Answer]]:
    """The rounds to which every site of a request has answered with a release, in order.

    Parameters
    ----------
    mailbox : Path
    request : Request
    keys : mapping of str to str
        Public key of each site.

    Raises
    ------
    EnclaveError
        A site's key is not known, or an answer is not what its site wrote.
    """
    if unknown := [site for site in request.sites if site not in keys]:
        raise EnclaveError(f"The key of {', '.join(unknown)} is not known.", "Add the site with its key, from the site itself.")
    rounds: list[dict[str, Answer]] = []
    while True:
        answers = {site: read_answer(mailbox, request.identifier, len(rounds) + 1, site, keys[site]) for site in request.sites}
        released = {site: answer for site, answer in answers.items() if answer is not None and answer.status == "released"}
        if len(released) < len(request.sites):
            return rounds
        rounds.append(released)


def cells_of(rounds: Sequence[Mapping[str, Answer]]) -> list[Round]:
    """The released cells of each round by site."""
    return [{site: dict(answer.cells) for site, answer in answers.items()} for answers in rounds]

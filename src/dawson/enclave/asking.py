"""The researcher's side: a request is signed and sent, its answers are gathered, checked and put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dawson.config import Section, read_toml, validated
from dawson.enclave.analysis import Result
from dawson.enclave.catalogue import analysis_named
from dawson.enclave.mailbox import Answer, cells_of, complete_rounds, put_request, read_answer, unverified_request
from dawson.enclave.policy import Party
from dawson.enclave.request import Request
from dawson.enclave.sealed import opened
from dawson.errors import EnclaveError
from dawson.governance.signing import read_or_make_signer


class Sites(Section):
    """Sites whose answers a researcher trusts: a TOML file with ``[[sites]]``, name and key of each."""

    sites: tuple[Party, ...] = ()

    @property
    def keys(self) -> dict[str, str]:
        """Public key by name."""
        return {party.name: party.key for party in self.sites}


@dataclass(frozen=True)
class Gathered:
    """What came of a request so far.

    Parameters
    ----------
    request : Request
    result : Result or None
        None while answers are missing.
    answers : dict of str to Answer
        The latest of each site.
    waiting_for : tuple of str
        Sites whose answer to the present round is missing.
    round : int
        The present one.
    simulated : bool
        Some of the people are simulated.
    """

    request: Request
    result: Result | None
    answers: dict[str, Answer]
    waiting_for: tuple[str, ...]
    round: int
    simulated: bool

    @property
    def refused(self) -> dict[str, str]:
        """Sites that will not answer, and why."""
        return {site: answer.reason for site, answer in self.answers.items() if answer.status == "refused"}


def read_sites(path: Path) -> Sites:
    """Read the file of trusted sites.

    Raises
    ------
    ConfigError
        It is missing, no TOML, or says something that cannot be used.
    """
    return validated(Sites, read_toml(path), str(path), "Each of [[sites]] has a name and a key of 64 digits and letters from a to f.")


def submit(mailbox: Path, request: Request) -> str:
    """Sign a request and put it into the mailbox.

    Returns
    -------
    str
        Its identifier.

    Raises
    ------
    EnclaveError
        The analysis is not known or the request lacks something it needs.
    """
    analysis_named(request.analysis).check(request)
    put_request(mailbox, request, read_or_make_signer())
    return request.identifier


def gather(mailbox: Path, identifier: str, keys: Mapping[str, str]) -> Gathered:
    """Put the answers to a request together, once all sites have answered all rounds.

    Parameters
    ----------
    mailbox : Path
    identifier : str
    keys : mapping of str to str
        Public key of each site.

    Raises
    ------
    EnclaveError
        The request or an answer is not what its party signed, or the answers do not fit together.
    """
    request, message = unverified_request(mailbox, identifier)
    opened(message, str(message["key"]), request.researcher)
    rounds = complete_rounds(mailbox, request, keys)
    latest = dict(rounds[-1]) if rounds else {}
    number = len(rounds) + 1
    now = {site: answer for site in request.sites if (answer := read_answer(mailbox, identifier, number, site, keys[site])) is not None}
    latest |= now
    result = analysis_named(request.analysis).result(request, cells_of(rounds)) if rounds else None
    waiting = () if result is not None else tuple(site for site in request.sites if site not in now)
    if result is not None and not any(table.rows for table in result.tables):
        raise EnclaveError(f"No entry of {identifier} was released by all sites.", "Ask about larger groups.")
    simulated = any(answer.simulated for answer in latest.values())
    return Gathered(request, result, latest, waiting, number if result is None else len(rounds), simulated)

"""A site's way with a request: who asks, may they, what is the answer, may it leave. What may is held for a second person."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.consent import permitted
from dawson.cohort.dataset import read_cohort
from dawson.config import STUDY_FILE, read_config
from dawson.enclave.airlock import Held, hold, is_refused, keep_request, projects, put_refusal, read_held
from dawson.enclave.analysis import Round
from dawson.enclave.catalogue import analysis_named
from dawson.enclave.cells import Sums
from dawson.enclave.disclosure import Judged, Question, judge
from dawson.enclave.history import admitted, enclave_folder, read_history, remember
from dawson.enclave.mailbox import answer_path, cells_of, complete_rounds, identifiers, unverified_request
from dawson.enclave.noise import noisy, spend
from dawson.enclave.people_table import People, people_of
from dawson.enclave.policy import DisclosureRules, EnclavePolicy, read_policy
from dawson.enclave.request import Request
from dawson.enclave.sealed import opened
from dawson.errors import ConfigError, ConsentError, EnclaveError
from dawson.governance import audit
from dawson.governance.access import Refusal, access_path, agreement_for
from dawson.governance.gate import Use, rule
from dawson.governance.ledger import locked
from dawson.governance.signing import read_or_make_signer

WITHHELD = "No part of the answer may leave the site."
"""All that the asker hears of rules that depend on the data."""


@dataclass(frozen=True)
class Taken:
    """What a site did with the requests of a mailbox.

    Parameters
    ----------
    held : list of Held
        Answers that wait for a second person.
    refused : dict of str to str
        Identifier to the reason that the asker hears.
    waiting : dict of str to str
        Identifier to what is waited for: the other sites' answers, a person's decision.
    unreadable : dict of str to str
        Files that are no request.
    """

    held: list[Held] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def take_requests(study: Path, mailbox: Path, actor: str | None = None) -> Taken:
    """Work through the mailbox: every request to this site that has no answer yet is answered into the airlock, or refused.

    Parameters
    ----------
    study : Path
        The BIDS dataset, with governance/enclave.toml.
    mailbox : Path
    actor : str, optional
        Who lets requests in; by default the user of this machine.

    Raises
    ------
    EnclaveError
        There is no policy or mailbox.
    """
    study, actor = Path(study), actor or audit.current_user()
    policy = read_policy(study)
    taken = Taken()
    for identifier in identifiers(mailbox):
        try:
            request, message = unverified_request(mailbox, identifier)
        except EnclaveError as error:
            taken.unreadable[identifier] = str(error)
            continue
        if policy.site in request.sites:
            # one request at a time: each answer is judged with all before it
            with locked(enclave_folder(study) / ".lock"):
                _take(study, mailbox, policy, request, message, actor, taken)
    return taken


def _take(study: Path, mailbox: Path, policy: EnclavePolicy, request: Request, message: dict[str, Any], actor: str, taken: Taken) -> None:
    name = request.identifier
    if is_refused(study, name):
        return
    number = next(number for number in count(1) if not answer_path(mailbox, name, number, policy.site).is_file())
    try:
        _authorised(policy, study, request, message)
        keep_request(study, message)
    except EnclaveError as error:
        put_refusal(study, mailbox, policy, request, str(error), actor, number)
        taken.refused[name] = str(error)
        return
    try:
        rounds = complete_rounds(mailbox, request, _site_keys(policy))
    except EnclaveError as error:
        # what another party did is no reason to refuse the asker
        taken.waiting[name] = str(error)
        return
    if len(rounds) < number - 1:
        taken.waiting[name] = f"the other sites, round {len(rounds) + 1}"
    elif read_held(study, name, number) is not None:
        taken.waiting[name] = f"a decision on round {number}: dawson request review"
    else:
        _answer(study, mailbox, policy, request, cells_of(rounds), actor, taken)


def _answer(study: Path, mailbox: Path, policy: EnclavePolicy, request: Request, rounds: list[Round], actor: str, taken: Taken) -> None:
    name = request.identifier
    try:
        if not (rounds and analysis_named(request.analysis).result(request, rounds) is not None):
            taken.held.append(_answered(study, policy, request, rounds, actor))
    except (EnclaveError, ConfigError) as error:
        put_refusal(study, mailbox, policy, request, str(error), actor, len(rounds) + 1)
        taken.refused[name] = str(error)


def _site_keys(policy: EnclavePolicy) -> dict[str, str]:
    return {**{party.name: party.key for party in policy.sites}, policy.site: read_or_make_signer().public}


def _authorised(policy: EnclavePolicy, study: Path, request: Request, message: dict[str, Any]) -> None:
    """Refuse for what does not depend on the data.

    Raises
    ------
    EnclaveError
    """
    party = next((party for party in policy.researchers if party.name == request.researcher), None)
    if party is None:
        raise EnclaveError(f"{request.researcher} is not known to this site.")
    opened(message, party.key, request.researcher)
    analysis = analysis_named(request.analysis)
    if policy.analyses and request.analysis not in policy.analyses:
        raise EnclaveError(f"This site does not answer {request.analysis}.")
    if request.purpose not in policy.purposes:
        raise EnclaveError(f"This site does not answer requests for the purpose {request.purpose}.")
    analysis.check(request)
    if blocked := [name for name in request.columns if name in policy.withheld]:
        raise EnclaveError(f"This site does not answer about {', '.join(blocked)}.")
    if access_path(study).is_file():
        use = Use("analyse", request.purpose, request.diseases)
        agreement = agreement_for(study, request.researcher, use)
        if isinstance(agreement, Refusal):
            raise EnclaveError(f"There is no agreement for this: {agreement.reason}.")
    asked, refused = projects(study, request.project, but=request.identifier)
    if asked >= policy.questions:
        raise EnclaveError(f"The project {request.project} has asked its {policy.questions} questions.", "Talk to the site.")
    if refused >= policy.refusals:
        raise EnclaveError(f"{refused} requests of the project {request.project} were refused.", "Talk to the site.")


def people_now(study: Path, policy: EnclavePolicy, request: Request, actor: str, *, record: bool = True) -> People:
    """Who may be asked about now: consent for this purpose at this moment, admitted to answers.

    Raises
    ------
    EnclaveError
        Nobody.
    """
    config = read_config(study / STUDY_FILE)
    try:
        cohort, _ = permitted(read_cohort(study), config.governance, "analyse", record=False)
        names = [str(name) for name in cohort.participants["participant_id"]]
        use = Use("analyse", request.purpose, request.diseases, country=config.governance.country)
        detail = {"request": request.identifier, "project": request.project, "analysis": request.analysis}
        ruling = rule(study, names, use, managed=config.governance.managed, actor=actor, detail=detail, record=record)
    except ConsentError:
        raise EnclaveError(WITHHELD) from None
    people = people_of(cohort, study / "derivatives" / "dawson", policy.withheld)
    allowed = set(ruling.allowed)
    people = people.chosen(np.array([name in allowed for name in people.ids], bool))
    return people.chosen(np.array(admitted(study, people.ids, policy.disclosure.minimum, record=record), bool))


def judged_answer(
    study: Path, policy: EnclavePolicy, request: Request, rounds: list[Round], actor: str, *, record: bool = True
) -> tuple[Judged, People]:
    """The answer after the rules of disclosure, and the people of the site it is judged among.

    Parameters
    ----------
    study : Path
    policy : EnclavePolicy
    request : Request
    rounds : list of Round
        Those before.
    actor : str
    record : bool
        False for the site's own trial: nothing is logged or remembered.

    Raises
    ------
    EnclaveError
        Nobody may be asked about, or the request names what is not there.
    ConfigError
        Its `where` cannot be used.
    """
    everybody = people_now(study, policy, request, actor, record=record)
    keep = everybody.where(request.where)
    lifted = []
    for cell in analysis_named(request.analysis).cells(everybody.chosen(keep), request, rounds):
        members = keep.copy()
        members[keep] = cell.members
        lifted.append(replace(cell, members=members))
    question = Question(request.where, everybody.conditions(request.where), everybody.with_level, partial(_counted, everybody, request))
    return judge(lifted, policy.disclosure, read_history(study, everybody.ids), question), everybody


def _counted(people: People, request: Request, name: str) -> NDArray[np.bool_]:
    """Who has a value of a variable, of the levels that the request uses."""
    if people.column(name).kind in ("number", "integer") and name not in request.levels:
        return np.isfinite(people.numbers(name))
    levels, values = people.levels(name)
    return np.isin(values, request.levels.get(name, levels))


def released_answer(
    study: Path, policy: EnclavePolicy, request: Request, rounds: list[Round], actor: str, *, record: bool = True
) -> tuple[dict[str, Sums], dict[str, str], People]:
    """Cells as they may leave (after the rules, noise and rounding), why others may not, and whom they are about.

    What is in them counts as told from then on, so that two answers that wait together cannot be put together.

    Parameters
    ----------
    study, policy, request, rounds, actor, record
        As in `judged_answer`; without `record` no noise is added either, as none is paid for.

    Raises
    ------
    EnclaveError
        Nothing may be told.
    """
    judged, people = judged_answer(study, policy, request, rounds, actor, record=record)
    if not judged.released:
        raise EnclaveError(WITHHELD)
    released = judged.released
    if policy.noise.epsilon and record:
        released = noisy(released, people.columns, policy.noise.epsilon)
        spend(study, request.identifier, policy.noise)
    released = {key: _rounded(sums, policy.disclosure) for key, sums in released.items()}
    if record:
        remember(study, request.identifier, people.ids, judged.told)
    return released, judged.withheld, people


def _answered(study: Path, policy: EnclavePolicy, request: Request, rounds: list[Round], actor: str) -> Held:
    released, withheld, people = released_answer(study, policy, request, rounds, actor)
    return hold(study, request, len(rounds) + 1, released, withheld, actor, simulated=people.simulated)


def _rounded(sums: dict[str, Any], rules: DisclosureRules) -> dict[str, Any]:
    """A cell of a table with its number of people to the nearest multiple, and its sums in proportion, so that its mean stays."""
    if rules.round_counts == 1 or not set(sums) <= {"n", "sum", "squares"} or not sums["n"]:
        return sums
    n = rules.round_counts * round(sums["n"] / rules.round_counts)
    return {"n": float(n), **{name: value * n / sums["n"] for name, value in sums.items() if name != "n"}}

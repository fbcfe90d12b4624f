"""What a study tells everybody of itself: its variables, and how its people are spread over them, under the site's rules of disclosure."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from dawson.config import Section, validated
from dawson.enclave.answering import people_now, released_answer
from dawson.enclave.catalogue import ANALYSES, analysis_named
from dawson.enclave.policy import read_policy
from dawson.enclave.request import Request
from dawson.errors import DawsonError
from dawson.files import read_json, write_json
from dawson.governance.audit import current_user
from dawson.governance.ledger import governance_folder
from dawson.governance.signing import read_or_make_signer

CARDS = "catalogue"
PROJECT = "catalogue of the site"
_MOST_VARIABLES = 30


class CardVariable(Section):
    """A variable that may be asked about."""

    name: str
    description: str = ""
    units: str = ""
    levels: tuple[str, ...] = ()


class CardRow(Section):
    """People with a value of a variable, or of a level of it.

    Parameters
    ----------
    variable, level : str
        No level: all with a value.
    people : int
    mean, sd : float or None
        Of a number.
    share : float or None
        Of those with a value, for a level.
    """

    variable: str
    level: str = ""
    people: Annotated[int, Field(ge=0)]
    mean: float | None = None
    sd: float | None = None
    share: float | None = None


class StudyCard(Section):
    """The whole of governance/catalogue/SITE.json; it may be sent to other sites, which show it beside their own."""

    format: Literal["dawson-study-card-1"] = "dawson-study-card-1"
    site: str
    name: str
    simulated: bool
    licence: str = ""
    contact: str = ""
    key: str
    analyses: tuple[str, ...]
    purposes: tuple[str, ...]
    minimum: int
    made: str
    variables: tuple[CardVariable, ...]
    rows: tuple[CardRow, ...]
    kept_back: Annotated[int, Field(ge=0)] = 0


def make_card(study: Path, *, contact: str = "", publish: bool = False, actor: str | None = None) -> StudyCard:
    """Describe a study under its own rules of disclosure, and publish that if asked to.

    Parameters
    ----------
    study : Path
        With a policy, see `dawson site init`.
    contact : str
        Whom to write to.
    publish : bool
        Write the card into the study's catalogue. What it says counts as told: it is in the audit log, and in the history that guards
        against differences between answers, a later card included.
    actor : str, optional
        Who does it.

    Raises
    ------
    EnclaveError
        The study has no policy, or nothing may be told.
    ConfigError, CohortError
        The policy or the study cannot be read.
    """
    policy, who = read_policy(study), actor or current_user()
    request = Request(project=PROJECT, researcher=who, purpose=policy.purposes[0], analysis="summary", sites=(policy.site,))
    now = people_now(study, policy, request, who, record=False)
    known = {name: column for name, column in now.columns.items() if now.table[name].notna().any()}
    request = request.model_copy(update={"variables": tuple(known)[:_MOST_VARIABLES]})
    cells, withheld, people = released_answer(study, policy, request, [], who, record=publish)
    found = analysis_named("summary").result(request, [{policy.site: cells}])
    assert found is not None, "a summary is done after one round"
    columns = ("variable", "level", "people", "mean", "sd", "share")
    rows = [CardRow(**dict(zip(columns, row, strict=True))) for row in found.tables[0].rows]
    description = read_json(study / "dataset_description.json")
    card = StudyCard(
        site=policy.site,
        name=str(description.get("Name", policy.site)),
        simulated=people.simulated,
        licence=str(description.get("License", "")),
        contact=contact,
        key=read_or_make_signer().public,
        analyses=policy.analyses or tuple(ANALYSES),
        purposes=policy.purposes,
        minimum=policy.disclosure.minimum,
        made=datetime.now(UTC).date().isoformat(),
        variables=tuple(
            CardVariable(name=name, description=column.description, units=column.units, levels=tuple(column.levels))
            for name, column in known.items()
        ),
        rows=tuple(rows),
        kept_back=len(withheld),
    )
    if publish:
        write_json(card_path(study, policy.site), card.model_dump(mode="json"))
    return card


def cards_of(study: Path) -> tuple[list[StudyCard], list[str]]:
    """The cards in a study's catalogue, its own and those that other sites sent, and what could not be read."""
    cards, problems = [], []
    for path in sorted((governance_folder(study) / CARDS).glob("*.json")):
        try:
            cards.append(validated(StudyCard, read_json(path), path.name, "Ask its site for it again."))
        except (DawsonError, OSError, ValueError) as error:
            problems.append(f"{path.name}: {error}")
    return cards, problems


def card_path(study: Path, site: str) -> Path:
    """Where the card of a site lies in a study's catalogue."""
    return governance_folder(study) / CARDS / f"{site}.json"

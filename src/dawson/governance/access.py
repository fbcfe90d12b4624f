"""Who may do what with a study, and who outside has an agreement: a policy file that a lawyer can read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dawson.errors import DawsonError, GovernanceError
from dawson.governance.consent import country_code
from dawson.governance.diseases import covers, disease_code, disease_name
from dawson.governance.ledger import governance_folder
from dawson.governance.permission import Action, Use
from dawson.governance.records import problems_of
from dawson.governance.scopes import PURPOSES, scope_code

POLICY = "access.toml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Countries(_Part):
    """Where the study is, and to which countries data go without a consent of their own."""

    home: str = ""
    alike: tuple[str, ...] = ()

    @field_validator("home")
    @classmethod
    def _home_code(cls, value: str) -> str:
        return country_code(value) if value else ""

    @field_validator("alike")
    @classmethod
    def _alike_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(country_code(word) for word in value)


class Role(_Part):
    """What the holders of a role may do."""

    may: tuple[Action, ...]


class Person(_Part):
    """Somebody of the study itself, by the name of the account."""

    name: Annotated[str, Field(min_length=1)]
    role: str
    until: date | None = None


class Agreement(_Part):
    """A data-access agreement with somebody outside.

    Parameters
    ----------
    id : str
    recipient, institution : str
        Who signed, and for whom.
    people : tuple of str
        Who else may act under it, by name or e-mail address.
    country : str
        Where the data go, ISO 3166.
    actions, purposes : tuple of str
    diseases : tuple of str
        Which the purpose may be about; none listed: any.
    commercial, public : bool
        Whether the use may be for profit, and whether the recipient may show the data to everybody.
    where : str
        Which part of the study, as in ``--where``; empty: all of it. The export applies it.
    accepts : tuple of str
        Duties of the recipient by DUO code, such as IRB or PUB.
    signed, expires : date
        It holds from the first to the last of these days, both included, in UTC.
    document_sha256 : str
        Of the signed paper.
    """

    id: Annotated[str, Field(min_length=1)]
    recipient: Annotated[str, Field(min_length=1)]
    institution: Annotated[str, Field(min_length=1)]
    country: str
    people: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ("export",)
    purposes: Annotated[tuple[str, ...], Field(min_length=1)]
    diseases: tuple[str, ...] = ()
    commercial: bool = False
    public: bool = False
    where: str = ""
    accepts: tuple[str, ...] = ()
    signed: date
    expires: date
    document_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    @field_validator("country")
    @classmethod
    def _country(cls, value: str) -> str:
        return country_code(value)

    @field_validator("purposes")
    @classmethod
    def _purposes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [purpose for purpose in value if purpose not in PURPOSES]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not known; known: {', '.join(PURPOSES)}")
        return value

    @field_validator("diseases", "accepts")
    @classmethod
    def _codes(cls, value: tuple[str, ...], info: object) -> tuple[str, ...]:
        code_of = disease_code if getattr(info, "field_name", "") == "diseases" else scope_code
        try:
            return tuple(code_of(word) for word in value)
        except DawsonError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _dates(self) -> Agreement:
        if self.expires < self.signed:
            raise ValueError("expires lies before signed")
        return self

    def names(self, person: str) -> bool:
        """Whether somebody is the recipient or acts under the agreement; case and blanks around do not matter."""
        wanted = person.strip().casefold()
        return wanted in {name.strip().casefold() for name in (self.id, self.recipient, *self.people)}


class Policy(_Part):
    """The whole of governance/access.toml."""

    countries: Countries = Countries()
    roles: dict[str, Role] = Field(default_factory=dict)
    people: tuple[Person, ...] = ()
    agreements: tuple[Agreement, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        for person in self.people:
            if person.role not in self.roles:
                raise ValueError(f"{person.name} has the role {person.role!r}, which [roles] does not describe")
        for kind, names in (("person", [item.name for item in self.people]), ("agreement", [item.id for item in self.agreements])):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                raise ValueError(f"the {kind} {twice!r} stands twice")
        return self


@dataclass(frozen=True)
class Refusal:
    """Why somebody may not do something, as a sentence without its full stop."""

    reason: str


def access_path(study: Path | str) -> Path:
    """Where the access policy of a study lies."""
    return governance_folder(study) / POLICY


def read_policy(study: Path | str) -> Policy:
    """Read the access policy.

    Raises
    ------
    GovernanceError
        There is none, it is not TOML, or says something that cannot be used.
    """
    path = access_path(study)
    try:
        return Policy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise GovernanceError(f"There is no access policy {path}.", f"Write one: dawson governance access init {study}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GovernanceError(f"{path} is not valid TOML: {error}.") from None
    except ValidationError as error:
        raise GovernanceError(f"{path}: {problems_of(error)}.", "Correct the policy; its comments explain every entry.") from None


def role_refused(policy: Policy, person: str, action: Action, at: datetime) -> str:
    """Why somebody of the study may not do something, as a sentence without its full stop; empty where they may."""
    found = next((item for item in policy.people if item.name.casefold() == person.strip().casefold()), None)
    if found is None:
        return f"{person} is not among the people of the access policy"
    if found.until is not None and at.astimezone(UTC).date() > found.until:
        return f"{person} had access until {found.until}"
    if action not in policy.roles[found.role].may:
        return f"the role {found.role} of {person} does not include {action}"
    return ""


def agreement_for(study: Path | str, person: str, use: Use, at: datetime | None = None) -> Agreement | Refusal:
    """The data-access agreement under which somebody outside may use the data.

    Parameters
    ----------
    study : Path or str
    person : str
        The recipient's name, that of somebody under the agreement, or the agreement's id.
    use : Use
        Its country may be left empty: then that of the agreement holds.
    at : datetime, optional
        Now by default.

    Returns
    -------
    Agreement or Refusal
        The first agreement that permits it, or the reason why the nearest does not.

    Raises
    ------
    GovernanceError
        There is no readable policy, or the use names something unknown.
    """
    moment = at or datetime.now(UTC)
    own = [agreement for agreement in read_policy(study).agreements if agreement.names(person)]
    reasons = [(agreement, _agreement_refused(agreement, use, moment)) for agreement in own]
    for agreement, reason in reasons:
        if not reason:
            return agreement
    if not reasons:
        return Refusal(f"{person} has no data-access agreement")
    agreement, reason = reasons[-1]
    return Refusal(f"the agreement {agreement.id} with {agreement.recipient} {reason}")


def _agreement_refused(agreement: Agreement, use: Use, at: datetime) -> str:
    today = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).date()
    about = [disease_code(word) for word in use.diseases]
    outside = [disease_name(code) for code in about if agreement.diseases and not covers(agreement.diseases, code)]
    checks = (
        (today < agreement.signed, f"holds from {agreement.signed} only"),
        (today > agreement.expires, f"expired on {agreement.expires}"),
        (use.action not in agreement.actions, f"does not include {use.action}"),
        (use.purpose not in agreement.purposes, f"does not include the purpose {use.purpose}"),
        (bool(agreement.diseases) and not about, "is about some diseases only, and the use names none"),
        (bool(outside), f"does not include research on {' and '.join(outside)}"),
        (use.commercial and not agreement.commercial, "does not include commercial use"),
        (use.public and not agreement.public, "does not include showing the data to everybody"),
        (use.country not in ("", agreement.country), f"is for {agreement.country}, not for {use.country}"),
    )
    return next((reason for fails, reason in checks if fails), "")

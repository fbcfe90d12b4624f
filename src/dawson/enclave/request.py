"""A question to sites: what is asked of whom, for which project and purpose."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field, field_validator

from dawson.config import Section, validated
from dawson.errors import EnclaveError
from dawson.files import digest_of
from dawson.governance.scopes import PURPOSES

Name = Annotated[str, Field(pattern=r"^[\w .@-]{1,80}$")]
Variable = Annotated[str, Field(pattern=r"^\w{1,60}$")]


class Request(Section):
    """What a researcher signs; it has no place for code, thresholds or settings of the researcher's choice.

    Parameters
    ----------
    project, researcher : str
    purpose : str
        One of the known purposes; consent and agreement must cover it.
    diseases : tuple of str
        What the project is about.
    analysis : str
        Name in the catalogue.
    sites : tuple of str
        Who is asked; all must answer for a result.
    where : str
        Which people, as in ``--where``.
    group_by : tuple of str
        At most two variables.
    variables : tuple of str
    levels : dict of str to tuple of str
        Which levels of a category a regression uses, the first being the reference; people with others are left out. All by default.
    outcome : str
        Of a regression.
    outcome_level : str
        Of a logistic regression: the level that counts as 1.
    made : str
        When, UTC.
    model_sha256 : str
        Of a model that is to be evaluated.
    """

    format: Literal["dawson-request-1"] = "dawson-request-1"
    project: Name
    researcher: Name
    purpose: str
    diseases: tuple[Name, ...] = ("MS", "NMOSD")
    analysis: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
    sites: Annotated[tuple[Annotated[str, Field(pattern=r"^[\w-]{1,40}$")], ...], Field(min_length=1, max_length=200)]
    where: Annotated[str, Field(max_length=1000)] = ""
    group_by: Annotated[tuple[Variable, ...], Field(max_length=2)] = ()
    variables: Annotated[tuple[Variable, ...], Field(max_length=30)] = ()
    levels: Annotated[dict[Variable, tuple[Annotated[str, Field(max_length=60)], ...]], Field(max_length=30)] = Field(default_factory=dict)
    outcome: Annotated[str, Field(pattern=r"^\w{0,60}$")] = ""
    outcome_level: Annotated[str, Field(max_length=60)] = ""
    made: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    model_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    @field_validator("purpose")
    @classmethod
    def _known_purpose(cls, value: str) -> str:
        if value not in PURPOSES:
            raise ValueError(f"{value!r} is not known; known: {', '.join(PURPOSES)}")
        return value

    @field_validator("sites", "group_by", "variables")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("something stands twice")
        return value

    @property
    def identifier(self) -> str:
        """Name of the request: it follows from its content."""
        return digest_of(self.model_dump(mode="json"))[:16]

    def content(self) -> dict[str, object]:
        """What is signed."""
        return self.model_dump(mode="json")

    @property
    def columns(self) -> tuple[str, ...]:
        """Every variable that is named outside `where`."""
        return tuple(dict.fromkeys([*self.group_by, *self.variables, *([self.outcome] if self.outcome else [])]))


def parse_request(content: dict[str, object]) -> Request:
    """Check the content of a request.

    Raises
    ------
    EnclaveError
        Something is missing, unknown or has a wrong form; nothing beyond the known entries is taken.
    """
    from dawson.errors import ConfigError

    try:
        return validated(Request, content, "The request", "docs/how-to/ask-many-centres lists what a request holds.")
    except ConfigError as error:
        raise EnclaveError(error.message, error.fix) from None

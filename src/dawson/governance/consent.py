"""Consent as it was given: one record a decision of a participant, in a ledger that only grows; the last record of a person holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dawson.errors import DawsonError
from dawson.governance.diseases import disease_code
from dawson.governance.ledger import governance_folder
from dawson.governance.records import read_records
from dawson.governance.scopes import DS, GS, NCU, NPU, NPUNCU, TS, scope_code, terms

LEDGER = "consent.jsonl"
PARTICIPANT = re.compile(r"sub-[A-Za-z0-9]+")


class ConsentRecord(BaseModel):
    """One line of governance/consent.jsonl.

    Scopes and diseases may be given by their names; the record holds their codes.

    Parameters
    ----------
    participant_id : str
        The pseudonym in this study, ``sub-...``.
    status : {"given", "withdrawn"}
    recorded_at : datetime
        When the line was written, UTC.
    form : str
        Version of the form that was signed.
    scope : tuple of str
        Codes: exactly one permission, and limits, duties and grants.
    diseases : tuple of str
        Mondo identifiers that a disease-specific consent names.
    countries : tuple of str
        ISO 3166 codes of two letters that a geographical restriction names.
    commercial : bool
        Commercial use was agreed to; without it, it was not.
    given : date
        Consent holds from the beginning of this day, UTC.
    expires : date, optional
        The last day on which it holds, UTC.
    evidence_sha256 : str
        Of the signed form, which stays where it is; empty where there is none at hand.
    reason : str
        Of a withdrawal or an amendment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    participant_id: str
    status: Literal["given", "withdrawn"] = "given"
    recorded_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    form: str = ""
    scope: tuple[str, ...] = ()
    diseases: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    commercial: bool = False
    given: date | None = None
    expires: date | None = None
    evidence_sha256: str = ""
    reason: str = ""

    @field_validator("participant_id")
    @classmethod
    def _label(cls, value: str) -> str:
        if not PARTICIPANT.fullmatch(value):
            raise ValueError(f"{value!r} is no participant: sub- and letters or digits")
        return value

    @field_validator("scope")
    @classmethod
    def _known_scopes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_coded(scope_code, word) for word in value))

    @field_validator("diseases")
    @classmethod
    def _known_diseases(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_coded(disease_code, word) for word in value))

    @field_validator("countries")
    @classmethod
    def _country_codes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(country_code(word) for word in value))

    @field_validator("evidence_sha256")
    @classmethod
    def _digest(cls, value: str) -> str:
        if value and not re.fullmatch(r"[0-9a-f]{64}", value):
            raise ValueError("is no SHA-256 in hexadecimal, 64 digits or letters a to f")
        return value

    @model_validator(mode="after")
    def _whole(self) -> ConsentRecord:
        if self.status == "given":
            self._check_given()
        return self

    def _check_given(self) -> None:
        permissions = [code for code in self.scope if terms()[code].kind == "permission"]
        if len(permissions) != 1:
            raise ValueError("scope must name exactly one permission: NRES, GRU, HMB, DS or POA")
        if self.given is None:
            raise ValueError("given, the date of consent, is missing")
        if not self.form.strip():
            raise ValueError("form, the version of the form, is missing")
        if (DS in self.scope) != bool(self.diseases):
            raise ValueError("the scope DS (disease specific research) and the diseases go together")
        if (GS in self.scope) != bool(self.countries):
            raise ValueError("the scope GS (geographical restriction) and the countries go together")
        if TS in self.scope and self.expires is None:
            raise ValueError("the scope TS (time limit on use) needs the date on which consent expires")
        if self.expires is not None and self.expires < self.given:
            raise ValueError("expires lies before given")
        if self.commercial and set(self.scope) & {NCU, NPU, NPUNCU}:
            raise ValueError("commercial use is agreed to and excluded by the scope at once")


def _coded(code_of: object, word: str) -> str:
    try:
        return str(code_of(word))  # type: ignore[operator]
    except DawsonError as error:
        raise ValueError(str(error)) from None


def country_code(word: str) -> str:
    """An ISO 3166 code of two letters in capitals.

    Raises
    ------
    ValueError
        It has not two letters; names of countries are not known here.
    """
    code = word.strip().upper()
    if not re.fullmatch(r"[A-Z]{2}", code):
        raise ValueError(f"{word!r} is no country code of two letters (ISO 3166), such as SI")
    return code


@dataclass(frozen=True)
class Ledger:
    """The consent ledger of a study.

    Parameters
    ----------
    records : tuple of ConsentRecord
        In the order in which they were written.
    latest : dict of str to ConsentRecord
        The record that holds, by participant_id.
    """

    records: tuple[ConsentRecord, ...]
    latest: dict[str, ConsentRecord]


def ledger_path(study: Path | str) -> Path:
    """Where the consent ledger of a study lies."""
    return governance_folder(study) / LEDGER


def read_ledger(study: Path | str) -> Ledger:
    """Read the consent ledger; no file is an empty ledger.

    Raises
    ------
    GovernanceError
        A line is no consent record: then nobody's consent is known until the file is repaired.
    """
    records = read_records(ledger_path(study), ConsentRecord)
    return Ledger(tuple(records), {record.participant_id: record for record in records})

"""Whether one consent record permits one use at one moment: pure, so that every combination can be tested."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from dawson.governance.consent import ConsentRecord
from dawson.governance.scopes import GS, NCU, NPU, NPUNCU, PUBLIC_ANNOTATION, PUBLIC_RELEASE, THIRD_COUNTRIES, purpose_refused, terms

Action = Literal["select", "train", "predict", "export", "analyse", "annotate", "govern"]
ACTIONS: tuple[Action, ...] = ("select", "train", "predict", "export", "analyse", "annotate", "govern")


@dataclass(frozen=True)
class Use:
    """What somebody is about to do with people's data.

    Parameters
    ----------
    action : {"select", "train", "predict", "export", "analyse", "annotate", "govern"}
        The last is what a data manager does: recording consent, withdrawals, clinical data.
    purpose : str
        One of `dawson.governance.scopes.PURPOSES`.
    diseases : tuple of str
        What the use is about, by name or Mondo identifier.
    commercial : bool
        The use is for profit, or its user is an organisation for profit.
    country : str
        Where the data will be used, ISO 3166 code of two letters; empty where that is not said.
    public : bool
        Anybody may see the data: annotation by the public, release to everybody.
    """

    action: Action
    purpose: str = "disease-research"
    diseases: tuple[str, ...] = ()
    commercial: bool = False
    country: str = ""
    public: bool = False


def refusal(record: ConsentRecord | None, use: Use, covered: frozenset[str], at: datetime) -> str:
    """Why a use is not permitted, as a sentence without its full stop; empty where it is.

    Parameters
    ----------
    record : ConsentRecord or None
        The one that holds; None where there is none.
    use : Use
        Its diseases as Mondo identifiers.
    covered : frozenset of str
        Countries to which data go without consent of their own.
    at : datetime
        The moment of the use. Consent holds from the day on which it was given to the day on which it expires, both included, in UTC.
    """
    if record is None:
        return "no consent is on record"
    if record.status == "withdrawn":
        return "consent was withdrawn"
    return (
        _dates(record, at)
        or _unchecked(record)
        or purpose_refused(record.scope, record.diseases, use.purpose, use.diseases)
        or _commercial(record, use)
        or _place(record, use, covered)
        or _public(record, use)
    )


def _dates(record: ConsentRecord, at: datetime) -> str:
    today = at.astimezone(UTC).date()
    if record.given is None or today < record.given:
        return f"consent holds from {record.given} only"
    if record.expires is not None and today > record.expires:
        return f"consent expired on {record.expires}"
    return ""


def _unchecked(record: ConsentRecord) -> str:
    found = next((terms()[code] for code in record.scope if terms()[code].kind == "unchecked"), None)
    return f"consent is limited by {found}, which has to be cleared by a person" if found else ""


def _commercial(record: ConsentRecord, use: Use) -> str:
    if not use.commercial:
        return ""
    excluded = next((terms()[code] for code in record.scope if code in (NCU, NPU, NPUNCU)), None)
    if excluded:
        return f"consent excludes commercial use: {excluded}"
    return "" if record.commercial else "consent does not name commercial use"


def _place(record: ConsentRecord, use: Use, covered: frozenset[str]) -> str:
    if GS in record.scope and use.country not in record.countries:
        where = f"not {use.country}" if use.country else "and the use does not say where it is"
        return f"consent is limited to use in {', '.join(record.countries)} (GS), {where}"
    if use.action == "export" and not use.country and not use.public:
        return "the export does not say to which country it goes"
    goes_out = bool(use.country) and use.country not in covered
    everywhere = use.public and use.action != "annotate"
    if (goes_out or everywhere) and THIRD_COUNTRIES not in record.scope:
        return f"consent does not name transfer to third countries{f', and {use.country} is one' if goes_out else ''}"
    return ""


def _public(record: ConsentRecord, use: Use) -> str:
    if not use.public:
        return ""
    if use.action == "annotate":
        return "" if PUBLIC_ANNOTATION in record.scope else "consent does not name annotation by the public"
    return "" if PUBLIC_RELEASE in record.scope else "consent does not name release to everybody"

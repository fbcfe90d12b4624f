"""Scopes of consent by their codes in the GA4GH Data Use Ontology, and the purposes of use that each permits.

Which permission covers which purpose follows the rules by which the Data Use Oversight System of the Broad Institute matches data sets and
requests (Algorithms.md of DataBiosphere/consent-ontology), stricter where the two differ:

=====================  ====  ===  ==================================  ====
purpose                NRES  HMB  DS                                  POA
                       GRU
=====================  ====  ===  ==================================  ====
disease-research       yes   yes  where all its diseases are covered  no
health-research        yes   yes  no                                  no
general-research       yes   no   no                                  no
methods-development    yes   yes  where all its diseases are covered  no
=====================  ====  ===  ==================================  ====

NMDS refuses methods-development; NPOA refuses general-research, since that may be about origins.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dawson.errors import GovernanceError
from dawson.governance.diseases import covers, disease_name

PURPOSES = ("disease-research", "health-research", "general-research", "methods-development")

NRES, GRU, HMB, DS, POA = "DUO:0000004", "DUO:0000042", "DUO:0000006", "DUO:0000007", "DUO:0000011"
NMDS, NPOA = "DUO:0000015", "DUO:0000044"
NPUNCU, NPU, NCU = "DUO:0000018", "DUO:0000045", "DUO:0000046"
GS, TS = "DUO:0000022", "DUO:0000025"
THIRD_COUNTRIES, PUBLIC_ANNOTATION, PUBLIC_RELEASE = "DAWSON:third-countries", "DAWSON:public-annotation", "DAWSON:public-release"


@dataclass(frozen=True)
class Term:
    """A scope that a consent record may name.

    Parameters
    ----------
    code : str
        Such as ``DUO:0000006``.
    short : str
        Such as ``HMB``.
    label : str
    kind : {"permission", "limit", "duty", "unchecked", "grant"}
        See duo.toml.
    """

    code: str
    short: str
    label: str
    kind: str

    def __str__(self) -> str:
        return f"{self.short} ({self.label})"


@cache
def terms() -> dict[str, Term]:
    """Every scope by its code."""
    content = tomllib.loads(files("dawson.governance").joinpath("duo.toml").read_text(encoding="utf-8"))
    return {code: Term(code, **entry) for code, entry in content.items()}


@cache
def _codes() -> dict[str, str]:
    """Every way to write a scope, in lower case, to its code."""
    found: dict[str, str] = {}
    for code, term in terms().items():
        for word in (code, term.short, term.label, term.label.replace(" ", "-"), code.replace(":", "_")):
            found[word.casefold()] = code
    return found


def scope_code(word: str) -> str:
    """The code of a scope given by code, abbreviation or label.

    Raises
    ------
    GovernanceError

    Examples
    --------
    >>> scope_code("HMB"), scope_code("disease specific research"), scope_code("duo:0000046")
    ('DUO:0000006', 'DUO:0000007', 'DUO:0000046')
    """
    code = _codes().get(word.strip().casefold())
    if code is None:
        known = ", ".join(term.short for term in terms().values())
        raise GovernanceError(f"The scope {word!r} is not known.", f"Known: {known}, or their DUO codes.")
    return code


def check_purpose(purpose: str) -> str:
    """The purpose, if it is one of `PURPOSES`.

    Raises
    ------
    GovernanceError
    """
    if purpose not in PURPOSES:
        raise GovernanceError(f"The purpose {purpose!r} is not known.", f"Known: {', '.join(PURPOSES)}.")
    return purpose


def purpose_refused(scope: Iterable[str], consented: Iterable[str], purpose: str, diseases: Iterable[str]) -> str:
    """Why a scope does not permit a purpose; empty where it does.

    Parameters
    ----------
    scope : iterable of str
        Codes, one of them a permission.
    consented : iterable of str
        Mondo identifiers of the diseases that a disease-specific consent names.
    purpose : str
        One of `PURPOSES`.
    diseases : iterable of str
        Mondo identifiers of the diseases that the use is about.
    """
    held = set(scope)
    about = list(diseases)
    if purpose == "methods-development" and NMDS in held:
        return "consent excludes the development of methods (NMDS)"
    if purpose == "general-research" and NPOA in held:
        return "consent excludes research on origins (NPOA), which general research may be"
    if held & {NRES, GRU}:
        return ""
    if HMB in held:
        return "consent is to health research only (HMB)" if purpose == "general-research" else ""
    if DS in held:
        return _disease_refused(list(consented), purpose, about)
    return "consent is to research on origins only (POA)" if POA in held else "consent names no permitted purpose"


def _disease_refused(consented: list[str], purpose: str, about: list[str]) -> str:
    named = " and ".join(disease_name(code) for code in consented)
    if purpose not in ("disease-research", "methods-development"):
        return f"consent is to research on {named} only (DS)"
    if not about:
        return f"consent is to research on {named} only (DS), and the use names no disease"
    outside = [disease_name(code) for code in about if not covers(consented, code)]
    return f"consent is to research on {named} only (DS), not on {' and '.join(outside)}" if outside else ""

"""Which scope of consent permits which purpose: the whole table, worked by hand."""

from __future__ import annotations

import pytest

from dawson.errors import GovernanceError
from dawson.governance.diseases import covers, disease_code, disease_name
from dawson.governance.scopes import PURPOSES, purpose_refused, scope_code, terms

MS, NMOSD, MOGAD, RRMS, DEMYELINATING = (disease_code(word) for word in ("MS", "NMOSD", "MOGAD", "RRMS", "demyelinating disease"))

# Rows: scope of consent. Columns: the four purposes in their order, for a use about MS.
MATRIX = {
    ("NRES",): "yes yes yes yes",
    ("GRU",): "yes yes yes yes",
    ("HMB",): "yes yes no yes",
    ("DS", MS): "yes no no yes",
    ("DS", NMOSD): "no no no no",
    ("DS", DEMYELINATING): "yes no no yes",
    ("DS", RRMS): "no no no no",
    ("POA",): "no no no no",
    ("GRU", "NMDS"): "yes yes yes no",
    ("HMB", "NMDS"): "yes yes no no",
    ("DS", MS, "NMDS"): "yes no no no",
    ("GRU", "NPOA"): "yes yes no yes",
    ("HMB", "NPOA"): "yes yes no yes",
    ("GRU", "IRB", "PUB"): "yes yes yes yes",
    (): "no no no no",
}


@pytest.mark.parametrize("held", MATRIX)
def test_matrix_of_scopes_and_purposes(held: tuple[str, ...]) -> None:
    scope = [scope_code(word) for word in held if not word.startswith("MONDO")]
    consented = [word for word in held if word.startswith("MONDO")]
    answers = ["no" if purpose_refused(scope, consented, purpose, [MS]) else "yes" for purpose in PURPOSES]
    assert answers == MATRIX[held].split()


@pytest.mark.parametrize(
    ("consented", "about", "permitted"),
    [
        ([MS], [MS, NMOSD], False),
        ([MS, NMOSD], [MS, NMOSD], True),
        ([DEMYELINATING], [MS, NMOSD, MOGAD], True),
        ([MS], [RRMS], True),
        ([MS], [], False),
    ],
)
def test_every_disease_of_a_use_must_be_covered(consented: list[str], about: list[str], permitted: bool) -> None:
    refused = purpose_refused([scope_code("DS")], consented, "disease-research", about)
    assert (not refused) == permitted


def test_codes_are_those_of_the_ontology() -> None:
    words = {
        "GRU": "DUO:0000042",
        "HMB": "DUO:0000006",
        "DS": "DUO:0000007",
        "NPUNCU": "DUO:0000018",
        "NCU": "DUO:0000046",
        "GS": "DUO:0000022",
        "TS": "DUO:0000025",
        "NMDS": "DUO:0000015",
        "general research use": "DUO:0000042",
        "Disease-Specific-Research": "DUO:0000007",
        "DUO_0000006": "DUO:0000006",
    }
    assert {word: scope_code(word) for word in words} == words
    assert all(code == term.code and term.kind in ("permission", "limit", "duty", "unchecked", "grant") for code, term in terms().items())


def test_unknown_names_say_what_is_known() -> None:
    with pytest.raises(GovernanceError, match="GRU, HMB"):
        scope_code("everything")
    with pytest.raises(GovernanceError, match="multiple sclerosis"):
        disease_code("influenza")


def test_diseases_lie_within_wider_ones() -> None:
    assert covers([disease_code("neurology")], RRMS)
    assert not covers([RRMS], MS)
    assert not covers([MS], "MONDO:0004975")
    assert covers(["MONDO:0004975"], "MONDO:0004975")
    assert disease_name(MS) == "multiple sclerosis"
    assert disease_name("MONDO:0004975") == "MONDO:0004975"

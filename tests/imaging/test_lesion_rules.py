from __future__ import annotations

from dataclasses import fields

import pytest

from dawson.imaging.lesion_features import LesionFeatures
from dawson.imaging.lesion_rules import RULES, barkhof, cacciaguerra, matthews
from dawson.imaging.lesion_summary import FLAGS


def lesion(*flags: str) -> LesionFeatures:
    """A lesion with these flags and no others."""
    assert set(flags) <= set(FLAGS)
    plain = {"int": 1, "float": 0.0, "str": "white matter", "bool": False}
    values = {field.name: plain.get(str(field.type), ()) for field in fields(LesionFeatures)}
    return LesionFeatures(**(values | dict.fromkeys(flags, True)))


PLAIN = lesion()


@pytest.mark.parametrize(
    ("lesions", "met"),
    [
        ([lesion("dawson_finger")], ("Dawson's finger",)),
        ([lesion("u_fibre")], ("U-fibre",)),
        ([lesion("at_lateral_body"), lesion("inferior_temporal")], ("lateral body and inferior temporal",)),
        ([lesion("at_lateral_body"), lesion("temporal")], ()),
        ([lesion("inferior_temporal"), lesion("periventricular")], ()),
        ([PLAIN] * 30, ()),
        ([], ()),
    ],
)
def test_matthews(lesions: list[LesionFeatures], met: tuple[str, ...]) -> None:
    verdict = matthews(lesions)
    assert verdict.met == met
    assert verdict.positive == bool(met)


@pytest.mark.parametrize(
    ("lesions", "positive"),
    [
        ([lesion("periventricular")] * 3 + [lesion("juxtacortical"), lesion("infratentorial")], True),
        ([lesion("periventricular")] * 2 + [lesion("juxtacortical"), lesion("infratentorial")], False),
        ([lesion("periventricular")] * 2 + [lesion("juxtacortical"), lesion("infratentorial")] + [PLAIN] * 5, True),
        ([lesion("periventricular")] * 3 + [PLAIN] * 6, False),
        ([lesion("periventricular", "juxtacortical")] * 9, True),
        ([], False),
    ],
)
def test_barkhof_needs_three_of_four(lesions: list[LesionFeatures], positive: bool) -> None:
    assert barkhof(lesions).positive == positive


@pytest.mark.parametrize(
    ("lesions", "items"),
    [
        # A normal brain lacks all that speaks for MS.
        ([], 3),
        ([lesion("linear", "linear_lateral", "periventricular")], 4),
        ([lesion("periventricular", "dawson_finger")], 1),
        ([lesion("periventricular", "dawson_finger"), lesion("juxtacortical")], 0),
        ([lesion("periventricular", "callosal")], 3),
        ([lesion("juxtacortical"), lesion("periventricular", "linear", "linear_lateral")], 3),
    ],
)
def test_cacciaguerra_counts_the_items_of_the_brain(lesions: list[LesionFeatures], items: int) -> None:
    verdict = cacciaguerra(lesions)
    assert len(verdict.met) == items
    assert verdict.positive == (items >= 2)


def test_every_rule_names_its_criteria() -> None:
    assert {name: len(rule([]).criteria) for name, rule in RULES.items()} == {"matthews": 3, "barkhof": 4, "cacciaguerra": 4}

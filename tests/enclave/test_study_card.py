"""What a study tells everybody of itself: what a question could learn, and no more, also in time."""

import json

import pandas as pd
import pytest
from tests.enclave.conftest import draw_people

from dawson.enclave.history import enclave_folder
from dawson.enclave.study_card import card_path, cards_of, make_card
from dawson.errors import EnclaveError


def row_of(card, variable, level=""):
    return next((row for row in card.rows if (row.variable, row.level) == (variable, level)), None)


def test_counts_and_means_are_those_of_the_table(network):
    with network.acting("A"):
        card = make_card(network.study("A"), contact="data@a.example", publish=True)
    table = network.tables["A"]
    for level in ("MS", "NMOSD"):
        row = row_of(card, "diagnosis", level)
        assert row.people == (table["diagnosis"] == level).sum() and row.share == pytest.approx(row.people / len(table))
    age = row_of(card, "age")
    assert age.mean == pytest.approx(table["age"].mean()) and age.sd == pytest.approx(table["age"].std(ddof=1))
    assert {one.name for one in card.variables} == {"diagnosis", "sex", "aqp4", "age", "edss", "disease_duration"}
    assert "note" not in card_path(network.study("A"), "A").read_text()
    assert cards_of(network.study("A")) == ([card], [])


def test_few_people_are_kept_back(network):
    table = draw_people(120, 5)
    table.loc[:2, "diagnosis"] = "MOGAD"
    network.write_people("A", table)
    with network.acting("A"):
        card = make_card(network.study("A"))
    assert row_of(card, "diagnosis", "MOGAD") is None and card.kept_back > 0
    told = [row for row in card.rows if row.variable == "diagnosis" and row.level]
    # with all and one level the other two together would be known, which are not few
    assert all(row.people >= 10 for row in card.rows)
    assert sum(row.people for row in told) <= len(table) - 3


def test_looking_tells_nothing_and_publishing_counts_as_told(network):
    with network.acting("A"):
        make_card(network.study("A"))
        assert not card_path(network.study("A"), "A").exists() and not list(enclave_folder(network.study("A")).glob("*answered*"))
        make_card(network.study("A"), publish=True)
        first = make_card(network.study("A"), publish=True)
    # one more person: the difference of the two cards would be that person
    table = network.tables["A"]
    network.write_people("A", pd.concat([table, table.iloc[[0]].assign(participant_id="sub-new")], ignore_index=True))
    with network.acting("A"):
        second = make_card(network.study("A"), publish=True)
    assert second.rows and all(row_of(first, row.variable, row.level) == row for row in second.rows)


def test_a_card_of_another_site_is_shown_and_a_broken_one_is_named(network):
    with network.acting("A"):
        make_card(network.study("A"), publish=True)
    there = card_path(network.study("B"), "A")
    there.parent.mkdir(parents=True)
    there.write_bytes(card_path(network.study("A"), "A").read_bytes())
    there.with_name("C.json").write_text(json.dumps({"site": "C"}))
    cards, (problem,) = cards_of(network.study("B"))
    assert [card.site for card in cards] == ["A"] and problem.startswith("C.json")


def test_a_study_without_a_policy_has_none(tmp_path):
    with pytest.raises(EnclaveError, match="dawson site init"):
        make_card(tmp_path)

"""Somebody who may ask tries to learn about one person, or a few: no attempt may succeed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from dawson.enclave.request import parse_request
from dawson.errors import EnclaveError

MINIMUM = 10


def released(network: Any, site: str = "A") -> list[dict[str, Any]]:
    """Every cell that has left a site."""
    return [
        cell
        for path in sorted(network.mailbox.glob(f"answers/*/*/{site}.json"))
        for cell in json.loads(path.read_text())["content"]["cells"].values()
    ]


def ask(network: Any, analysis: str = "counts", **fields: Any) -> dict[str, Any]:
    """Cells that site A releases to a request to it alone."""
    identifier = network.ask(analysis, sites=("A",), **fields)
    taken = network.take("A")
    if taken.held:
        network.release("A", identifier)
    content = json.loads((network.mailbox / "answers" / identifier / "01" / "A.json").read_text())["content"]
    return dict(content["cells"])


@pytest.fixture
def people(network: Any) -> pd.DataFrame:
    """Site A with 4 people with MOGAD, one of them the only one older than 80; the site answers as many questions as are asked."""
    table = network.tables["A"].copy()
    table["age"] = table["age"].clip(upper=75)
    table.loc[:3, "diagnosis"] = "MOGAD"
    table.loc[0, "age"] = 88.0
    network.write_people("A", table)
    network.write_policy("A", questions=10_000, refusals=10_000)
    return table


def test_a_small_cell_is_not_released(network: Any, people: pd.DataFrame) -> None:
    cells = ask(network, group_by=("diagnosis",))
    assert set(cells) <= {"all", "diagnosis=MS", "diagnosis=NMOSD"}
    assert all(cell["n"] >= MINIMUM for cell in cells.values())


def test_its_table_does_not_give_it_away(network: Any, people: pd.DataFrame) -> None:
    cells = ask(network, group_by=("diagnosis",))
    assert len(cells) == 2  # all three would leave 4


def test_nor_does_everybody_else(network: Any, people: pd.DataFrame) -> None:
    assert ask(network)["all"]["n"] == 140
    assert not ask(network, where="diagnosis != 'MOGAD'")
    assert not ask(network, where="diagnosis in ['MS', 'NMOSD']")
    assert not ask(network, "summary", variables=("edss",), where="not diagnosis == 'MOGAD'")


def test_zero_and_few_look_the_same(network: Any, people: pd.DataFrame) -> None:
    few, nobody = ask(network, where="diagnosis == 'MOGAD'"), ask(network, where="age > 89")
    assert few == nobody == {}
    told = [json.loads(path.read_text())["content"]["reason"] for path in network.mailbox.glob("answers/*/*/A.json")]
    assert len(told) == 2 and len(set(told)) == 1


def test_one_person_cannot_be_asked_about(network: Any, people: pd.DataFrame) -> None:
    for analysis, more in (
        ("counts", {}),
        ("summary", {"variables": ("edss",)}),
        ("linear", {"outcome": "edss", "variables": ("disease_duration",)}),
    ):
        assert not ask(network, analysis, where="age > 80", **more)
        assert not ask(network, analysis, where="age == 88", **more)
    with pytest.raises(EnclaveError, match="has no use for variables"):
        network.ask("counts", sites=("A",), variables=("participant_id",))
    identifier = network.ask("counts", sites=("A",), where="participant_id == 'sub-1000'")
    assert "participant_id" in network.take("A").refused[identifier]


def test_a_sweep_of_thresholds_tells_no_small_difference(network: Any, people: pd.DataFrame) -> None:
    counts = {}
    for age in range(20, 90, 3):
        cells = ask(network, where=f"age >= {age}")
        if cells:
            counts[age] = cells["all"]["n"]
    assert len(counts) >= 5
    values = sorted(set(counts.values()))
    assert min(values) >= MINIMUM
    assert min(np.diff(values), default=MINIMUM) >= MINIMUM


def test_many_questions_about_random_groups_reconstruct_nobody(network: Any, people: pd.DataFrame) -> None:
    """The attack of Dinur and Nissim: known groups, an unknown yes or no of each person, linear programming."""
    rng = np.random.default_rng(3)
    masks, counts = [], []
    for _ in range(40):
        low, high = np.sort(rng.uniform(20, 75, 2)).round(1)
        since = round(float(rng.uniform(0, 8)), 1)
        where = f"age >= {low} and age < {high} and disease_duration >= {since}"
        cells = ask(network, where=f"{where} and aqp4 == 'positive'")
        if cells:
            mask = (people["age"] >= low) & (people["age"] < high) & (people["disease_duration"] >= since)
            masks.append(mask.to_numpy())
            counts.append(cells["all"]["n"])
    assert len(masks) >= 3
    matrix, truth = np.array(masks, float), (people["aqp4"] == "positive").to_numpy(float)
    np.testing.assert_allclose(matrix @ truth, counts)
    for person in np.flatnonzero(matrix.any(axis=0)):
        cost = np.zeros(len(people))
        cost[person] = 1
        low, high = (sign * linprog(sign * cost, A_eq=matrix, b_eq=counts, bounds=(0, 1)).fun for sign in (1, -1))
        assert high - low > 0.99, people.loc[person, "participant_id"]


def test_with_and_without_one_person_who_lacks_what_is_counted(network: Any, people: pd.DataFrame) -> None:
    """The count does not change, and that would tell that this person is negative."""
    negative = people[(people["aqp4"] == "negative") & people["age"].between(40, 60)].sort_values("age")
    age = negative["age"].iloc[len(negative) // 2]
    assert (people["age"] == age).sum() == 1
    with_one, without = f"age >= {age}", f"age > {age}"
    first = ask(network, where=f"{with_one} and aqp4 == 'positive'")
    second = ask(network, where=f"{without} and aqp4 == 'positive'")
    assert first and not second
    third = ask(network, where=f"{without} and aqp4 == 'negative'")
    assert not third


def test_the_same_group_in_other_words_does_not_tell_what_all_of_it_are(network: Any, people: pd.DataFrame) -> None:
    table = people.copy()
    table.loc[table["diagnosis"] == "NMOSD", "sex"] = "F"
    network.write_people("A", table)
    group = ask(network, where="diagnosis == 'NMOSD'")
    assert group["all"]["n"] >= MINIMUM
    assert not ask(network, where="diagnosis == 'NMOSD' and sex == 'F'")
    cells = ask(network, where="diagnosis == 'NMOSD'", group_by=("sex",))
    assert set(cells) == {"all"}


def test_a_sum_that_one_person_makes_up_is_not_released(network: Any, people: pd.DataFrame) -> None:
    table = people.copy()
    table["disease_duration"] = 0.0
    table.loc[5, "disease_duration"] = 31.0
    network.write_people("A", table)
    assert not ask(network, "summary", variables=("disease_duration",))
    table["disease_duration"] = np.linspace(0.1, 0.4, len(table)).round(3)
    table.loc[5, "disease_duration"] = 31.0
    network.write_people("A", table)
    assert not ask(network, "summary", variables=("disease_duration",))


def test_a_category_written_as_a_number_is_none(network: Any, people: pd.DataFrame) -> None:
    table = people.copy()
    table["edss"] = np.where(np.arange(len(table)) < 3, 1.0, 0.0)
    network.write_people("A", table)
    assert not ask(network, "summary", variables=("edss",))
    assert not ask(network, "linear", outcome="edss", variables=("age",))


def test_a_regression_does_not_tell_a_small_group(network: Any, people: pd.DataFrame) -> None:
    assert not ask(network, "linear", outcome="edss", variables=("diagnosis",))
    assert not ask(network, "linear", outcome="edss", variables=("diagnosis",), levels={"diagnosis": ("MOGAD", "MS")})
    assert ask(network, "linear", outcome="edss", variables=("age",))
    # people with MOGAD left out: the difference to the sums before
    assert not ask(network, "linear", outcome="edss", variables=("age",), where="diagnosis != 'MOGAD'")


def test_too_few_people_for_the_coefficients(network: Any, people: pd.DataFrame) -> None:
    table = people.iloc[4:39]
    network.write_people("A", table)
    assert not ask(network, "linear", outcome="edss", variables=("age", "disease_duration", "sex"))


@pytest.mark.parametrize("extra", [{"learning_rate": 1e9}, {"coefficients": [50.0, 0.0]}, {"threshold": 0.137}, {"minimum": 1}])
def test_a_request_has_no_place_for_settings_of_the_asker(network: Any, extra: dict[str, Any]) -> None:
    """A huge step would make the gradient of a regression that of one person; a chosen threshold would make a count that of one person."""
    content = {"project": "P1", "researcher": "Dr. Ask", "purpose": "disease-research", "analysis": "logistic", "sites": ["A"], **extra}
    with pytest.raises(EnclaveError, match="|".join(extra)):
        parse_request(content)


def test_rounds_of_a_regression_follow_from_what_sites_signed(network: Any) -> None:
    """Whoever carries the messages cannot choose where a regression goes on."""
    identifier = network.ask("logistic", outcome="aqp4", outcome_level="positive", variables=("age",))
    for site in network.tables:
        network.take(site)
        network.release(site, identifier)
    path = network.mailbox / "answers" / identifier / "01" / "B.json"
    message = json.loads(path.read_text())
    (cell,) = message["content"]["cells"].values()
    cell["gradient"] = [1e6, -1e6]
    path.write_text(json.dumps(message))
    taken = network.take("A")
    assert not taken.held
    assert "was changed on its way" in taken.waiting[identifier]


def test_nothing_that_left_was_about_a_few(network: Any, people: pd.DataFrame) -> None:
    for fields in ({"group_by": ("diagnosis", "sex")}, {"group_by": ("age",)}, {"group_by": ("aqp4", "age")}, {"where": "edss > 6"}):
        ask(network, **fields)
    assert released(network)
    assert all(cell["n"] >= MINIMUM for cell in released(network))
    everything = "".join(path.read_text() for path in network.mailbox.rglob("*.json"))
    assert "sub-" not in everything

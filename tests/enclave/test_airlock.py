"""The way of a request through a site: who may ask, two people, what is told, what is remembered."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dawson.enclave.airlock import decide, standings_of
from dawson.enclave.history import ANSWERED, enclave_folder
from dawson.enclave.mailbox import unverified_request
from dawson.errors import EnclaveError
from dawson.files import write_json
from dawson.governance.audit_verify import verify
from dawson.governance.consent import ConsentRecord
from dawson.governance.consent_acts import record_consent


def answers(network: Any, identifier: str) -> list[Path]:
    return sorted(network.mailbox.glob(f"answers/{identifier}/*/*.json"))


def acts(study: Path) -> list[str]:
    found = verify(study)
    assert not found.problems
    return [event.act for event in found.events]


def test_nothing_leaves_before_a_second_person_releases_it(network: Any) -> None:
    identifier = network.ask("counts", sites=("A",))
    (held,) = network.take("A").held
    assert held.cells["all"]["n"] == 140
    assert not answers(network, identifier)
    for actor, why in (("first", "let this request in"), ("third", "is no reviewer")):
        network.write_policy("A", reviewers=["first", "second"])
        with network.acting("A"), pytest.raises(EnclaveError, match=why):
            decide(network.study("A"), network.mailbox, identifier, release=True, actor=actor)
    assert not answers(network, identifier)
    network.release("A", identifier)
    assert len(answers(network, identifier)) == 1
    assert acts(network.study("A"))[-2:] == ["request-held", "request-released"]
    with network.acting("A"), pytest.raises(EnclaveError, match="waits for a decision"):
        decide(network.study("A"), network.mailbox, identifier, release=True, actor="second")


def test_a_stopped_answer_stays_in(network: Any) -> None:
    identifier = network.ask("counts", sites=("A",))
    network.take("A")
    with network.acting("A"):
        with pytest.raises(EnclaveError, match="needs a reason"):
            decide(network.study("A"), network.mailbox, identifier, release=False, actor="second")
        decide(network.study("A"), network.mailbox, identifier, release=False, reason="the press is waiting", actor="second")
    told = answers(network, identifier)[0].read_text()
    assert "140" not in json.dumps(json.loads(told)["content"]["cells"])
    assert "press" not in told
    assert network.gather(identifier).refused == {"A": "The site decided not to release its answer."}
    assert not network.take("A").held
    assert [standing.status for standing in standings_of(network.study("A"))] == ["stopped"]


@pytest.mark.parametrize(
    ("changes", "fields", "reason"),
    [
        ({"analyses": ["quality"]}, {}, "does not answer counts"),
        ({"purposes": ["health-research"]}, {}, "purpose disease-research"),
        ({"withheld": ["diagnosis"]}, {"group_by": ("diagnosis",)}, "does not answer about diagnosis"),
        ({"withheld": ["edss"]}, {"where": "edss > 2"}, "edss"),
        ({}, {"researcher": "Dr. Stranger"}, "not known to this site"),
        ({}, {"where": "age >="}, "cannot be read"),
        ({}, {"group_by": ("note",)}, "no variable 'note'"),
        ({"refusals": 1}, {"where": "age > 85"}, "No part"),
    ],
)
def test_refusals_are_told_and_logged(network: Any, changes: dict[str, Any], fields: dict[str, Any], reason: str) -> None:
    network.write_policy("A", **changes)
    identifier = network.ask("counts", sites=("A",), **fields)
    assert reason in network.take("A").refused[identifier]
    assert reason in network.gather(identifier).refused["A"]
    assert acts(network.study("A"))[-1] == "request-refused"
    assert not network.take("A").refused  # once


def test_after_some_refusals_a_project_has_to_talk_to_the_site(network: Any) -> None:
    network.write_policy("A", refusals=2)
    for number in range(2):
        network.ask("counts", sites=("A",), where=f"age > {86 + number}")
    network.take("A")
    identifier = network.ask("counts", sites=("A",))
    assert "2 requests of the project P1 were refused" in network.take("A").refused[identifier]
    other = network.ask("counts", sites=("A",), project="P2")
    assert network.take("A").held[0].request == other


def test_a_project_has_so_many_questions(network: Any) -> None:
    network.write_policy("A", questions=1)
    network.ask("counts", sites=("A",))
    network.take("A")
    identifier = network.ask("counts", sites=("A",), group_by=("sex",))
    assert "has asked its 1 questions" in network.take("A").refused[identifier]


def test_a_request_that_somebody_changed_is_refused(network: Any) -> None:
    identifier = network.ask("counts", sites=("A",))
    request, message = unverified_request(network.mailbox, identifier)
    changed = request.model_copy(update={"where": "sex == 'F'"})
    write_json(network.mailbox / "requests" / f"{changed.identifier}.json", {**message, "content": changed.content()})
    taken = network.take("A")
    assert list(taken.refused) == [changed.identifier]
    assert "was changed on its way" in taken.refused[changed.identifier]
    assert [held.request for held in taken.held] == [identifier]


def test_a_request_under_another_name_or_that_is_none_is_left_alone(network: Any) -> None:
    identifier = network.ask("counts", sites=("A",))
    path = network.mailbox / "requests" / f"{identifier}.json"
    (path.parent / "0123456789abcdef.json").write_text(path.read_text())
    (path.parent / "0123456789abcde0.json").write_text("[1")
    assert sorted(network.take("A").unreadable) == ["0123456789abcde0", "0123456789abcdef"]


def test_a_result_waits_for_every_site(network: Any) -> None:
    identifier = network.ask("counts")
    for site in ("A", "C"):
        network.take(site)
        network.release(site, identifier)
    gathered = network.gather(identifier)
    assert gathered.result is None
    assert gathered.waiting_for == ("B",)


def test_a_cell_that_one_site_withholds_is_left_out_for_all(network: Any) -> None:
    table = network.tables["B"].copy()
    table["sex"] = ["M"] * 6 + ["F"] * (len(table) - 6)
    network.write_people("B", table)
    gathered = network.answered("counts", group_by=("sex",))
    assert {row["sex"] for row in network.rows(gathered)} == {"all"}
    assert "withheld by at least one site" in gathered.result.notes[0]


def test_two_answers_that_wait_together_count_together(network: Any) -> None:
    network.ask("counts", sites=("A",))
    table = network.tables["A"]
    few = table["age"].sort_values().iloc[4]
    second = network.ask("counts", sites=("A",), where=f"age >= {few}")
    taken = network.take("A")
    assert len(taken.held) == 1
    assert list(taken.refused) == [second]


def test_new_people_wait_until_there_are_enough(network: Any) -> None:
    table = network.tables["A"]
    network.write_people("A", table.iloc[:120])
    assert network.rows(network.answered("counts", sites=("A",)))[0]["people"] == 120
    network.write_people("A", table.iloc[:125])
    assert network.rows(network.answered("counts", sites=("A",)))[0]["people"] == 120
    network.write_people("A", table)
    assert network.rows(network.answered("counts", sites=("A",)))[0]["people"] == 140


def test_whoever_withdraws_is_not_told_by_the_difference(network: Any) -> None:
    study = network.study("A")
    (study / "study.toml").write_text('[governance]\nmanaged = true\ncountry = "SI"\n')
    people = network.tables["A"]["participant_id"].tolist()
    consent = [
        ConsentRecord.model_validate({"participant_id": person, "form": "v1", "scope": ("HMB",), "given": date(2024, 1, 1)})
        for person in people
    ]
    with network.acting("A"):
        record_consent(study, consent[:-1], actor="first")
    assert network.rows(network.answered("counts", sites=("A",)))[0]["people"] == 139
    with network.acting("A"):
        record_consent(study, [ConsentRecord(participant_id=people[0], status="withdrawn", reason="asked to")], actor="first")
    identifier = network.ask("counts", sites=("A",))
    assert identifier in network.take("A").refused
    # those who are left can still be asked about, in groups that do not single the one out
    assert network.ask("counts", sites=("A",), where="age >= 100") in network.take("A").refused
    history = (enclave_folder(study) / ANSWERED).read_text()
    assert people[0] not in history


def test_the_purpose_of_the_request_counts_for_consent(network: Any) -> None:
    study = network.study("A")
    (study / "study.toml").write_text('[governance]\nmanaged = true\ncountry = "SI"\n')
    network.write_policy("A", purposes=["disease-research", "general-research"])
    people = network.tables["A"]["participant_id"].tolist()
    fields = {"form": "v1", "given": date(2024, 1, 1)}
    records = [
        ConsentRecord.model_validate({"participant_id": person, **fields, "scope": ("GRU",) if number < 60 else ("HMB",)})
        for number, person in enumerate(people)
    ]
    with network.acting("A"):
        record_consent(study, records, actor="first")
    narrow = network.ask("counts", sites=("A",), purpose="general-research")
    (held,) = network.take("A").held
    assert held.request == narrow
    assert held.cells["all"]["n"] == 60


def test_rounding_keeps_the_mean(network: Any) -> None:
    network.write_policy("A", disclosure={"round_counts": 5})
    row = network.rows(network.answered("summary", sites=("A",), variables=("age",), where="sex == 'F'"))[0]
    women = network.tables["A"].query("sex == 'F'")
    assert row["people"] % 5 == 0 and abs(row["people"] - len(women)) <= 2
    assert row["mean"] == pytest.approx(women["age"].mean())


def test_noise_has_a_budget(network: Any) -> None:
    pytest.importorskip("opendp")
    network.write_policy("A", noise={"epsilon": 1.0, "budget": 2.5})
    counts = [network.rows(network.answered("counts", sites=("A",)))[0]["people"] for _ in range(2)]
    assert all(80 < count < 200 for count in counts)
    identifier = network.ask("counts", sites=("A",))
    assert "budget is spent" in network.take("A").refused[identifier]

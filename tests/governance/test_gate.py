"""The gate: over random ledgers nobody without valid consent for the use is ever allowed."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.config import GovernanceSection
from dawson.errors import GovernanceError
from dawson.governance.access_template import write_policy_template
from dawson.governance.audit_verify import events_of, verify
from dawson.governance.consent import ConsentRecord, ledger_path, read_ledger
from dawson.governance.consent_acts import record_consent
from dawson.governance.gate import Use, is_withdrawn, rule, use_of
from dawson.governance.tombstones import set_tombstone

TODAY = date(2025, 6, 15)
NOW = datetime(2025, 6, 15, 9, tzinfo=UTC)
PEOPLE = [f"sub-{number}" for number in range(6)]

days = st.integers(-400, 400).map(lambda shift: TODAY + timedelta(days=shift))
permissions = st.sampled_from(["NRES", "GRU", "HMB", "DS", "POA"])
extras = st.lists(st.sampled_from(["NMDS", "NCU", "NPOA", "IRB", "GSO", "third-countries", "public-annotation"]), max_size=3)


@st.composite
def records(draw: st.DrawFn) -> ConsentRecord:
    person = draw(st.sampled_from(PEOPLE))
    if draw(st.integers(0, 5)) == 0:
        return ConsentRecord(participant_id=person, status="withdrawn")
    permission, scope, start = draw(permissions), draw(extras), draw(days)
    return ConsentRecord.model_validate(
        {
            "participant_id": person,
            "form": "v1",
            "scope": (permission, *scope),
            "diseases": tuple(draw(st.sets(st.sampled_from(["MS", "NMOSD", "MOGAD"]), min_size=1))) if permission == "DS" else (),
            "given": start,
            "expires": draw(st.none() | st.integers(0, 500).map(lambda length: start + timedelta(days=length))),
            "commercial": "NCU" not in scope and draw(st.booleans()),
        }
    )


uses = st.builds(
    Use,
    st.sampled_from(["select", "train", "predict", "analyse", "annotate", "export"]),
    st.sampled_from(["disease-research", "health-research", "general-research", "methods-development"]),
    st.sets(st.sampled_from(["MS", "NMOSD"])).map(tuple),
    st.booleans(),
    st.sampled_from(["SI", "KR"]),
    st.booleans(),
)


def permits(record: ConsentRecord, use: Use) -> bool:
    """The rules once more, as a list of what must hold; written apart from the code under test."""
    short = {code.removeprefix("DUO:00000").removeprefix("DAWSON:") for code in record.scope}
    named = {"MS": "MONDO:0005301", "NMOSD": "MONDO:0019100"}
    about = {named[word] for word in use.diseases}
    by_disease = (
        "07" in short and bool(about) and about <= set(record.diseases) and use.purpose in ("disease-research", "methods-development")
    )
    by_health = "06" in short and use.purpose != "general-research"
    return all(
        [
            record.status == "given",
            record.given is not None and record.given <= TODAY,
            record.expires is None or record.expires >= TODAY,
            bool(short & {"04", "42"}) or by_health or by_disease,
            not ("15" in short and use.purpose == "methods-development"),
            not ("44" in short and use.purpose == "general-research"),
            "16" not in short,
            not use.commercial or record.commercial,
            use.country == "SI" or "third-countries" in short,
            not use.public or (use.action == "annotate" and "public-annotation" in short),
        ]
    )


@settings(max_examples=100, deadline=None)
@given(ledger=st.lists(records(), max_size=12), use=uses, buried=st.sets(st.sampled_from(PEOPLE), max_size=1))
def test_nobody_without_valid_consent_is_ever_allowed(ledger: list[ConsentRecord], use: Use, buried: set[str]) -> None:
    study = Path(tempfile.mkdtemp())
    try:
        (study / "study.toml").write_text('[governance]\nmanaged = true\ncountry = "SI"\n')
        ledger_path(study).parent.mkdir()
        ledger_path(study).write_text("".join(record.model_dump_json() + "\n" for record in ledger))
        for person in buried:
            set_tombstone(study, person)
        ruling = rule(study, PEOPLE, use, managed=True, at=NOW, record=False)
        last = {record.participant_id: record for record in ledger}
        expected = tuple(p for p in PEOPLE if p in last and p not in buried and permits(last[p], use))
        assert ruling.allowed == expected
        assert set(ruling.refused) == set(PEOPLE) - set(expected)
        assert all(reason and not reason.endswith(".") for reason in ruling.refused.values())
    finally:
        shutil.rmtree(study)


def test_unmanaged_everybody_is_allowed_but_those_who_withdrew_and_nothing_is_logged(study: Path) -> None:
    set_tombstone(study, "sub-02")
    ruling = rule(study, ["sub-01", "sub-02"], Use("train"), managed=False)
    assert ruling.allowed == ("sub-01",)
    assert ruling.refused == {"sub-02": "consent was withdrawn"}
    assert is_withdrawn(study, "sub-02") and not is_withdrawn(study, "sub-01")
    assert not (study / "governance" / "audit.jsonl").exists()


def test_a_ruling_is_one_event_about_those_who_were_allowed(study: Path, consenting: Any) -> None:
    consenting(["sub-01", "sub-02"])
    rule(study, ["sub-01", "sub-02", "sub-03"], Use("train"), managed=True, detail={"model": "main", "note": "for sub-01"}, actor="anna")
    event = verify(study).events[-1]
    assert (event.act, event.actor, len(event.people)) == ("train", "anna", 2)
    assert event.detail["refused"] == {"no consent is on record": 1}
    assert event.detail["model"] == "main"
    log = (study / "governance" / "audit.jsonl").read_text()
    assert not any(person in log for person in ("sub-01", "sub-02", "sub-03"))
    assert len(events_of(study, "sub-01", verify(study).events)) == 2
    assert events_of(study, "sub-03", verify(study).events) == []


def test_a_dry_run_leaves_no_event(study: Path, consenting: Any) -> None:
    consenting(["sub-01"])
    before = len(verify(study).events)
    rule(study, ["sub-01"], Use("train"), managed=True, record=False)
    assert len(verify(study).events) == before


def test_the_last_record_of_a_person_holds(study: Path, consenting: Any) -> None:
    consenting(["sub-01"], scope=("GRU",))
    consenting(["sub-01"], scope=("POA",), reason="amended")
    assert rule(study, ["sub-01"], Use("train"), managed=True, record=False).allowed == ()
    consenting(["sub-01"], scope=("HMB",))
    assert rule(study, ["sub-01"], Use("train"), managed=True, record=False).allowed == ("sub-01",)
    assert len(read_ledger(study).records) == 3


def test_a_damaged_ledger_stops_everything(study: Path, consenting: Any) -> None:
    consenting(["sub-01", "sub-02"])
    path = ledger_path(study)
    path.write_bytes(path.read_bytes().replace(b"sub-01", b"sub_01"))
    with pytest.raises(GovernanceError, match="line 1"):
        rule(study, ["sub-02"], Use("train"), managed=True, record=False)


@pytest.mark.parametrize(
    "use", [Use("train", "profit"), Use("train", diseases=("influenza",)), Use("train", country="Slovenia"), Use("steal")]
)  # type: ignore[arg-type]
def test_a_use_that_is_not_known_is_an_error(study: Path, use: Use) -> None:
    with pytest.raises(GovernanceError, match=r"not known|ISO 3166"):
        rule(study, ["sub-01"], use, managed=True, record=False)


def test_the_use_of_a_study_file_can_be_changed_for_a_recipient() -> None:
    use = use_of(GovernanceSection(purpose="health-research", country="SI"), "export", country="DE", public=True)
    assert use == Use("export", "health-research", ("MS", "NMOSD"), False, "DE", True)


def test_where_the_policy_lists_people_others_are_refused(study: Path, consenting: Any) -> None:
    consenting(["sub-01"])
    write_policy_template(study, "SI", "anna")
    assert rule(study, ["sub-01"], Use("train"), managed=True, actor="anna").allowed == ("sub-01",)
    with pytest.raises(GovernanceError, match="bert is not among the people"):
        rule(study, ["sub-01"], Use("train"), managed=True, actor="bert")
    path = study / "governance" / "access.toml"
    path.write_text(path.read_text().replace('role = "data-manager"', 'role = "annotator"'))
    with pytest.raises(GovernanceError, match="annotator of anna does not include train"):
        rule(study, ["sub-01"], Use("train"), managed=True, actor="anna")


def test_countries_of_the_policy_are_no_third_countries(study: Path, consenting: Any) -> None:
    consenting(["sub-01"])
    use = Use("export", country="DE")
    assert rule(study, ["sub-01"], use, managed=True, record=False).allowed == ()
    write_policy_template(study, "SI", "anna")
    path = study / "governance" / "access.toml"
    path.write_text(path.read_text().replace("alike = []", 'alike = ["DE"]'))
    assert rule(study, ["sub-01"], use, managed=True, record=False).allowed == ("sub-01",)


def test_who_withdrew_cannot_consent_again_under_the_same_pseudonym(study: Path, consenting: Any) -> None:
    set_tombstone(study, "sub-01")
    with pytest.raises(GovernanceError, match="new pseudonym"):
        record_consent(study, [ConsentRecord(participant_id="sub-01", form="v2", scope=("GRU",), given=date(2025, 1, 1))])

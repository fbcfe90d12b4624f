"""The overview counts what the ledger, the policy and the log say."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from dawson.governance.access_template import write_policy_template
from dawson.governance.status import status_of
from dawson.governance.withdrawal import withdraw

AT = datetime(2026, 6, 15, tzinfo=UTC)


def test_status_counts_consent_agreements_and_events(study: Path, consenting: Any) -> None:
    consenting(["sub-01"], expires=date(2026, 7, 1))
    consenting(["sub-02"], expires=date(2026, 6, 14))
    consenting(["sub-03"])
    path = write_policy_template(study, "SI", "anna")
    base = 'recipient = "R"\ninstitution = "I"\ncountry = "DE"\npurposes = ["disease-research"]\nsigned = 2026-01-01\n'
    path.write_text(
        path.read_text() + "".join(f'[[agreements]]\nid = "{day}"\n{base}expires = {day}\n' for day in ("2026-06-14", "2026-07-01"))
    )
    withdraw(study, "sub-03", actor="anna")
    found = status_of(study, AT)
    assert (found.managed, found.people, found.allowed) == (True, 3, 1)
    assert found.refused == {"consent expired on 2026-06-14": 1, "no consent is on record": 1}
    assert found.expiring == ("sub-01",)
    assert found.agreements == {"2026-06-14": "expired on 2026-06-14", "2026-07-01": "until 2026-07-01, soon"}
    assert (found.withdrawn, found.unfinished, found.problems) == (1, (), ())
    assert found.events == 6


def test_an_empty_study_has_a_status(tmp_path: Path) -> None:
    found = status_of(tmp_path, AT)
    assert (found.managed, found.people, found.events, found.problems) == (False, 0, 0, ())

"""Roles, people and agreements of the policy file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dawson.errors import GovernanceError
from dawson.governance.access import Agreement, Refusal, access_path, agreement_for, read_policy, role_refused
from dawson.governance.access_template import write_policy_template
from dawson.governance.gate import Use

MAY = datetime(2026, 5, 1, tzinfo=UTC)
AGREEMENT = """
[[agreements]]
id = "2026-01"
recipient = "Dr. A. Example"
institution = "University of Example"
country = "DE"
people = ["b.example@example.org"]
purposes = ["disease-research"]
diseases = ["demyelinating disease"]
signed = 2026-01-31
expires = 2028-01-31
"""


@pytest.fixture
def policy(study: Path) -> Path:
    path = write_policy_template(study, "SI", "anna")
    path.write_text(path.read_text() + AGREEMENT)
    return study


def test_the_template_is_a_policy_with_its_author_as_data_manager(study: Path) -> None:
    write_policy_template(study, "SI", "anna")
    policy = read_policy(study)
    assert (policy.countries.home, policy.people[0].name, policy.agreements) == ("SI", "anna", ())
    with pytest.raises(GovernanceError, match="already"):
        write_policy_template(study, "SI", "bert")


def test_the_example_of_the_template_is_a_valid_agreement(study: Path) -> None:
    path = write_policy_template(study, "SI", "anna")
    before, start, example = path.read_text().partition("# [[agreements]]")
    path.write_text(before + (start + example).replace("\n# ", "\n").removeprefix("# "))
    assert read_policy(study).agreements[0].recipient == "Dr. A. Example"


def test_an_agreement_permits_what_it_names(policy: Path) -> None:
    use = Use("export", "disease-research", ("MS", "NMOSD"))
    for person in ("Dr. A. Example", " dr. a. example ", "b.example@example.org", "2026-01"):
        found = agreement_for(policy, person, use, MAY)
        assert isinstance(found, Agreement) and found.country == "DE"


@pytest.mark.parametrize(
    ("person", "use", "at", "part"),
    [
        ("Dr. C", Use("export"), MAY, "has no data-access agreement"),
        ("2026-01", Use("train", diseases=("MS",)), MAY, "does not include train"),
        ("2026-01", Use("export", "general-research", ("MS",)), MAY, "purpose general-research"),
        ("2026-01", Use("export", diseases=("neurology",)), MAY, "research on nervous system disorder"),
        ("2026-01", Use("export"), MAY, "the use names none"),
        ("2026-01", Use("export", diseases=("MS",), commercial=True), MAY, "commercial"),
        ("2026-01", Use("export", diseases=("MS",), public=True), MAY, "everybody"),
        ("2026-01", Use("export", diseases=("MS",), country="KR"), MAY, "is for DE, not for KR"),
        ("2026-01", Use("export", diseases=("MS",)), datetime(2026, 1, 30, 23, 59, tzinfo=UTC), "holds from 2026-01-31"),
        ("2026-01", Use("export", diseases=("MS",)), datetime(2028, 2, 1, tzinfo=UTC), "expired on 2028-01-31"),
    ],
)
def test_an_agreement_refuses_everything_else(policy: Path, person: str, use: Use, at: datetime, part: str) -> None:
    found = agreement_for(policy, person, use, at)
    assert isinstance(found, Refusal) and part in found.reason


def test_both_days_of_an_agreement_count(policy: Path) -> None:
    use = Use("export", diseases=("MS",))
    for at in (datetime(2026, 1, 31, tzinfo=UTC), datetime(2028, 1, 31, 23, 59, tzinfo=UTC)):
        assert isinstance(agreement_for(policy, "2026-01", use, at), Agreement)


def test_a_later_agreement_takes_over_from_one_that_expired(policy: Path) -> None:
    path = access_path(policy)
    path.write_text(
        path.read_text()
        + AGREEMENT.replace("2026-01", "2028-02")
        .replace("signed = 2028-02-31", "signed = 2028-02-01")
        .replace("expires = 2028-01-31", "expires = 2030-01-31")
    )
    found = agreement_for(policy, "Dr. A. Example", Use("export", diseases=("MS",)), datetime(2029, 1, 1, tzinfo=UTC))
    assert isinstance(found, Agreement) and found.id == "2028-02"


def test_a_role_ends_with_its_last_day(policy: Path) -> None:
    path = access_path(policy)
    path.write_text(path.read_text() + '\n[[people]]\nname = "carl"\nrole = "researcher"\nuntil = 2026-05-01\n')
    read = read_policy(policy)
    assert role_refused(read, "CARL", "train", MAY) == ""
    assert "until 2026-05-01" in role_refused(read, "carl", "train", datetime(2026, 5, 2, tzinfo=UTC))
    assert "does not include export" in role_refused(read, "carl", "export", MAY)


@pytest.mark.parametrize(
    ("extra", "part"),
    [
        ('[[people]]\nname = "dora"\nrole = "king"\n', "king"),
        ('[[people]]\nname = "anna"\nrole = "researcher"\n', "stands twice"),
        (AGREEMENT, "stands twice"),
        (AGREEMENT.replace("2026-01", "x").replace('"DE"', '"Germany"').replace("x-31", "2026-01-31"), "two letters"),
        (AGREEMENT.replace('"2026-01"', '"x"').replace("disease-research", "profit"), "profit"),
        (AGREEMENT.replace('"2026-01"', '"x"').replace("2028", "2025"), "expires lies before signed"),
        (AGREEMENT.replace('"2026-01"', '"x"').replace("signed", "sined"), "sined"),
        ("[[agreements", "not valid TOML"),
    ],
)
def test_a_policy_that_cannot_be_used_says_why(policy: Path, extra: str, part: str) -> None:
    path = access_path(policy)
    path.write_text(path.read_text() + extra)
    with pytest.raises(GovernanceError, match=part):
        read_policy(policy)


def test_without_a_policy_nobody_has_an_agreement(study: Path) -> None:
    with pytest.raises(GovernanceError, match="access init"):
        agreement_for(study, "Dr. A. Example", Use("export"), MAY)

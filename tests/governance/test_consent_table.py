"""Consent from a table: every wrong cell is named, and all rows are recorded or none."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dawson.errors import GovernanceError
from dawson.files import sha256
from dawson.governance.consent import read_ledger
from dawson.governance.consent_acts import record_consent
from dawson.governance.consent_table import read_consent_table
from dawson.governance.tombstones import set_tombstone


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "consent.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_rows_become_records(study: Path, tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "form.pdf").write_bytes(b"signed")
    text = (
        "participant_id,form,scope,given,expires,diseases,commercial,evidence\n"
        "sub-01,v3,DS|NCU,2024-01-31,2030-01-31,MS|NMOSD,no,form.pdf\n"
        "\n"
        f"sub-02,v3,GRU,2024-01-31,,,yes,{'a' * 64}\n"
    )
    read = read_consent_table(study, table(tmp_path, text.replace(",", delimiter)))
    assert read.problems == ()
    first, second = read.records
    assert (first.scope, first.diseases) == (("DUO:0000007", "DUO:0000046"), ("MONDO:0005301", "MONDO:0019100"))
    assert (first.expires, first.evidence_sha256) == (date(2030, 1, 31), sha256(tmp_path / "form.pdf"))
    assert second.commercial and second.evidence_sha256 == "a" * 64


def test_every_wrong_cell_is_named(study: Path, tmp_path: Path) -> None:
    set_tombstone(study, "sub-09")
    text = (
        "participant_id,form,scope,given,expires,commercial,evidence\n"
        "01,v3,GRU,2024-01-31,,,\n"
        "sub-02,,XX,31.01.2024,2024-02-30,perhaps,none.pdf\n"
        "sub-03,v3,GRU|HMB,2024-01-31,,,\n"
        "sub-03,v3,GRU,2024-01-31,,,\n"
        "sub-09,v3,GRU,2024-01-31,,,\n"
    )
    read = read_consent_table(study, table(tmp_path, text))
    found = {(problem.row, problem.column) for problem in read.problems}
    assert found == {
        (2, "participant_id"),
        *((3, column) for column in ("form", "scope", "given", "expires", "commercial", "evidence")),
        (4, ""),
        (5, "participant_id"),
        (6, "participant_id"),
    }
    assert "row 3, given: '31.01.2024' is no date such as 2024-01-31" in [str(problem) for problem in read.problems]


def test_a_second_import_records_only_what_changed(study: Path, tmp_path: Path) -> None:
    text = "participant_id,form,scope,given\nsub-01,v3,GRU,2024-01-31\nsub-02,v3,GRU,2024-01-31\n"
    record_consent(study, read_consent_table(study, table(tmp_path, text)).records)
    again = read_consent_table(study, table(tmp_path, text.replace("sub-02,v3,GRU", "sub-02,v4,HMB")))
    assert (again.unchanged, [record.participant_id for record in again.records]) == (1, ["sub-02"])
    record_consent(study, again.records)
    assert read_ledger(study).latest["sub-02"].form == "v4"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"participant_id,form,scope\n", "no column 'given'"),
        (b"participant_id,form,scope,given,colour\n", "not known, 'colour'"),
        (b"participant_id,form,scope,given,given\n", "twice, 'given'"),
        (b"participant_id,form,scope,given\nsub-01,v1\n", "row 2, has 2 cells"),
        (b"participant_id,form,scope,given\nsub-01,\xff,GRU,2024-01-01\n", "not UTF-8"),
        (b'participant_id,form,scope,given\n"sub-01,v1\n', "no table"),
        (b"", "no column 'participant_id'"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused(study: Path, tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "consent.csv"
    path.write_bytes(content)
    with pytest.raises(GovernanceError, match=part):
        read_consent_table(study, path)

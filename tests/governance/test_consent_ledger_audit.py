"""The consent ledger grows only by logged events; a change by another hand is found, an interrupted write is no fault."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dawson.governance import audit, consent_acts
from dawson.governance.audit_verify import verify
from dawson.governance.consent import ConsentRecord, ledger_path, read_ledger
from dawson.governance.consent_acts import record_consent


def given(*people: str) -> list[ConsentRecord]:
    return [ConsentRecord(participant_id=person, form="v1", scope=("GRU",), given=date(2024, 1, 1)) for person in people]


@pytest.mark.parametrize("edit", ["drop first", "drop last", "add", "change", "remove file"])
def test_a_ledger_changed_by_another_hand_is_found(study: Path, edit: str) -> None:
    record_consent(study, given("sub-01", "sub-02"))
    record_consent(study, given("sub-03"))
    assert verify(study).problems == []
    path = ledger_path(study)
    rows = path.read_bytes().splitlines(keepends=True)
    changed = {
        "drop first": rows[1:],
        "drop last": rows[:-1],
        "add": [*rows, given("sub-04")[0].model_dump_json().encode() + b"\n"],
        "change": [rows[0].replace(b"v1", b"v2"), *rows[1:]],
        "remove file": [],
    }[edit]
    path.write_bytes(b"".join(changed))
    assert "another hand" in verify(study).problems[0]
    # A later event does not make it good.
    record_consent(study, given("sub-05"))
    assert "another hand" in verify(study).problems[0]


def test_a_crash_before_the_event_changes_nothing(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_consent(study, given("sub-01"))
    with monkeypatch.context() as patched:
        patched.setattr(audit, "append", _crash)
        with pytest.raises(KeyboardInterrupt):
            record_consent(study, given("sub-02"))
    assert verify(study).problems == []
    record_consent(study, given("sub-03"))
    assert verify(study).problems == []
    assert list(read_ledger(study).latest) == ["sub-01", "sub-03"]


def test_a_crash_between_event_and_record_is_taken_back(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_consent(study, given("sub-01"))
    before = ledger_path(study).read_bytes()
    added = b"".join(record.model_dump_json(exclude_defaults=True).encode() + b"\n" for record in given("sub-02", "sub-03"))
    for cut in (0, 1, *range(17, len(added) - 20, 41)):
        with monkeypatch.context() as patched:
            patched.setattr(consent_acts, "append_at_end", _cut(cut))
            with pytest.raises(KeyboardInterrupt):
                record_consent(study, given("sub-02", "sub-03"))
        assert verify(study).problems == []
        record_consent(study, given("sub-04"))
        assert verify(study).problems == []
        assert ledger_path(study).read_bytes().startswith(before)
        assert {"sub-01", "sub-04"} == set(read_ledger(study).latest)


def test_records_that_a_crash_left_whole_stay(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(consent_acts, "append_at_end", _cut(-1))
        with pytest.raises(KeyboardInterrupt):
            record_consent(study, given("sub-02", "sub-03"))
    assert verify(study).problems == []
    record_consent(study, given("sub-04"))
    assert (verify(study).problems, list(read_ledger(study).latest)) == ([], ["sub-02", "sub-03", "sub-04"])


def _crash(*_: Any) -> None:
    raise KeyboardInterrupt


def _cut(length: int) -> Any:
    def write(stream: Any, content: bytes) -> None:
        stream.seek(0, 2)
        stream.write(content[:length])
        stream.flush()
        raise KeyboardInterrupt

    return write

"""The audit log: any change is found, and a crash at any byte of a write leaves a valid chain."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from dawson.errors import GovernanceError
from dawson.governance import audit
from dawson.governance.audit_verify import verify
from dawson.governance.chain import HEAD, LOG, PUBLIC_KEY
from dawson.governance.salts import commitment, destroy_salt, read_salts
from dawson.governance.signing import rotate

EVENTS = 4


@pytest.fixture
def log(study: Path) -> Path:
    """Four events, the third with people; the path of the log."""
    for number in range(EVENTS):
        audit.append(study, "train", ["sub-01", "sub-02"] if number == 2 else (), {"number": number}, actor="anna")
    assert verify(study).problems == []
    return study / "governance" / LOG


def lines(log: Path) -> list[bytes]:
    return log.read_bytes().splitlines(keepends=True)


def problems(log: Path) -> list[str]:
    return verify(log.parent.parent).problems


def test_any_flipped_byte_of_the_log_is_found(log: Path) -> None:
    content = log.read_bytes()
    for position in range(len(content)):
        # Another bit each time, so that case, digits and ends of lines are all tried.
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        log.write_bytes(changed)
        assert problems(log), f"byte {position} of {content[max(0, position - 20) : position + 20]!r}"


@pytest.mark.parametrize("name", [HEAD, PUBLIC_KEY])
@pytest.mark.parametrize("bit", [0, 5, *(pytest.param(bit, marks=pytest.mark.slow) for bit in (1, 2, 3, 4, 6, 7))])
def test_any_flipped_byte_of_head_and_key_is_found(log: Path, name: str, bit: int) -> None:
    path = log.parent / name
    content = path.read_bytes()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << bit
        path.write_bytes(changed)
        assert problems(log), f"byte {position} of {name}"


EDITS: dict[str, Callable[[list[bytes], int], list[bytes]]] = {
    "dropped": lambda rows, at: rows[:at] + rows[at + 1 :],
    "repeated": lambda rows, at: [*rows[: at + 1], *rows[at:]],
    "moved to the end": lambda rows, at: [*rows[:at], *rows[at + 1 :], rows[at]] if at < len(rows) - 1 else rows[::-1],
    "emptied": lambda rows, at: [*rows[:at], b"\n", *rows[at + 1 :]],
    "with a blank": lambda rows, at: [*rows[:at], rows[at].replace(b'":', b'": ', 1), *rows[at + 1 :]],
    "with a carriage return": lambda rows, at: [*rows[:at], rows[at].replace(b"\n", b"\r\n"), *rows[at + 1 :]],
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("at", range(EVENTS))
def test_any_edited_line_is_found(log: Path, edit: str, at: int) -> None:
    log.write_bytes(b"".join(EDITS[edit](lines(log), at)))
    assert problems(log)


@pytest.mark.parametrize(("first", "second"), [(a, b) for a in range(EVENTS) for b in range(a + 1, EVENTS)])
def test_any_two_swapped_lines_are_found(log: Path, first: int, second: int) -> None:
    rows = lines(log)
    rows[first], rows[second] = rows[second], rows[first]
    log.write_bytes(b"".join(rows))
    assert problems(log)


@pytest.mark.parametrize("kept", range(EVENTS))
def test_a_log_cut_at_its_end_is_found(log: Path, kept: int) -> None:
    log.write_bytes(b"".join(lines(log)[:kept]))
    assert problems(log)
    with pytest.raises(GovernanceError, match="audit verify"):
        audit.append(log.parent.parent, "train")


def test_a_missing_log_head_or_key_is_found(log: Path) -> None:
    for name in (LOG, HEAD, PUBLIC_KEY):
        path = log.parent / name
        content = path.read_bytes()
        path.unlink()
        assert problems(log), name
        path.write_bytes(content)
    assert problems(log) == []


def test_a_log_signed_anew_by_another_key_is_found(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = (log.parent / HEAD).read_bytes()
    monkeypatch.setenv("DAWSON_KEYS", str(tmp_path / "forger"))
    other = tmp_path / "other"
    for number in range(EVENTS):
        audit.append(other, "train", (), {"number": number}, actor="anna")
    log.write_bytes((other / "governance" / LOG).read_bytes())
    assert problems(log)
    (log.parent / HEAD).write_bytes((other / "governance" / HEAD).read_bytes())
    assert problems(log)
    (log.parent / HEAD).write_bytes(kept)
    assert problems(log)


# At every cut the log must be sound; that it can be added to is tried at some cuts, and by the slow proof at all of them.
STEPS = [pytest.param(23, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]


@pytest.mark.parametrize("step", STEPS)
def test_a_write_cut_at_every_byte_leaves_a_valid_chain(log: Path, step: int) -> None:
    study, before, head = log.parent.parent, log.read_bytes(), (log.parent / HEAD).read_bytes()
    audit.append(study, "export", ["sub-01"], {}, actor="anna")
    after = log.read_bytes()
    for cut in range(len(before), len(after) + 1):
        log.write_bytes(after[:cut])
        (log.parent / HEAD).write_bytes(head)
        whole = cut >= len(after) - 1
        found = verify(study)
        assert found.problems == []
        assert len(found.events) == EVENTS + whole
        if whole or (cut - len(before)) % step == 0:
            audit.append(study, "select", (), {}, actor="anna")
            found = verify(study)
            assert (found.problems, found.notes) == ([], [])
            assert [event.act for event in found.events[EVENTS:]] == (["export", "select"] if whole else ["select"])


@pytest.mark.parametrize("step", STEPS)
def test_the_first_write_of_all_may_be_cut_too(study: Path, step: int) -> None:
    audit.append(study, "select", (), {}, actor="anna")
    folder = study / "governance"
    content = (folder / LOG).read_bytes()
    for cut in range(len(content) + 1):
        (folder / LOG).write_bytes(content[:cut])
        (folder / HEAD).unlink(missing_ok=True)
        assert verify(study).problems == []
        if cut >= len(content) - 1 or cut % step == 0:
            audit.append(study, "train", (), {}, actor="anna")
            assert verify(study).problems == []


def test_a_crash_while_the_head_is_replaced_leaves_a_valid_chain(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = log.parent.parent

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(audit, "replace_durably", crash)
        with pytest.raises(KeyboardInterrupt):
            audit.append(study, "export", (), {}, actor="anna")
    assert verify(study).problems == []
    audit.append(study, "select", (), {}, actor="anna")
    found = verify(study)
    assert (found.problems, found.notes, len(found.events)) == ([], [], EVENTS + 2)


def test_a_head_that_was_put_back_by_more_than_a_crash_is_found(log: Path) -> None:
    study, head = log.parent.parent, (log.parent / HEAD).read_bytes()
    audit.append(study, "one")
    audit.append(study, "two")
    (log.parent / HEAD).write_bytes(head)
    assert "the head was put back" in problems(log)[0]


def append_many(study: Path, name: str, number: int) -> None:
    for index in range(number):
        audit.append(study, "train", [f"sub-{name}{index}"], {}, actor=name)


def test_processes_that_append_at_once_do_not_break_the_chain(study: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=append_many, args=(study, name, 12)) for name in ("a", "b", "c")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = verify(study)
    assert (found.problems, found.notes) == ([], [])
    actors = [event.actor for event in found.events]
    assert sorted(actors) == ["a"] * 12 + ["b"] * 12 + ["c"] * 12
    assert len(read_salts(study)) == 36


def test_people_are_commitments_that_differ_from_event_to_event_and_die_with_the_salt(study: Path) -> None:
    for _ in range(3):
        audit.append(study, "train", ["sub-01", "sub-02"])
    events = verify(study).events
    assert len({name for event in events for name in event.people}) == 6
    salts = read_salts(study)
    assert commitment("sub-01", salts["sub-01"], 2) in events[1].people
    path = study / "governance" / "salts.tsv"
    assert path.stat().st_mode & 0o777 == 0o600
    size = path.stat().st_size
    assert destroy_salt(study, "sub-01")
    assert salts["sub-01"].hex().encode() not in path.read_bytes()
    assert path.stat().st_size == size
    assert list(read_salts(study)) == ["sub-02"]
    assert not destroy_salt(study, "sub-01")


def test_details_name_nobody_and_are_json(study: Path) -> None:
    audit.append(study, "export", ["sub-01"], {"path": study / "sub-01" / "x", "sub-02": [float("nan"), ("sub-03", 1)]})
    detail = verify(study).events[0].detail
    assert json.loads(json.dumps(detail)) == {"path": f"{study}/sub-*/x", "sub-*": ["nan", ["sub-*", 1]]}


def test_a_new_key_is_named_by_the_old_one(log: Path, keys: Path) -> None:
    study = log.parent.parent
    old, new = rotate()
    audit.append(study, "select")
    found = verify(study)
    assert found.problems == []
    assert [event.act for event in found.events[EVENTS:]] == ["key-changed", "select"]
    assert (found.places[EVENTS].key, found.places[EVENTS + 1].key) == (old, new)
    next(keys.glob("audit-ed25519-*.pem")).unlink()
    audit.append(study, "select")
    assert verify(study).problems == []


def test_a_change_of_key_may_be_cut_anywhere(log: Path) -> None:
    study, before, head = log.parent.parent, log.read_bytes(), (log.parent / HEAD).read_bytes()
    rotate()
    audit.append(study, "select")
    after = log.read_bytes()
    end = after.index(b"\n", len(before)) + 1
    for cut in range(len(before), end + 1, 31):
        log.write_bytes(after[:cut])
        (log.parent / HEAD).write_bytes(head)
        assert verify(study).problems == []
        audit.append(study, "train")
        assert verify(study).problems == []


def test_without_the_signing_key_nothing_is_added(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAWSON_KEYS", str(tmp_path / "other"))
    with pytest.raises(GovernanceError, match="is not in"):
        audit.append(log.parent.parent, "train")
    assert problems(log) == []


def test_a_study_without_a_log_is_sound(study: Path) -> None:
    found = verify(study)
    assert (found.problems, found.events) == ([], [])
    assert not (study / "governance").exists()

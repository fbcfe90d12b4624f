"""Checkpoints kept by another site prove that a log was put back, rewritten or begun anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dawson.errors import GovernanceError
from dawson.governance import audit
from dawson.governance.audit_verify import verify
from dawson.governance.chain import HEAD, LOG
from dawson.governance.checkpoints import compare_with, make_checkpoint, read_checkpoint, witness
from dawson.governance.signing import rotate


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The study of the site that keeps checkpoints."""
    root = tmp_path / "other"
    root.mkdir()
    return root


def kept(study: Path, path: Path) -> Path:
    path.write_bytes(make_checkpoint(study).content)
    return path


def test_a_log_that_grew_continues_its_checkpoint(study: Path, other: Path, tmp_path: Path) -> None:
    audit.append(study, "one")
    first = kept(study, tmp_path / "first.json")
    assert witness(other, first) == (read_checkpoint(first), None)
    audit.append(study, "two")
    new, before = witness(other, kept(study, tmp_path / "second.json"))
    assert before == read_checkpoint(first)
    assert len(new.lines) == 2
    assert compare_with(study, first) == ""
    assert [event.act for event in verify(other).events] == ["witness", "witness"]


def test_a_log_put_back_with_its_head_is_found_by_the_checkpoint_only(study: Path, other: Path, tmp_path: Path) -> None:
    folder = study / "governance"
    audit.append(study, "one")
    earlier = {name: (folder / name).read_bytes() for name in (LOG, HEAD)}
    audit.append(study, "withdraw")
    witness(other, kept(study, tmp_path / "first.json"))
    for name, content in earlier.items():
        (folder / name).write_bytes(content)
    assert verify(study).problems == []
    assert "it was put back" in compare_with(study, tmp_path / "first.json")
    with pytest.raises(GovernanceError, match="put back"):
        witness(other, kept(study, tmp_path / "second.json"))
    audit.append(study, "another")
    assert "event 2 is another" in compare_with(study, tmp_path / "first.json")
    with pytest.raises(GovernanceError, match="rewritten"):
        witness(other, kept(study, tmp_path / "third.json"))


def test_a_log_begun_anew_is_found(study: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit.append(study, "one")
    first = kept(study, tmp_path / "first.json")
    witness(other, first)
    shutil.rmtree(study / "governance")
    assert "no audit log any more" in compare_with(study, first)
    with monkeypatch.context() as patched:
        patched.setenv("DAWSON_KEYS", str(tmp_path / "new-keys"))
        audit.append(study, "one")
        assert "begun anew" in compare_with(study, first)
        second = kept(study, tmp_path / "second.json")
    with pytest.raises(GovernanceError, match="begun anew"):
        witness(other, second)
    assert witness(other, second, label="a second study")[1] is None


def test_any_flipped_byte_of_a_checkpoint_is_found(study: Path, tmp_path: Path) -> None:
    audit.append(study, "one")
    rotate()
    audit.append(study, "two")
    path = kept(study, tmp_path / "checkpoint.json")
    content = path.read_bytes()
    for position in range(len(content) - 1):
        changed = bytearray(content)
        changed[position] ^= 1 << (position % 8)
        path.write_bytes(changed)
        with pytest.raises(GovernanceError, match="no checkpoint"):
            read_checkpoint(path)


def test_a_checkpoint_follows_a_change_of_key(study: Path, other: Path, tmp_path: Path) -> None:
    audit.append(study, "one")
    witness(other, kept(study, tmp_path / "first.json"))
    rotate()
    audit.append(study, "two")
    new, _ = witness(other, kept(study, tmp_path / "second.json"))
    assert len(new.handovers) == 1
    assert b"sub-" not in new.content


def test_no_checkpoint_of_a_broken_log(study: Path) -> None:
    audit.append(study, "one")
    path = study / "governance" / LOG
    path.write_bytes(path.read_bytes().replace(b"one", b"two"))
    with pytest.raises(GovernanceError, match="not sound"):
        make_checkpoint(study)


def test_no_checkpoint_of_no_log(study: Path) -> None:
    with pytest.raises(GovernanceError, match="no events"):
        make_checkpoint(study)

"""A withdrawal leaves nothing of a person but tombstone and records, whatever interrupts it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dawson.errors import GovernanceError
from dawson.files import sha256
from dawson.governance import audit, withdrawal
from dawson.governance.audit_verify import verify
from dawson.governance.consent import read_ledger
from dawson.governance.gate import Use, is_withdrawn, rule
from dawson.governance.lookup import lookup
from dawson.governance.person_files import image_contents
from dawson.governance.salts import read_salts
from dawson.governance.tombstones import read_tombstones, withdrawn_images
from dawson.governance.withdrawal import Trace, register, report_path, unfinished, withdraw

RECORDS = ["governance/consent.jsonl", "governance/tombstones.jsonl", "governance/withdrawals/sub-01.json"]


class ModelRoom:
    """A room above with one model that learnt from sub-01: it lists the model, and marks it."""

    def find(self, study: Path, participant_id: str) -> list[Trace]:
        return [Trace("model", "models/main", "learnt from this person", "to be retrained")] if participant_id == "sub-01" else []

    def remove(self, study: Path, participant_id: str) -> list[Trace]:
        (study / "marked").write_text("retrain")
        return self.find(study, participant_id)


@pytest.fixture(autouse=True)
def no_other_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "_hooks", {})


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "governance" not in path.parts
    }


def test_withdrawal_removes_files_rows_and_mentions_of_one_person_only(study: Path, consenting: Any) -> None:
    consenting(["sub-01", "sub-02"])
    before = contents(study)
    done = withdraw(study, "sub-01", reason="wish")
    after = contents(study)
    assert {(trace.kind, trace.path) for trace in done.traces if trace.kind not in ("image", "file")} == {
        ("row", "participants.tsv"),
        ("row", "derivatives/dawson/preprocess.tsv"),
        ("mention", "derivatives/dawson/preprocess.tsv"),
        ("page", "derivatives/dawson/quality.html"),
    }
    assert set(before) - set(after) == {name for name in before if "/sub-01_" in name} | {"derivatives/dawson/quality.html"}
    assert after["participants.tsv"] == before["participants.tsv"].replace(b"sub-01\tMS\n", b"")
    assert after["derivatives/dawson/preprocess.tsv"].splitlines() == [
        b"participant_id\tsession_id\tstatus\treason",
        b"sub-02\tses-01\tdone\ttwin of sub-withdrawn",
        b"sub-03\tses-01\tdone\tn/a",
        b"sub-011\tses-01\tdone\tn/a",
    ]
    assert all(after[name] == before[name] for name in after if "sub-01_" not in name and not name.endswith(".tsv"))


def test_after_a_withdrawal_only_records_are_found(study: Path, consenting: Any) -> None:
    consenting(["sub-01"])
    assert lookup(study, "sub-01").left
    withdraw(study, "sub-01")
    found = lookup(study, "sub-01")
    assert found.withdrawn and found.left == ()
    assert [trace.path for trace in found.records] == RECORDS
    assert lookup(study, "sub-011").left


def test_further_use_is_refused_and_the_image_is_recognised(study: Path, consenting: Any) -> None:
    consenting(["sub-01", "sub-02"])
    image = study / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_T1w.nii.gz"
    digest, inside = sha256(image), gzip.decompress(image.read_bytes())
    withdraw(study, "sub-01", reason="wish")
    assert rule(study, ["sub-01", "sub-02"], Use("train"), managed=True).allowed == ("sub-02",)
    assert is_withdrawn(study, "sub-01")
    assert not withdrawn_images(study).whose(image)
    assert digest in read_tombstones(study)["sub-01"].images
    assert (read_ledger(study).latest["sub-01"].status, read_ledger(study).latest["sub-01"].reason) == ("withdrawn", "wish")
    # The same voxels come back under another name, packed anew, and unpacked.
    (study / "derivatives" / "copy.nii.gz").write_bytes(gzip.compress(inside, 1))
    (study / "derivatives" / "copy.bin").write_bytes(inside)
    assert sha256(study / "derivatives" / "copy.nii.gz") != digest
    assert all(withdrawn_images(study).whose(path) == "sub-01" for path in (study / "derivatives").glob("copy.*"))
    assert sorted(trace.path for trace in lookup(study, "sub-01").left) == ["derivatives/copy.bin", "derivatives/copy.nii.gz"]


def test_a_dry_run_changes_no_byte(study: Path, consenting: Any) -> None:
    consenting(["sub-01"])
    register("models", ModelRoom())
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    planned = withdraw(study, "sub-01", dry_run=True)
    assert {path: path.read_bytes() for path in study.rglob("*") if path.is_file()} == before
    done = withdraw(study, "sub-01")
    assert [(trace.kind, trace.path) for trace in planned.traces] == [(trace.kind, trace.path) for trace in done.traces]
    assert planned.traces[0] == Trace("model", "models/main", "learnt from this person", "to be retrained")


def test_the_log_tells_of_the_withdrawal_and_no_longer_of_whom(study: Path, consenting: Any) -> None:
    consenting(["sub-01", "sub-02"])
    withdraw(study, "sub-01")
    found = verify(study)
    assert found.problems == []
    assert [event.act for event in found.events] == ["consent", "consent", "withdraw", "withdrawn"]
    assert list(read_salts(study)) == ["sub-02"]
    log = b"".join(path.read_bytes() for path in (study / "governance").glob("audit*"))
    assert b"sub-01" not in log


def test_a_person_without_consent_or_log_can_withdraw(study: Path) -> None:
    (study / "study.toml").unlink()
    withdraw(study, "sub-01")
    assert lookup(study, "sub-01").left == ()
    assert rule(study, ["sub-01"], Use("train"), managed=False).allowed == ()


def test_nobody_and_nonsense_are_refused(study: Path) -> None:
    before = contents(study)
    with pytest.raises(GovernanceError, match="Nothing in"):
        withdraw(study, "sub-99")
    for name in ("01", "../sub-01", "sub-*", ""):
        with pytest.raises(GovernanceError, match="no participant"):
            withdraw(study, name)
    assert contents(study) == before


def test_links_are_removed_and_not_followed(study: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "original.nii").write_bytes(b"voxels of the original")
    (study / "sourcedata").mkdir()
    (study / "sourcedata" / "sub-01").symlink_to(outside)
    (study / "sub-01" / "ses-01" / "link.nii").symlink_to(outside / "original.nii")
    withdraw(study, "sub-01")
    assert not (study / "sourcedata" / "sub-01").is_symlink()
    assert (outside / "original.nii").read_bytes() == b"voxels of the original"


def test_results_in_another_folder_are_cleaned_too(study: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = results / "derivatives" / "dawson" / "sub-01"
    folder.mkdir(parents=True)
    np.save(folder / "sub-01_desc-channels_FLAIR.npy", np.ones(5))
    digest = sha256(folder / "sub-01_desc-channels_FLAIR.npy")
    done = withdraw(study, "sub-01", results=[results])
    assert not folder.exists()
    assert digest in read_tombstones(study)["sub-01"].images
    assert str(folder / "sub-01_desc-channels_FLAIR.npy") in [trace.path for trace in done.traces]
    assert lookup(study, "sub-01", [results]).left == ()


class _Crash(BaseException):
    """The machine stops."""


def _steps(monkeypatch: pytest.MonkeyPatch, stop_at: int) -> Iterator[int]:
    """Count every change on the disk that a withdrawal makes, and stop before one of them."""
    count = 0

    def counting(real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count == stop_at:
                raise _Crash
            return real(*arguments, **named)

        return call

    for name in ("fsync", "unlink", "rmdir", "replace", "link"):
        monkeypatch.setattr(os, name, counting(getattr(os, name)))
    while True:
        yield count


def test_a_crash_at_any_step_is_taken_up_again(study: Path, consenting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    consenting(["sub-01", "sub-02"])
    register("models", ModelRoom())
    digests = {content.sha256 for content in image_contents(study, "sub-01")}
    expected: set[tuple[str, str]] = set()
    stop_at = finished = 0
    while not finished:
        stop_at += 1
        copy = tmp_path / f"copy{stop_at}"
        shutil.copytree(study, copy)
        with monkeypatch.context() as patched:
            counter = _steps(patched, stop_at)
            next(counter)
            try:
                withdraw(copy, "sub-01")
                finished = stop_at
            except _Crash:
                pass
        if is_withdrawn(copy, "sub-01"):
            assert rule(copy, ["sub-01"], Use("train"), managed=True, record=False).allowed == ()
        done = withdraw(copy, "sub-01")
        expected = expected or {(trace.kind, trace.path) for trace in done.traces}
        assert {(trace.kind, trace.path) for trace in done.traces} == expected, stop_at
        assert json.loads(report_path(copy, "sub-01").read_text())["state"] == "finished"
        assert set(read_tombstones(copy)["sub-01"].images) == digests, stop_at
        assert lookup(copy, "sub-01").left == (), stop_at
        assert verify(copy).problems == [], stop_at
        assert "sub-01" not in read_salts(copy)
        assert unfinished(copy) == []
        shutil.rmtree(copy)
    assert finished > 20


def test_an_interrupted_withdrawal_is_named(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stops(ModelRoom):
        def remove(self, study: Path, participant_id: str) -> list[Trace]:
            raise _Crash

    register("models", Stops())
    with pytest.raises(_Crash):
        withdraw(study, "sub-01")
    assert unfinished(study) == ["sub-01"]
    assert rule(study, ["sub-01"], Use("train"), managed=False).allowed == ()


def test_a_file_that_comes_back_goes_with_a_second_call(study: Path) -> None:
    withdraw(study, "sub-01")
    (study / "derivatives" / "sub-01_again.nii").write_bytes(b"voxels")
    assert [trace.path for trace in lookup(study, "sub-01").left] == ["derivatives/sub-01_again.nii"]
    done = withdraw(study, "sub-01")
    assert lookup(study, "sub-01").left == ()
    assert "derivatives/sub-01_again.nii" in [trace.path for trace in done.traces]
    assert ("image", "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz") in [(trace.kind, trace.path) for trace in done.traces]


def test_events_of_others_stay_readable(study: Path) -> None:
    audit.append(study, "train", ["sub-01", "sub-02"])
    withdraw(study, "sub-01")
    assert len(verify(study).events[0].people) == 2
    assert verify(study).problems == []

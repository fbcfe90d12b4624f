"""A withdrawal looks where a person's data may lie besides the study's own folders and labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dawson.errors import GovernanceError
from dawson.files import sha256
from dawson.governance import audit, withdrawal
from dawson.governance.audit_verify import verify
from dawson.governance.consent import ConsentRecord
from dawson.governance.consent_acts import record_consent
from dawson.governance.gate import Use, is_withdrawn, rule
from dawson.governance.lookup import lookup
from dawson.governance.results import remember, remembered
from dawson.governance.status import participants_of
from dawson.governance.tombstones import read_tombstones, set_tombstone, withdrawn_images
from dawson.governance.traces import Trace
from dawson.governance.withdrawal import register, withdraw


@pytest.fixture(autouse=True)
def no_other_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(withdrawal, "_hooks", {})


def test_who_withdrew_by_the_ledger_is_refused_where_consent_is_not_managed(study: Path) -> None:
    record_consent(study, [ConsentRecord(participant_id="sub-02", status="withdrawn")])
    assert rule(study, ["sub-01", "sub-02"], Use("train"), managed=False).refused == {"sub-02": "consent was withdrawn"}
    assert is_withdrawn(study, "sub-02")


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_tombstone_that_was_taken_away_is_a_problem(study: Path, line: int) -> None:
    withdraw(study, "sub-01")
    withdraw(study, "sub-02")
    assert verify(study).problems == []
    path = study / "governance" / "tombstones.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:line] + lines[line + 1 :]))
    assert any("tombstones.jsonl is not as a withdrawal left it" in problem for problem in verify(study).problems)


def test_somebody_who_withdrew_by_the_ledger_needs_a_tombstone(study: Path) -> None:
    record_consent(study, [ConsentRecord(participant_id="sub-02", status="withdrawn")])
    assert verify(study).problems == ["the consent ledger says that sub-02 withdrew, and there is no tombstone"]
    set_tombstone(study, "sub-02")
    assert verify(study).problems == []


def test_labels_without_their_prefix_are_found_and_removed(study: Path) -> None:
    table = study / "participants.tsv"
    table.write_text("participant_id\tage\n01\t30\n02\t01\n011\t40\n")
    assert participants_of(study) == ["sub-01", "sub-02", "sub-011"]
    assert "participants.tsv" in [trace.path for trace in lookup(study, "sub-01").left]
    withdraw(study, "sub-01")
    assert table.read_text() == "participant_id\tage\n02\t01\n011\t40\n"
    assert lookup(study, "sub-01").left == ()


def test_the_original_of_a_link_is_known_and_named(study: Path, tmp_path: Path) -> None:
    original = tmp_path / "originals" / "a.nii"
    original.parent.mkdir()
    original.write_bytes(b"voxels of the original")
    link = study / "sub-01" / "ses-01" / "anat" / "sub-01_ses-01_FLAIR.nii"
    link.symlink_to(original)
    done = withdraw(study, "sub-01")
    assert withdrawn_images(study).whose(original) == "sub-01"
    action = next(trace.action for trace in done.traces if trace.path.endswith("FLAIR.nii"))
    assert action == f"link removed; the original {original} stays"
    assert original.is_file() and not link.is_symlink()
    (study / "derivatives" / "again.nii").symlink_to(original)
    assert [trace.path for trace in lookup(study, "sub-01").left] == ["derivatives/again.nii"]


def test_the_quarantine_beside_the_study_is_searched_and_cleaned(study: Path) -> None:
    quarantine = study.parent / "study-quarantine"
    for person in ("sub-01", "sub-02"):
        (quarantine / person / "ses-01").mkdir(parents=True)
        (quarantine / person / "ses-01" / f"{person}_ses-01_T1w.nii.gz").write_text(f"face of {person}")
        (quarantine / "pictures").mkdir(exist_ok=True)
        (quarantine / "pictures" / f"{person}_ses-01.png").write_text(person)
    (quarantine / "intake.html").write_text("sub-01 sub-02")
    (quarantine / "note.tsv").write_text("participant_id\nsub-01\n")
    face = sha256(quarantine / "sub-01" / "ses-01" / "sub-01_ses-01_T1w.nii.gz")
    assert str(quarantine / "pictures" / "sub-01_ses-01.png") in [trace.path for trace in lookup(study, "sub-01").left]
    done = withdraw(study, "sub-01")
    assert face in read_tombstones(study)["sub-01"].images
    assert str(quarantine / "intake.html") in [trace.path for trace in done.traces]
    left = sorted(path.relative_to(quarantine).as_posix() for path in quarantine.rglob("*") if path.is_file())
    assert left == ["note.tsv", "pictures/sub-02_ses-01.png", "sub-02/ses-01/sub-02_ses-01_T1w.nii.gz"]
    assert [trace.path for trace in lookup(study, "sub-01").left] == [str(quarantine / "note.tsv")]


def test_results_elsewhere_are_remembered_searched_and_missed(study: Path, tmp_path: Path) -> None:
    there, gone = tmp_path / "my results", tmp_path / "gone"
    for out in (there, gone, there, study, study / "derivatives"):
        remember(study, out)
    assert remembered(study) == [there, gone]
    image = there / "derivatives" / "dawson" / "sub-01" / "x.npy"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"channels")
    assert str(image) in [trace.path for trace in lookup(study, "sub-01").left]
    assert lookup(study, "sub-01").missing == (str(gone),)
    done = withdraw(study, "sub-01")
    assert not image.exists()
    assert [trace.path for trace in done.traces if trace.kind == "results"] == [str(gone)]
    with pytest.raises(GovernanceError, match="tab or an end of line"):
        remember(study, tmp_path / "a\tb")


def test_results_named_when_a_withdrawal_is_taken_up_again_are_hashed_and_listed(study: Path, tmp_path: Path) -> None:
    class Stops:
        stop = True

        def find(self, study: Path, participant_id: str) -> list[Trace]:
            return []

        def remove(self, study: Path, participant_id: str) -> list[Trace]:
            if self.stop:
                raise KeyboardInterrupt
            return []

    room = Stops()
    register("models", room)
    with pytest.raises(KeyboardInterrupt):
        withdraw(study, "sub-01")
    image = tmp_path / "results" / "derivatives" / "sub-01_map.npy"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"a map")
    digest = sha256(image)
    room.stop = False
    done = withdraw(study, "sub-01", results=[tmp_path / "results"])
    assert digest in read_tombstones(study)["sub-01"].images
    assert str(image) in [trace.path for trace in done.traces]


def _policy(study: Path, role: str) -> None:
    may = '["select", "train"]' if role == "researcher" else '["govern"]'
    text = f'[roles.{role}]\nmay = {may}\n\n[[people]]\nname = {json.dumps(audit.current_user())}\nrole = "{role}"\n'
    (study / "governance").mkdir(exist_ok=True)
    (study / "governance" / "access.toml").write_text(text)


def test_only_who_governs_records_consent_and_withdraws(study: Path, consenting: Any) -> None:
    _policy(study, "researcher")
    for act in (lambda: consenting(["sub-01"]), lambda: withdraw(study, "sub-01")):
        with pytest.raises(GovernanceError, match="govern is refused: the role researcher"):
            act()
    assert read_tombstones(study) == {}
    _policy(study, "manager")
    consenting(["sub-01"])
    assert withdraw(study, "sub-01").finished

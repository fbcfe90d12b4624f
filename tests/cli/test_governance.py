"""`dawson governance` as a data manager uses it, from the first form to a withdrawal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from dawson.cli import governance
from dawson.errors import GovernanceError


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAWSON_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("COLUMNS", "240")
    root = tmp_path / "my study"
    for person in ("sub-01", "sub-02"):
        (root / person / "anat").mkdir(parents=True)
        (root / person / "anat" / f"{person}_T1w.nii").write_text(f"voxels of {person[-1]}")
    (root / "dataset_description.json").write_text('{"Name": "Example", "BIDSVersion": "1.9.0"}')
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\nsub-01\tMS\nsub-02\tNMOSD\n")
    (root / "study.toml").write_text('[governance]\nmanaged = true\ncountry = "SI"\n')
    return root


def run(*words: object, code: int = 0) -> str:
    result: Result = CliRunner().invoke(governance.app, [str(word) for word in words])
    if isinstance(result.exception, GovernanceError):
        raise result.exception
    assert result.exit_code == code, result.output
    return str(result.output)


def add(study: Path, person: str, *more: object) -> str:
    return run("consent", "add", study, person, "--form", "v3", "--given", "2024-01-31", *more)


def test_consent_is_recorded_with_evidence_and_checked(study: Path, tmp_path: Path) -> None:
    form = tmp_path / "form.pdf"
    form.write_bytes(b"signed")
    assert "Would record: sub-01, HMB" in add(study, "sub-01", "--scope", "HMB", "--dry-run")
    assert not (study / "governance").exists()
    add(study, "sub-01", "--scope", "HMB", "--evidence", form)
    assert "in place of that of 2024-01-31" in add(study, "sub-01", "--scope", "DS", "--disease", "MS", "--reason", "new form")
    shown = json.loads(run("consent", "show", study, "sub-01", "--json"))
    assert [record["scope"] for record in shown] == [["DUO:0000006"], ["DUO:0000007"]]
    assert len(shown[0]["evidence_sha256"]) == 64
    assert b"signed" not in b"".join(path.read_bytes() for path in (study / "governance").iterdir())
    checked = run("consent", "check", study, "--disease", "MS")
    assert "1 of 2 people may be used to train for disease-research." in checked
    assert "no consent is on record" in checked
    assert "1 of 2" in run("consent", "check", study, "--disease", "MS", "--at", "2024-01-31")
    assert "0 of 2" in run("consent", "check", study, "--disease", "MS", "--at", "2024-01-30")
    assert "none" in run("consent", "list", study)


def test_a_record_that_contradicts_itself_is_explained(study: Path) -> None:
    with pytest.raises(GovernanceError, match="needs the date"):
        add(study, "sub-01", "--scope", "GRU", "--scope", "TS")
    with pytest.raises(GovernanceError, match="evidence"):
        add(study, "sub-01", "--scope", "GRU", "--evidence", "nowhere.pdf")


def test_a_table_is_recorded_as_a_whole_or_not_at_all(study: Path, tmp_path: Path) -> None:
    table = tmp_path / "consent.csv"
    table.write_text("participant_id,form,scope,given\nsub-01,v3,GRU,2024-01-31\nsub-02,v3,GRU,31/01/2024\n")
    assert "Nothing was recorded: 1 cell is wrong." in run("consent", "import", study, table, code=1)
    assert not (study / "governance" / "consent.jsonl").exists()
    table.write_text(table.read_text().replace("31/01/2024", "2024-01-31"))
    assert "Would record 2" in run("consent", "import", study, table, "--dry-run")
    assert "Recorded 2; 0 are on record already." in run("consent", "import", study, table)
    assert "Recorded 0; 2 are on record already." in run("consent", "import", study, table)


def test_access_by_role_and_by_agreement(study: Path) -> None:
    run("access", "init", study)
    path = study / "governance" / "access.toml"
    path.write_text(
        path.read_text()
        + '\n[[people]]\nname = "carl"\nrole = "researcher"\n'
        + '[[agreements]]\nid = "2026-01"\nrecipient = "Dr. A"\ninstitution = "I"\ncountry = "DE"\npurposes = ["disease-research"]\n'
        + "signed = 2026-01-01\nexpires = 2027-01-01\n"
    )
    assert "Dr. A" in run("access", "list", study)
    assert "Yes, by role" in run("access", "check", study, "--person", "carl", "--action", "train")
    assert "does not include export" in run("access", "check", study, "--person", "carl", "--action", "export", code=1)
    assert "Yes, under the agreement 2026-01" in run("access", "check", study, "--person", "Dr. A", "--at", "2026-06-01")
    refused = json.loads(run("access", "check", study, "--person", "Dr. A", "--at", "2027-01-02", "--json", code=1))
    assert refused["allowed"] is False
    assert "expired on 2027-01-01" in refused["reasons"][1]


def test_audit_is_shown_verified_and_witnessed(study: Path, tmp_path: Path) -> None:
    add(study, "sub-01", "--scope", "GRU")
    add(study, "sub-02", "--scope", "GRU")
    assert "2 events are as they were written." in run("audit", "verify", study)
    assert len(json.loads(run("audit", "show", study, "--participant", "sub-01", "--json"))) == 1
    run("audit", "checkpoint", study, "--out", tmp_path / "checkpoint.json")
    other = tmp_path / "other"
    other.mkdir()
    assert "2 events" in run("audit", "witness", other, tmp_path / "checkpoint.json")
    run("audit", "rotate-key")
    add(study, "sub-01", "--scope", "HMB")
    assert "4 events are as they were written, and they continue 1 checkpoint." in run(
        "audit", "verify", study, "--against", tmp_path / "checkpoint.json"
    )
    log = study / "governance" / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"consent"', b'"consenT"', 1))
    assert "line 1" in run("audit", "verify", study, code=1)
    assert "Problem" in run("status", study, code=1)


def test_a_withdrawal_from_plan_to_proof(study: Path) -> None:
    add(study, "sub-01", "--scope", "GRU")
    add(study, "sub-02", "--scope", "GRU")
    assert "2 of 2 people" in run("status", study)
    assert "Nothing was changed." in run("withdraw", "sub-01", "--study", study, "--dry-run")
    assert (study / "sub-01").exists()
    done = json.loads(run("withdraw", "sub-01", "--study", study, "--reason", "wish", "--json"))
    assert done["finished"] and not (study / "sub-01").exists()
    assert ["row", "participants.tsv"] in [[trace["kind"], trace["path"]] for trace in done["traces"]]
    assert "0 traces of sub-01 left, 3 records kept." in run("lookup", "sub-01", "--study", study)
    (study / "copy.nii").write_text("voxels of 1")
    assert "1 trace of sub-01 left" in run("lookup", "sub-01", "--study", study, code=1)
    assert "1 of 1 people" in run("status", study)
    with pytest.raises(GovernanceError, match="stays closed"):
        add(study, "sub-01", "--scope", "GRU")

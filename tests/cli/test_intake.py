"""`dawson intake` as a user types it."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from dawson.cli.intake import app
from dawson.errors import ConfigError, IntakeError

_SPEC = spec_from_file_location("small_series", Path(__file__).parents[1] / "intake" / "conftest.py")
assert _SPEC is not None and _SPEC.loader is not None
SMALL = module_from_spec(_SPEC)
_SPEC.loader.exec_module(SMALL)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAWSON_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("COLUMNS", "250")
    SMALL.write_series(tmp_path / "in" / "a", seed=1, **SMALL.FLAIR)
    SMALL.write_series(tmp_path / "in" / "b", seed=2, **{**SMALL.FLAIR, "InversionTime": None, "SeriesDescription": "unclear of Dolores"})
    return tmp_path / "in"


def _dicom(*words: object) -> Result:
    return CliRunner().invoke(app, ["dicom", *map(str, words)])


def test_a_dry_run_shows_the_plan_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    done = _dicom(source, tmp_path / "study", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "_FLAIR.nii.gz" in done.output and "unclear of Dolores" in done.output and "FLAIR: but ti_ms is missing" in done.output
    assert "1 series to take, 0 already taken, 1 held, 0 rejected" in done.output
    assert not (tmp_path / "study").exists() and not (tmp_path / "study-quarantine").exists()


def test_json_of_a_plan_names_nobody(source: Path, tmp_path: Path) -> None:
    done = _dicom(source, tmp_path / "study", "--dry-run", "--json")
    content = json.loads(done.stdout)
    assert sorted(item["decision"] for item in content["series"]) == ["hold", "take"] and "Dolores" not in done.stdout


def test_an_intake_without_face_removal_says_so_loudly(source: Path, tmp_path: Path) -> None:
    done = _dicom(source, tmp_path / "study", "--no-deface", "--jobs", 1)
    assert done.exit_code == 0, done.output
    assert "NO FACES WERE REMOVED" in done.output and "1 series taken, 0 already there, 1 held, 0 rejected" in done.output
    page = (tmp_path / "study-quarantine" / "intake.html").read_text()
    assert "still has its face" in page and "Dolores" not in page and "Held for a person (1)" in page


def test_a_held_series_is_taken_by_its_code(source: Path, tmp_path: Path) -> None:
    plan = json.loads(_dicom(source, tmp_path / "study", "--dry-run", "--json").stdout)
    (code,) = [item["series"] for item in plan["series"] if item["decision"] == "hold"]
    done = _dicom(source, tmp_path / "study", "--no-deface", "--jobs", 1, "--take", f"{code}=T2w", "--json")
    assert json.loads(done.stdout)["counts"] == {"taken": 2, "already": 0, "held": 0, "rejected": 0}
    assert len(list((tmp_path / "study").rglob("*_T2w.nii.gz"))) == 1


def test_where_nothing_could_be_taken_it_leaves_with_one(tmp_path: Path, source: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a").write_text("Dear Dolores")
    done = _dicom(tmp_path / "letters", tmp_path / "study", "--no-deface", "--jobs", 1)
    assert done.exit_code == 1 and "1 file: not a DICOM file" in done.output


def test_wrong_words_are_told(source: Path, tmp_path: Path) -> None:
    assert isinstance(_dicom(source, tmp_path / "study", "--take", "FLAIR").exception, ConfigError)
    assert isinstance(_dicom(source, tmp_path / "study", "--take", "Dolores=FLAIR").exception, IntakeError)
    assert isinstance(_dicom(tmp_path / "nothing", tmp_path / "study").exception, IntakeError)


def test_a_face_is_accepted_by_somebody_with_a_reason_and_after_a_look(source: Path, tmp_path: Path) -> None:
    word = (source, tmp_path / "study", "--dry-run", "--accept-face", "S-0123ABCD")
    assert "--by NAME" in str(_dicom(*word, "--reason", "no face").exception)
    assert "--reason TEXT" in str(_dicom(*word, "--by", "A").exception)
    assert "no series that would be taken" in str(_dicom(*word, "--by", "A", "--reason", "no face").exception)
    plan = json.loads(_dicom(source, tmp_path / "study", "--dry-run", "--json").stdout)
    (code,) = [item["series"] for item in plan["series"] if item["decision"] == "take"]
    done = _dicom(source, tmp_path / "study", "--dry-run", "--accept-face", code, "--by", "A", "--reason", "no face")
    assert isinstance(done.exception, IntakeError) and "waits in the quarantine" in str(done.exception)


def test_the_audit_finds_people_in_dicom_and_leaves_with_one(source: Path) -> None:
    done = CliRunner().invoke(app, ["audit", str(source)])
    assert done.exit_code == 1 and "findings" in done.output


def test_the_audit_finds_nobody_in_what_was_taken_in_but_that_faces_may_be_there(source: Path, tmp_path: Path) -> None:
    _dicom(source, tmp_path / "study", "--no-deface", "--jobs", 1, "--dicom-out", tmp_path / "clean")
    (tmp_path / "people.txt").write_text("Dolores\nQuixote\nMRN-4711\n")
    done = CliRunner().invoke(app, ["audit", str(tmp_path / "clean"), "--json", "--known", str(tmp_path / "people.txt")])
    assert {finding["kind"] for finding in json.loads(done.stdout)} == {"face"}
    known = CliRunner().invoke(app, ["audit", str(tmp_path / "study"), "--no-faces", "--json", "--known", str(tmp_path / "people.txt")])
    assert not {"name", "date", "private element", "description"} & {finding["kind"] for finding in json.loads(known.stdout)}

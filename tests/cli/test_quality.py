"""`dawson quality run` and `review` on a small simulated cohort in template space."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dawson.cli.quality import app
from dawson.errors import CohortError, QualityError
from dawson.files import read_tsv
from dawson.quality.decisions import excluded
from dawson.simulation import plan_cohort, simulate_cohort


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two simulated patients, and a folder with their quality."""
    study = tmp_path_factory.mktemp("simulated") / "my study"
    simulate_cohort(study, plan_cohort({"MS": 1, "NMOSD": 1}, followed_up={"MS": 0, "NMOSD": 0}, seed=3), seed=3)
    out = study.parent / "out"
    done = CliRunner().invoke(app, ["run", str(study), "--out", str(out), "--jobs", "1", "--json"])
    assert done.exit_code == 0, done.exception
    shown = json.loads(done.stdout[done.stdout.index("{") :])
    assert {scan["participant_id"] for scan in shown["scans"]} == {"sub-001", "sub-002"}
    return study, out


def test_a_template_cohort_is_judged_by_what_it_has_and_says_what_is_absent(judged: tuple[Path, Path]) -> None:
    derivatives = judged[1] / "derivatives" / "dawson"
    table = read_tsv(derivatives / "quality.tsv", text=("absent",))
    assert {"FLAIR_gm_nawm_contrast", "FLAIR_cjv", "bend_frontal_mm", "FLAIR_nawm_lesion_contrast"} & set(table.columns)
    assert not {"FLAIR_qi_1", "FLAIR_inu_range", "FLAIR_position_z_mm"} & set(table.columns)
    assert all("FLAIR_air: the image holds the brain only" in text for text in table["absent"])
    assert (derivatives / "quality.html").is_file() and (derivatives / "quality.json").is_file()


def test_a_verdict_is_recorded_shown_and_taken_back(judged: tuple[Path, Path]) -> None:
    study, out = judged
    derivatives = out / "derivatives" / "dawson"
    start = ["review", str(study), "001", "ses-01"]
    end = ["--by", "A. Reader", "--reason", "motion", "--out", str(out)]
    assert CliRunner().invoke(app, [*start, "--reject", *end]).exit_code == 0
    assert excluded(derivatives, ("reject",)) == {("sub-001", "ses-01"): "A. Reader: motion"}
    assert "reject by A. Reader" in (derivatives / "quality.html").read_text()
    shown = CliRunner().invoke(app, ["review", str(study), "--out", str(out), "--json"])
    assert json.loads(shown.stdout)[0]["verdict_reason"] == "motion"
    assert CliRunner().invoke(app, [*start, "--undo", *end]).exit_code == 0
    assert excluded(derivatives, ("reject",)) == {}


def test_many_verdicts_all_or_none(judged: tuple[Path, Path], tmp_path: Path) -> None:
    study, out = judged
    path = tmp_path / "verdicts.csv"
    path.write_text("participant_id,session_id,verdict,reason\n001,01,reject,x\nsub-999,ses-01,reject,x\n")
    words = ["review", str(study), "--csv", str(path), "--by", "B", "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, QualityError) and "sub-999" in str(done.exception)
    assert excluded(out / "derivatives" / "dawson", ("reject",)) == {}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["review", "STUDY", "001", "ses-01", "--by", "B", "--reason", "x"], QualityError),
        (["review", "STUDY", "001", "ses-01", "--accept", "--reject", "--by", "B", "--reason", "x"], QualityError),
        (["review", "STUDY", "001", "ses-01", "--accept", "--reason", "x"], QualityError),
        (["run", "STUDY", "--participant", "404"], CohortError),
    ],
)
def test_wrong_words_are_told(words: list[str], kind: type[Exception], judged: tuple[Path, Path], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [word.replace("STUDY", str(judged[0])) for word in words] + ["--out", str(tmp_path)])
    assert isinstance(done.exception, kind)


def test_a_dry_run_writes_nothing(judged: tuple[Path, Path], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", str(judged[0]), "--out", str(tmp_path / "new"), "--dry-run"])
    assert done.exit_code == 0 and "sub-001" in done.stdout
    assert not (tmp_path / "new").exists()

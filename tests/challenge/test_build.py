"""Challenges made from a study: nobody in two parts, nothing hidden in public, everything whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from dawson.challenge.build import build_challenge, hidden_cases, plan_challenge, truth_path
from dawson.challenge.cases import Shares
from dawson.challenge.entries import take_entry
from dawson.challenge.scoring import cases_of_phase, score_entry
from dawson.challenge.task import task_named
from dawson.cli.challenge import app
from dawson.cohort.bids import write_dataset_description, write_participants
from dawson.config import StudyConfig
from dawson.errors import CohortError, ConfigError, ConsentError, TooFewParticipantsError
from dawson.files import read_tsv, write_text, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE

SHAPE = (12, 12, 12)
PEOPLE = [f"sub-zw{letter}" for letter in "abcdefghijkl"]


def save(path: Path, voxels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)


@pytest.fixture
def study(tmp_path):
    """Twelve people with two sessions each; a lesion more at the second."""
    root = tmp_path / "study"
    write_dataset_description(root, "Some people")
    diagnosis = ["MS"] * 6 + ["NMOSD"] * 6
    write_participants(
        root, pd.DataFrame({"participant_id": PEOPLE, "diagnosis": diagnosis, "site": ["A", "B"] * 6, "edss": np.arange(12) / 2})
    )
    for number, person in enumerate(PEOPLE):
        write_tsv(
            root / person / f"{person}_sessions.tsv", pd.DataFrame({"session_id": ["ses-a", "ses-b"], "days_from_baseline": [0, 300]})
        )
        for session in ("ses-a", "ses-b"):
            stem = f"{person}_{session}"
            made = root / "derivatives" / "dawson" / person / session / "anat"
            flair = np.full(SHAPE, 10.0 + number, np.float32)
            save(root / person / session / "anat" / f"{stem}_FLAIR.nii.gz", flair)
            save(made / f"{stem}_space-{TEMPLATE_SPACE}_desc-preproc_FLAIR.nii.gz", flair)
            numbers = np.zeros(SHAPE, np.uint8)
            numbers[2:5, 2:5, 2:5] = 1
            if session == "ses-b":
                numbers[7:9, 7:9, 7:9] = 2
            for maker, kind, voxels in (("expert", "mask", numbers > 0), ("sim", "dseg", numbers)):
                save(made / f"{stem}_space-{TEMPLATE_SPACE}_label-lesion_desc-{maker}_{kind}.nii.gz", voxels.astype(np.uint8))
    return root


def built(study, material, task, out, **options):
    chosen = task_named(task)
    plan = plan_challenge(study, chosen, StudyConfig(), shares=Shares(0.5, 0.5), **options)
    settings = material.settings_of(task, targets=plan.targets)
    return build_challenge(plan, out, settings), plan, settings


def test_nobody_is_in_two_parts_and_classes_are_spread(study, material, tmp_path):
    _, plan, _ = built(study, material, "lesion-segmentation", tmp_path / "out", seed=1)
    parts: dict[str, set[str]] = {}
    for case in plan.cases:
        parts.setdefault(case.person, set()).add(case.part)
    assert all(len(own) == 1 for own in parts.values())
    assert plan.counts() == {"training": (6, 12), "open": (3, 6), "final": (3, 6)}
    trained = [person for person, own in parts.items() if own == {"training"}]
    assert sum(PEOPLE.index(person) < 6 for person in trained) == 3


def test_the_public_folder_says_nothing_of_the_study_and_holds_no_truth_of_tests(study, material, tmp_path):
    out, plan, _ = built(study, material, "lesion-segmentation", tmp_path / "out", seed=1)
    public = [path for path in (out / "public").rglob("*") if path.is_file()]
    text = " ".join(str(path.relative_to(out)) for path in public)
    text += " ".join(path.read_text() for path in public if not path.name.endswith(".nii.gz"))
    assert "zw" not in text
    assert "ses-a" not in text
    assert not list((out / "public" / "test").rglob("*mask*"))
    assert len(list((out / "public" / "training").rglob("*desc-truth_mask.nii.gz"))) == 12
    assert (out / "hidden").stat().st_mode & 0o077 == 0
    assert set(hidden_cases(out)["part"]) == {"open", "final"}
    for case in plan.cases:
        folder = out / "public" / ("training" if case.part == "training" else "test") / case.public_person
        copied = list(folder.rglob(f"{case.name}_*FLAIR.nii.gz"))
        assert np.asarray(nib.load(copied[0]).dataobj).max() == 10 + PEOPLE.index(case.person)


def test_new_lesions_are_those_whose_number_is_new(study, material, tmp_path):
    out, plan, _ = built(study, material, "new-lesions", tmp_path / "out", maker="sim", seed=1)
    assert len(plan.cases) == 12
    tested = [case for case in plan.cases if case.part != "training"]
    truth = np.asarray(nib.load(truth_path(out, tested[0].name)).dataobj)
    assert truth.sum() == 8 and truth[8, 8, 8] == 1
    person = out / "public" / "test" / tested[0].public_person
    assert sorted(path.name for path in person.iterdir()) == ["ses-01", "ses-02"]


def test_a_table_challenge_goes_from_study_to_scores(study, material, tmp_path):
    out, plan, settings = built(study, material, "outcome", tmp_path / "out", targets=("edss",), seed=2)
    assert len(plan.cases) == 12
    cases = cases_of_phase(out, settings, "open")
    assert "edss" not in (out / "public" / "test" / "cases.tsv").read_text()
    truth = hidden_cases(out).set_index("case")["edss"]
    answer = tmp_path / "answer.csv"
    answer.write_text("case,edss\n" + "\n".join(f"{case},{truth[case] + 1}" for case in cases))
    entry = take_entry(out, settings, answer, "Team", phase="open", reference=True)
    assert score_entry(out, entry.entry_id).state == "scored"
    assert (read_tsv(out / "entries" / entry.entry_id / "scores.tsv")["absolute_error"] == 1).all()


def test_the_same_seed_makes_the_same_parts_and_no_seed_others(study):
    task = task_named("diagnosis")
    plans = [plan_challenge(study, task, StudyConfig(), seed=seed) for seed in (4, 4, None, None)]
    parts = [[(case.name, case.part, case.person) for case in plan.cases] for plan in plans]
    assert parts[0] == parts[1]
    assert parts[2] != parts[3]


def test_people_without_consent_to_public_use_are_left_out(study):
    write_text(study / "study.toml", "[governance]\nmanaged = true\n")
    with pytest.raises(ConsentError, match="Nobody"):
        plan_challenge(study, task_named("diagnosis"), StudyConfig())


def test_raw_images_of_real_people_are_never_handed_out(study):
    for path in study.rglob("*desc-preproc*"):
        path.unlink()
    with pytest.raises(CohortError, match="No session"):
        plan_challenge(study, task_named("lesion-segmentation"), StudyConfig())


def test_too_few_people_and_unknown_columns_are_refused(study):
    with pytest.raises(TooFewParticipantsError, match="needs 2 at least"):
        plan_challenge(study, task_named("diagnosis"), StudyConfig(), where="edss < 2 or edss > 5")
    with pytest.raises(CohortError, match="no column weight"):
        plan_challenge(study, task_named("outcome"), StudyConfig(), targets=("weight",))
    with pytest.raises(ConfigError, match="targets"):
        plan_challenge(study, task_named("volumes"), StudyConfig())


def test_a_broken_build_leaves_nothing_and_a_folder_is_never_written_over(study, material, tmp_path):
    next(study.rglob("*label-lesion_desc-expert_mask.nii.gz")).write_bytes(b"damaged")
    with pytest.raises(Exception, match="cannot be read"):
        built(study, material, "lesion-segmentation", tmp_path / "out", seed=1)
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="not empty"):
        built(study, material, "diagnosis", tmp_path / "out")
    with pytest.raises(ConfigError, match="lies in the study"):
        built(study, material, "diagnosis", study / "challenge")


def test_the_command_line_goes_from_a_study_to_a_leaderboard(study, tmp_path):
    runner = CliRunner()
    out = tmp_path / "challenge"
    dry = runner.invoke(app, ["new", str(study), "--out", str(out), "--dry-run", "--json"])
    assert dry.exit_code == 0 and not out.exists()
    assert json.loads(dry.stdout)["parts"]["training"] == [6, 12]
    made = runner.invoke(app, ["new", str(study), "--out", str(out), "--task", "diagnosis", "--title", "Who is who"])
    assert made.exit_code == 0, made.output
    assert runner.invoke(app, ["rank", str(out)]).exit_code != 0
    cases = hidden_cases(out).query("part == 'open'")["case"]
    answer = tmp_path / "answer.csv"
    answer.write_text("case,probability_MS,probability_NMOSD\n" + "\n".join(f"{case},0.5,0.5" for case in cases))
    checked = runner.invoke(app, ["submit", str(out), str(answer), "--team", "Coin", "--dry-run"])
    assert checked.exit_code == 0 and not (out / "entries").exists()
    assert runner.invoke(app, ["submit", str(out), str(answer), "--team", "Coin", "--no-score"]).exit_code == 0
    assert "scored" in runner.invoke(app, ["score", str(out)]).output
    ranked = runner.invoke(app, ["rank", str(out), "--json"])
    assert ranked.exit_code == 0, ranked.output
    found = json.loads(ranked.stdout)
    assert found["entries"][0]["auc"] == 0.5
    assert Path(found["page"]).is_file()
    assert "Certificate" in runner.invoke(app, ["certificate", str(out), found["entries"][0]["entry"]]).output
    answer.write_text("case,probability_MS,probability_NMOSD\nsub-x,1,0\n")
    broken = runner.invoke(app, ["submit", str(out), str(answer), "--team", "Coin"])
    assert broken.exit_code == 1 and "no case of this phase" in broken.output

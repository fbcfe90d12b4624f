"""Which images a study uses, and by what it knows them again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dawson.classification.contents import CONTENTS, scan_contents
from dawson.classification.experiment import StudyPaths
from dawson.classification.images import UsableImages, candidate_images, guard_images, of_quality, read_stack, stack_of
from dawson.classification.plan import plan_study
from dawson.cohort.dataset import read_cohort
from dawson.cohort.scan import Scan
from dawson.config import QualitySection, StudyConfig
from dawson.errors import ConsentError, LeakageError, TooFewParticipantsError
from dawson.files import write_tsv
from dawson.governance.consent import ConsentRecord
from dawson.governance.consent_acts import record_consent
from dawson.quality.verdicts import Verdict, record

NO_EXCLUSIONS = pd.DataFrame(columns=["participant_id", "session_id", "stage", "reason"])


def write_volume(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).normal(100, 10, (30, 30, 30)).astype(np.float32)
    nib.save(nib.Nifti1Image(values, np.diag([6.0, 6.0, 6.0, 1.0])), path)
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Six people without sessions, diagnoses 0 and 1, a column called label, one missing age."""
    root = tmp_path / "study"
    rows = ["participant_id\tdiagnosis\tlabel\tage"]
    for person in range(6):
        write_volume(root / f"sub-{person}" / "anat" / f"sub-{person}_FLAIR.nii.gz", person)
        rows.append(f"sub-{person}\t{person % 2}\tx\t{'' if person == 3 else 30 + person}")
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    return root


def config_of(**study: object) -> StudyConfig:
    return StudyConfig().updated(study={"classes": ["0", "1"], "positive": "1", **study})


def test_diagnoses_that_look_like_numbers_are_names(study: Path) -> None:
    usable = candidate_images(read_cohort(study), config_of())
    assert usable.table["label"].tolist() == ["0", "1", "0", "1", "0", "1"]
    assert usable.exclusions.empty


def test_an_empty_cell_is_a_missing_number(study: Path) -> None:
    usable = candidate_images(read_cohort(study), config_of(where="age >= 32"))
    assert usable.table["participant_id"].tolist() == ["sub-2", "sub-4", "sub-5"]
    assert set(usable.exclusions["stage"]) == {"selection"}


def test_other_diagnoses_and_missing_flairs_are_excluded_with_a_reason(study: Path) -> None:
    (study / "sub-0" / "anat" / "sub-0_FLAIR.nii.gz").rename(study / "sub-0" / "anat" / "sub-0_T1w.nii.gz")
    usable = candidate_images(read_cohort(study), config_of(classes=["0", "2"], positive="2"))
    assert usable.exclusions.set_index("participant_id")["stage"].to_dict() == {
        "sub-0": "files", "sub-1": "diagnosis", "sub-3": "diagnosis", "sub-5": "diagnosis",
    }  # fmt: skip


def test_nobody_without_consent_is_a_candidate(study: Path) -> None:
    managed = config_of().updated(governance={"managed": True})
    with pytest.raises(ConsentError, match="no consent"):
        candidate_images(read_cohort(study), managed)
    people = ["sub-0", "sub-1", "sub-2"]
    given = {"scope": ("HMB",), "form": "1", "given": date(2024, 1, 31)}
    records = [ConsentRecord(participant_id=name, **given) for name in people]
    record_consent(study, [*records, ConsentRecord(participant_id="sub-3", **given, expires=date(2024, 6, 1))])
    usable = candidate_images(read_cohort(study), managed)
    assert usable.table["participant_id"].tolist() == people
    assert usable.exclusions["stage"].tolist() == ["consent"] * 3
    assert "expired" in usable.exclusions["reason"].iloc[0]


def test_what_quality_control_rejects_is_left_out_until_a_person_accepts_it(study: Path) -> None:
    derivatives = study / "derivatives" / "dawson"
    table = pd.DataFrame({"participant_id": ["sub-0", "sub-1"], "session_id": ["", ""], "decision": ["reject", "review"]})
    table = table.assign(reason=["too dark", "a little dark"], verdict=["", ""], verdict_reason="", verdict_by="", verdict_date="")
    write_tsv(derivatives / "quality.tsv", table)
    candidates, section = candidate_images(read_cohort(study), config_of()), QualitySection()
    usable = of_quality(candidates, derivatives, section)
    assert usable.table["participant_id"].tolist() == [f"sub-{number}" for number in range(1, 6)]
    assert usable.exclusions["stage"].tolist() == ["quality"] and "too dark" in usable.exclusions["reason"].iloc[0]
    assert len(of_quality(candidates, derivatives, QualitySection(exclude=("reject", "review"))).table) == 4
    record(derivatives, [Verdict("sub-0", "", "accept", "A. Reader", "dark, but readable")])
    assert len(of_quality(candidates, derivatives, section).table) == 6


def test_a_flair_under_another_name_and_compression_is_known_again(tmp_path: Path) -> None:
    first = write_volume(tmp_path / "a.nii.gz", 1)
    second = tmp_path / "b.nii"
    nib.save(nib.load(first), second)
    other = write_volume(tmp_path / "c.nii.gz", 2)
    scans = [Scan("sub-1", "", None, first), Scan("sub-2", "", other, second)]
    contents = scan_contents(scans, tmp_path, 1)
    assert contents["sub-1", ""]["flair"] == contents["sub-2", ""]["flair"] != ""
    assert contents["sub-1", ""]["t1w"] == "" != contents["sub-2", ""]["t1w"]
    remembered = (tmp_path / CONTENTS).stat().st_mtime_ns
    assert scan_contents(scans, tmp_path, 1) == contents
    assert (tmp_path / CONTENTS).stat().st_mtime_ns == remembered


@pytest.mark.parametrize("contrast", ["flair", "t1w"])
def test_people_with_one_raw_image_leak_though_their_channel_images_differ(contrast: str) -> None:
    table = pd.DataFrame(
        {"participant_id": ["sub-1", "sub-2"], "session_id": "", "hash": ["x", "y"], "flair": ["a", "b"], "t1w": ["c", "d"]}
    )
    splits = table[["participant_id", "session_id"]].assign(repeat=0, fold=0, role=["train", "test"])
    guard_images(splits, UsableImages(table, NO_EXCLUSIONS))
    table[contrast] = "same"
    with pytest.raises(LeakageError, match=r"sub-1 and sub-2"):
        guard_images(splits, UsableImages(table, NO_EXCLUSIONS))


def test_an_image_that_was_made_again_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((5, 4, 4), np.float32))
    table = pd.DataFrame({"path": [str(path)], "hash": ["old"]})
    assert not stack_of(table).any()
    np.save(path, np.ones((5, 4, 4), np.float32))
    assert stack_of(table.assign(hash="new")).all() and read_stack([path]).all()


def test_a_class_that_nobody_is_tested_in_stops_the_study_before_training(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    table = image_table(per_class=8).assign(site="A")
    table.loc[table["label"] == "B", "site"] = ["A"] * 4 + ["X"] * 4
    settings = {"scheme": "external", "external_where": "site == 'X'", "folds": 2}
    config = StudyConfig().updated(study={"classes": ["A", "B"], "positive": "B"}, split=settings)
    with pytest.raises(TooFewParticipantsError, match="diagnosis A are in a test set"):
        plan_study(StudyPaths(tmp_path, tmp_path), "main", config, UsableImages(table, NO_EXCLUSIONS))


def test_the_model_does_not_learn_from_an_external_test_set(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    table = image_table(per_class=8)
    table["site"] = ["X" if index % 4 == 0 else "A" for index in range(len(table))]
    settings = {"scheme": "external", "external_where": "site == 'X'", "folds": 2}
    config = StudyConfig().updated(study={"classes": ["A", "B"], "positive": "B"}, split=settings)
    plan = plan_study(StudyPaths(tmp_path, tmp_path), "main", config, UsableImages(table, NO_EXCLUSIONS))
    external = set(table.loc[table["site"] == "X", "participant_id"])
    assert external and not external & set(plan.final["participant_id"])

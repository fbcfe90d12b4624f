"""Beyond two classes and one centre: a three-class and a leave-one-site-out study, and a model outside its study, from end to end."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dawson.classification.experiment import StudyPaths
from dawson.classification.external import run_external
from dawson.classification.model import read_model
from dawson.classification.study import run_study
from dawson.cohort.dataset import read_cohort
from dawson.config import StudyConfig
from dawson.errors import ConfigError, LeakageError
from dawson.files import read_json, read_tsv
from dawson.report.external import write_external_report
from dawson.report.study import write_study_report

CLASSES = ("MS", "NMOSD", "MOGAD")
FILES = ("trust.json", "subgroups.json", "comparison.json", "comparators.tsv", "saliency.json", "metrics.json")
# One scan each and a network of a quarter of the width: what is tested is the way, not the figures.
CONFIG = StudyConfig().updated(
    study={"classes": CLASSES},
    split={"folds": 2, "repeats": 1},
    training={"network": "resnet18-narrow", "epochs": 1, "batch_size": 4},
    evaluation={"bootstraps": 100, "abstain_alpha": 0.4},
)


def simulated(out: Path, seed: int, ms: int, nmosd: int, mogad: int) -> Path:
    from dawson.simulation.cohort import simulate_cohort
    from dawson.simulation.people import plan_cohort

    plan = plan_cohort({"MS": ms, "NMOSD": nmosd, "MOGAD": mogad}, seed=seed, sites=("A", "B"))
    baseline = tuple(replace(person, visits=person.visits[:1]) for person in plan.people)
    return simulate_cohort(out, replace(plan, people=baseline), seed=seed, jobs=1)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated(tmp_path_factory.mktemp("three"), 3, ms=4, nmosd=4, mogad=4)


@pytest.fixture(scope="module")
def three(cohort: Path) -> Path:
    return run_study(StudyPaths(cohort, cohort), "three", CONFIG.updated(split={"scheme": "nested-k-fold"}), jobs=1)


def test_a_study_of_three_classes(three: Path, cohort: Path) -> None:
    assert all((three / name).is_file() for name in FILES)
    metrics, trust = read_json(three / "metrics.json"), read_json(three / "trust.json")
    assert set(metrics["per_class"]) == set(CLASSES) and len(metrics["confusion"]["matrix"]) == 3
    assert sum(metrics["n_test_participants"].values()) == 12
    assert set(trust["abstention"]["coverage"]) == set(CLASSES) and trust["abstention"]["promised"] == pytest.approx(0.6)
    assert {row["site"] for row in trust["abstention"]["by_site"]} == {"A", "B"}
    assert trust["calibration"]["nll_improved_repeats"]["of"] == 2
    rows = read_json(three / "subgroups.json")
    assert {row["variable"] for row in rows} >= {"site", "sex"} and all(set(row["n"]) == set(CLASSES) for row in rows)
    # Of the maps, the test patients of one of two outer folds.
    assert read_json(three / "comparison.json")["lesion_masks"] == {"sim": 12}
    assert read_json(three / "saliency.json")["lesion_masks"] == {"sim": 6}
    page = write_study_report(three, cohort).read_text()
    assert "which no method would find so well" in page
    assert all(name in page for name in CLASSES) and "How sure is it?" in page


def test_leaving_out_a_site(cohort: Path) -> None:
    folder = run_study(StudyPaths(cohort, cohort), "sites", CONFIG.updated(split={"scheme": "leave-one-site-out"}), jobs=1)
    assert all((folder / name).is_file() for name in FILES)
    predictions, people = read_tsv(folder / "predictions.tsv"), read_tsv(cohort / "participants.tsv", text=("site",))
    tested = predictions[predictions["role"] == "test"].merge(people[["participant_id", "site"]], on="participant_id")
    assert tested.groupby("repeat")["site"].agg(lambda values: "".join(sorted(set(values)))).tolist() == ["A", "B"]
    assert read_json(folder / "metrics.json")["n_repeats"] == 2
    by_site = {row["site"]: row["n"] for row in read_json(folder / "trust.json")["abstention"]["by_site"]}
    assert by_site == tested.groupby("site")["participant_id"].nunique().to_dict()
    assert {row["level"] for row in read_json(folder / "subgroups.json") if row["variable"] == "site"} == {"A", "B"}
    assert "leave-one-site-out" in write_study_report(folder, cohort).read_text()


def test_a_model_carries_what_it_needs_to_be_questioned(three: Path, cohort: Path) -> None:
    model = read_model(cohort / "models" / "three")
    carried = (model.folder / "calibration.json").read_text()
    assert json.loads(carried)["participants"] == dict.fromkeys(CLASSES, 4)
    assert "sub-" not in carried and set(model.description) >= {"calibration", "familiarity"}


def test_a_model_outside_its_study(three: Path, cohort: Path, tmp_path: Path) -> None:
    other = simulated(tmp_path / "other", 91, ms=1, nmosd=2, mogad=1)
    model, paths = read_model(cohort / "models" / "three"), StudyPaths(other, tmp_path / "results")
    folder = run_external(model, read_cohort(other), paths, CONFIG, jobs=1)
    said = read_json(folder / "external.json")
    assert said["n"] == {"MS": 1, "NMOSD": 2, "MOGAD": 1} and said["training_people_refused"]
    assert set(said["abstention"]["outside"]["coverage"]) == set(CLASSES)
    assert said["figures"]["inside"]["auc"] == model.description["performance"]["figures"]["auc"]
    assert len(read_tsv(folder / "predictions.tsv")) == 4 * 2  # patients, members
    page = write_external_report(folder).read_text()
    assert "Outside, the model reaches an AUC of" in page and "Simulated data." in page and "sub-" not in page
    assert not list(other.glob("external"))


def test_a_model_is_not_judged_on_those_it_learnt_from(three: Path, cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(LeakageError, match="was trained on sub-"):
        run_external(read_model(cohort / "models" / "three"), read_cohort(cohort), StudyPaths(cohort, tmp_path), CONFIG, jobs=1)


def test_a_group_that_no_table_has_is_told_before_anything_is_trained(cohort: Path, tmp_path: Path) -> None:
    config = CONFIG.updated(evaluation={"subgroups": ["shoe_size"]}, split={"scheme": "nested-k-fold"})
    with pytest.raises(ConfigError, match="shoe_size"):
        run_study(StudyPaths(cohort, cohort), "never", config, jobs=1)
    assert not (cohort / "experiments" / "never").exists()


def test_experiments_on_the_same_splits_are_compared(three: Path, cohort: Path, dawson) -> None:
    shutil.copytree(three, three.parent / "again", dirs_exist_ok=True)
    done = dawson("study", "compare", "three", "again", "--study", cohort, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result["models"]) == {"three", "again"} and result["pairs"][0]["difference"]["estimate"] == 0
    shown = dawson("study", "compare", "three", "again", "--study", cohort)
    assert result["simulated"] is True and result["research_use_only"] is True
    assert "Research use only. The patients are simulated." in shown.stdout
    assert "Differences" in shown.stdout and "three - again" in shown.stdout
    alone = dawson("study", "compare", "three", "--study", cohort)
    assert alone.returncode == 1 and "two experiments" in alone.stderr

"""Taking a person out of an experiment: what stays, what must be trained anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from dawson.classification.experiment import StudyPaths
from dawson.classification.explanations import without_person
from dawson.classification.images import UsableImages
from dawson.classification.plan import Plan, plan_of, plan_study, train_pending
from dawson.classification.withdrawal import RETRAIN, ModelsAndExperiments, needs_retraining, take_out
from dawson.config import StudyConfig, dump_config
from dawson.files import read_tsv, write_text, write_tsv

CONFIG = StudyConfig().updated(
    study={"classes": ["A", "B"], "positive": "B"},
    split={"repeats": 2, "folds": 2, "test_per_class": 3},
    training={"epochs": 1, "network": "resnet18-narrow"},
)
NOTHING = pd.DataFrame(columns=["participant_id", "session_id", "stage", "reason"])


def trained(out: Path, table: pd.DataFrame) -> tuple[Plan, str]:
    """A trained plan with its tables on disk, and somebody who is tested in one repeat and learnt from in the other."""
    paths = StudyPaths(out, out)
    plan = plan_study(paths, "main", CONFIG, UsableImages(table, NOTHING))
    train_pending(plan, 1)
    folder = paths.experiment("main")
    write_text(folder / "config.toml", dump_config(CONFIG))
    write_tsv(folder / "splits.tsv", plan.splits)
    write_tsv(folder / "final_splits.tsv", plan.final)
    write_tsv(paths.manifest("main"), table[["participant_id", "session_id", "label", "hash"]])
    tested = plan.splits[plan.splits["role"] == "test"].groupby("participant_id")["repeat"].nunique()
    return plan, str(tested.index[tested == 1][0])


def without(plan: Plan, person: str, out: Path) -> Plan:
    splits, final = (table[table["participant_id"] != person].reset_index(drop=True) for table in (plan.splits, plan.final))
    table = plan.usable.table
    usable = UsableImages(table[table["participant_id"] != person].reset_index(drop=True), NOTHING)
    return plan_of(StudyPaths(out, out), "main", CONFIG, usable, splits, final)


def test_a_run_that_only_tested_the_person_keeps_its_network(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    plan, person = trained(tmp_path, image_table(per_class=8))
    ModelsAndExperiments().remove(tmp_path, person)
    after = without(plan, person, tmp_path)
    tested_in = set(plan.splits.loc[(plan.splits["participant_id"] == person) & (plan.splits["role"] == "test"), "repeat"])
    assert len(tested_in) == 1
    assert {run.repeat for run in after.runs if run.is_done()} == tested_in
    assert not any(run.is_done() for run in after.final_runs)


def test_a_tested_image_or_label_that_changed_is_judged_anew(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    plan, person = trained(tmp_path, image_table(per_class=8))
    table = plan.usable.table
    own = table["participant_id"] == person
    for changed in (table.assign(hash=table["hash"].where(~own, "0" * 64)), table.assign(label=table["label"].where(~own, "A"))):
        again = plan_of(StudyPaths(tmp_path, tmp_path), "main", CONFIG, UsableImages(changed, NOTHING), plan.splits, plan.final)
        differs = not changed.equals(table)
        assert [run.is_done() for run in again.runs] == [not differs] * len(again.runs)


def test_taking_somebody_out_of_one_experiment_leaves_the_others(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    plan, person = trained(tmp_path, image_table(per_class=8))
    other = tmp_path / "experiments" / "other"
    write_tsv(other / "splits.tsv", plan.splits)
    take_out(tmp_path / "experiments" / "main", person)
    assert person in (other / "splits.tsv").read_text() and not (other / RETRAIN).exists()
    assert person not in (tmp_path / "experiments" / "main" / "splits.tsv").read_text()


def test_half_written_files_do_not_stop_a_removal(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    plan, person = trained(tmp_path, image_table(per_class=8))
    (tmp_path / "experiments" / "main" / "runs" / ".part-x_explanations.npz").write_bytes(b"half")
    broken = plan.runs[0].explanations
    broken.write_bytes(b"half")
    splits = tmp_path / "experiments" / "main" / "splits.tsv"
    splits.write_text(splits.read_text() + "\n")
    ModelsAndExperiments().remove(tmp_path, person)
    assert not broken.exists() and person not in splits.read_text()


def test_a_model_without_its_experiment_is_named(tmp_path: Path) -> None:
    manifest = pd.DataFrame({"participant_id": ["sub-1"], "session_id": [""], "label": ["A"]})
    write_tsv(tmp_path / "governance" / "training-manifests" / "old.tsv", manifest)
    (tmp_path / "models" / "old").mkdir(parents=True)
    assert [(trace.kind, trace.path) for trace in ModelsAndExperiments().remove(tmp_path, "sub-1")] == [("model", "models/old")]
    assert needs_retraining(tmp_path / "models" / "old") is not None


def test_nothing_of_the_person_is_left_and_the_others_are_untouched(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    plan, person = trained(tmp_path, image_table(per_class=8))
    before = {run.name: read_tsv(run.predictions, text=("role",)) for run in plan.runs}
    traces = ModelsAndExperiments().remove(tmp_path, person)
    assert {trace.kind for trace in traces} >= {"experiment", "model"}
    experiment = tmp_path / "experiments" / "main"
    assert not any(person in path.read_text() for path in experiment.rglob("*.tsv"))
    for run in plan.runs:
        old = before[run.name]
        kept = old[old["participant_id"] != person].reset_index(drop=True)
        pd.testing.assert_frame_equal(read_tsv(run.predictions, text=("role",)), kept)
        if run.explain:
            with np.load(run.explanations) as arrays:
                tested = run.table.loc[run.table["role"] == "test", "participant_id"]
                assert sorted(arrays["participant_id"]) == sorted(set(tested) - {person})
                assert arrays["gradcam_randomised"].shape[1] == arrays["gradcam_grid"].shape[0] == len(arrays["participant_id"])


def test_looking_changes_nothing_and_marks_name_nobody(tmp_path: Path, image_table: Callable[..., pd.DataFrame]) -> None:
    _, person = trained(tmp_path, image_table(per_class=8))
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    found = ModelsAndExperiments().find(tmp_path, person)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files
    assert any(trace.kind == "model" and "retrain" in trace.action for trace in found)
    assert needs_retraining(tmp_path / "models" / "main") is None
    ModelsAndExperiments().remove(tmp_path, person)
    assert needs_retraining(tmp_path / "models" / "main") is not None
    assert person not in (tmp_path / "models" / "main" / RETRAIN).read_text()


def test_taking_somebody_out_of_explanations_who_is_not_in_them_says_so(tmp_path: Path) -> None:
    path = tmp_path / "explanations.npz"
    np.savez(path, participant_id=np.array(["sub-1", "sub-2"]), images=np.arange(2.0), classes=np.array(["A", "B"]))
    assert not without_person(path, "sub-3")
    assert without_person(path, "sub-1")
    with np.load(path) as arrays:
        assert arrays["participant_id"].tolist() == ["sub-2"] and arrays["images"].tolist() == [1.0]
        assert arrays["classes"].tolist() == ["A", "B"]

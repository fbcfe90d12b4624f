from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cohort.dataset import read_cohort
from dawson.errors import CohortError, ConfigError
from dawson.files import read_tsv, sha256
from dawson.imaging.template import template_image
from dawson.simulation import CohortPlan, plan_cohort, simulate_cohort
from dawson.simulation.anatomy import atlas


def _flair(root: Path, participant_id: str, session_id: str) -> Path:
    return root / participant_id / session_id / "anat" / f"{participant_id}_{session_id}_FLAIR.nii.gz"


def _hashes(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): sha256(path) for path in sorted(root.rglob("*")) if path.is_file()}


def test_scans_lie_on_the_template_and_say_what_they_are(template_cohort: Path, tiny_plan: CohortPlan) -> None:
    path = _flair(template_cohort, "sub-001", "ses-01")
    image = nib.load(path)
    assert image.shape == (197, 233, 189)
    np.testing.assert_allclose(image.affine, template_image(1.0).affine)
    sidecar = json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())
    assert {name: sidecar[name] for name in ("SimulatedData", "SkullStripped", "Space")} == {
        "SimulatedData": True, "SkullStripped": True, "Space": "MNI152NLin2009aSym",
    }  # fmt: skip
    assert sidecar["SimulatedScanner"] == tiny_plan.people[0].site and "FLAIR_noise" in sidecar["SimulatedArtefacts"]


def test_the_cohort_is_read_back_and_called_simulated(template_cohort: Path, tiny_plan: CohortPlan) -> None:
    cohort = read_cohort(template_cohort)
    assert cohort.simulated
    assert len(cohort.scans) == tiny_plan.n_scans == 4
    assert all(scan.t1w and scan.flair for scan in cohort.scans)
    assert "SIMULATED" in (template_cohort / "README").read_text()
    assert list(cohort.participants["age"]) == [person.age for person in tiny_plan.people]


def test_images_do_not_depend_on_the_number_of_jobs(template_cohort: Path, tiny_plan: CohortPlan, tmp_path: Path) -> None:
    again = simulate_cohort(tmp_path / "again", tiny_plan, seed=3, jobs=2)
    assert _hashes(again) == _hashes(template_cohort)


def test_an_interrupted_cohort_is_completed_to_the_same_files(template_cohort: Path, tiny_plan: CohortPlan, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(template_cohort, copy)
    kept = _flair(copy, "sub-001", "ses-01")
    before = kept.stat().st_mtime_ns
    shutil.rmtree(copy / "sub-003" / "ses-01")
    simulate_cohort(copy, tiny_plan, seed=3)
    assert _hashes(copy) == _hashes(template_cohort)
    assert kept.stat().st_mtime_ns == before


def test_follow_up_shows_the_same_brain(template_cohort: Path, tiny_plan: CohortPlan) -> None:
    person = next(person for person in tiny_plan.people if len(person.visits) == 2)
    others = [other for other in tiny_plan.people if other is not person]
    baseline = np.asarray(nib.load(_flair(template_cohort, person.participant_id, "ses-01")).dataobj).ravel()
    follow_up = np.asarray(nib.load(_flair(template_cohort, person.participant_id, "ses-02")).dataobj).ravel()
    assert not np.array_equal(baseline, follow_up)
    inside = atlas_mask()
    same = np.corrcoef(baseline[inside], follow_up[inside])[0, 1]
    for other in others:
        theirs = np.asarray(nib.load(_flair(template_cohort, other.participant_id, "ses-01")).dataobj).ravel()
        assert same > np.corrcoef(baseline[inside], theirs[inside])[0, 1] + 0.2


def atlas_mask() -> np.ndarray:
    brain = atlas()
    whole = np.zeros(brain.grid_shape, dtype=bool)
    whole[brain.box] = brain.mask > 0
    return whole.ravel()


def test_true_lesions_are_bright_on_flair(template_cohort: Path) -> None:
    for path in sorted((template_cohort / "derivatives" / "dawson").rglob("*_label-lesion_desc-sim_mask.nii.gz")):
        truth = np.asarray(nib.load(path).dataobj) > 0
        participant_id, session_id = path.name.split("_")[:2]
        flair = np.asarray(nib.load(_flair(template_cohort, participant_id, session_id)).dataobj)
        if truth.sum() > 20:
            assert flair[truth].mean() > 1.15 * flair[flair > 0].mean()
            assert (flair[truth] > 0).all()


def test_every_lesion_of_the_table_is_in_the_image_and_the_other_way_round(template_cohort: Path) -> None:
    for path in sorted((template_cohort / "derivatives" / "dawson").rglob("*_desc-sim_lesions.tsv")):
        table = read_tsv(path)
        entities = path.name.removesuffix("_desc-sim_lesions.tsv")
        image = nib.load(path.with_name(f"{entities}_space-MNI152NLin2009aSym_label-lesion_desc-sim_dseg.nii.gz"))
        numbers, counts = np.unique(np.asarray(image.dataobj), return_counts=True)
        seen = dict(zip(numbers.tolist(), (counts / 1000).tolist(), strict=True))
        assert set(seen) - {0} <= set(table["number"])
        for row in table.itertuples():
            assert row.volume_ml == pytest.approx(seen.get(row.number, 0.0), abs=1e-4)
        if "ses-01" in path.name:
            assert set(table["change"]) <= {"baseline"}
        else:
            before = read_tsv(Path(str(path).replace("ses-02", "ses-01"))).set_index("number")["volume_ml"]
            old = table[table["number"].isin(before.index)]
            np.testing.assert_allclose(old["previous_volume_ml"], before[old["number"]])


def test_the_label_map_covers_the_brain_and_is_named(template_cohort: Path) -> None:
    path = next((template_cohort / "derivatives" / "dawson").rglob("*_space-MNI152NLin2009aSym_desc-sim_dseg.nii.gz"))
    labels = np.asarray(nib.load(path).dataobj)
    names = json.loads(Path(str(path).replace(".nii.gz", ".json")).read_text())["LabelMap"]
    assert set(np.unique(labels).tolist()) - {0} <= {int(label) for label in names}
    participant_id, session_id = path.name.split("_")[:2]
    brain = np.asarray(nib.load(_flair(template_cohort, participant_id, session_id)).dataobj) > 0
    assert (labels[brain] > 0).mean() > 0.995


def test_a_cohort_without_lesions_has_none(tmp_path: Path) -> None:
    plan = plan_cohort({"MS": 1}, followed_up={"MS": 0}, seed=0, lesions=False)
    out = simulate_cohort(tmp_path / "none", plan)
    truth = next((out / "derivatives").rglob("*_mask.nii.gz"))
    assert not np.asarray(nib.load(truth).dataobj).any()


def test_foreign_folders_and_other_settings_are_refused(template_cohort: Path, tiny_plan: CohortPlan, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(CohortError, match="not empty"):
        simulate_cohort(tmp_path, tiny_plan)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]
    with pytest.raises(CohortError, match="other settings"):
        simulate_cohort(template_cohort, tiny_plan, seed=4)
    with pytest.raises(CohortError, match="other settings"):
        simulate_cohort(template_cohort, tiny_plan, seed=3, thickness_mm=4.0)


@pytest.mark.parametrize("options", [{"space": "moon"}, {"thickness_mm": 20.0}, {"seed": -1}])
def test_settings_that_cannot_be_are_refused(options: dict, tiny_plan: CohortPlan, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        simulate_cohort(tmp_path / "out", tiny_plan, **options)


@pytest.mark.parametrize("which", ["template_cohort", "native_cohort"])
def test_the_dataset_is_valid_bids(which: str, request: pytest.FixtureRequest) -> None:
    validator = Path(sys.executable).with_name("bids-validator-deno")
    if not validator.exists():
        pytest.skip("bids-validator-deno is not installed")
    root = request.getfixturevalue(which)
    done = subprocess.run([validator, root, "--format", "json", "-r"], capture_output=True, text=True, timeout=120)
    errors = [issue for issue in json.loads(done.stdout)["issues"]["issues"] if issue["severity"] == "error"]
    assert errors == []

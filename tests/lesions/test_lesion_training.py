"""Training of a lesion model from studies on disk, and its use on them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dawson.cohort.scan import Scan
from dawson.errors import CohortError, ModelError
from dawson.files import read_json, read_tsv, write_json
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.member_training import MemberRun, averaged_network, learning_rate, train_member
from dawson.lesions.model_training import member_splits, train_lesion_model
from dawson.lesions.operating_point import best_temperature, tempered
from dawson.lesions.patches import draw_centre, make_batch
from dawson.lesions.recipe import LesionRecipe
from dawson.lesions.scan_images import lesion_file
from dawson.lesions.segment import segment_study
from dawson.lesions.training_data import TRUTH, TrainingStudy, cache_cases
from dawson.lesions.weights import read_lesion_model

SIDE = 100
RECIPE = LesionRecipe().updated(
    network={"widths": (4, 8), "supervised": 1},
    patches={"size": 16},
    optimisation={"steps": 4, "checkpoint_steps": 2, "warm_up": 1, "bfloat16": False},
    ensemble={"members": 2, "folds": 2, "validation_scans": 1, "thresholds": (0.3, 0.5), "minimum_volumes_mm3": (3.0,)},
    inference={"window": 16},
)


def _study(root: Path, people: int = 6, maker: str = "sim") -> TrainingStudy:
    """Heads of 100 mm with a brain of 22 mm in template space, each with one bright lesion, larger from person to person."""
    rng = np.random.default_rng(0)
    derivatives = root / "derivatives" / "dawson"
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    scans = []
    for person in range(people):
        folder = root / f"sub-{person}" / "anat"
        folder.mkdir(parents=True)
        brain = np.zeros((SIDE,) * 3, bool)
        brain[36:58, 36:58, 36:58] = True
        lesion = np.zeros_like(brain)
        lesion[43 : 45 + person % 4, 45:48, 45:48] = True
        flair = np.where(brain, 100 + 10 * rng.standard_normal(brain.shape) + 80 * lesion, 0).astype(np.float32)
        path = folder / f"sub-{person}_FLAIR.nii.gz"
        nib.save(nib.Nifti1Image(flair, affine), path)
        write_json(folder / f"sub-{person}_FLAIR.json", {"SkullStripped": True, "Space": TEMPLATE_SPACE, "SimulatedData": True})
        scan = Scan(f"sub-{person}", "", None, path)
        truth = scan.derivative(derivatives, lesion_file(maker, "mask"))
        truth.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(lesion.astype(np.uint8), affine), truth)
        scans.append(scan)
    return TrainingStudy("tiny", tuple(scans), (derivatives,))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> TrainingStudy:
    return _study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def cases(study, tmp_path_factory):
    return cache_cases([study], tmp_path_factory.mktemp("cache"), ("sim",))[0]


@pytest.fixture(scope="module")
def model(study, tmp_path_factory):
    return train_lesion_model([study], tmp_path_factory.mktemp("models") / "tiny", RECIPE, seed=1)


def test_a_killed_run_ends_as_one_that_was_not(cases, tmp_path):
    whole = MemberRun(tmp_path / "whole", 0, 7, tuple(cases), RECIPE)
    train_member(whole, 4)
    in_two = MemberRun(tmp_path / "in-two", 0, 7, tuple(cases), RECIPE)
    train_member(in_two, 2)
    train_member(in_two, 4)
    one, other = (load_file(run.folder / "checkpoint.safetensors") for run in (whole, in_two))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_other_members_and_steps_see_other_patches(cases):
    batches = [make_batch(entropy, cases, RECIPE)[0] for entropy in ((1, 0, 0, 1), (1, 0, 0, 1), (1, 0, 1, 1), (1, 1, 0, 1))]
    assert torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], batches[2]) and not torch.equal(batches[0], batches[3])


def test_the_kept_weights_are_a_mean_of_those_of_all_steps(cases, tmp_path):
    run = MemberRun(tmp_path, 0, 7, tuple(cases), RECIPE)
    train_member(run, 2)
    checkpoint = load_file(run.folder / "checkpoint.safetensors")
    kept = averaged_network(run).state_dict()["heads.0.weight"]
    assert torch.equal(kept, checkpoint["average.heads.0.weight"])
    assert not torch.equal(kept, checkpoint["network.heads.0.weight"])


def test_learning_rate_rises_and_falls():
    part = LesionRecipe().optimisation
    rates = [learning_rate(step, part) for step in (0, part.warm_up - 1, part.restarts[0] // 2, part.restarts[0] - 1)]
    assert rates[0] < rates[1] == part.learning_rate > rates[2] > rates[3] == pytest.approx(part.learning_rate / 100, rel=1e-3)


def test_a_restart_begins_the_rise_and_fall_anew_and_changes_nothing_before():
    part = LesionRecipe().updated(optimisation={"steps": 100, "restarts": [60, 500], "warm_up": 10}).optimisation
    alone = LesionRecipe().updated(optimisation={"steps": 60, "restarts": [], "warm_up": 10}).optimisation
    assert [learning_rate(step, part) for step in range(60)] == [learning_rate(step, alone) for step in range(60)]
    assert learning_rate(69, part) == part.learning_rate > learning_rate(80, part) > learning_rate(99, part)
    # half a cosine over the 30 steps after the second rise: at its middle, half of the rate
    assert learning_rate(60 + 10 + 15, part) == pytest.approx(part.learning_rate * (0.01 + 0.99 * 0.5))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_threshold_that_is_stored_decides_in_use_as_the_chosen_one_did(temperature):
    logits = torch.linspace(-6, 6, 1001)
    for chosen in (0.3, 0.5, 0.9):
        in_use = torch.sigmoid(logits / temperature) >= tempered(chosen, temperature)
        assert (in_use != (torch.sigmoid(logits) >= chosen)).sum() <= 1  # four digits may move one of a thousand


def test_looks_of_the_validation_are_half_as_far():
    half = LesionRecipe().appearance.halved()
    assert (half.thick, half.noise, half.t1w_absent) == (0.25, 0.425, 0.25)
    assert half.lesion_contrast == pytest.approx((0.18**0.5, 1.1**0.5))
    assert half.noise_sd == LesionRecipe().appearance.noise_sd and half.offset_sd == 0.25


def test_nobody_trains_and_validates_the_same_member(cases):
    splits = member_splits(cases, RECIPE, 0)
    for _, own in splits.groupby(["fold", "participant_id"]):
        assert own["role"].nunique() == 1
    assert set(splits["fold"]) == {0, 1}


def test_patches_lie_on_lesions_as_often_as_asked(cases):
    rng = np.random.default_rng(0)
    centres = np.array([draw_centre(rng, cases[0], 1.0, 16) for _ in range(200)])
    # the lesion begins at (43, 45, 45) and the kept box at 36 less a margin of 6; the patch moves by up to 4
    assert (np.abs(centres - [13.5, 16, 16]) <= 5).all() and np.ptp(centres, axis=0).min() >= 6


def test_raters_are_averaged(tmp_path):
    study = _study(tmp_path, people=1, maker="raterA")
    first = study.scans[0].derivative(study.roots[0], lesion_file("raterA", "mask"))
    empty = np.zeros((SIDE,) * 3, np.uint8)
    nib.save(nib.Nifti1Image(empty, np.eye(4)), study.scans[0].derivative(study.roots[0], lesion_file("raterB", "mask")))
    case = cache_cases([study], tmp_path / "cache", ("raters",))[0][0]
    assert case.maker == "raters"
    both = np.asarray(nib.load(first).dataobj)
    assert sorted(np.unique(case.values()[TRUTH])) == [0.0, 0.5]
    assert int((case.values()[TRUTH] == 0.5).sum()) == int(both.sum())


def test_scans_without_truth_are_named(study, tmp_path):
    with pytest.raises(CohortError, match="no lesion mask by expert"):
        cache_cases([study], tmp_path, ("expert",))


def test_a_model_says_what_it_is(model):
    found = read_lesion_model(model)
    assert found.simulated and found.recipe == RECIPE
    assert len(found.networks()) == 2 and found.threshold in [tempered(chosen, found.temperature) for chosen in (0.3, 0.5)]
    assert not any("sub-" in path.read_text() for path in (model / "model.json", model / "card.md"))
    assert "simulated patients" in (model / "card.md").read_text()
    # six people are too few for an upper bound of 90 %
    assert found.intervals is not None and found.intervals.of(1.0, 3)["lesion_ml_high"] is None


def test_training_again_changes_nothing(model, study):
    before = read_json(model / "model.json")
    train_lesion_model([study], model, RECIPE, seed=1)
    assert read_json(model / "model.json") == before


def test_another_recipe_in_the_same_place_is_refused(model, study):
    with pytest.raises(ModelError, match="another seed"):
        train_lesion_model([study], model, RECIPE, seed=2)


def test_damaged_weights_are_refused(model, tmp_path):
    import shutil

    copy = shutil.copytree(model, tmp_path / "copy")
    with (copy / "member-0.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        read_lesion_model(copy).networks()


def test_fine_tuning_starts_from_the_given_weights(model, study, tmp_path):
    still = RECIPE.updated(optimisation={"steps": 1, "checkpoint_steps": 1, "learning_rate": 1e-12, "weight_decay": 0.0})
    tuned = train_lesion_model([study], tmp_path / "tuned", still, seed=9, start=model)
    before, after = (load_file(folder / "member-1.safetensors") for folder in (model, tuned))
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)


def test_a_study_is_segmented_once(model, study):
    derivatives = study.roots[0]
    first = segment_study(study.scans, derivatives, "dawson", 1, model=model)
    assert list(first["status"]) == ["done"] * 6 and first["simulated"].all()
    path = study.scans[2].derivative(derivatives, lesion_file("dawson", "probseg"))
    probability = np.asarray(nib.load(path).dataobj)
    mask = np.asarray(nib.load(study.scans[2].derivative(derivatives, lesion_file("dawson", "mask"))).dataobj)
    assert probability.dtype == np.float32 and probability[0, 0, 0] == 0
    assert (probability[mask > 0] >= read_lesion_model(model).threshold).all()
    assert read_json(path.with_name(path.name.replace(".nii.gz", ".json")))["SimulatedData"] is True
    assert (first["lesion_ml_low"] == 0).all() and first["lesion_count_high"].isna().all()
    changed = path.stat().st_mtime_ns
    second = segment_study(study.scans, derivatives, "dawson", 1, model=model)
    assert path.stat().st_mtime_ns == changed
    assert second.drop(columns="seconds").equals(first.drop(columns="seconds"))


def test_one_bad_scan_is_a_row(model, tmp_path):
    study = _study(tmp_path, people=2)
    study.scans[0].flair.write_bytes(b"no image")
    table = segment_study(study.scans, study.roots[0], "dawson", 1, model=model)
    assert list(table["status"]) == ["failed", "done"] and table["reason"][0]


def test_temperature_of_logits_that_are_twice_too_sure_is_two():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 40_000)
    truth = (rng.random(logits.size) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    assert best_temperature((2 * logits).astype(np.float32), truth) == pytest.approx(2.0, rel=0.1)


def test_the_log_tells_losses_of_all_members(model):
    log = read_tsv(model.with_name("tiny-training") / "training-log.tsv")
    assert list(log["member"]) == [0, 0, 1, 1] and list(log["step"]) == [2, 4, 2, 4]
    assert np.isfinite(log["loss"]).all()

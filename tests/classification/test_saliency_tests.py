"""Saliency under test: what learnt nothing fails, what points at lesions and repeats itself passes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from dawson.classification import networks
from dawson.classification.explanations import AGAIN, explanation_arrays, is_complete
from dawson.classification.networks import Architecture, architecture
from dawson.classification.randomised import COMPLETE, cascade, untrained
from dawson.classification.runs import Run, execute
from dawson.classification.saliency_maps import lesion_slices
from dawson.classification.saliency_tests import METHODS, TESTS, run_saliency_tests
from dawson.config import PreprocessSection, TrainingSection
from dawson.errors import ExperimentError
from dawson.files import sha256
from dawson.imaging.slices import channel_points

SIZE, SLICES, K = 48, 3, 4
PREPROCESS = PreprocessSection(slices_mm=(40.0, 20.0, 0.0), matrix=SIZE)


def build(channels: int, classes: int) -> nn.Module:
    """Two convolutions: quick, and its Grad-CAM has 12 x 12 cells."""
    layers = [
        ("conv1", nn.Conv2d(channels, 8, 3, stride=2, padding=1)), ("bn1", nn.BatchNorm2d(8)), ("act1", nn.ReLU()),
        ("conv2", nn.Conv2d(8, 16, 3, stride=2, padding=1)), ("bn2", nn.BatchNorm2d(16)), ("act2", nn.ReLU()),
        ("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(16, classes)),
    ]  # fmt: skip
    network = nn.Sequential()
    for name, layer in layers:
        network.add_module(name, layer)
    return network


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that the study file can name."""
    module = ModuleType("dawson_tiny_network")
    module.ARCHITECTURE = Architecture("tiny", build, "act2", "two convolutions")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(networks._MODULES, "tiny", module.__name__)


def blob(centre: tuple[int, int, int]) -> np.ndarray:
    """A lesion of 5 x 5 pixels in one slice."""
    mask = np.zeros((SLICES, SIZE, SIZE), bool)
    mask[centre[0], centre[1] - 2 : centre[1] + 3, centre[2] - 2 : centre[2] + 3] = True
    return mask


@pytest.fixture
def patients(tmp_path: Path) -> Callable[..., tuple[list[Run], dict[tuple[str, str], Path], list[np.ndarray]]]:
    """Runs of one repeat whose test patients have one lesion each, bright in class B and dark in A, and the lesion masks."""

    def make(tests: int = 10, trains: int = 8) -> tuple[list[Run], dict[tuple[str, str], Path], list[np.ndarray]]:
        rng = np.random.default_rng(0)
        rows, columns = np.mgrid[-1:1:48j, -1:1:48j]
        brain = np.broadcast_to(rows**2 + columns**2 < 0.8, (SLICES, SIZE, SIZE))
        points = channel_points(PREPROCESS.slices_mm, PREPROCESS.field_of_view_mm, SIZE)
        table, masks, lesions = [], {}, []
        for number in range(tests + trains * K):
            label = "AB"[number % 2]
            lesion = blob((int(rng.integers(SLICES)), int(rng.integers(14, 34)), int(rng.integers(14, 34))))
            image = np.where(brain, 0.5 * rng.standard_normal(brain.shape) + (4 if label == "B" else -4) * lesion, 0)
            who, path = f"sub-{number:03d}", tmp_path / f"{number}.npy"
            np.save(path, image.astype(np.float32))
            tested = number < tests
            table.append(
                {"participant_id": who, "session_id": "", "label": label, "path": str(path), "hash": sha256(path), "tested": tested}
            )
            if tested:
                lesions.append(lesion)
                masks[who, ""] = volume(tmp_path / f"{who}_mask.nii.gz", points[lesion])
        frame = pd.DataFrame(table)
        runs = []
        for fold in range(K):
            part = (np.arange(len(frame)) - tests) // 2 % K
            role = np.where(frame["tested"], "test", np.where(part == fold, "validation", "train"))
            training = TrainingSection(network="tiny", epochs=25, device="cpu", precision="float32", learning_rate=3e-3)
            runs.append(
                Run(0, fold, frame.drop(columns="tested").assign(role=role), ("A", "B"), training, 0, tmp_path / "runs", explain=True)
            )
        return runs, masks, lesions

    return make


def volume(path: Path, points: np.ndarray) -> Path:
    """A mask in template space, 2 mm, of the boxes of 4 x 4 x 2 mm about the points."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -100, -120, -20
    values = np.zeros((100, 104, 40), np.uint8)
    for voxel in np.rint((points - affine[:3, 3]) / 2).astype(int):
        values[voxel[0] - 1 : voxel[0] + 2, voxel[1] - 1 : voxel[1] + 2, voxel[2]] = 1
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


def write(runs: list[Run], arrays: Callable[[int], dict[str, np.ndarray]]) -> None:
    for fold, run in enumerate(runs):
        tested = run.table[run.table["role"] == "test"]
        run.folder.mkdir(exist_ok=True)
        names = {column: tested[column].to_numpy(dtype=str) for column in ("participant_id", "session_id")}
        np.savez(run.explanations, **names, **arrays(fold))


def images_of(run: Run) -> tuple[np.ndarray, np.ndarray]:
    tested = run.table[run.table["role"] == "test"]
    return np.stack([np.load(path) for path in tested["path"]]), tested["label"].map({"A": 0, "B": 1}).to_numpy()


def drawn(lesions: list[np.ndarray], fold: int, own: float) -> dict[str, np.ndarray]:
    """Explanations made by hand: `own` is how strongly the trained network's maps show the lesions given."""
    rng = np.random.default_rng([7, fold])
    shown = np.stack(lesions).astype(float)
    n = len(lesions)
    cells = shown.reshape(n, SLICES, 12, 4, 12, 4).max(axis=(1, 3, 5))
    slices = shown.max(axis=(2, 3))

    def both(maps: np.ndarray) -> np.ndarray:
        return np.stack([maps, maps], axis=1)

    return {
        "target": np.arange(n) % 2,
        "levels": np.array(["fc", COMPLETE, AGAIN]),
        "attribution_levels": np.array(["fc", COMPLETE, AGAIN]),
        "gradcam_grid": both(own * cells + rng.random(cells.shape)).astype(np.float32),
        "occlusion": both(own * slices + 0.3 * rng.standard_normal(slices.shape)).astype(np.float32),
        "attribution": both(own * shown + rng.standard_normal(shown.shape)).astype(np.float16),
        "gradcam_randomised": rng.random((3, *cells.shape)).astype(np.float32),
        "occlusion_randomised": rng.standard_normal((3, *slices.shape)).astype(np.float32),
        "attribution_randomised": (rng.standard_normal((3, *shown.shape)) / 8).astype(np.float16),
        "attribution_randomised_size": np.ones((3, n), np.float32),
    }


def test_lesion_masks_lie_on_the_channel_image(patients) -> None:
    _, masks, lesions = patients(tests=4)
    for path, lesion in zip(masks.values(), lesions, strict=True):
        cut = lesion_slices(path, PREPROCESS)
        assert 2 * (cut & lesion).sum() / (cut.sum() + lesion.sum()) > 0.8


def test_maps_that_show_each_patients_lesions_pass_every_test(patients) -> None:
    runs, masks, lesions = patients(tests=16)
    write(runs, lambda fold: drawn(lesions, fold, own=6.0))
    result = run_saliency_tests(runs, masks, 0, preprocess=PREPROCESS)
    assert result["passed"] and "passed their tests" in result["verdict"] and "16 test patients" in result["verdict"]
    fine = result["methods"]["attribution"]["localisation"]
    assert fine["pointing_own"] > 0.9 and fine["pointing_others"] < 0.2 and fine["n_patients"] == 16
    assert not any(control["passed"] for control in result["control"].values())


def test_maps_that_show_another_patients_lesions_fail_localisation_only(patients) -> None:
    runs, masks, lesions = patients(tests=16)
    write(runs, lambda fold: drawn([*lesions[1:], lesions[0]], fold, own=6.0))
    result = run_saliency_tests(runs, masks, 0, preprocess=PREPROCESS)
    for method in METHODS:
        tests = result["methods"][method]
        assert tests["repeatability"]["passed"] and tests["randomisation"]["passed"]
        assert tests["localisation"]["passed"] is False and tests["localisation"]["mass_p"] > 0.05
    assert not result["passed"] and "integrated gradients failed localisation" in result["verdict"]


def test_noise_fails_every_test(patients) -> None:
    runs, masks, lesions = patients(tests=16)
    write(runs, lambda fold: drawn(lesions, fold, own=0.0))
    result = run_saliency_tests(runs, masks, 0, preprocess=PREPROCESS)
    assert not any(result["methods"][method][test]["passed"] for method in METHODS for test in TESTS)


@pytest.mark.parametrize("seed", range(4))
def test_networks_with_random_weights_fail(patients, seed: int) -> None:
    runs, masks, _ = patients(tests=12)
    images, targets = images_of(runs[0])

    def explained(fold: int) -> dict[str, np.ndarray]:
        network = untrained(architecture("tiny"), SLICES, 2, [100 + seed, fold])
        return explanation_arrays(network, images, targets, "tiny", 2, [seed, 0, fold])

    write(runs, explained)
    result = run_saliency_tests(runs, masks, 0, preprocess=PREPROCESS)
    assert not result["passed"] and "did not pass" in result["verdict"]
    for method in METHODS:
        assert not all(result["methods"][method][test]["passed"] for test in TESTS), method
        assert not result["methods"][method]["randomisation"]["passed"], method
        assert not result["control"][method]["passed"], method


def test_a_network_that_learnt_to_look_at_lesions_is_found_to_look_there(patients) -> None:
    runs, masks, _ = patients(tests=12)
    for run in runs:
        execute(run)
        assert run.is_done()
    result = run_saliency_tests(runs, masks, 0, preprocess=PREPROCESS)
    coarse, fine = result["methods"]["gradcam"], result["methods"]["attribution"]
    assert fine["randomisation"]["passed"] and fine["localisation"]["mass_inside_own"]["estimate"] > 0.1
    assert fine["localisation"]["mass_inside_own"]["estimate"] > 3 * fine["localisation"]["mass_inside_others"]
    assert [row["level"] for row in coarse["levels"]] == ["fc", "conv2", COMPLETE]
    again = run_saliency_tests(runs, masks, 0, preprocess=PREPROCESS)
    assert again == result


def test_a_run_of_an_earlier_version_without_randomised_maps_counts_as_unfinished(patients) -> None:
    runs, _, _ = patients(tests=4)
    execute(runs[0])
    assert runs[0].is_done()
    with np.load(runs[0].explanations) as arrays:
        kept = {name: arrays[name] for name in ("participant_id", "session_id", "gradcam_grid", "occlusion", "attribution")}
    np.savez_compressed(runs[0].explanations, **kept)
    assert not runs[0].is_done() and not is_complete(runs[0].explanations)
    with pytest.raises(ExperimentError, match="fold-0"):
        run_saliency_tests(runs[:2], {}, 0)
    runs[0].explanations.write_bytes(b"PK half a file")
    assert not runs[0].is_done()


def test_without_lesion_masks_localisation_is_not_tested_and_nothing_is_called_passed(patients) -> None:
    runs, _, lesions = patients(tests=16)
    write(runs, lambda fold: drawn(lesions, fold, own=6.0))
    result = run_saliency_tests(runs, {}, 0, preprocess=PREPROCESS)
    assert result["methods"]["gradcam"]["localisation"]["passed"] is None
    assert not result["passed"] and "localisation: not tested" in result["verdict"]


def test_patients_without_a_lesion_in_the_slices_are_left_out_of_localisation(patients, tmp_path: Path) -> None:
    runs, masks, lesions = patients(tests=16)
    masks["sub-000", ""] = volume(tmp_path / "elsewhere.nii.gz", np.array([[0.0, 0.0, 10.0]]))
    write(runs, lambda fold: drawn(lesions, fold, own=6.0))
    assert run_saliency_tests(runs, masks, 0, preprocess=PREPROCESS)["methods"]["gradcam"]["localisation"]["n_patients"] == 15


def test_masks_that_are_cut_otherwise_than_the_images_are_refused(patients) -> None:
    runs, masks, lesions = patients(tests=4)
    write(runs, lambda fold: drawn(lesions, fold, own=6.0))
    with pytest.raises(ExperimentError, match="preprocess"):
        run_saliency_tests(runs, masks, 0)


def test_the_cascade_replaces_layers_from_the_last_one_down() -> None:
    trained, fresh = build(SLICES, 2).eval(), untrained(architecture("tiny"), SLICES, 2, [1])
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter += 1
    old, new = trained.state_dict(), fresh.state_dict()
    expected = {"fc": {"fc"}, "conv2": {"fc", "conv2", "bn2"}, COMPLETE: {"fc", "conv2", "bn2", "conv1", "bn1"}}
    for name, network in cascade(trained, fresh):
        for key, value in network.state_dict().items():
            source = new if key.split(".")[0] in expected[name] else old
            assert torch.equal(value, source[key]), (name, key)
        del expected[name]
    assert not expected
    assert torch.equal(trained.state_dict()["fc.bias"], old["fc.bias"])


def test_untrained_networks_repeat_themselves_and_are_not_where_training_starts() -> None:
    one, two = (untrained(architecture("tiny"), SLICES, 2, [0, 0, seed]).state_dict()["fc.weight"] for seed in (0, 1))
    assert torch.equal(one, untrained(architecture("tiny"), SLICES, 2, [0, 0, 0]).state_dict()["fc.weight"])
    assert not torch.equal(one, two)
    entropy = np.random.SeedSequence([0, 0, 0]).generate_state(2, dtype=np.uint64)  # of training.train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(entropy[0] >> np.uint64(1)))
        assert not torch.equal(one, build(SLICES, 2).state_dict()["fc.weight"])

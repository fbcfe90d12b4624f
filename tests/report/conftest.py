"""A finished study, small and synthetic: tables, predictions, metrics and explanations as a run leaves them."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dawson.cohort.splits import make_splits
from dawson.config import StudyConfig, dump_config
from dawson.files import write_json, write_text, write_tsv

CLASSES = ("MS", "NMOSD")
SLICES = 5


def channel_image(rng: np.random.Generator) -> np.ndarray:
    """Five ellipses with ventricles and bright spots, z-scored inside and zero outside."""
    rows, columns = np.mgrid[-1:1:128j, -1:1:128j]
    image = np.zeros((SLICES, 128, 128), np.float32)
    for index, size in enumerate((0.55, 0.75, 0.8, 0.78, 0.6)):
        inside = (columns / (0.78 * size)) ** 2 + (rows / size) ** 2 < 1
        values = 0.3 * rng.standard_normal((128, 128))
        values[(columns / 0.1) ** 2 + (rows / 0.25) ** 2 < 1] -= 2
        for _ in range(3):
            row, column = rng.uniform(-0.4, 0.4, 2)
            values[(columns - column) ** 2 + (rows - row) ** 2 < 0.06**2] += 3
        image[index] = np.where(inside, values, 0)
    return image


def entry(estimate: float, half: float, method: str = "made up") -> dict[str, object]:
    """An estimate with an interval."""
    return {"estimate": estimate, "low": estimate - half, "high": min(1.0, estimate + half), "method": method}


def metrics_of(splits: pd.DataFrame, tested: dict[str, int], rng: np.random.Generator) -> dict[str, object]:
    """metrics.json with figures that are easy to find again."""
    middle = {
        "accuracy": 0.7345,
        "sensitivity": 0.7123,
        "specificity": 0.7567,
        "ppv": 0.7234,
        "npv": 0.7456,
        "auc": 0.8123,
    }
    published = {
        "accuracy": (0.761, 0.748, 0.774),
        "sensitivity": (0.773, 0.744, 0.803),
        "specificity": (0.748, 0.721, 0.775),
        "ppv": (0.769, 0.752, 0.787),
        "npv": (0.786, 0.767, 0.806),
        "auc": (0.85, 0.84, 0.86),
    }
    repeats = sorted(splits["repeat"].unique())
    fpr = np.linspace(0, 1, 41)
    tpr = fpr**0.3
    return {
        "classes": list(CLASSES),
        "positive": "NMOSD",
        "confidence": 0.95,
        "n_repeats": len(repeats),
        "n_folds": 3,
        "n_test_participants": tested,
        "n_test_draws": {"min": 1, "median": 3, "max": 6},
        "headline": {name: entry(value, 0.09) for name, value in middle.items()},
        "headline_auc_bootstrap": entry(0.8123, 0.085),
        "over_repeats": {name: entry(value - 0.01, 0.02) | {"sd": 0.05} for name, value in middle.items()},
        "nadeau_bengio": {name: entry(value - 0.01, 0.06) | {"sd": 0.05} for name, value in middle.items()},
        "single_fold": {name: {"estimate": value - 0.04, "sd": 0.07} for name, value in middle.items()},
        "at_prevalence": [
            {"prevalence": 0.5, "name": "of the test patients", "ppv": entry(0.7234, 0.1), "npv": entry(0.7456, 0.1)},
            {
                "prevalence": 0.2,
                "name": "given",
                "ppv": entry(0.4211, 0.1),
                "npv": {"estimate": None, "low": None, "high": None},
            },
        ],
        "confusion": {"classes": list(CLASSES), "matrix": [[11, 4], [5, 12]]},
        "per_class": {label: {name: entry(value, 0.09) for name, value in middle.items()} for label in CLASSES},
        "roc": {
            "fpr": fpr.tolist(),
            "tpr": tpr.tolist(),
            "low": np.clip(tpr - 0.15, 0, 1).tolist(),
            "high": np.clip(tpr + 0.1, 0, 1).tolist(),
        },
        "repeats": [
            {"repeat": int(r), "n_test": 12} | {name: float(np.clip(v + rng.normal(0, 0.05), 0, 1)) for name, v in middle.items()}
            for r in repeats
        ],
        "published": {"citation": "Seok, Cho et al. 2023, doi:10.1038/s41598-023-38271-x"}
        | {name: {"estimate": e, "low": low, "high": high} for name, (e, low, high) in published.items()},
        "sizes": {"n_train": 34.0, "n_test": 12.0},
    }


def build_study(
    root: Path,
    *,
    simulated: bool = True,
    managed: bool = False,
    repeats: int = 4,
    name: str = "A study <b>of</b> brains & cords",
    picture: Callable[[np.random.Generator], np.ndarray] = channel_image,
) -> tuple[Path, Path]:
    """Write a study and its finished experiment; returns (experiment, study)."""
    rng = np.random.default_rng(0)
    people, images = [], []
    for index in range(46):
        label = CLASSES[index % 2]
        who = f"sub-P{index:03d}"
        people.append(
            {
                "participant_id": who,
                "diagnosis": label,
                "sex": "F" if index % 5 else "M",
                "age": 30 + index % 17,
                "site": "AB"[index % 23 == 0],
            }
        )
        for visit in range(2 if index % 3 == 0 else 1):
            session = f"ses-{visit + 1:02d}"
            folder = root / who / session / "anat"
            folder.mkdir(parents=True)
            for kind in ("T1w", "FLAIR"):
                (folder / f"{who}_{session}_{kind}.nii.gz").touch()
            images.append({"participant_id": who, "session_id": session, "label": label, "days_from_baseline": 400.0 * visit})
    write_tsv(root / "participants.tsv", pd.DataFrame(people))
    write_json(
        root / "participants.json",
        {"age": {"Description": "Age", "Units": "year"}, "diagnosis": {"Levels": {"MS": "", "NMOSD": ""}}},
    )
    maker = {"GeneratedBy": [{"Name": "dawson simulate", "Version": "0"}]} if simulated else {}
    write_json(root / "dataset_description.json", {"Name": "cohort", "BIDSVersion": "1.10.0"} | maker)
    excluded = pd.DataFrame(
        [
            ("sub-P044", "ses-01", "preprocessing", f"{root}/sub-P044/x.nii.gz is <truncated>"),
            ("sub-P045", "ses-01", "files", "no FLAIR"),
            ("sub-P045", "ses-02", "files", "no FLAIR"),
        ],
        columns=["participant_id", "session_id", "stage", "reason"],
    )
    config = StudyConfig().updated(
        study={"name": name, "where": "participant_id != 'sub-P999'"},
        governance={"managed": managed},
        split={"repeats": repeats, "folds": 3, "test_per_class": 6},
        training={"epochs": 4},
    )
    table = pd.DataFrame(images)
    table = table[~table["participant_id"].isin(excluded["participant_id"])].reset_index(drop=True)
    splits = make_splits(table, config.split)
    experiment = root / "experiments" / "main"
    write_text(experiment / "config.toml", dump_config(config))
    write_tsv(experiment / "splits.tsv", splits)
    write_tsv(experiment / "exclusions.tsv", excluded)
    predictions = splits[splits["role"].isin(["validation", "test"])].merge(table[["participant_id", "session_id", "label"]])
    logit = rng.normal(0, 1, len(predictions)) + np.where(predictions["label"] == "NMOSD", 0.8, -0.8)
    predictions = predictions.assign(
        model="resnet18",
        logit_MS=-logit / 2,
        logit_NMOSD=logit / 2,
        probability_MS=1 / (1 + np.exp(logit)),
        probability_NMOSD=1 / (1 + np.exp(-logit)),
    )
    write_tsv(experiment / "predictions.tsv", predictions)
    tested = {
        label: int(predictions.loc[(predictions["role"] == "test") & (predictions["label"] == label), "participant_id"].nunique())
        for label in CLASSES
    }
    write_json(experiment / "metrics.json", metrics_of(splits, tested, rng))
    _write_explanations(
        experiment / "explanations.npz",
        predictions[(predictions["repeat"] == 0) & (predictions["role"] == "test")],
        rng,
        picture,
    )
    for repeat in range(repeats):
        for fold in range(3):
            write_json(experiment / "runs" / f"repeat-{repeat:03d}_fold-{fold}.json", _run(repeat, fold, rng))
    write_json(
        experiment / "environment.json",
        {
            "created": "2026-01-02T03:04:05+00:00",
            "python": "3.11.2",
            "host": "secret-host-17",
            "packages": {"dawson": "0.1.0", "torch": "2.13.0", "monai": "1.6.1"},
            "device": "cpu",
        },
    )
    return experiment, root


def _run(repeat: int, fold: int, rng: np.random.Generator) -> dict[str, object]:
    history = [
        {
            "epoch": e + 1,
            "train_loss": 0.7 * 0.8**e + rng.uniform(0, 0.05),
            "validation_loss": 0.7 * 0.9**e + rng.uniform(0, 0.1),
            "validation_auc": 0.6 + 0.05 * e + rng.uniform(0, 0.05),
        }
        for e in range(4)
    ]
    return {
        "repeat": repeat,
        "fold": fold,
        "seconds": 61.0,
        "best_epoch": 3,
        "device": "cpu",
        "precision": "bfloat16",
        "history": history,
    }


def _write_explanations(
    path: Path, rows: pd.DataFrame, rng: np.random.Generator, picture: Callable[[np.random.Generator], np.ndarray]
) -> None:
    mean = rows.groupby(["participant_id", "session_id", "label"], as_index=False)[["probability_MS", "probability_NMOSD"]].mean()
    count = len(mean)
    grid = rng.uniform(0, 1, (count, 2, 4, 4)).astype(np.float32)
    images = np.stack([picture(rng) for _ in range(count)])
    fine = np.kron(grid, np.ones((32, 32), np.float32))
    np.savez_compressed(
        path,
        classes=np.array(CLASSES),
        participant_id=mean["participant_id"].to_numpy(str),
        session_id=mean["session_id"].to_numpy(str),
        label=mean["label"].to_numpy(str),
        images=images,
        probability=mean[["probability_MS", "probability_NMOSD"]].to_numpy(np.float32),
        gradcam_grid=grid,
        gradcam=fine / fine.max(axis=(2, 3), keepdims=True),
        occlusion=rng.normal(0.3, 0.4, (count, 2, SLICES)).astype(np.float32),
        attribution=np.where(images != 0, rng.normal(0, 1, images.shape) * np.clip(images, 0, None), 0).astype(np.float16),
    )


@pytest.fixture(scope="session")
def simulated_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study of simulated patients: (experiment, study)."""
    return build_study(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="session")
def real_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study that does not say it is simulated, with consent managed."""
    return build_study(tmp_path_factory.mktemp("real"), simulated=False, managed=True)


@pytest.fixture(scope="session")
def constructed() -> dict[str, Callable[..., object]]:
    """Functions that make each file beside metrics.json, and `write_findings`, which writes them all."""
    return runpy.run_path(str(Path(__file__).with_name("findings_files.py")))


@pytest.fixture(scope="session")
def found_study(tmp_path_factory: pytest.TempPathFactory, constructed: dict[str, Callable[..., object]]) -> tuple[Path, Path]:
    """A study that does not say it is simulated, with everything beside metrics.json; both its reports are written."""
    from dawson.report.study import write_study_report

    experiment, study = build_study(tmp_path_factory.mktemp("found"), simulated=False, managed=True)
    constructed["write_findings"](experiment)
    for share in (False, True):
        write_study_report(experiment, study, share=share)
    return experiment, study


@pytest.fixture
def prediction(tmp_path: Path) -> Path:
    """A folder as `dawson predict` leaves it: a model of simulated patients, a scan that is not simulated."""
    rng = np.random.default_rng(1)
    image = channel_image(rng)
    members = [0.71, 0.64, 0.82, 0.45, 0.77]
    said = {
        "participant": "sub-<i>1</i>",
        "session": "ses-01",
        "inputs": {
            "t1w": {"file": "a_T1w.nii.gz", "sha256": "ab" * 32},
            "flair": {"file": "a_FLAIR.nii.gz", "sha256": "cd" * 32},
        },
        "simulated_scan": False,
        "model": {
            "name": "main",
            "classes": list(CLASSES),
            "positive": "NMOSD",
            "digest": "0f" * 32,
            "trained_on": {"participants": {"MS": 30, "NMOSD": 31}, "scans": 77, "simulated": True, "study": "demo"},
            "performance": {"accuracy": entry(0.7345, 0.09), "auc": entry(0.8123, 0.07)},
        },
        "probability": {
            "MS": {"mean": 0.322, "sd": 0.14, "min": 0.18, "max": 0.55, "members": [1 - m for m in members]},
            "NMOSD": {"mean": 0.678, "sd": 0.14, "min": 0.45, "max": 0.82, "members": members},
        },
        "withheld": None,
        "predicted": "NMOSD",
        "quality": {
            "source": "T1w+FLAIR",
            "wm_dice": 0.712,
            "template_correlation": 0.701,
            "flair_t1w_overlap": 0.95,
            "min_jacobian": 0.21,
            "seconds": 41.5,
        },
        "allow_simulated": True,
        "software": {"python": "3.11.2", "packages": {"torch": "2.13.0"}},
        "created": "2026-01-02T03:04:05+00:00",
        "research_use_only": True,
    }
    (tmp_path / "prediction.json").write_text(json.dumps(said))
    np.savez_compressed(
        tmp_path / "explanation.npz",
        image=image,
        gradcam=rng.uniform(0, 1, (2, 128, 128)).astype(np.float32),
        gradcam_grid=rng.uniform(0, 1, (2, 4, 4)),
        occlusion=rng.normal(0, 1, (2, SLICES)),
        attribution=np.where(image != 0, rng.normal(0, 1, image.shape), 0),
        slices_mm=np.array([60.0, 40, 20, 0, -20]),
    )
    return tmp_path

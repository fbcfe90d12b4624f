"""Brightness harmonised in a run: on training images only, carried by the model, and nothing changed where it is off."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dawson.classification.image_harmonisation import IntensityScale, fit_intensity, harmonised
from dawson.classification.model import Model
from dawson.classification.runs import Run, execute, seen_images
from dawson.config import TrainingSection
from dawson.errors import ConfigError
from dawson.files import digest_of, read_json, sha256

SMALL = TrainingSection(network="resnet18-narrow", epochs=1, batch_size=8)


def stack(count: int = 8, seed: int = 0) -> np.ndarray:
    """Brains of two tissues with a margin of zeros."""
    rng = np.random.default_rng(seed)
    images = np.where(
        rng.random((count, 5, 24, 24)) < 0.6, rng.normal(-0.4, 0.3, (count, 5, 24, 24)), rng.normal(1, 0.4, (count, 5, 24, 24))
    )
    images[:, :, :3] = 0
    return images.astype(np.float32)


def run_of(table: pd.DataFrame, folder: Path, **settings: object) -> Run:
    role = np.where(
        table["participant_id"].str.endswith("0"), "test", np.where(table["participant_id"].str.endswith("1"), "validation", "train")
    )
    return Run(0, 0, table.assign(role=role), ("A", "B"), SMALL, 7, folder, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["nyul", "whitestripe"])
def test_gain_offset_and_bend_of_a_scanner_go_and_the_background_stays(method: str) -> None:
    images = stack()
    other = np.where(images != 0, 1.7 * images + 0.9, 0).astype(np.float32)
    scale = fit_intensity(method, images)
    one, two = harmonised(scale, images), harmonised(scale, other)
    assert (one[images == 0] == 0).all() and one.dtype == np.float32
    assert np.abs(one - two).max() < 0.02
    # still numbers of the size that a network expects
    assert abs(one[images != 0].mean()) < 0.3 and 0.6 < one[images != 0].std() < 1.5


@pytest.mark.parametrize("method", ["nyul", "whitestripe"])
def test_a_scale_survives_json(method: str) -> None:
    images = stack()
    scale = fit_intensity(method, images)
    again = IntensityScale.from_json(json.loads(json.dumps(scale.to_json())))
    assert (harmonised(again, images) == harmonised(scale, images)).all()


def test_without_a_scale_the_very_array_comes_back() -> None:
    images = stack()
    assert harmonised(None, images) is images
    with pytest.raises(ConfigError, match="no harmonisation"):
        fit_intensity("zscore", images)


def test_only_training_images_teach_the_scale(image_table: Callable[..., pd.DataFrame], tmp_path: Path) -> None:
    table = image_table(per_class=6)
    run = run_of(table, tmp_path / "runs", intensity="nyul")
    _, scale = seen_images(run, run.table)
    path = Path(run.table.loc[run.table["role"] == "test", "path"].iloc[0])
    np.save(path, 5 * np.load(path) + 3)
    changed = run.table.assign(hash=[sha256(path) for path in run.table["path"]])
    images, after = seen_images(replace(run, table=changed), changed)
    assert after == scale and np.abs(images).max() < 30


def test_a_run_records_its_scale_and_one_without_keeps_its_digest(image_table: Callable[..., pd.DataFrame], tmp_path: Path) -> None:
    table = image_table(per_class=4)
    plain, nyul = run_of(table, tmp_path / "plain"), run_of(table, tmp_path / "nyul", intensity="nyul")
    rows = plain._rows(plain.table)
    settings = SMALL.model_dump(exclude={"device", "precision"})
    assert plain.digest == digest_of([sorted(rows), ["A", "B"], settings, 7, 0, 0]) != nyul.digest
    assert "intensity" not in execute(plain)
    execute(nyul)
    assert read_json(nyul.record)["intensity"]["method"] == "nyul" and nyul.is_done()
    assert plain.predictions.read_text() != nyul.predictions.read_text()


def test_a_model_hands_each_member_its_own_scale(tmp_path: Path) -> None:
    images = stack()
    scale = fit_intensity("nyul", images)
    members = [{"file": "member-0.safetensors"}, {"file": "member-1.safetensors", "intensity": scale.to_json()}]
    plain, own = Model(tmp_path, {"members": members}).member_images(images)
    assert plain is images and (own == harmonised(scale, images)).all()

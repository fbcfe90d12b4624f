"""Centres with channel images made in memory, and a training over them in one process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dawson.classification.experiment import StudyPaths
from dawson.classification.images import UsableImages
from dawson.cohort.dataset import Cohort, read_cohort
from dawson.config import PreprocessSection, StudyConfig, TrainingSection
from dawson.federation import site_people
from dawson.federation.plan import FederatedPlan
from dawson.federation.site_policy import SitePolicy
from dawson.federation.site_trainer import SiteTrainer
from dawson.files import sha256, write_json, write_tsv


@dataclass
class Centre:
    """A study, its node, and every answer that the node has given."""

    study: Path
    node: SiteTrainer
    sent: list[bytes]
    images: pd.DataFrame


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def plan() -> FederatedPlan:
    """A training of four rounds on two centres at least."""
    preprocess = PreprocessSection()
    training = TrainingSection(network="resnet18-narrow", batch_size=8, learning_rate=3e-3, device="cpu")
    return FederatedPlan(
        job="first", classes=("A", "B"), positive="B", preprocess=preprocess, training=training, rounds=3, folds=3, minimum_sites=2
    )


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Centre]:
    """Make a centre whose people have a blob whose place tells their class."""
    made: dict[Path, pd.DataFrame] = {}

    def prepared(paths: StudyPaths, config: StudyConfig, **options: object) -> tuple[Cohort, UsableImages]:
        cohort = read_cohort(paths.study)
        return cohort, UsableImages(made[paths.study].copy(), {})

    monkeypatch.setattr(site_people, "prepare_images", prepared)

    def make(
        name: str, per_class: int = 12, seed: int = 0, *, managed: bool = False, cell: int = 3, scans: int = 1, step: int = 1
    ) -> Centre:
        rng = np.random.default_rng([seed, *name.encode()])
        study = tmp_path / name
        rows = []
        for number in range(2 * per_class):
            person, label = f"sub-{name}{number:03d}", "AB"[number % 2]
            own = rng.standard_normal((5, 32, 32))
            (study / person).mkdir(parents=True)
            for scan in range(scans):
                image = own + 0.3 * rng.standard_normal(own.shape)
                image[:, 4 + 8 * (number % 2) : 10 + 8 * (number % 2), 4:10] += 2.5
                path = study / person / f"channels{scan}.npy"
                np.save(path, image.astype(np.float32))
                rows.append(
                    {
                        "participant_id": person, "session_id": f"ses-{scan + 1:02d}", "label": label, "days_from_baseline": 365.0 * scan,
                        "path": str(path), "hash": sha256(path),
                        **{column: sha256(path) for column in site_people.CONTENT_COLUMNS if column != "hash"},
                    }
                )  # fmt: skip
        table = pd.DataFrame(rows)
        people = table.drop_duplicates("participant_id")
        write_tsv(study / "participants.tsv", people[["participant_id", "label"]].rename(columns={"label": "diagnosis"}))
        write_json(study / "dataset_description.json", {"Name": f"Centre {name}", "BIDSVersion": "1.9.0"})
        governance = '[governance]\nmanaged = true\ncountry = "SI"\n' if managed else ""
        (study / "study.toml").write_text(f'[study]\nclasses = ["A", "B"]\npositive = "B"\n{governance}')
        made[study] = table
        sent: list[bytes] = []
        policy = SitePolicy(site=name, minimum_cell=cell, count_step=step)
        return Centre(study, SiteTrainer(StudyPaths(study, study), policy, record=sent.append), sent, table)

    return make

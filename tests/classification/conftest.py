"""Small cohorts whose images are made in memory, for tests of the study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def image_table(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Make channel images on disk: one blob whose place tells the class, over noise that is the person's own."""

    def make(
        per_class: int = 8, scans: int = 1, signal: float = 2.0, size: int = 32, seed: int = 0, classes: tuple[str, ...] = ("A", "B")
    ) -> pd.DataFrame:
        from dawson.files import sha256

        rng = np.random.default_rng(seed)
        rows = []
        for index, label in enumerate(classes):
            for person in range(per_class):
                own = rng.standard_normal((5, size, size))
                for scan in range(scans):
                    image = own + 0.3 * rng.standard_normal(own.shape)
                    image[:, 4 + 8 * index : 10 + 8 * index, 4:10] += signal
                    path = tmp_path / f"{label}{person}_{scan}.npy"
                    np.save(path, image.astype(np.float32))
                    rows.append(
                        {
                            "participant_id": f"sub-{label}{person:02d}", "session_id": f"ses-{scan + 1:02d}", "label": label,
                            "days_from_baseline": 365.0 * scan, "path": str(path), "hash": sha256(path),
                        }
                    )  # fmt: skip
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def scores() -> Callable[..., tuple[pd.DataFrame, dict[str, str]]]:
    """Make a table of predictions whose fault is known, and the site of everybody in it."""
    from scipy.special import softmax

    def make(
        rng: np.random.Generator,
        *,
        repeats: int = 1,
        folds: int = 3,
        held: int = 120,
        tested: int = 120,
        too_sure: float = 1.0,
        noise: float = 0.3,
        shifted: float = 0.0,
        scans: int = 1,
        classes: tuple[str, ...] = ("A", "B"),
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        """Predictions of people whose class is drawn from softmax(z), by models that say too_sure * z plus their own noise.

        Half of the tested people are at site "far", whose logits are moved toward the first class by `shifted`.
        """
        rows, sites = [], {}
        people = held + tested
        for repeat in range(repeats):
            z = rng.normal(0, 1.5, (people, len(classes)))
            truth = (softmax(z, axis=1).cumsum(axis=1) > rng.random((people, 1))).argmax(axis=1)
            for person in range(people):
                is_test, who = person >= held, f"sub-{repeat}-{person:03d}"
                sites[who] = "far" if person % 2 else "near"
                for scan in range(scans):
                    for fold in range(folds) if is_test else [person % folds]:
                        own = z[person] + noise * rng.standard_normal(len(classes))
                        own[0] += shifted if is_test and sites[who] == "far" else 0.0
                        logits = too_sure * own
                        probability = softmax(logits)
                        rows.append(
                            {
                                "model": "x", "repeat": repeat, "fold": fold, "participant_id": who, "session_id": f"ses-{scan}",
                                "role": "test" if is_test else "validation", "label": classes[truth[person]],
                                **{f"logit_{name}": logits[k] for k, name in enumerate(classes)},
                                **{f"probability_{name}": probability[k].round(8) for k, name in enumerate(classes)},
                            }
                        )  # fmt: skip
        return pd.DataFrame(rows), sites

    return make

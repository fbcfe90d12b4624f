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

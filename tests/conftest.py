"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of real scans and reference answers; the test is skipped where it is absent."""
    places = [Path(os.environ["DAWSON_DATA"])] if "DAWSON_DATA" in os.environ else []
    places.append(Path(__file__).resolve().parents[2] / "shared" / "data")
    for place in places:
        if (place / "ljubljana-ms").is_dir():
            return place
    pytest.skip("the reference data are not here; set DAWSON_DATA to their folder")

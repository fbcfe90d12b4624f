"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
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


@pytest.fixture(autouse=True, scope="session")
def _keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys of the tests, so that none touches those of the person who runs them; processes that tests start see them too."""
    before = os.environ.get("DAWSON_KEYS")
    os.environ["DAWSON_KEYS"] = str(tmp_path_factory.mktemp("keys"))
    yield
    os.environ.pop("DAWSON_KEYS")
    if before is not None:
        os.environ["DAWSON_KEYS"] = before

"""The command line as a user types it, in a process of its own, on a small simulated cohort."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Dawson = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def dawson() -> Dawson:
    """Run `dawson` with these words; standard output and error come back as text."""

    def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from dawson.cli import main; main()", *map(str, words)]
        environment = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
        return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)

    return run


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, dawson: Dawson) -> Path:
    """Ten simulated patients in template space, in a folder with a space in its name."""
    out = tmp_path_factory.mktemp("simulated") / "my study"
    done = dawson("simulate", "cohort", out, "--ms", 5, "--nmosd", 5, "--seed", 3, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    return out

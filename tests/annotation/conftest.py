"""A tiny study with masks, and an empty database."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from dawson.cohort.bids import write_dataset_description, write_participants
from dawson.files import write_json
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.lesions.scan_images import lesion_file
from dawson.storage.database import open_database
from dawson.storage.models import Base

SHAPE, NOW = (20, 24, 22), datetime(2026, 3, 1, 12, tzinfo=UTC)
AFFINE = np.array([[-2.0, 0, 0, 20], [0, 2, 0, -24], [0, 0, 2, -22], [0, 0, 0, 1]])


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(values, AFFINE)
    image.header["descrip"] = b"Jane Doe 1970"
    nib.save(image, path)


def make_study(root, people=6):
    """Each person has two lesions; `cand` finds the first and a place that is none."""
    rng = np.random.default_rng(0)
    write_dataset_description(root, "Tiny", "dawson simulate")
    write_participants(
        root,
        pd.DataFrame(
            {
                "participant_id": [f"sub-{number:02d}" for number in range(1, people + 1)],
                "diagnosis": ["MS", "NMOSD"] * (people // 2),
                "sex": "F",
                "age": 40,
                "site": "A",
            }
        ),
    )
    for number in range(1, people + 1):
        person = f"sub-{number:02d}"
        for contrast in ("FLAIR", "T1w"):
            path = root / person / "anat" / f"{person}_{contrast}.nii.gz"
            save(path, rng.normal(100, 5, SHAPE).astype(np.float32))
            write_json(path.with_name(f"{person}_{contrast}.json"), {"SkullStripped": True, "Space": TEMPLATE_SPACE, "SimulatedData": True})
        truth, candidates = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
        truth[3:6, 4:7, 5:8] = truth[12:15, 14:17, 10:12] = 1
        candidates[3:6, 4:7, 5:8] = candidates[8:10, 2:4, 16:18] = 1
        anat = root / "derivatives" / "dawson" / person / "anat"
        save(anat / f"{person}_{lesion_file('sim', 'mask')}", truth)
        save(anat / f"{person}_{lesion_file('cand', 'mask')}", candidates)
    return root


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study") / "tiny")


@pytest.fixture
def sessions(tmp_path):
    return open_database(tmp_path / "server.sqlite", url="")


@pytest.fixture(scope="session")
def postgresql():
    """Address of a database that may be emptied: a server of its own, or that of DAWSON_TEST_POSTGRESQL."""
    if given := os.environ.get("DAWSON_TEST_POSTGRESQL"):
        yield given
        return
    pytest.importorskip("psycopg", reason="pip install 'dawson[postgresql]'")
    found = shutil.which("initdb") or next(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)
    if found is None and os.environ.get("DAWSON_POSTGRESQL_TESTS") != "required":
        pytest.skip("PostgreSQL is not installed; `make postgresql` installs it")
    assert found, "PostgreSQL is not installed; `make postgresql` installs it"
    with tempfile.TemporaryDirectory(prefix="dawson-postgresql-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        # PostgreSQL does not run as root: Debian makes a user for it
        who = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if who:
            shutil.chown(folder, **who)

        def call(program, *options):
            subprocess.run(
                [Path(found).with_name(program), *options], cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120, **who
            )

        call("initdb", "-D", "data", "-A", "trust", "-U", "dawson", "--no-sync", "-E", "UTF8", "--locale", "C")
        call("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", f"-p {port} -h 127.0.0.1 -k {folder}", "start")
        try:
            yield f"postgresql+psycopg://dawson@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-D", "data", "-m", "immediate", "stop")


def emptied(sessions):
    """The database without any row."""
    with sessions.begin() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    return sessions

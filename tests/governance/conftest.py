"""A small study with files of several people, and keys of its own."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from dawson.governance.consent import ConsentRecord
from dawson.governance.consent_acts import record_consent

PEOPLE = ("sub-01", "sub-02", "sub-03", "sub-011")


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "keys"
    monkeypatch.setenv("DAWSON_KEYS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test reads comes from memory anyway; the order of writes is tested by stopping between them."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two images a person, raw and derived; tables that name them; a page; a row of another person that names sub-01."""
    root = tmp_path / "study"
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Example", "BIDSVersion": "1.9.0"}))
    (root / "study.toml").write_text('[governance]\nmanaged = true\ncountry = "SI"\n')
    for number, person in enumerate(PEOPLE):
        for base in (root, root / "derivatives" / "dawson"):
            folder = base / person / "ses-01" / "anat"
            folder.mkdir(parents=True)
            voxels = np.random.default_rng([number, len(base.parts)]).normal(size=(6, 6, 6)).astype("f4")
            (folder / f"{person}_ses-01_T1w.nii.gz").write_bytes(gzip.compress(voxels.tobytes()))
            (folder / f"{person}_ses-01_T1w.json").write_text("{}")
    (root / "participants.tsv").write_text("participant_id\tdiagnosis\n" + "".join(f"{person}\tMS\n" for person in PEOPLE))
    rows = "".join(f"{person}\tses-01\tdone\t{'twin of sub-01' if person == 'sub-02' else 'n/a'}\n" for person in PEOPLE)
    (root / "derivatives" / "dawson" / "preprocess.tsv").write_text("participant_id\tsession_id\tstatus\treason\n" + rows)
    (root / "derivatives" / "dawson" / "quality.html").write_text("<p>sub-01</p><p>sub-02</p>")
    return root


Consenting = Callable[..., None]


@pytest.fixture
def consenting(study: Path) -> Consenting:
    """Record plain consent of people: health research from 2024 on, without end, unless said otherwise."""

    def record(people: Sequence[str], **fields: object) -> None:
        whole = {"form": "v1", "scope": ("HMB",), "given": date(2024, 1, 1), **fields}
        record_consent(study, [ConsentRecord.model_validate({"participant_id": person, **whole}) for person in people])

    return record

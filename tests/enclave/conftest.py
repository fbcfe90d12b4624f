"""Three sites without images, each with a key of its own, and a mailbox between them and a researcher."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dawson.enclave.airlock import decide
from dawson.enclave.answering import Taken, take_requests
from dawson.enclave.asking import Gathered, gather, submit
from dawson.enclave.policy import policy_path
from dawson.enclave.request import Request
from dawson.files import write_json, write_tsv
from dawson.governance.signing import read_or_make_signer

DICTIONARY = {
    "participant_id": {"Description": "Participant"},
    "diagnosis": {"Levels": {"MS": "", "NMOSD": "", "MOGAD": ""}},
    "sex": {"Levels": {"F": "", "M": ""}},
    "aqp4": {"Levels": {"positive": "", "negative": ""}},
    "age": {"Units": "year", "Minimum": 18, "Maximum": 90},
    "edss": {"Units": "arbitrary", "Minimum": 0, "Maximum": 10},
    "disease_duration": {"Units": "year", "Minimum": 0, "Maximum": 60},
    "note": {"Description": "free text"},
}


def draw_people(people: int, seed: int) -> pd.DataFrame:
    """A table of people in which age, diagnosis and disability hang together."""
    rng = np.random.default_rng(seed)
    diagnosis = rng.choice(["MS", "NMOSD"], people, p=[0.6, 0.4])
    age = np.clip(rng.normal(np.where(diagnosis == "MS", 38, 47), 11), 18, 90).round(1)
    positive = np.where(diagnosis == "NMOSD", rng.random(people) < 0.7, rng.random(people) < 0.15)
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{seed}{number:03d}" for number in range(people)],
            "diagnosis": diagnosis,
            "sex": rng.choice(["F", "M"], people, p=[0.65, 0.35]),
            "aqp4": np.where(positive, "positive", "negative"),
            "age": age,
            "edss": np.clip((rng.gamma(2, 1.2, people) + 0.03 * (age - 40)) * 2, 0, 19).round() / 2,
            "disease_duration": rng.gamma(2, 4, people).round(1),
            "note": "nothing",
        }
    )


@dataclass
class Network:
    """Sites, a researcher and what lies between."""

    root: Path
    tables: dict[str, pd.DataFrame]

    @property
    def mailbox(self) -> Path:
        return self.root / "mailbox"

    def study(self, site: str) -> Path:
        return self.root / site

    @contextmanager
    def acting(self, party: str) -> Iterator[None]:
        before = os.environ["DAWSON_KEYS"]
        os.environ["DAWSON_KEYS"] = str(self.root / "keys" / party)
        try:
            yield
        finally:
            os.environ["DAWSON_KEYS"] = before

    def key(self, party: str) -> str:
        with self.acting(party):
            return read_or_make_signer().public

    @property
    def keys(self) -> dict[str, str]:
        return {site: self.key(site) for site in self.tables}

    def write_policy(self, site: str, **changes: Any) -> None:
        parties = [("researchers", "Dr. Ask", self.key("researcher"))] + [("sites", name, self.key(name)) for name in self.tables]
        top = {"site": site, "reviewers": ["second"], **{name: value for name, value in changes.items() if not isinstance(value, dict)}}
        lines = [f"{name} = {json.dumps(value)}" for name, value in top.items()]
        for name, section in changes.items():
            if isinstance(section, dict):
                lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
        lines += [f'[[{kind}]]\nname = "{name}"\nkey = "{key}"' for kind, name, key in parties if name != site]
        policy_path(self.study(site)).parent.mkdir(parents=True, exist_ok=True)
        policy_path(self.study(site)).write_text("\n".join(lines))

    def write_people(self, site: str, table: pd.DataFrame) -> None:
        self.tables[site] = table
        study = self.study(site)
        for person in table["participant_id"]:
            (study / person / "anat").mkdir(parents=True, exist_ok=True)
        write_tsv(study / "participants.tsv", table)

    def ask(self, analysis: str = "counts", **fields: Any) -> str:
        fields = {"sites": tuple(self.tables), "project": "P1", "researcher": "Dr. Ask", "purpose": "disease-research", **fields}
        fields.setdefault("made", f"question {len(list(self.mailbox.glob('requests/*')))}")
        with self.acting("researcher"):
            return submit(self.mailbox, Request(analysis=analysis, **fields))

    def take(self, site: str) -> Taken:
        with self.acting(site):
            return take_requests(self.study(site), self.mailbox, actor="first")

    def release(self, site: str, identifier: str) -> None:
        with self.acting(site):
            decide(self.study(site), self.mailbox, identifier, release=True, actor="second")

    def gather(self, identifier: str) -> Gathered:
        with self.acting("researcher"):
            return gather(self.mailbox, identifier, self.keys)

    @staticmethod
    def rows(gathered: Gathered) -> list[dict[str, Any]]:
        """The rows of the first table of a result, by column."""
        assert gathered.result is not None, gathered.refused
        table = gathered.result.tables[0]
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    def answered(self, analysis: str = "counts", **fields: Any) -> Gathered:
        """Ask, let every site answer and release until there is a result or nothing more comes."""
        identifier = self.ask(analysis, **fields)
        while True:
            held = [site for site in fields.get("sites", tuple(self.tables)) if self.take(site).held]
            for site in held:
                self.release(site, identifier)
            gathered = self.gather(identifier)
            if gathered.result is not None or not held:
                return gathered


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    made = Network(tmp_path, {})
    for number, (site, people) in enumerate({"A": 140, "B": 90, "C": 110}.items(), 1):
        study = made.study(site)
        study.mkdir()
        write_json(study / "dataset_description.json", {"Name": f"Site {site}", "BIDSVersion": "1.9.0"})
        write_json(study / "participants.json", DICTIONARY)
        made.write_people(site, draw_people(people, number))
    made.mailbox.mkdir()
    for site in made.tables:
        made.write_policy(site)
    return made

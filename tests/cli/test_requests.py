"""`dawson request` and `dawson site`: a question goes to two centres and comes back, every party with its own keys and account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from dawson.cli import request as request_commands
from dawson.cli import site as site_commands
from dawson.errors import EnclaveError
from dawson.files import write_json, write_tsv

Act = Callable[..., str]
KEYS = {"asker": "asker", "kim": "seoul", "park": "seoul", "novak": "ljubljana", "kovac": "ljubljana"}


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Act:
    """Run a command as somebody; what it prints comes back."""

    def run(account: str, group: str, *words: object) -> str:
        monkeypatch.setenv("DAWSON_KEYS", str(tmp_path / "keys" / KEYS[account]))
        monkeypatch.setenv("LOGNAME", account)
        monkeypatch.setenv("DAWSON_MAILBOX", str(tmp_path / "shared"))
        monkeypatch.setenv("COLUMNS", "200")
        app = request_commands.app if group == "request" else site_commands.app
        done = CliRunner().invoke(app, [str(word) for word in words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


@pytest.fixture
def centres(tmp_path: Path, act: Act) -> Path:
    """Two centres with 60 and 50 people, those of the first simulated, and the keys of both in sites.toml."""
    (tmp_path / "shared").mkdir()
    for number, (name, people) in enumerate({"seoul": 60, "ljubljana": 50}.items()):
        rng = np.random.default_rng(number)
        study = tmp_path / name
        study.mkdir()
        makers = [{"Name": "dawson simulate"}] if name == "seoul" else []
        write_json(study / "dataset_description.json", {"Name": name, "BIDSVersion": "1.9.0", "GeneratedBy": makers})
        write_json(study / "participants.json", {"diagnosis": {"Levels": {"MS": "", "NMOSD": ""}}, "age": {"Units": "year"}})
        names = [f"sub-{name}{person}" for person in range(people)]
        for person in names:
            (study / person / "anat").mkdir(parents=True)
        diagnosis = np.where(np.arange(people) % 5 < 3, "MS", "NMOSD")
        write_tsv(
            study / "participants.tsv",
            pd.DataFrame({"participant_id": names, "diagnosis": diagnosis, "age": rng.normal(40, 10, people).round(1)}),
        )
    act("kim", "site", "init", tmp_path / "seoul", "--name", "seoul", "--reviewer", "park")
    act("novak", "site", "init", tmp_path / "ljubljana", "--name", "ljubljana", "--reviewer", "kovac")
    keys = {name: act(who, "request", "key").strip() for name, who in (("asker", "asker"), ("seoul", "kim"), ("ljubljana", "novak"))}
    sites = "".join(f'[[sites]]\nname = "{name}"\nkey = "{keys[name]}"\n' for name in ("seoul", "ljubljana"))
    (tmp_path / "sites.toml").write_text(sites)
    for name in ("seoul", "ljubljana"):
        with (tmp_path / name / "governance" / "enclave.toml").open("a") as policy:
            policy.write(f'[[researchers]]\nname = "A. Sker"\nkey = "{keys["asker"]}"\n{sites}')
    return tmp_path


ASK = ("submit", "--site", "seoul", "--site", "ljubljana", "--project", "P", "--researcher", "A. Sker", "--json")


def test_a_question_goes_round_and_comes_back(centres: Path, act: Act) -> None:
    words = (*ASK, "--analysis", "summary", "--variable", "age", "--group-by", "diagnosis")
    assert json.loads(act("asker", "request", *words, "--dry-run"))["sent"] is False
    assert not list((centres / "shared").iterdir())
    identifier = json.loads(act("asker", "request", *words))["request"]
    for first, second, name in (("kim", "park", "seoul"), ("novak", "kovac", "ljubljana")):
        assert "held" in act(first, "site", "answer", centres / name)
        assert "a decision on round 1" in act(first, "site", "answer", centres / name)
        shown = act(second, "request", "review", centres / name, identifier)
        assert "variable=age" in shown and "people" in shown
        with pytest.raises(EnclaveError, match="is no reviewer"):
            act(first, "request", "release", centres / name, identifier)
        with pytest.raises(EnclaveError, match="waits for"):
            act("asker", "request", "fetch", identifier, "--sites", centres / "sites.toml", "--out", centres / "result")
        assert "released to" in act(second, "request", "release", centres / name, identifier)
    assert "seoul released round 1" in act("asker", "request", "status")
    shown = act("asker", "request", "fetch", identifier, "--sites", centres / "sites.toml", "--out", centres / "result")
    people = pd.concat(pd.read_csv(centres / name / "participants.tsv", sep="\t") for name in ("seoul", "ljubljana"))
    assert f"(n = {len(people)})" in shown
    table = pd.read_csv(centres / "result" / "table-1.tsv", sep="\t")
    found = table.set_index("diagnosis")["mean"]
    for diagnosis, group in people.groupby("diagnosis"):
        assert found[diagnosis] == pytest.approx(group["age"].mean(), abs=1e-8)
    page = (centres / "result" / "report.html").read_text()
    assert "Research use only" in page and "Simulated data" in page and identifier in page
    assert "sub-" not in page


def test_a_refusal_is_told(centres: Path, act: Act) -> None:
    identifier = json.loads(act("asker", "request", *ASK, "--analysis", "counts", "--where", "age > 200"))["request"]
    assert "No part of the answer" in act("kim", "site", "answer", centres / "seoul")
    assert "seoul refused: No part of the answer" in act("asker", "request", "status")
    assert "No request waits" in act("kim", "site", "answer", centres / "seoul")
    assert "refused" in act("park", "request", "review", centres / "seoul")
    with pytest.raises(EnclaveError, match="it needs every site"):
        act("asker", "request", "fetch", identifier, "--sites", centres / "sites.toml", "--out", centres / "result")
    assert not (centres / "result").exists()


def test_analyses_and_bad_words(centres: Path, act: Act) -> None:
    listed = {entry["analysis"] for entry in json.loads(act("asker", "request", "analyses", "--json"))}
    assert {"counts", "table-1", "logistic", "time-to-relapse"} <= listed
    for words, message in (
        (("--analysis", "median"), "no analysis 'median'"),
        (("--analysis", "linear", "--variable", "age"), "needs an outcome"),
        (("--analysis", "logistic", "--outcome", "diagnosis", "--variable", "age"), "--outcome-level"),
        (("--analysis", "counts", "--level", "sex"), "names no levels"),
        (("--analysis", "counts", "--purpose", "profit"), "is not known"),
    ):
        with pytest.raises(EnclaveError, match=message):
            act("asker", "request", *ASK, *words)

"""A network of real processes over mutual TLS on the loopback: it trains, refuses, and survives a killed site and coordinator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dawson.config import TrainingSection
from dawson.errors import ConfigError, NetworkError
from dawson.federation import network_session
from dawson.federation.local_network import OBSERVER, LocalNetwork, local_network
from dawson.federation.network import Network, NetworkUser, make_kits, read_kit
from dawson.federation.network_session import BROKEN_OFF, connected, fetch, network_status, submit, wait, write_job
from dawson.federation.nodes import start_site
from dawson.federation.plan import FederatedPlan
from dawson.federation.site_policy import write_site_policy_template
from dawson.files import read_json, write_json, write_text
from dawson.report.federation_page import write_federation_page

pytest.importorskip("nvflare", reason="NVFLARE is not installed")
CENTRES = {"seoul": "A", "taipei": "B", "oxford": "C"}
# a round of eight scans takes a second; a site that is gone is not waited for long
PATIENCE_S = 30.0


def plan(job: str, rounds: int = 2, **changes: Any) -> FederatedPlan:
    training = TrainingSection(network="resnet18-narrow", batch_size=4, device="cpu")
    return FederatedPlan(job=job, training=training, rounds=rounds, folds=2, **changes)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNetwork]:
    from dawson.simulation import plan_cohort, simulate_cohort

    folder = tmp_path_factory.mktemp("network")
    studies = {}
    people = {"MS": 3, "NMOSD": 3}
    for number, (name, site) in enumerate(CENTRES.items()):
        none = dict.fromkeys(people, 0)
        cohort = plan_cohort(people, followed_up=none, follow_up_scans=none, seed=700 + number, sites=(site,))
        study = simulate_cohort(folder / name, cohort, seed=700 + number)
        policy = write_site_policy_template(study, name)
        write_text(policy, policy.read_text().replace("minimum_cell = 10", "minimum_cell = 1"))
        studies[name] = (study, study)
    with local_network(studies, folder / "kits") as running:
        yield running


@pytest.fixture(scope="module")
def trained(network: LocalNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return network.run(plan("first"), tmp_path_factory.mktemp("result"), timeout_s=240)


def test_it_trains_and_the_result_comes_back(network: LocalNetwork, trained: Path) -> None:
    from safetensors.numpy import load_file

    result = read_json(trained / "result.json")
    assert [record["took_part"] for record in result["rounds"]] == [["oxford", "seoul", "taipei"]] * 2
    assert result["SimulatedData"] and result["plan_sha256"] == plan("first").digest
    assert all(record["bytes_from_sites"] > 3 * 100_000 and record["seconds"] > 0 for record in result["rounds"])
    assert all(np.isfinite(array).all() for array in load_file(trained / "model.safetensors").values())
    page = write_federation_page(trained).read_text()
    assert "Simulated data." in page and "2 of 2" in page and "oxford" in page
    (job,) = [job for job in network.status()["jobs"] if job["name"] == "first"]
    assert job["status"] == "FINISHED:COMPLETED"


def test_neither_coordinator_nor_researcher_holds_a_name_or_a_path_of_a_site(network: LocalNetwork, trained: Path) -> None:
    searched = 0
    hidden = [b"sub-00", *(str(study).encode() for study, _ in network.studies.values())]
    for folder in (network.kits["localhost"], network.researcher, trained):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                searched += len(content)
                assert not any(part in content for part in hidden), path
    assert searched > 1_000_000


def test_an_observer_may_look_and_not_train(network: LocalNetwork, trained: Path) -> None:
    observer = network.kits[OBSERVER]
    assert set(network_status(observer)["sites"]) == set(CENTRES)
    with pytest.raises(NetworkError, match="may not do this"):
        submit(observer, plan("second"))
    assert "[U:observer@network.local][A:refused submit_job]" in _log(network, "localhost", "audit.log")


def test_code_that_comes_with_a_job_is_refused(network: LocalNetwork, trained: Path, tmp_path: Path) -> None:
    job = write_job(tmp_path, plan("code"), PATIENCE_S)
    write_text(job / "app" / "custom" / "own.py", "print('here')\n")
    with connected(network.researcher) as session:
        identifier = session.submit_job(str(job))
    assert wait(network.researcher, identifier, timeout_s=90, every_s=1) != "FINISHED:COMPLETED"
    assert "[U:researcher@network.local][A:refused byoc]" in _log(network, "localhost", "audit.log")
    assert not list(network.kits["seoul"].rglob("own.py"))


def test_a_site_runs_nothing_but_dawson(network: LocalNetwork, trained: Path, tmp_path: Path) -> None:
    job = write_job(tmp_path, plan("other"), PATIENCE_S)
    config = job / "app" / "config" / "config_fed_client.json"
    content = read_json(config)
    content["executors"][0]["executor"]["path"] = "nvflare.app_common.np.np_trainer.NPTrainer"
    write_json(config, content)
    with connected(network.researcher) as session:
        identifier = session.submit_job(str(job))
    assert wait(network.researcher, identifier, timeout_s=120, every_s=1) != "FINISHED:COMPLETED"
    logs = "".join(path.read_text() for path in network.kits["seoul"].rglob("log.txt"))
    assert "NPTrainer" in logs and "is not in allow_list" in logs


def test_nobody_looks_into_the_files_of_a_site(network: LocalNetwork, trained: Path) -> None:
    for party in (OBSERVER, "researcher@network.local", "administrator@network.local"):
        with pytest.raises(NetworkError), connected(network.kits[party]) as session:
            session.cat_target("seoul", file="log.txt")


def test_a_node_of_another_authority_does_not_get_in(
    network: LocalNetwork, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_session, "_LOGIN_S", 5.0)
    port = int(read_json(network.kits["seoul"] / "startup" / "fed_client.json")["servers"][0]["service"]["target"].split(":")[1])
    strangers = Network(
        name="local", coordinator="localhost", port=port, sites=("seoul", "stranger"), users=(NetworkUser(name="researcher@network.local"),)
    )
    kits = make_kits(strangers, tmp_path / "kits")
    study = tmp_path / "study"
    (study / "governance").mkdir(parents=True)
    write_site_policy_template(study, "stranger")
    node = start_site(kits["stranger"], study, study)
    try:
        with pytest.raises(NetworkError, match="cannot be reached"):
            network_status(kits["researcher@network.local"])
        assert set(network.status()["sites"]) == set(CENTRES)
    finally:
        node.stop(at_once=True)
    assert "CERTIFICATE_VERIFY_FAILED" in _log(network, "localhost", "node.log") + node.log.read_text()


def test_a_kit_fits_one_site_only(network: LocalNetwork) -> None:
    study, out = network.studies["taipei"]
    with pytest.raises(ConfigError, match="is the policy of taipei"):
        start_site(network.kits["seoul"], study, out)
    with pytest.raises(ConfigError, match="is the kit of a site"):
        read_kit(network.kits["seoul"], "coordinator")


@pytest.mark.slow
def test_a_job_that_no_site_takes_tells_why(network: LocalNetwork, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"0 sites take part.*oxford: refused: purpose"):
        network.run(plan("wrong", purpose="general-research"), tmp_path, timeout_s=120)


@pytest.mark.slow
def test_a_killed_site_and_a_killed_coordinator_are_survived(network: LocalNetwork, trained: Path, tmp_path: Path) -> None:
    long = plan("long", rounds=4)
    first = submit(network.researcher, long, patience_s=PATIENCE_S)
    _until(lambda: _job(network, first).get("rounds", 0) >= 1)
    with pytest.raises(NetworkError, match="runs already"):
        submit(network.researcher, long)
    network.nodes["oxford"].stop(at_once=True)
    network.nodes["localhost"].stop(at_once=True)
    before = read_json(network.kits["localhost"] / "jobs" / "long" / "rounds.json")
    network.start_coordinator()
    _until(lambda: {"seoul", "taipei"} <= set(network.status()["sites"]))
    assert _job(network, first)["status"] == BROKEN_OFF
    second = submit(network.researcher, long, patience_s=PATIENCE_S)
    assert wait(network.researcher, second, timeout_s=240, every_s=2) == "FINISHED:COMPLETED"
    result = read_json(fetch(network.researcher, second, tmp_path) / "result.json")
    after = [{name: value for name, value in record.items() if name != "validation_loss"} for record in result["rounds"]]
    kept = [{name: value for name, value in record.items() if name != "evaluations"} for record in before]
    assert after[: len(kept)] == kept and len(after) == 4
    assert after[-1]["took_part"] == ["seoul", "taipei"]


def _job(network: LocalNetwork, identifier: str) -> dict[str, Any]:
    return next(job for job in network.status()["jobs"] if job["identifier"] == identifier)


def _log(network: LocalNetwork, party: str, name: str) -> str:
    return (network.kits[party] / name).read_text()


def _until(reached: Any, seconds: float = 150.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if reached():
            return
        time.sleep(1)
    raise AssertionError(f"not reached in {seconds:g} s")

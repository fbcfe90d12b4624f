"""The processes of a network: a coordinator's or a site's node is NVFLARE started from a kit, in its own process group, with a log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.errors import ConfigError, NetworkError
from dawson.federation.network import COORDINATOR_VARIABLE, JOBS_VARIABLE, OUT_VARIABLE, STUDY_VARIABLE, organisation, read_kit
from dawson.federation.site_policy import policy_path, read_site_policy
from dawson.files import read_json, write_json

NODE_LOG = "node.log"
_ENDS_S = 10.0


@dataclass
class Node:
    """A node that runs.

    Parameters
    ----------
    name : str
    kit : Path
    process : subprocess.Popen
    """

    name: str
    kit: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> Path:
        """What its processes print."""
        return self.kit / NODE_LOG

    @property
    def running(self) -> bool:
        """Whether its main process is alive."""
        return self.process.poll() is None

    def stop(self, *, at_once: bool = False) -> None:
        """End the node and the jobs that run in it; `at_once` as a power cut would."""
        if not at_once and self.running:
            self.process.terminate()
            end = time.monotonic() + _ENDS_S
            while self.running and time.monotonic() < end:
                time.sleep(0.1)
        end_processes(self.kit)
        self.process.wait()

    def problem(self) -> str:
        """The last line of its log that tells of an error; empty where there is none."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.is_file() else []
        return next((line.strip() for line in reversed(lines) if "ERROR" in line or "Error" in line), "")


def end_processes(kit: Path) -> None:
    """Kill every process of a kit on this machine.

    NVFLARE gives the process of each job a session of its own: it outlives a node that is killed, and waits for it at full speed.
    """
    import psutil

    mine = str(kit.resolve())
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(word.startswith("nvflare.private.fed.app") for word in words) and mine in words:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def start_site(kit: Path, study: Path, out: Path, *, jobs: int = 1) -> Node:
    """Start a site's node.

    Parameters
    ----------
    kit : Path
        The site's kit.
    study, out : Path
        Its study, and where what it keeps of jobs goes.
    jobs : int
        Processes of the preprocessing, where images are not yet made.

    Raises
    ------
    ConfigError
        The kit is not a site's, or the study's policy is that of another site.
    """
    name = read_kit(kit, "site")["name"]
    policy = read_site_policy(policy_path(study))
    if policy.site != name:
        raise ConfigError(f"{policy_path(study)} is the policy of {policy.site}, and {kit} is the kit of {name}.", "Give the right one.")
    told = {STUDY_VARIABLE: str(study.resolve()), OUT_VARIABLE: str(out.resolve()), JOBS_VARIABLE: str(jobs)}
    return _start(kit, name, "client", [f"uid={name}", f"org={organisation(name)}"], told)


def start_coordinator(kit: Path) -> Node:
    """Start the coordinator's node; what it keeps is in the kit's folder.

    Raises
    ------
    ConfigError
        The kit is not the coordinator's.
    """
    said = read_kit(kit, "coordinator")
    path = kit / "local" / "resources.json"
    resources: dict[str, Any] = read_json(path)
    store = kit.resolve() / "storage"
    resources["snapshot_persistor"]["args"]["storage"]["args"]["root_dir"] = str(store / "snapshots")
    for part in resources["components"]:
        if part["id"] == "job_manager":
            part["args"]["uri_root"] = str(store / "jobs")
    write_json(path, resources)
    return _start(kit, said["name"], "server", [f"org={organisation(said['network'])}"], {COORDINATOR_VARIABLE: str(kit.resolve())})


def _start(kit: Path, name: str, side: str, settings: list[str], told: dict[str, str]) -> Node:
    kit = kit.resolve()
    end_processes(kit)
    (kit / "transfer").mkdir(exist_ok=True)
    command = [
        sys.executable, "-u", "-m", f"nvflare.private.fed.app.{side}.{side}_train", "-m", str(kit), "-s", f"fed_{side}.json",
        "--set", "secure_train=true", "config_folder=config", *settings,
    ]  # fmt: skip
    with (kit / NODE_LOG).open("ab") as written:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT, cwd=kit, env=os.environ | told,
            start_new_session=True,
        )  # fmt: skip
    return Node(name, kit, process)


def watch(node: Node) -> None:
    """Wait until a node ends; an interruption ends it.

    Raises
    ------
    NetworkError
        It ended by itself with an error.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = node.process.wait()
    except KeyboardInterrupt:
        code = 0
    finally:
        signal.signal(signal.SIGTERM, before)
        node.stop()
    if code:
        raise NetworkError(f"The node of {node.name} ended with code {code}. {node.problem()}".strip(), f"Its log is {node.log}.")


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt

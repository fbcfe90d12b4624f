"""What a user of a network does at a distance: submit a training, see how far it is, stop it, fetch its result."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

from dawson.errors import ConfigError, MissingDependencyError, NetworkError
from dawson.federation.coordinator import RESULT
from dawson.federation.network import COORDINATOR_COMPONENT, MODEL, PROBLEM, SITE_COMPONENT, TASK, read_kit
from dawson.federation.plan import FederatedPlan
from dawson.files import read_json, write_json

BROKEN_OFF = "BROKEN OFF"
"""Status of a job that the coordinator began before it was restarted, and does not carry on by itself."""
_ENDED = "FINISHED"
_LOGIN_S = 20.0
_CHANCES = 5


@contextmanager
def connected(kit: Path) -> Iterator[Any]:
    """A session of NVFLARE as the user of a kit.

    Raises
    ------
    NetworkError
        The coordinator cannot be reached, or refuses.
    """
    try:
        from nvflare.fuel.flare_api import api_spec
        from nvflare.fuel.flare_api.flare_api import new_secure_session
    except ImportError as error:
        raise MissingDependencyError("A network needs NVFLARE.", "pip install dawson[federation]") from error
    name = read_kit(kit, "user")["name"]
    before = Path.cwd()
    try:
        # NVFLARE makes its transfer folder where it is started
        os.chdir(kit)
        with redirect_stdout(StringIO()):
            session = new_secure_session(name, str(kit.resolve()), timeout=_LOGIN_S)
    except (api_spec.NoConnection, ConnectionError, OSError) as error:
        raise NetworkError(f"The coordinator cannot be reached: {error}.", "Ask whether it runs, and whether its port is open.") from error
    except (api_spec.AuthenticationError, api_spec.AuthorizationError) as error:
        raise NetworkError(f"The coordinator does not let {name} in: {error}.") from error
    finally:
        os.chdir(before)
    try:
        yield session
    except api_spec.AuthorizationError as error:
        raise NetworkError(f"{name} may not do this: {error}.", "Ask the coordinator for another role.") from error
    except (api_spec.JobNotFound, api_spec.InvalidArgumentError) as error:
        raise ConfigError(f"The coordinator knows no such job: {error}.", "`dawson federation status` lists them.") from error
    except (api_spec.NoConnection, api_spec.SessionClosed, api_spec.InternalError) as error:
        raise NetworkError(f"The coordinator answers no more: {error}.", "Try again; a training goes on without you.") from error
    finally:
        session.close()


def write_job(folder: Path, plan: FederatedPlan, patience_s: float) -> Path:
    """A training as NVFLARE's job: two names of Dawson's components and the plan, no code."""
    job = folder / plan.job
    app = job / "app" / "config"
    server = {"id": TASK, "path": COORDINATOR_COMPONENT, "args": {"plan": plan.model_dump(mode="json"), "patience_s": patience_s}}
    site = {"tasks": [TASK], "executor": {"path": SITE_COMPONENT, "args": {}}}
    write_json(job / "meta.json", {
        "name": plan.job, "resource_spec": {}, "min_clients": plan.minimum_sites, "deploy_map": {"app": ["@ALL"]},
    })  # fmt: skip
    write_json(app / "config_fed_server.json", {"format_version": 2, "workflows": [server], "components": []})
    write_json(app / "config_fed_client.json", {"format_version": 2, "executors": [site], "components": []})
    return job


def submit(kit: Path, plan: FederatedPlan, *, patience_s: float = 3600.0) -> str:
    """Submit a training; one of the same plan that was broken off, by a restart of the coordinator, say, goes on where it was.

    Returns
    -------
    str
        Identifier of the job.

    Raises
    ------
    NetworkError
        A job of this name runs.
    """
    with tempfile.TemporaryDirectory() as folder, connected(kit) as session:
        for job in _jobs(session):
            if job["name"] != plan.job or job["status"].startswith(_ENDED):
                continue
            if job["status"] != BROKEN_OFF:
                raise NetworkError(f"{plan.job} runs already, as {job['identifier']}.", "Follow it, or stop it first.")
        identifier: str = session.submit_job(str(write_job(Path(folder), plan, patience_s)))
    return identifier


def network_status(kit: Path) -> dict[str, Any]:
    """Sites that are connected and all jobs, with the rounds of those that run.

    Returns
    -------
    dict
        sites: name to seconds since it was last heard of; jobs: list of identifier, name, submitter, status, submitted, and for those
        that run rounds, of, took_part, dropped, loss.
    """
    with connected(kit) as session:
        clients, jobs = session.get_system_info().client_info, _jobs(session)
    now = time.time()
    sites = {client.name: round(now - client.last_connect_time, 1) for client in clients if client.last_connect_time}
    return {"sites": dict(sorted(sites.items())), "jobs": jobs}


def _jobs(session: Any) -> list[dict[str, Any]]:
    started = session.get_system_info().server_info.start_time
    return [_job(session, meta, started) for meta in session.list_jobs(detailed=True)]


def _job(session: Any, meta: dict[str, Any], server_started: float) -> dict[str, Any]:
    from nvflare.fuel.flare_api import api_spec

    # list_jobs and get_job_meta name some things differently
    found = {
        "identifier": meta["job_id"], "name": meta.get("job_name") or meta.get("name", ""), "submitter": meta.get("submitter_name", ""),
        "status": meta["status"], "submitted": meta.get("submit_time_iso") or meta.get("submit_time", ""),
    }  # fmt: skip
    if meta["status"] == "RUNNING":
        # a job that is about to begin or end has nothing to tell either
        with suppress(api_spec.JobNotFound, api_spec.JobNotRunning, api_spec.InternalError):
            told = _progress(session.show_stats(meta["job_id"], "server"))
            if told:
                return found | told
        if _seconds(found["submitted"]) < server_started:
            found["status"] = BROKEN_OFF
    return found


def _seconds(time_of: str | float) -> float:
    return datetime.fromisoformat(time_of).timestamp() if isinstance(time_of, str) else float(time_of)


def _progress(told: Any) -> dict[str, Any]:
    """What the coordinator's part says of its rounds, wherever NVFLARE puts it."""
    if isinstance(told, dict):
        if isinstance(own := told.get(TASK), dict):
            return {name: value for name, value in own.items() if name != "job"}
        for value in told.values():
            if found := _progress(value):
                return found
    return {}


def wait(
    kit: Path, identifier: str, *, timeout_s: float, heard: Callable[[dict[str, Any]], None] | None = None, every_s: float = 5.0
) -> str:
    """Wait until a job has ended.

    Parameters
    ----------
    kit : Path
    identifier : str
    timeout_s : float
    heard : callable, optional
        Is told the job's line of `network_status` again and again.
    every_s : float

    Returns
    -------
    str
        Its status at the end, such as FINISHED:COMPLETED.

    Raises
    ------
    NetworkError
        It has not ended in time, or the coordinator cannot be reached again and again.
    """
    end, lost = time.monotonic() + timeout_s, 0
    while time.monotonic() < end:
        try:
            with connected(kit) as session:
                started = session.get_system_info().server_info.start_time
                while time.monotonic() < end:
                    job = _job(session, session.get_job_meta(identifier), started)
                    lost = 0
                    if heard is not None:
                        heard(job)
                    if job["status"].startswith(_ENDED):
                        return str(job["status"])
                    time.sleep(every_s)
        except NetworkError:
            # a connection may be lost while a job goes on
            lost += 1
            if lost == _CHANCES:
                raise
            time.sleep(every_s)
    raise NetworkError(f"{identifier} has not ended after {timeout_s:g} s.", "It goes on; look with `dawson federation status`.")


def stop(kit: Path, identifier: str) -> None:
    """Stop a job; its finished rounds stay at the coordinator."""
    with connected(kit) as session:
        session.abort_job(identifier)


def fetch(kit: Path, identifier: str, out: Path) -> Path:
    """Bring the result of a finished job: result.json and the weights of its best round.

    Raises
    ------
    NetworkError
        The job has no result: it says why, where the coordinator knew.
    """
    with tempfile.TemporaryDirectory() as folder, connected(kit) as session:
        place = Path(session.download_job_result(identifier, folder))
        found = {name: next(iter(place.rglob(name)), None) for name in (RESULT, MODEL, PROBLEM)}
        if (problem := found.pop(PROBLEM)) is not None:
            told = read_json(problem)
            raise NetworkError(f"The training broke off: {told['problem']}", told["fix"])
        missing = [name for name, path in found.items() if path is None]
        if missing:
            raise NetworkError(f"{identifier} has no {', '.join(missing)}: it did not come to an end.", "Submit the same plan again.")
        out.mkdir(parents=True, exist_ok=True)
        for name, path in found.items():
            assert path is not None
            shutil.copy(path, out / name)
    return out

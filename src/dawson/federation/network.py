"""The network of a federation: who takes part and in which role, and the startup kits with their certificates, made by NVFLARE."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dawson.config import Section, read_toml, validated
from dawson.errors import ConfigError, MissingDependencyError
from dawson.federation.plan import SiteName
from dawson.files import read_json, write_json, write_text

Email = Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]{1,40}@[A-Za-z0-9.-]{1,60}\.[A-Za-z]{2,20}$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$")]

ROLES = {"administrator": "project_admin", "researcher": "lead", "observer": "member"}
"""Dawson's word for each role, and NVFLARE's."""
SITE_COMPONENT = "dawson.federation.transport.SiteExecutor"
COORDINATOR_COMPONENT = "dawson.federation.transport.CoordinatorController"
TASK = "dawson"
"""Name of the one kind of task, and of what the coordinator tells of a job."""
MODEL, PROBLEM = "model.safetensors", "problem.json"
"""Fetched beside the coordinator's result.json of a job that was finished, and in its place of one that broke off."""
STUDY_VARIABLE, OUT_VARIABLE, JOBS_VARIABLE = "DAWSON_SITE_STUDY", "DAWSON_SITE_OUT", "DAWSON_SITE_JOBS"
"""What `dawson site start` tells the processes of a site; nothing of it comes from the network."""
COORDINATOR_VARIABLE = "DAWSON_COORDINATOR_FOLDER"
KIT = "dawson-kit.json"
_STATE, _MADE, _MARK = "authority", "made", "network.json"


class NetworkUser(Section):
    """Somebody who may look at the network or start trainings on it.

    Parameters
    ----------
    name : str
        An address for electronic mail; names the certificate.
    role : {"administrator", "researcher", "observer"}
        Researchers start trainings and stop their own; administrators stop any; observers look.
    """

    name: Email
    role: Literal["administrator", "researcher", "observer"] = "researcher"


class Network(Section):
    """The whole of network.toml.

    Parameters
    ----------
    name : str
    coordinator : str
        Host name under which every site and user reaches the coordinator; its certificate is for this name.
    port : int
        The only port that must be open, at the coordinator alone.
    sites : tuple of str
    users : tuple of NetworkUser
    valid_days : int
        Of the certificates.
    """

    name: SiteName
    coordinator: Host
    port: Annotated[int, Field(ge=1, le=65535)] = 8002
    sites: Annotated[tuple[SiteName, ...], Field(min_length=2, max_length=1000)]
    users: Annotated[tuple[NetworkUser, ...], Field(min_length=1)]
    valid_days: Annotated[int, Field(ge=1, le=3650)] = 360

    @model_validator(mode="after")
    def _names_differ(self) -> Network:
        names = [self.coordinator, *self.sites, *(user.name for user in self.users)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} is named twice")
        return self


def read_network(path: Path) -> Network:
    """Read network.toml.

    Raises
    ------
    ConfigError
    """
    return validated(Network, read_toml(path), str(path), "Correct the setting; docs/how-to/run-a-network lists them all.")


def write_network_template(path: Path) -> Path:
    """Write a network.toml to fill in.

    Raises
    ------
    ConfigError
        It is there already.
    """
    if path.exists():
        raise ConfigError(f"{path} is there already.", "Edit it; it is not overwritten.")
    write_text(path, _TEMPLATE)
    return path


def make_kits(network: Network, out: Path) -> dict[str, Path]:
    """Startup kits of the coordinator, the sites and the users, each with a key and certificate of its own.

    Made again with more sites or users, the kits that are there stay as they are and the new ones get certificates of the same authority.

    Parameters
    ----------
    network : Network
    out : Path
        Gets a folder for every party, and `authority` with the key that signs them all.

    Returns
    -------
    dict of str to Path
        Folder of each party.

    Raises
    ------
    MissingDependencyError
        NVFLARE is not installed.
    ConfigError
        `out` belongs to another network.
    """
    state = out / _STATE
    mark = state / _MARK
    told = {"name": network.name, "coordinator": network.coordinator, "port": network.port}
    if mark.is_file() and read_json(mark) != told:
        raise ConfigError(f"{out} holds the kits of another network: {read_json(mark)}.", "Give another folder.")
    made = _provision(network, state)
    write_json(mark, told)
    kits = {}
    for name, kind, role in _parties(network):
        kits[name] = out / name
        if kits[name].exists():
            continue
        own = made / name
        for pattern in ("*.ipynb", "*.sample", "fl_admin.sh", "*start*.sh", "stop_fl.sh", "readme.txt"):
            # a kit is used through Dawson's own commands; NVFLARE's scripts would start it without the study and its policy
            for extra in own.rglob(pattern):
                extra.unlink()
        write_json(own / KIT, {"network": network.name, "name": name, "kind": kind, "role": role})
        if kind != "user":
            _lock_down(own / "local", kind)
        shutil.move(own, kits[name])
        kits[name].chmod(0o700)
    shutil.rmtree(state / _MADE / network.name / made.name)
    return kits


def port_of(out: Path) -> int | None:
    """Port of the network whose kits are in a folder; None where there are none yet."""
    mark = out / _STATE / _MARK
    return int(read_json(mark)["port"]) if mark.is_file() else None


def read_kit(folder: Path, kind: str) -> dict[str, str]:
    """What a kit says of itself.

    Raises
    ------
    ConfigError
        The folder is no kit, or one of another kind.
    """
    path = folder / KIT
    if not path.is_file():
        raise ConfigError(f"{folder} is no kit of a network.", "`dawson federation init` makes them; unpack the one you were given.")
    kit: dict[str, str] = read_json(path)
    if kit.get("kind") != kind:
        raise ConfigError(f"{folder} is the kit of a {kit.get('kind')}, and this needs that of a {kind}.")
    return kit


def organisation(name: str) -> str:
    """A name as NVFLARE takes it for an organisation: without `-`."""
    return name.replace("-", "_")


def _parties(network: Network) -> Iterator[tuple[str, str, str]]:
    yield network.coordinator, "coordinator", ""
    for site in network.sites:
        yield site, "site", ""
    for user in network.users:
        yield user.name, "user", user.role


def _provision(network: Network, state: Path) -> Path:
    """NVFLARE's own provisioning; its state, with the key of the authority, stays in `state`."""
    try:
        from nvflare.lighter.entity import Project
        from nvflare.lighter.impl.cert import CertBuilder
        from nvflare.lighter.impl.static_file import StaticFileBuilder
        from nvflare.lighter.impl.workspace import WorkspaceBuilder
        from nvflare.lighter.provisioner import Provisioner
    except ImportError as error:
        raise MissingDependencyError("A network needs NVFLARE.", "pip install dawson[federation]") from error
    project = Project(network.name, f"Dawson network {network.name}", props={"api_version": 3})
    owner = organisation(network.name)
    project.set_server(network.coordinator, owner, {"fed_learn_port": network.port, "admin_port": network.port})
    for site in network.sites:
        project.add_client(site, organisation(site), {})
    for user in network.users:
        project.add_admin(user.name, owner, {"role": ROLES[user.role]})
    builders = [
        WorkspaceBuilder(template_file=["master_template.yml"]), StaticFileBuilder(config_folder="config", scheme="grpc"),
        CertBuilder(root_valid_days=network.valid_days),
    ]  # fmt: skip
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o700)
    done = Provisioner(str(state / _MADE), builders).provision(project, logger=logging.getLogger("dawson.federation.provisioning"))
    if "current_prod_dir" not in done or done.get("__build_error__"):
        raise ConfigError("NVFLARE could not make the kits.", "Its log says why; mend the network file and try again.")
    return Path(done["current_prod_dir"])


def _lock_down(local: Path, kind: str) -> None:
    """A node runs Dawson's one component and nothing else, sends no log, and lets nobody at a distance look into its files."""
    resources: dict[str, Any] = read_json(local / "resources.json.default")
    resources["class_allow_list"] = [SITE_COMPONENT if kind == "site" else COORDINATOR_COMPONENT]
    resources["class_list_enforcement_mode"] = "enforce"
    resources["allow_log_streaming"] = False
    resources["components"] = [part for part in resources["components"] if part["id"] not in ("site_log_streamer", "log_receiver")]
    resources["components"].append({"id": "refusal_log", "path": "dawson.federation.transport.RefusalLog", "args": {}})
    write_json(local / "resources.json", resources)
    nothing = {"submit_job": "none", "clone_job": "none", "manage_job": "none", "download_job": "none", "operate": "none"}
    never = {"shell_commands": "none", "byoc": "none", "server-predeployed-flwr": "none"}
    if kind == "site":
        # a job of a researcher is run (the right to submit it is asked at the site as well); no other wish of anybody is
        permissions = {"lead": {**nothing, "view": "none", "submit_job": "any", **never}}
        permissions |= {role: {**nothing, "view": "none", **never} for role in ("project_admin", "org_admin", "member")}
    else:
        permissions = {
            "project_admin": {**nothing, "manage_job": "any", "view": "any", **never},
            "org_admin": {**nothing, "view": "any", **never},
            "lead": {**nothing, "submit_job": "any", "manage_job": "n:submitter", "download_job": "n:submitter", "view": "any", **never},
            "member": {**nothing, "view": "any", **never},
        }
    write_json(local / "authorization.json", {"format_version": "1.0", "permissions": permissions})


_TEMPLATE = """\
# A network of centres that train together while their data stay home.

name = "my-network"
# Name under which every site reaches the coordinator's machine, and the one port that has to be open there.
coordinator = "coordinator.example.org"
port = 8002
# Each site's name, as in its own governance/federation.toml.
sites = ["site-one", "site-two"]
# Certificates end after so many days.
valid_days = 360

# researcher: starts trainings. administrator: stops any. observer: looks.
[[users]]
name = "researcher@example.org"
role = "researcher"
"""

"""A whole network of real processes on one machine: kits, mutual TLS over the loopback, a node for every study."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dawson.errors import NetworkError
from dawson.federation.network import Network, NetworkUser, make_kits, port_of
from dawson.federation.network_session import fetch, network_status, submit, wait
from dawson.federation.nodes import Node, start_coordinator, start_site
from dawson.federation.plan import FederatedPlan

RESEARCHER, OBSERVER, ADMINISTRATOR = (f"{role}@network.local" for role in ("researcher", "observer", "administrator"))
_HOST = "localhost"
_STARTS_S = 120.0


@dataclass
class LocalNetwork:
    """A network on this machine.

    Parameters
    ----------
    kits : dict of str to Path
        Of every party.
    studies : dict of str to (Path, Path)
        Of each site: its study, and where its results go.
    nodes : dict of str to Node
        Those that run; the coordinator's under its host name.
    """

    kits: dict[str, Path]
    studies: Mapping[str, tuple[Path, Path]]
    jobs: int = 1
    nodes: dict[str, Node] = field(default_factory=dict)

    @property
    def researcher(self) -> Path:
        """Kit of the researcher."""
        return self.kits[RESEARCHER]

    def start_coordinator(self) -> None:
        """Start the coordinator's node, and wait until it answers."""
        node = self.nodes[_HOST] = start_coordinator(self.kits[_HOST])
        self._until_connected((), f"The coordinator does not start; its log is {node.log}.", node)

    def start_sites(self, *names: str) -> None:
        """Start sites, all by default, and wait until they are connected."""
        wanted = names or tuple(self.studies)
        for name in wanted:
            study, out = self.studies[name]
            self.nodes[name] = start_site(self.kits[name], study, out, jobs=self.jobs)
        self._until_connected(wanted, f"Not all of {', '.join(wanted)} could connect.")

    def status(self) -> dict[str, Any]:
        """What the researcher sees."""
        return network_status(self.researcher)

    def run(self, plan: FederatedPlan, out: Path, *, timeout_s: float, heard: Callable[[dict[str, Any]], None] | None = None) -> Path:
        """Submit a training, wait for its end and fetch its result.

        Raises
        ------
        NetworkError
            It did not come to an end.
        """
        identifier = submit(self.researcher, plan)
        wait(self.researcher, identifier, timeout_s=timeout_s, heard=heard, every_s=2.0)
        return fetch(self.researcher, identifier, out)

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes.values():
            node.stop()

    def _until_connected(self, sites: Sequence[str], otherwise: str, node: Node | None = None) -> None:
        """Wait until the coordinator answers and the sites are connected; no longer where the node has ended."""
        end = time.monotonic() + _STARTS_S
        while time.monotonic() < end:
            if node is not None and not node.running:
                raise NetworkError(f"{otherwise} {node.problem()}".strip())
            with suppress(NetworkError):
                if set(sites) <= set(self.status()["sites"]):
                    return
            time.sleep(0.5)
        raise NetworkError(otherwise)


@contextmanager
def local_network(studies: Mapping[str, tuple[Path, Path]], folder: Path, *, name: str = "local", jobs: int = 1) -> Iterator[LocalNetwork]:
    """Start a network of studies on this machine, and end it at the end of the block.

    Parameters
    ----------
    studies : mapping of str to (Path, Path)
        Of each site: its study, which has a policy governance/federation.toml in the site's name, and where its results go.
    folder : Path
        Of the kits, which hold the logs too.
    name : str
    jobs : int
        Processes of each site's preprocessing.

    Raises
    ------
    NetworkError
        A node does not start.
    """
    users = (
        NetworkUser(name=RESEARCHER),
        NetworkUser(name=OBSERVER, role="observer"),
        NetworkUser(name=ADMINISTRATOR, role="administrator"),
    )
    port = port_of(folder) or free_port()
    network = Network(name=name, coordinator=_HOST, port=port, sites=tuple(studies), users=users)
    running = LocalNetwork(make_kits(network, folder), studies, jobs)
    try:
        running.start_coordinator()
        running.start_sites()
        yield running
    finally:
        running.stop()


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])

"""Kits of a network: what each holds, what each shuts, and what happens when somebody joins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dawson.cli import federation as commands
from dawson.config import validated
from dawson.errors import ConfigError
from dawson.federation.network import Network, NetworkUser, make_kits, read_kit, read_network, write_network_template
from dawson.files import read_json

pytest.importorskip("nvflare", reason="NVFLARE is not installed")
USERS = (NetworkUser(name="a@example.org"), NetworkUser(name="o@example.org", role="observer"))


def network(*sites: str, **changes: Any) -> Network:
    return Network(name="trial", coordinator="localhost", port=18123, sites=sites, users=USERS).model_copy(update=changes)


def test_kits_hold_one_partys_key_and_run_dawson_alone(tmp_path: Path) -> None:
    kits = make_kits(network("seoul", "oxford"), tmp_path)
    assert list(kits) == ["localhost", "seoul", "oxford", "a@example.org", "o@example.org"]
    keys = [next((kit / "startup").glob("*.key")).read_bytes() for kit in kits.values()]
    assert len(set(keys)) == 5
    for name, kit in kits.items():
        assert kit.stat().st_mode & 0o077 == 0
        assert not [path for path in kit.rglob("*") if path.suffix in (".sh", ".ipynb")]
        own = next((kit / "startup").glob("*.key")).read_bytes()
        assert not any(other in path.read_bytes() for other in keys if other != own for path in kit.rglob("*") if path.is_file()), name
    resources = read_json(kits["seoul"] / "local" / "resources.json")
    assert resources["class_allow_list"] == ["dawson.federation.transport.SiteExecutor"] and not resources["allow_log_streaming"]
    assert {part["id"] for part in resources["components"]} == {"resource_manager", "resource_consumer", "process_launcher", "refusal_log"}
    permissions = read_json(kits["seoul"] / "local" / "authorization.json")["permissions"]
    allowed = {(role, right) for role, rights in permissions.items() for right, who in rights.items() if who != "none"}
    assert allowed == {("lead", "submit_job")}
    assert all(rights["byoc"] == "none" for rights in read_json(kits["localhost"] / "local" / "authorization.json")["permissions"].values())


def test_who_joins_later_gets_a_kit_of_the_same_authority_and_the_others_keep_theirs(tmp_path: Path) -> None:
    kits = make_kits(network("seoul", "oxford"), tmp_path)
    before = {path: path.read_bytes() for kit in kits.values() for path in kit.rglob("*") if path.is_file()}
    more = make_kits(network("seoul", "oxford", "taipei"), tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    root = (more["taipei"] / "startup" / "rootCA.pem").read_bytes()
    assert root == (kits["seoul"] / "startup" / "rootCA.pem").read_bytes()
    assert read_kit(more["taipei"], "site")["name"] == "taipei"
    with pytest.raises(ConfigError, match="kits of another network"):
        make_kits(network("seoul", "oxford", port=9), tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sites": ["seoul", "seoul"]}, "seoul is named twice"),
        ({"sites": ["seoul"]}, "sites"),
        ({"sites": ["Seoul", "oxford"]}, "sites"),
        ({"users": [{"name": "nobody"}]}, "users"),
        ({"users": [{"name": "a@example.org", "role": "king"}]}, "role"),
        ({"coordinator": "https://x"}, "coordinator"),
        ({"port": 0}, "port"),
    ],
)
def test_a_wrong_network_names_the_entry(changes: dict[str, Any], told: str) -> None:
    content = {"name": "n", "coordinator": "c.example.org", "sites": ["seoul", "oxford"], "users": [{"name": "a@example.org"}]}
    with pytest.raises(ConfigError, match=told):
        validated(Network, content | changes, "network.toml", "")


def test_the_template_is_read_and_never_overwritten(tmp_path: Path) -> None:
    path = write_network_template(tmp_path / "network.toml")
    assert read_network(path).users[0].role == "researcher"
    with pytest.raises(ConfigError, match="there already"):
        write_network_template(path)


def test_init_writes_a_template_first_and_then_the_kits(tmp_path: Path) -> None:
    words = ["init", str(tmp_path / "network.toml"), "--out", str(tmp_path / "kits")]
    assert "is a template" in CliRunner().invoke(commands.app, words).stdout
    assert not (tmp_path / "kits").exists()
    done = CliRunner().invoke(commands.app, words)
    assert done.exit_code == 0 and "keep it offline" in done.stdout
    assert (tmp_path / "kits" / "site-one" / "startup" / "client.crt").is_file()

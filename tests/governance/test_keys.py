"""Secrets: made once, readable by their owner only, never inside a study."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dawson.errors import GovernanceError
from dawson.governance.keys import key_folder, named_key_folder, read_key, read_or_make_secret


def test_a_secret_is_made_once_and_read_again(keys: Path) -> None:
    secret = read_or_make_secret("intake.key")
    assert len(secret) == 32
    assert read_or_make_secret("intake.key") == secret
    assert (keys / "intake.key").stat().st_mode & 0o777 == 0o600
    assert keys.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in keys.iterdir()] == ["intake.key"]


def test_two_secrets_differ(tmp_path: Path) -> None:
    assert read_or_make_secret("a.key") != read_or_make_secret("b.key")


def test_many_who_ask_at_once_get_the_same_secret() -> None:
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(lambda _: read_or_make_secret("intake.key"), range(32)))
    assert len(secrets) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_refused(keys: Path, mode: int) -> None:
    read_or_make_secret("intake.key")
    (keys / "intake.key").chmod(mode)
    with pytest.raises(GovernanceError, match="chmod 600"):
        read_or_make_secret("intake.key")


def test_keys_inside_a_study_are_refused(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GovernanceError, match="inside a study"):
        read_or_make_secret("intake.key", study / "governance" / "keys")
    monkeypatch.setenv("DAWSON_KEYS", str(study / "keys"))
    with pytest.raises(GovernanceError, match="inside a study"):
        key_folder()
    assert not (study / "keys").exists()


def test_a_link_into_a_study_is_refused(study: Path, tmp_path: Path) -> None:
    (study / "hidden").mkdir()
    (tmp_path / "link").symlink_to(study / "hidden")
    with pytest.raises(GovernanceError, match="inside a study"):
        read_or_make_secret("intake.key", tmp_path / "link")


def test_a_key_that_is_a_link_is_refused(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(bytes(32))
    (tmp_path / "elsewhere").chmod(0o600)
    key_folder()
    (keys / "intake.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GovernanceError, match="cannot be read"):
        read_or_make_secret("intake.key")


def test_a_cut_key_is_not_used(keys: Path) -> None:
    read_or_make_secret("intake.key")
    (keys / "intake.key").write_bytes(b"short")
    with pytest.raises(GovernanceError, match="5 bytes where a key has 32"):
        read_or_make_secret("intake.key")


def test_a_key_that_must_be_there_is_never_made(keys: Path) -> None:
    with pytest.raises(GovernanceError, match="cannot be read"):
        read_key(named_key_folder() / "intake.key")
    assert not keys.exists()
    assert read_or_make_secret("intake.key") == read_key(keys / "intake.key")

"""A file of lines survives a crash at any byte without losing a line that was written whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawson.governance.ledger import append_lines, complete_lines, create_exclusively, replace_durably

LINES = [b'{"a":1}', b'{"b":"x{}"}', b'{"c":[{}]}']


def test_a_write_cut_at_any_byte_loses_nothing_that_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append_lines(path, LINES)
    content = path.read_bytes()
    start = content.rindex(b'{"c"')
    for cut in range(start, len(content)):
        path.write_bytes(content[:cut])
        # All of the last line but its end is the line itself.
        expected = LINES if cut == len(content) - 1 else LINES[:2]
        assert complete_lines(path) == expected
        append_lines(path, [b'{"d":4}'])
        assert complete_lines(path) == [*expected, b'{"d":4}']
        assert path.read_bytes().endswith(b"\n")


def test_no_file_is_an_empty_ledger(tmp_path: Path) -> None:
    assert complete_lines(tmp_path / "none.jsonl") == []


def test_a_line_with_an_end_inside_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="end of line"):
        append_lines(tmp_path / "ledger.jsonl", [b"a\nb"])


def test_a_long_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"a":1}\n{"b":"' + b"x" * 300_000)
    append_lines(path, [b'{"c":1}'])
    assert path.read_bytes() == b'{"a":1}\n{"c":1}\n'


def test_of_two_who_create_one_wins_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert create_exclusively(tmp_path / "key", b"first")
    assert not create_exclusively(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"
    replace_durably(tmp_path / "key", b"third")
    assert (tmp_path / "key").read_bytes() == b"third"
    assert [path.name for path in tmp_path.iterdir() if path.name != "keys"] == ["key"]

"""Hostile folders and zips: nothing outside is touched, nothing is unpacked without bound, nothing hangs."""

from __future__ import annotations

import io
import os
import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from dawson.errors import IntakeError
from dawson.intake.sources import BoundedStream, Entry, Limits, Refused, open_source


def _listed(path: Path, limits: Limits = Limits()) -> tuple[list[str], dict[str, str]]:
    with open_source(path, limits) as source:
        found = list(source.entries())
    return [item.name for item in found if isinstance(item, Entry)], {item.name: item.reason for item in found if isinstance(item, Refused)}


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_folder_is_read_at_any_depth_without_following_links(tmp_path: Path) -> None:
    source, outside = tmp_path / "source", tmp_path / "outside"
    (source / "a" / "b").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_bytes(b"x")
    (source / "a" / "b" / "1").write_bytes(b"x")
    (source / "a" / "round").symlink_to(source)
    (source / "linked").symlink_to(outside / "secret")
    files, refused = _listed(source)
    assert files == ["a/b/1"]
    assert set(refused) == {"a/round", "linked"} and all("link" in reason for reason in refused.values())


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _listed(tmp_path) == ([], {"pipe": "no regular file (a pipe, socket or device)"})


def test_a_file_exchanged_for_a_link_is_not_opened(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "1").write_bytes(b"mine")
    (tmp_path / "secret").write_bytes(b"not mine")
    with open_source(source) as opened:
        entry = next(item for item in opened.entries() if isinstance(item, Entry))
        (source / "1").unlink()
        (source / "1").symlink_to(tmp_path / "secret")
        with pytest.raises(OSError), opened.open(entry):
            pass


def test_dicomdir_empty_files_and_archives_within_are_told(tmp_path: Path) -> None:
    for name, content in {"DICOMDIR": b"x", "empty": b"", "more.zip": b"x", "1": b"x"}.items():
        (tmp_path / name).write_bytes(content)
    files, refused = _listed(tmp_path)
    assert files == ["1"] and set(refused) == {"DICOMDIR", "empty", "more.zip"}


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/etc/out", "..\\out", "C:\\out"])
def test_names_that_lead_out_of_a_zip_are_refused(tmp_path: Path, name: str) -> None:
    files, refused = _listed(_zip(tmp_path / "in.zip", {name: b"x", "good": b"x"}))
    assert files == ["good"] and list(refused.values()) == ["a name in the zip that leads out of it"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert list(_listed(tmp_path / "in.zip")[1]) == ["link"]


def test_a_zip_bomb_is_refused_by_its_ratio_before_it_is_unpacked(tmp_path: Path) -> None:
    files, refused = _listed(_zip(tmp_path / "in.zip", {"bomb": bytes(60 << 20), "good": b"x"}))
    assert files == ["good"] and "times its size" in refused["bomb"]


def test_a_zip_that_would_fill_the_disk_is_refused_as_a_whole(tmp_path: Path) -> None:
    packed = _zip(tmp_path / "in.zip", {str(number): os.urandom(1000) for number in range(5)})
    with pytest.raises(IntakeError, match="would unpack to more than"):
        _listed(packed, Limits(total_bytes=4500))
    assert len(_listed(packed, Limits(total_bytes=5000))[0]) == 5


def test_a_member_that_lies_about_its_size_gives_no_more_than_it_said(tmp_path: Path) -> None:
    content = bytearray(_zip(tmp_path / "in.zip", {"liar": b"a" * 5000}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + offset
        content[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "in.zip").write_bytes(content)
    with open_source(tmp_path / "in.zip") as source:
        (entry,) = source.entries()
        assert isinstance(entry, Entry)
        with source.open(entry) as stream:
            try:
                got = len(stream.read())
            except zipfile.BadZipFile:
                got = 0
    assert got <= 100


def test_a_zip_with_too_many_members_is_refused_before_they_are_listed(tmp_path: Path) -> None:
    packed = _zip(tmp_path / "in.zip", {str(number): b"x" for number in range(50)})
    with pytest.raises(IntakeError, match="lists 50 members"):
        _listed(packed, Limits(files=49))
    with pytest.raises(IntakeError, match="members, more than"):
        _listed(packed, Limits(zip_directory_bytes=100))


@pytest.mark.parametrize("content", [b"PK\x05\x06", b"PK\x05\x06" + b"\xff" * 18, b"no zip at all", b""])
def test_what_is_no_zip_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.zip").write_bytes(content)
    with pytest.raises(IntakeError):
        _listed(tmp_path / "in.zip")


def test_a_missing_source_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="does not exist"), open_source(tmp_path / "nothing"):
        pass


def test_more_files_than_the_limit_are_refused(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).write_bytes(b"x")
    with pytest.raises(IntakeError, match="more than 3 files"):
        _listed(tmp_path, Limits(files=3))


def test_a_deep_folder_is_told_and_not_entered(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c" / "1").write_bytes(b"x")
    files, refused = _listed(tmp_path, Limits(depth=2))
    assert files == [] and refused == {"a/b/c": "a folder more than 2 deep"}


def test_asking_for_four_gigabytes_of_a_small_file_makes_no_room_for_them() -> None:
    stream = BoundedStream(io.BytesIO(b"0123456789"), 10)
    tracemalloc.start()
    try:
        assert stream.read(0xFFFFFFF0) == b"0123456789"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert stream.seek(1 << 40) == 10 and stream.read(5) == b""


def test_a_budget_ends_the_reading_but_not_the_seeking() -> None:
    stream = BoundedStream(io.BytesIO(bytes(100)), 100, budget=10)
    stream.seek(80)
    assert len(stream.read(10)) == 10
    with pytest.raises(EOFError):
        stream.read(1)


def test_of_two_members_of_one_name_the_one_that_was_checked_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("1", b"first")
        archive.writestr("1", b"other")
    with open_source(tmp_path / "in.zip") as source:
        (entry,) = [item for item in source.entries() if isinstance(item, Entry)]
        with source.open(entry) as stream:
            assert stream.read() == b"first"

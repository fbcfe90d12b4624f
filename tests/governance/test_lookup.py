"""Where a look-up finds a person: in names, text, tables, arrays, archives and headers; and where it must not."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dawson.errors import GovernanceError
from dawson.governance.lookup import lookup
from dawson.governance.mentions import Label


def _npz_text(path: Path) -> None:
    np.savez_compressed(path, participant_id=np.array(["sub-02", "sub-07"]), maps=np.zeros((2, 3)))


def _npz_member(path: Path) -> None:
    np.savez(path, **{"sub-07_map": np.zeros(3)})


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sub-07/image.nii", b"x")


def _zip_without_a_name(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", "<t>sub-07</t>")


PLACES = {
    "table.xlsx": _zip_without_a_name,
    "archive.bin": _zip_without_a_name,
    "long.tsv.gz": lambda path: path.write_bytes(gzip.compress(b"x" * (3 << 20) + b"\nsub-07\t1\n")),
    "people.csv": lambda path: path.write_text('"participant_id",age\n"07",30\n'),
    "derivatives/sub-07_T1w.nii": lambda path: path.write_bytes(b"x"),
    "notes.md": lambda path: path.write_text("seen with sub-07."),
    "experiments/main/metrics.json": lambda path: path.write_text('{"worst": "sub-07"}'),
    "experiments/main/explanations.npz": _npz_text,
    "experiments/main/maps.npz": _npz_member,
    "exports/old.zip": _zip,
    "experiments/main/people.npy": lambda path: np.save(path, np.array(["sub-07", "sub-02"])),
    "derivatives/named.nii.gz": lambda path: path.write_bytes(gzip.compress(b"\0" * 148 + b"sub-07 baseline" + b"\0" * 900)),
    "derivatives/damaged.nii.gz": lambda path: path.write_bytes(b"no gzip, but sub-07"),
    "log": lambda path: path.write_text("sub-07\n"),
    "long.txt": lambda path: path.write_bytes(b"x" * ((1 << 20) - 3) + b" sub-07 "),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_person_is_found(study: Path, place: str) -> None:
    path = study / place
    path.parent.mkdir(parents=True, exist_ok=True)
    PLACES[place](path)
    assert [trace.path for trace in lookup(study, "sub-07").left] == [place]


def test_an_empty_folder_and_a_dangling_link_are_found(study: Path) -> None:
    (study / "derivatives" / "sub-07").mkdir()
    (study / "derivatives" / "sub-07_link").symlink_to("nowhere")
    assert [trace.path for trace in lookup(study, "sub-07").left] == ["derivatives/sub-07_link", "derivatives/sub-07"]


def test_somebody_whose_label_begins_alike_is_not_found(study: Path) -> None:
    assert {trace.path for trace in lookup(study, "sub-0").left} == set()
    (study / "near.txt").write_text("sub-071 Xsub-07 sub-07a")
    np.savez(study / "near.npz", participant_id=np.array(["sub-071", "sub-07x"]))
    assert lookup(study, "sub-07").left == ()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"sub-07", True),
        (b"_sub-07_", True),
        (b"/sub-07/", True),
        (b"sub-077", False),
        (b"asub-07", False),
        ("sub-07".encode("utf-32-le"), True),
        ("sub-071".encode("utf-32-le"), False),
        ("sub-071sub-07".encode("utf-32-le"), True),
        (b"", False),
    ],
)
def test_labels_are_whole_words(content: bytes, found: bool) -> None:
    assert Label("sub-07").is_in(content) == found


def test_a_study_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GovernanceError, match="no folder"):
        lookup(tmp_path / "none", "sub-01")

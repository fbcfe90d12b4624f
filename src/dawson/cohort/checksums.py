"""SHA-256 of every file of a folder, in the form that `sha256sum -c` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dawson.errors import CohortError
from dawson.files import sha256, write_text

CHECKSUMS = "SHA256SUMS"


def write_checksums(folder: Path | str, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Write SHA256SUMS over all files of a folder but itself.

    Parameters
    ----------
    folder : Path or str
    known : mapping of str to str, optional
        Sums that need not be computed again, by path relative to the folder.

    Returns
    -------
    dict of str to str
        Path relative to the folder, with slashes, to the sum.

    Raises
    ------
    CohortError
        A name holds a line break or a backslash, which the form cannot carry.
    """
    folder = Path(folder)
    sums = {}
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == CHECKSUMS:
            continue
        if "\n" in name or "\\" in name:
            raise CohortError(f"{path} has a name that no list of sums can carry.", "Rename it.")
        sums[name] = (known or {}).get(name) or sha256(path)
    write_text(folder / CHECKSUMS, "".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    return sums


def check_checksums(folder: Path | str) -> list[str]:
    """What differs between a folder and its SHA256SUMS: changed, missing and added files, one sentence each.

    Raises
    ------
    CohortError
        There is no SHA256SUMS, or a line of it cannot be read.
    """
    folder = Path(folder)
    path = folder / CHECKSUMS
    if not path.is_file():
        raise CohortError(f"{folder} has no {CHECKSUMS}.", "Give the folder of an export.")
    expected = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        digest, gap, name = line[:64], line[64:66], line[66:]
        if len(digest) != 64 or gap not in ("  ", " *") or not name:
            raise CohortError(f"{path}, line {number}, is no SHA-256 and name.", "Take the file again from where the export came from.")
        expected[name] = digest
    there = {item.relative_to(folder).as_posix() for item in folder.rglob("*") if item.is_file()} - {CHECKSUMS}
    found = [f"{name} is missing" for name in expected if name not in there]
    found += [f"{name} has changed" for name, digest in expected.items() if name in there and sha256(folder / name) != digest]
    return found + [f"{name} is not in {CHECKSUMS}" for name in sorted(there - set(expected))]

"""Files as Dawson writes them: whole or not at all, with where they come from beside them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1 << 20


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends without an error.

    The temporary name keeps the suffixes, since libraries choose a format by them. An interrupted run leaves the old file
    or none, never half a file.

    Parameters
    ----------
    path : Path or str
        Where the finished file is to be; parent folders are made.

    Yields
    ------
    Path
        Where to write meanwhile.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=f"-{path.name}", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Any) -> None:
    """Write JSON atomically, indented; NaN and infinity are refused since JSON has neither."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def read_json(path: Path | str) -> Any:
    """Read a JSON file (UTF-8, with or without a byte order mark)."""
    return json.loads(Path(path).read_text(encoding="utf-8-sig"))


def write_tsv(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as BIDS does: tabs, no index, `n/a` for what is missing, `true`/`false` for booleans."""
    shown = table.copy()
    for column in shown.columns:
        if shown[column].dtype == bool:
            shown[column] = shown[column].map({True: "true", False: "false"})
        elif shown[column].dtype == object or str(shown[column].dtype) in ("str", "string"):
            shown[column] = shown[column].map(
                lambda value: "n/a" if value == "" else value.replace("\t", " ").replace("\n", " ") if isinstance(value, str) else value
            )
    with atomic_path(path) as temporary:
        shown.to_csv(temporary, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def read_tsv(path: Path | str, text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a BIDS table; `n/a` and empty cells become missing, identifiers stay text.

    Parameters
    ----------
    path : Path or str
    text : sequence of str
        Columns kept as text besides every column whose name ends in `_id`; a missing value in a `_id` column is the empty string.
    """
    import pandas as pd

    path = Path(path)
    with path.open(encoding="utf-8-sig") as lines:
        header = lines.readline().rstrip("\r\n").split("\t")
    identifiers = [name for name in header if name.endswith("_id")]
    table = pd.read_csv(
        path,
        sep="\t",
        encoding="utf-8-sig",
        na_values=["n/a", ""],
        keep_default_na=False,
        dtype=dict.fromkeys([*identifiers, *[name for name in text if name in header]], "object"),
    )
    for name in identifiers:
        table[name] = table[name].fillna("")
    return table


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as stream:
        while block := stream.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def member_files(folder: Path, members: Iterable[Mapping[str, Any]], description: str) -> list[Path]:
    """Weights of a model folder, each the very file that the description names.

    Parameters
    ----------
    folder : Path
    members : iterable of mapping
        `file` and `sha256` of each.
    description : str
        Name of the file that says so.

    Raises
    ------
    ModelError
        A file is missing, or is another one.
    """
    paths = []
    for member in members:
        path = folder / member["file"]
        if not path.is_file():
            raise ModelError(f"{path} is missing.", "Copy the whole model folder.")
        if sha256(path) != member["sha256"]:
            raise ModelError(f"{path} is not the file that {description} names: its SHA-256 differs.", "Copy the model folder again.")
        paths.append(path)
    return paths


def digest_of(content: Any) -> str:
    """SHA-256 of a JSON-like value, the same whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def sidecar_path(path: Path | str) -> Path:
    """The JSON file that belongs to an image or array file (`x.nii.gz` -> `x.json`)."""
    path = Path(path)
    name = path.name
    for suffix in (".nii.gz", path.suffix):
        if suffix and name.endswith(suffix):
            return path.with_name(name[: -len(suffix)] + ".json")
    return path.with_name(name + ".json")


def write_sidecar(path: Path | str, sources: Mapping[str, str], parameters: Mapping[str, Any], **more: Any) -> None:
    """Write the provenance of a derivative beside it.

    Parameters
    ----------
    path : Path or str
        The derivative.
    sources : mapping of str to str
        Source file (relative where it can be) to its SHA-256.
    parameters : mapping
        What the step was told.
    **more
        Further fields, BIDS names where BIDS has one.
    """
    from dawson import __version__

    write_json(
        sidecar_path(path),
        {
            "Sources": list(sources),
            "SourceSHA256": dict(sources),
            "GeneratedBy": [{"Name": "dawson", "Version": __version__}],
            "Parameters": dict(parameters),
            **more,
        },
    )

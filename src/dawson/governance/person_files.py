"""The files and table rows of one person in a study: found by name, hashed, removed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from dawson.errors import GovernanceError
from dawson.files import atomic_path
from dawson.governance.image_copies import Content, contents_of
from dawson.governance.ledger import FOLDER
from dawson.governance.mentions import PAGES, TABLES, TEXT, Label, delimiter_of, participant_column
from dawson.governance.traces import Trace

# What belongs to rooms above, which have hooks of their own.
OTHERS = (FOLDER, "experiments", "models", "external", "exports")
_INTAKE_PAGE = "intake.html"
IMAGES = (".nii", ".nii.gz", ".npy", ".npz", ".mgz", ".dcm", ".png", ".jpg", ".jpeg", ".ima", ".mnc")


class FilesAndRows:
    """The hook of this room: folders and files that bear the person's label, rows of tables, pages that show the person."""

    def find(self, study: Path, participant_id: str) -> list[Trace]:
        """List them."""
        return list(_work(study, Label(participant_id), change=False))

    def remove(self, study: Path, participant_id: str) -> list[Trace]:
        """Remove them: rows first, since a table may be all that still tells where a file was."""
        return list(_work(study, Label(participant_id), change=True))


class InQuarantine:
    """What an intake put beside a study because it shows a face: the person's folder and pictures, and the page that shows them."""

    def find(self, study: Path, participant_id: str) -> list[Trace]:
        """List them; `study` is the folder of the quarantine."""
        return list(_in_quarantine(study, Label(participant_id), change=False))

    def remove(self, study: Path, participant_id: str) -> list[Trace]:
        """Remove them; nothing else there is changed."""
        return list(_in_quarantine(study, Label(participant_id), change=True))


def quarantine_of(study: Path) -> Path:
    """Where an intake keeps what shows faces unless it is told another place: beside the study."""
    return study.parent / f"{study.name}-quarantine"


def is_image(name: str) -> bool:
    """Whether a file holds voxels or a picture, by its name; DICOM files often have no suffix, and count."""
    return name.lower().endswith(IMAGES) or "." not in name


def image_contents(study: Path, participant_id: str) -> list[Content]:
    """Every image of a person, of a packed one also what is inside, so that packing anew hides nothing; of a link its original.

    Empty masks are left out: other people have the very same.
    """
    found: dict[str, Content] = {}
    for path in sorted(own_files(study, Label(participant_id), everywhere=True)):
        if is_image(path.name) and path.is_file() and path.stat().st_size:
            found |= {content.sha256: content for content in contents_of(path) if not content.blank}
    return list(found.values())


def own_files(study: Path, label: Label, everywhere: bool = False) -> Iterator[Path]:
    """Files whose name, or the name of a folder above them, bears the label; other people's folders are not entered."""
    for place in own_places(study, label, everywhere):
        if place.is_dir() and not place.is_symlink():
            yield from (Path(folder) / name for folder, _, names in os.walk(place) for name in names)
        else:
            yield place


def own_places(study: Path, label: Label, everywhere: bool = False) -> Iterator[Path]:
    """The topmost folders and files that bear the label."""
    for folder, folders, names in _shared_folders(study, everywhere):
        own = [name for name in folders if label.names(name)]
        yield from (folder / name for name in own)
        yield from (folder / name for name in names if label.names(name))


def _shared_folders(study: Path, everywhere: bool = False) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Every folder that is not one person's alone, with the names in it."""
    skipped = (FOLDER,) if everywhere else OTHERS
    for name, folders, names in os.walk(study):
        folder = Path(name)
        if folder == study:
            folders[:] = [item for item in folders if item not in skipped]
        yield folder, list(folders), names
        folders[:] = sorted(item for item in folders if not item.startswith("sub-"))


def _work(study: Path, label: Label, change: bool) -> Iterator[Trace]:
    shared = [
        folder / name
        for folder, _, names in _shared_folders(study)
        for name in sorted(names)
        if Path(name).suffix.lower() in TEXT and not label.names(name)
    ]
    for path in shared:
        if path.is_file() and not path.is_symlink() and label.is_in_file(path):
            yield from _shared_file(study, path, label, change)
    for place in sorted(own_places(study, label)):
        yield from _own_place(study, place, label, change)


def _in_quarantine(folder: Path, label: Label, change: bool) -> Iterator[Trace]:
    page = folder / _INTAKE_PAGE
    if page.is_file() and not page.is_symlink() and label.is_in_file(page):
        yield from _shared_file(folder, page, label, change)
    for place in sorted(own_places(folder, label, everywhere=True)):
        yield from _own_place(folder, place, label, change)


def _own_place(study: Path, place: Path, label: Label, change: bool) -> Iterator[Trace]:
    is_folder = place.is_dir() and not place.is_symlink()
    files = [place]
    if is_folder:
        found = ((Path(folder), [*names, *folders]) for folder, folders, names in os.walk(place))
        # A link to a folder is listed among the folders and not entered.
        files = sorted(path for folder, names in found for path in map(folder.joinpath, names) if path.is_symlink() or not path.is_dir())
    traces = [
        Trace(
            "image" if is_image(path.name) else "file",
            path.relative_to(study).as_posix(),
            "bears the label",
            _done(study, path, label, change),
        )
        for path in files
    ]
    if change:
        _delete(place, is_folder)
    yield from traces


def _done(study: Path, path: Path, label: Label, change: bool) -> str:
    """What happens to a file; of a link the original stays, unless it is the person's in this study too."""
    removed = "removed" if change else "would be removed"
    if not path.is_symlink():
        return removed
    original = path.resolve()
    is_own = original.is_relative_to(study) and label.names(original.relative_to(study).as_posix())
    return f"link {removed}" if is_own or not original.exists() else f"link {removed}; the original {original} stays"


def _delete(place: Path, is_folder: bool) -> None:
    try:
        if is_folder:
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    except OSError as error:
        problem = f"{error.filename or place} cannot be removed: {error.strerror}."
        raise GovernanceError(problem, "Give yourself the right to, and call the same command again: it goes on there.") from None


def _shared_file(study: Path, path: Path, label: Label, change: bool) -> Iterator[Trace]:
    place = path.relative_to(study).as_posix()
    suffix = path.suffix.lower()
    if suffix in TABLES:
        kept, rows, named = without_rows(path.read_bytes(), label, delimiter_of(path))
        if change:
            with atomic_path(path) as temporary:
                temporary.write_bytes(kept)
        done = "removed" if change else "would be removed"
        if rows:
            yield Trace("row", place, f"{rows} row{'s' * (rows != 1)}", done)
        if named:
            yield Trace("mention", place, f"named in {named} row{'s' * (named != 1)} of others", done)
    elif suffix in PAGES:
        if change:
            path.unlink()
        yield Trace("page", place, "may show the person", "removed; make it again" if change else "would be removed; make it again")
    else:
        yield Trace("text", place, "names the person", "look at it: a person has to change or remove it")


def without_rows(content: bytes, label: Label, delimiter: bytes) -> tuple[bytes, int, int]:
    """A table without the person's rows, how many these were, and how many rows of others named the person and no longer do.

    A row is the person's by its participant_id; in a table without that column every row is that names the person.
    """
    header, end, rest = content.partition(b"\n")
    column = participant_column(header, delimiter)
    kept, rows, named = [], 0, 0
    for line in rest.splitlines(keepends=True):
        if label.is_row(line, column, delimiter) or (column is None and label.is_in(line)):
            rows += 1
        elif label.is_in(line):
            named += 1
            kept.append(label.blotted(line))
        else:
            kept.append(line)
    return label.blotted(header) + end + b"".join(kept), rows, named

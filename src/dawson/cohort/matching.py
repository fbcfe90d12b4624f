"""Which image file of a folder is whose T1w, whose FLAIR: by a path that is given, or by the words in its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CONTRAST = {
    "T1w": re.compile(r"(?<![a-z0-9])(3d)?t1(w|3d|mprage|mpr)?(?![a-z0-9])|mprage|bravo|spgr"),
    "FLAIR": re.compile(r"flair"),
}
_WITH_AGENT = re.compile(r"(?<![a-z0-9])(gd|gad|gado|post|contrast|ce|t1c|t1ce|km)(?![a-z0-9])")
_NO_SCAN = re.compile(r"mask|(?<![a-z])seg|lesion|label|(?<![a-z])roi")


@dataclass(frozen=True)
class Match:
    """The file found for one contrast of one row, or why there is none.

    Parameters
    ----------
    path : Path or None
    reason : str
        Why this file, or what is wrong.
    """

    path: Path | None
    reason: str


class ImageFolder:
    """The NIfTI files under a folder, found by words of their paths.

    Parameters
    ----------
    root : Path
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = sorted(
            path
            for path in root.rglob("*.nii*")
            if path.name.endswith((".nii", ".nii.gz")) and not path.name.startswith(".") and path.is_file()
        )
        self._words = {path: _words(str(path.relative_to(root))) for path in self.paths}

    def given(self, cell: str, csv_folder: Path) -> Match:
        """The file that a cell of the table names: a path, or a pattern with * under the folder."""
        if any(sign in cell for sign in "*?["):
            found = sorted(set(self.root.glob(cell.lstrip("/"))).intersection(self.paths))
            if len(found) == 1:
                return Match(found[0], f"the only file that matches {cell}")
            return Match(None, f"{len(found)} files match {cell}" if found else f"no file matches {cell}")
        for base in (self.root, csv_folder):
            path = base / cell
            if path.is_file():
                if not path.name.endswith((".nii", ".nii.gz")):
                    return Match(None, f"{cell} is no NIfTI file (.nii or .nii.gz)")
                return Match(path, "named in the table")
        return Match(None, f"{cell}, named in the table, is not there")

    def searched(self, identifier: str, contrast: str, hints: Sequence[str]) -> Match:
        """The file whose path holds the person's id and the contrast as words, and the hints where there are several.

        Parameters
        ----------
        identifier : str
            As in the table.
        contrast : {"T1w", "FLAIR"}
        hints : sequence of str
            Session name and date of the row; each narrows the choice where it leaves anything.
        """
        whose = [path for path in self.paths if _has(self._words[path], identifier)]
        found = [path for path in whose if self._shows(path, contrast)]
        for hint in hints:
            narrowed = [path for path in found if _has(self._words[path], hint)]
            if len(found) > 1 and narrowed:
                found = narrowed
        plain = [path for path in found if not _WITH_AGENT.search(self._words[path])]
        found = plain or found
        if len(found) == 1:
            return Match(found[0], f"its path holds {identifier} and {contrast.removesuffix('w')}")
        if not found:
            what = f"no {contrast}" if whose else "no file"
            return Match(None, f"{what} with {identifier} in its path")
        names = ", ".join(str(path.relative_to(self.root)) for path in found[:4])
        return Match(None, f"{len(found)} files could be it ({names}{' ...' if len(found) > 4 else ''})")

    def _shows(self, path: Path, contrast: str) -> bool:
        # Only the file's own name tells the contrast; a folder may be called after a whole protocol.
        name, words = _words(path.name), self._words[path]
        is_flair = bool(_CONTRAST["FLAIR"].search(name))
        shown = is_flair if contrast == "FLAIR" else bool(_CONTRAST["T1w"].search(name)) and not is_flair
        if not shown and not any(pattern.search(name) for pattern in _CONTRAST.values()):
            shown = bool(_CONTRAST[contrast].search(words)) and (contrast == "FLAIR" or "flair" not in words)
        return shown and not _NO_SCAN.search(name)


def _words(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"\.nii(\.gz)?$", "", text).lower()).strip()


def _has(words: str, wanted: str) -> bool:
    """Whether the words hold the wanted ones as whole words; a date is found with and without its dashes."""
    plain = _words(wanted)
    if not plain:
        return False
    pattern = plain.replace(" ", " ?") if re.fullmatch(r"\d{4} \d\d \d\d", plain) else plain
    return re.search(rf"(?<![a-z0-9]){pattern}(?![a-z0-9])", words) is not None

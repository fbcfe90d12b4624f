"""Which files of a study leave it, and which stay and why."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.cohort.dataset import Cohort
from dawson.cohort.export_sidecars import sifted
from dawson.cohort.scan import Scan
from dawson.files import sidecar_path

DERIVATIVES = Path("derivatives", "dawson")
_PERSON = re.compile(r"(?<![A-Za-z0-9])sub-[A-Za-z0-9]+")
_IMAGE = (".nii", ".nii.gz")
_DERIVED = (".nii", ".nii.gz", ".json", ".npy", ".tsv", ".txt")
# Derived pictures of the head that hold brain and nothing of the face.
_WITHOUT_FACE = re.compile(r"_desc-(preproc|unbiased|channels)_(T1w|FLAIR)\.")
_HEAD = re.compile(r"_(T1w|T2w|FLAIR|PDw|T1map|T2star|MP2RAGE|UNIT1)\.(nii|nii\.gz|npy)$")
_LARGEST_TEXT = 16 * 2**20
_CLEAN_VISUAL_FEATURES = "113102"


@dataclass(frozen=True)
class ExportFile:
    """One file that leaves.

    Parameters
    ----------
    source : Path
        In the study.
    target : str
        Relative to the export, with slashes.
    participant_id, session_id : str
    kind : {"image", "sidecar", "file"}
    """

    source: Path
    target: str
    participant_id: str
    session_id: str
    kind: str


@dataclass(frozen=True)
class FoundFiles:
    """What a study has for an export.

    Parameters
    ----------
    files : tuple of ExportFile
    stays : tuple of (str, str)
        File and the reason why it does not go.
    faces : tuple of str
        Raw images of which nothing says that the face is gone.
    """

    files: tuple[ExportFile, ...]
    stays: tuple[tuple[str, str], ...]
    faces: tuple[str, ...]


def find_files(cohort: Cohort, people: Collection[str], *, raw: bool, derivatives: bool) -> FoundFiles:
    """Find the files of the sessions of a cohort.

    Raw images are those in `anat`; derivatives those of Dawson, a session each. Pictures, pages, archives and anything
    that names a person who does not go stay.

    Parameters
    ----------
    cohort : Cohort
        Those who go, with the sessions that go.
    people : collection of str
        The same persons; a file that names another `sub-` stays.
    raw, derivatives : bool
    """
    search = _Search(cohort, frozenset(people))
    for scan in cohort.scans:
        if raw:
            search.raw(scan)
        if derivatives:
            search.derived(scan)
    if not derivatives and (cohort.root / "derivatives").is_dir():
        search.stays.append(("derivatives/", "was not asked for (--derivatives)"))
    elif derivatives:
        for folder in sorted((cohort.root / "derivatives").glob("*")):
            if folder.is_dir() and folder.name != DERIVATIVES.name:
                search.stays.append((f"derivatives/{folder.name}/", "is of another program, and nobody can say whom it shows"))
    for name in ("experiments", "models", "external", "phenotype", "sourcedata", "code", "stimuli", "governance"):
        if (cohort.root / name).exists():
            search.stays.append((f"{name}/", _OTHERS.get(name, "may name or show people who do not go")))
    return FoundFiles(tuple(search.files), tuple(search.stays), tuple(search.faces))


_OTHERS = {
    "governance": "never leaves",
    "models": "is made of people who may not go; a model is shared by `dawson model export`",
    "sourcedata": "holds what was there before de-identification",
}


class _Search:
    def __init__(self, cohort: Cohort, people: frozenset[str]) -> None:
        self.root = cohort.root
        self.simulated = cohort.simulated
        self.people = people
        self.files: list[ExportFile] = []
        self.stays: list[tuple[str, str]] = []
        self.faces: list[str] = []

    def raw(self, scan: Scan) -> None:
        visit = self.root / scan.folder.parent
        for place in sorted(visit.iterdir()) if visit.is_dir() else []:
            if place.is_dir() and place.name != scan.folder.name and not place.name.startswith(("ses-", ".")):
                self._stays(place, "holds no anatomical images")
        for path in self._listed(scan.folder, scan.entities):
            if not path.name.endswith(_IMAGE):
                if path.suffix != ".json":
                    self._stays(path, "is no image")
                continue
            sidecar = sidecar_path(path)
            if sidecar.is_file() and not self._take(sidecar, scan, "sidecar"):
                self._stays(path, "has a sidecar that does not go")
                continue
            if not (self.simulated or face_is_gone(_read(sidecar))):
                self.faces.append(str(path.relative_to(self.root)))
            self._add(path, scan, "image")

    def derived(self, scan: Scan) -> None:
        for path in self._listed(DERIVATIVES / scan.folder, scan.entities):
            if not path.name.endswith(_DERIVED):
                self._stays(path, "is no image, array or table")
            elif _HEAD.search(path.name) and not _WITHOUT_FACE.search(path.name):
                self._stays(path, "may show a face")
            elif path.suffix == ".json":
                owner = [other for other in path.parent.glob(path.stem + ".*") if other != path and other.name.endswith(_DERIVED)]
                if not owner:
                    self._take(path, scan, "sidecar")
            else:
                sidecar = sidecar_path(path)
                if sidecar.is_file() and not self._take(sidecar, scan, "sidecar"):
                    self._stays(path, "has a sidecar that does not go")
                elif path.name.endswith(_IMAGE):
                    self._add(path, scan, "image")
                else:
                    self._take(path, scan, "file")

    def _listed(self, folder: Path, entities: str) -> list[Path]:
        place = self.root / folder
        found = []
        for path in sorted(place.iterdir()) if place.is_dir() else []:
            if path.is_dir() or path.name.startswith("."):
                continue
            if path.name.startswith((entities + "_", entities + ".")) and set(_PERSON.findall(path.name)) <= self.people:
                found.append(path)
            else:
                self._stays(path, "is not named after its folder")
        return found

    def _take(self, path: Path, scan: Scan, kind: str) -> bool:
        """Add a file unless its text names somebody who does not go."""
        if any(file.source == path for file in self.files[-3:]):
            return True
        if path.suffix in (".json", ".tsv", ".txt"):
            if path.stat().st_size > _LARGEST_TEXT:
                self._stays(path, "is larger than any sidecar or table of a scan")
                return False
            text = path.read_bytes().decode("utf-8", errors="replace")
            others = sorted(set(_PERSON.findall(text)) - self.people)
            if others:
                self._stays(path, "names people who do not go")
                return False
        self._add(path, scan, kind)
        return True

    def _add(self, path: Path, scan: Scan, kind: str) -> None:
        self.files.append(ExportFile(path, path.relative_to(self.root).as_posix(), scan.participant_id, scan.session_id, kind))

    def _stays(self, path: Path, reason: str) -> None:
        self.stays.append((path.relative_to(self.root).as_posix(), reason))


def _read(sidecar: Path) -> dict[str, Any]:
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def face_is_gone(sidecar: Mapping[str, Any]) -> bool:
    """Whether a sidecar says that no face is in the image.

    By ``Defaced`` or ``SkullStripped`` true, ``RecognizableVisualFeatures`` NO (DICOM (0028,0302)), or the code 113102
    (Clean Recognizable Visual Features) among the de-identification methods.

    Examples
    --------
    >>> face_is_gone({"Defaced": True}), face_is_gone({"Manufacturer": "GE"})
    (True, False)
    """
    if sidecar.get("Defaced") is True or sidecar.get("SkullStripped") is True:
        return True
    if str(sidecar.get("RecognizableVisualFeatures", "")).strip().upper() == "NO":
        return True
    codes = sidecar.get("DeidentificationMethodCodeSequence", [])
    return _CLEAN_VISUAL_FEATURES in json.dumps(codes)


def fields_left(found: FoundFiles, site_names: Mapping[str, str], hide_sites: bool) -> tuple[str, ...]:
    """Names of the fields of sidecars that stay behind, wholly or in part; a sidecar that cannot be read stops the export itself."""
    left: set[str] = set()
    for file in found.files:
        if file.kind == "sidecar":
            left.update(sifted(_read(file.source), site_names, hide_sites=hide_sites)[1])
    return tuple(sorted(left))

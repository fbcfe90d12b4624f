"""Where BIDS keeps anatomical images: folders by prefix, files by suffix and entities."""

from __future__ import annotations

import re
from pathlib import Path

from dawson.cohort.problem import Problem

CONTRASTS = ("T1w", "FLAIR")
_IMAGE = re.compile(r"^(?P<entities>.+)_(?P<contrast>T1w|FLAIR)\.nii(\.gz)?$")
# Parts of complex-valued images are no pictures of a head.
_NO_MAGNITUDE = re.compile(r"_part-(phase|real|imag)(_|$)")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key under which ses-2 stands before ses-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def folders(root: Path, prefix: str) -> list[Path]:
    """Folders directly under `root` whose names start with a prefix, in natural order."""
    found = [item for item in root.iterdir() if item.name.startswith(prefix) and item.is_dir()]
    return sorted(found, key=lambda item: natural_key(item.name))


def find_images(anat: Path, root: Path, participant_id: str, session_id: str) -> tuple[dict[str, Path], list[Problem]]:
    """The T1w and the FLAIR of one session.

    Where there are several of a contrast, the one taken is: without contrast agent before with it, fewer entities
    before more, lower numbers (`run-1`) before higher, .nii.gz before .nii. The choice is reported.

    Parameters
    ----------
    anat : Path
        The session's `anat` folder; it may be absent.
    root : Path
        The dataset, to name files relative to it.
    participant_id, session_id : str
        With their prefixes; the session may be empty.

    Returns
    -------
    dict of str to Path
        Contrast to file, for those that were found.
    list of Problem
    """
    entities = "_".join(part for part in (participant_id, session_id) if part)
    candidates: dict[str, list[Path]] = {contrast: [] for contrast in CONTRASTS}
    problems: list[Problem] = []
    for path in sorted(anat.iterdir()) if anat.is_dir() else []:
        match = _IMAGE.match(path.name)
        if match is None or path.name.startswith(".") or _NO_MAGNITUDE.search(match["entities"]):
            continue
        if match["entities"] != entities and not match["entities"].startswith(entities + "_"):
            problems.append(
                Problem(
                    "error",
                    str(path.relative_to(root)),
                    f"is not named after its folder (expected {entities}_...)",
                    "Rename it or move it to where it belongs; it is not used.",
                    participant_id,
                )
            )
        else:
            candidates[match["contrast"]].append(path)
    chosen = {}
    for contrast, paths in candidates.items():
        if paths:
            paths.sort(key=_preference)
            chosen[contrast] = paths[0]
        if len(paths) > 1:
            others = ", ".join(path.name for path in paths[1:])
            problems.append(
                Problem(
                    "warning",
                    str(paths[0].relative_to(root)),
                    f"is taken as the {contrast} though there are others ({others})",
                    "Move the ones that are not to be used out of the folder, or leave it so.",
                    participant_id,
                )
            )
    return chosen, problems


def _preference(path: Path) -> tuple[bool, int, list[tuple[int, str]], bool]:
    name = path.name.split(".")[0]
    return "_ce-" in name, name.count("_"), natural_key(name), not path.name.endswith(".gz")

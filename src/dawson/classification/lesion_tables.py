"""The lesions of every scan of a study, measured from whatever lesion mask its derivatives hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dawson.cohort.scan import Scan
from dawson.files import read_json, read_tsv, sha256, sidecar_path, write_sidecar, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE
from dawson.parallel import each
from dawson.progress import progress

if TYPE_CHECKING:
    from dawson.imaging.lesion_features import LesionFeatures

FEATURES_NAME = "desc-lesions_features.tsv"

# Raised whenever the same mask no longer gives the same features.
_MEASUREMENT = 1

Key = tuple[str, str]


@dataclass(frozen=True)
class LesionTables:
    """Lesions by participant and session.

    Parameters
    ----------
    lesions : dict of (str, str) to tuple of LesionFeatures
        Of the scans that have a lesion mask in template space; an empty tuple where the mask is empty.
    missing : dict of (str, str) to str
        Why the other scans have none.
    """

    lesions: dict[Key, tuple[LesionFeatures, ...]]
    missing: dict[Key, str]


def find_lesion_mask(scan: Scan, roots: Sequence[Path], preference: Sequence[str]) -> Path | None:
    """The lesion mask of a scan in template space.

    Parameters
    ----------
    scan : Scan
    roots : sequence of Path
        Derivative datasets; of equally preferred masks that of the first is taken.
    preference : sequence of str
        Who made it (`desc-`), the best first; masks by anybody else come last, in the order of their names.

    Returns
    -------
    Path or None
    """
    found = [path for path in _lesion_masks(scan, roots) if f"_space-{TEMPLATE_SPACE}_" in path.name]
    order = {maker: place for place, maker in enumerate(preference)}
    return min(found, key=lambda path: (order.get(_maker(path), len(order)), _maker(path)), default=None)


def mask_makers(masks: Iterable[Path]) -> dict[str, int]:
    """How many lesion masks each maker (`desc-`) made, the most frequent first; the simulator's own are `sim`."""
    return dict(Counter(_maker(path) for path in masks).most_common())


def read_lesions(
    scans: Sequence[Scan], roots: Sequence[Path], preference: Sequence[str], jobs: int = 1, dask: str | None = None
) -> LesionTables:
    """Measure the lesions of scans, or read what was measured of the same masks before.

    Each scan's lesions are written as `desc-lesions_features.tsv` below the first root, with the mask's SHA-256 beside it.

    Parameters
    ----------
    scans : sequence of Scan
    roots : sequence of Path
        Derivative datasets; the first is that of the results.
    preference : sequence of str
        See `find_lesion_mask`.
    jobs, dask
        See `dawson.parallel.each`.
    """
    lesions: dict[Key, tuple[LesionFeatures, ...]] = {}
    missing: dict[Key, str] = {}
    with progress("Lesion tables", len(scans)) as advance:
        for key, found, reason in each(partial(_lesions_of, roots=tuple(roots), preference=tuple(preference)), scans, jobs, dask):
            if found is None:
                missing[key] = reason
            else:
                lesions[key] = found
            advance(key[0])
    return LesionTables(lesions, missing)


def _lesions_of(scan: Scan, roots: tuple[Path, ...], preference: tuple[str, ...]) -> tuple[Key, tuple[LesionFeatures, ...] | None, str]:
    """Key, lesions (None where there are none to be had) and why not."""
    import nibabel as nib

    from dawson.imaging.lesion_features import measure_lesions
    from dawson.imaging.lesion_summary import features_of_table, features_table

    key = (scan.participant_id, scan.session_id)
    mask = find_lesion_mask(scan, roots, preference)
    if mask is None:
        elsewhere = _lesion_masks(scan, roots)
        return key, None, f"its lesion mask {elsewhere[0].name} is not in template space" if elsewhere else "it has no lesion mask"
    table, digest = scan.derivative(roots[0], FEATURES_NAME), sha256(mask)
    if _measured(table, mask.name, digest):
        return key, features_of_table(read_tsv(table, text=("region", "regions"))), ""
    try:
        found = measure_lesions(nib.load(mask))
    except Exception as error:
        # One bad mask never stops a study; nibabel and zlib raise many kinds for a damaged file.
        return key, None, f"its lesion mask {mask.name} cannot be used ({error})"
    write_tsv(table, features_table(found))
    more = {"SimulatedData": True} if _is_simulated(mask) else {}
    write_sidecar(table, {mask.name: digest}, {"measurement": _MEASUREMENT}, **more)
    return key, found, ""


def _measured(table: Path, mask: str, digest: str) -> bool:
    """Whether the table stands for this very mask."""
    if not (table.is_file() and sidecar_path(table).is_file()):
        return False
    try:
        said = read_json(sidecar_path(table))
    except ValueError:
        return False
    return said.get("SourceSHA256") == {mask: digest} and said.get("Parameters") == {"measurement": _MEASUREMENT}


def _is_simulated(mask: Path) -> bool:
    """Whether the mask's sidecar says so of it."""
    try:
        return bool(read_json(sidecar_path(mask)).get("SimulatedData"))
    except (OSError, ValueError):
        return False


def _lesion_masks(scan: Scan, roots: Sequence[Path]) -> list[Path]:
    """All lesion masks of a scan in any space, those of the first root first."""
    found: list[Path] = []
    for root in roots:
        # Not by a pattern of the name's start: ses-1 would find ses-10.
        folder = root / scan.folder
        for path in sorted(folder.glob(f"{scan.entities}_*mask.nii*")) if folder.is_dir() else []:
            if "_label-lesion_" in path.name and not path.name.startswith("."):
                found.append(path)
    return found


def _maker(path: Path) -> str:
    match = re.search(r"_desc-([A-Za-z0-9]+)_", path.name)
    return match[1] if match else ""

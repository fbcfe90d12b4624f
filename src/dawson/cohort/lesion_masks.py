"""The lesion masks of a scan: whose there are, which one is taken, and the features of its lesions, measured once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dawson.cohort.scan import Scan
from dawson.files import read_json, read_tsv, sha256, sidecar_path, write_sidecar, write_tsv
from dawson.imaging.template import TEMPLATE_SPACE

if TYPE_CHECKING:
    from dawson.imaging.lesion_features import LesionFeatures

# Raised whenever the same mask no longer gives the same features.
_MEASUREMENT = 1


def lesion_masks(scan: Scan, roots: Sequence[Path], template_space: bool = False) -> list[Path]:
    """All lesion masks of a scan, those of the first root first.

    Parameters
    ----------
    scan : Scan
    roots : sequence of Path
        Derivative datasets.
    template_space : bool
        Only those in template space.
    """
    found: list[Path] = []
    for root in roots:
        # Not by a pattern of the name's start: ses-1 would find ses-10.
        folder = root / scan.folder
        for path in sorted(folder.glob(f"{scan.entities}_*mask.nii*")) if folder.is_dir() else []:
            if "_label-lesion_" in path.name and not path.name.startswith("."):
                found.append(path)
    return [path for path in found if not template_space or f"_space-{TEMPLATE_SPACE}_" in path.name]


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
    order = {maker: place for place, maker in enumerate(preference)}
    return min(
        lesion_masks(scan, roots, template_space=True),
        key=lambda path: (order.get(maker_of(path), len(order)), maker_of(path)),
        default=None,
    )


def masks_by_maker(scan: Scan, roots: Sequence[Path]) -> dict[str, Path]:
    """The mask of every maker in template space, that of the first root where several roots have one."""
    found: dict[str, Path] = {}
    for path in lesion_masks(scan, roots, template_space=True):
        found.setdefault(maker_of(path), path)
    return found


def mask_makers(masks: Iterable[Path]) -> dict[str, int]:
    """How many lesion masks each maker (`desc-`) made, the most frequent first; the simulator's own are `sim`."""
    return dict(Counter(maker_of(path) for path in masks).most_common())


def maker_of(path: Path) -> str:
    """Who made a mask, by its `desc-`; empty where it has none."""
    match = re.search(r"_desc-([A-Za-z0-9]+)_", path.name)
    return match[1] if match else ""


def features_of_mask(mask: Path, table: Path) -> tuple[LesionFeatures, ...]:
    """Features of the lesions of a mask, measured now or read from what was measured of the same mask before.

    Parameters
    ----------
    mask : Path
        In template space.
    table : Path
        TSV that holds, or will hold, the features; the mask's SHA-256 stands beside it.

    Raises
    ------
    ValueError
        The mask is not in template space, whatever its name says.
    Exception
        Of many kinds, by nibabel and zlib, for a damaged file.
    """
    import nibabel as nib

    from dawson.imaging.lesion_features import measure_lesions
    from dawson.imaging.lesion_summary import features_of_table, features_table

    digest = sha256(mask)
    if _measured(table, mask.name, digest):
        return features_of_table(read_tsv(table, text=("region", "regions")))
    found = measure_lesions(nib.load(mask))
    write_tsv(table, features_table(found))
    more = {"SimulatedData": True} if simulated_mask(mask) else {}
    write_sidecar(table, {mask.name: digest}, {"measurement": _MEASUREMENT}, **more)
    return found


def simulated_mask(mask: Path) -> bool:
    """Whether the mask's sidecar says that its data are simulated."""
    try:
        return bool(read_json(sidecar_path(mask)).get("SimulatedData"))
    except (OSError, ValueError):
        return False


def _measured(table: Path, mask: str, digest: str) -> bool:
    """Whether the table stands for this very mask."""
    if not (table.is_file() and sidecar_path(table).is_file()):
        return False
    try:
        said = read_json(sidecar_path(table))
    except ValueError:
        return False
    return bool(said.get("SourceSHA256") == {mask: digest} and said.get("Parameters") == {"measurement": _MEASUREMENT})

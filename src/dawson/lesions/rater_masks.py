"""The masks that raters drew of a scan: which there are, and read onto one grid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.cohort.lesion_masks import lesion_masks, maker_of, simulated_mask
from dawson.cohort.scan import Scan
from dawson.errors import ImageError
from dawson.imaging.staple import CroppedMasks, crop_masks, margin_of

_RUN = re.compile(r"^(?P<rater>.+?)run(?P<run>[0-9]+)$")


@dataclass(frozen=True)
class RaterMasks:
    """Masks of one scan by rater.

    Parameters
    ----------
    first : dict of str to Path
        Rater to the mask that counts: `desc-rater{LABEL}` is rater LABEL, `desc-expert...` keeps its whole name.
    again : dict of str to Path
        Rater to the mask of the same scan drawn a second time, `desc-rater{LABEL}run2`.
    """

    first: dict[str, Path] = field(default_factory=dict)
    again: dict[str, Path] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[Path, ...]:
        return (*self.first.values(), *self.again.values())


def find_rater_masks(scan: Scan, roots: Sequence[Path]) -> RaterMasks:
    """Raters' masks of a scan in template space.

    Parameters
    ----------
    scan : Scan
    roots : sequence of Path
        Derivative datasets; of one rater's masks that of the first is taken.

    Returns
    -------
    RaterMasks
        Sorted by rater. `desc-rater{LABEL}run1` counts as the first where there is none without `run`.
    """
    found: dict[tuple[str, int], Path] = {}
    for path in lesion_masks(scan, roots, template_space=True):
        maker = maker_of(path)
        if maker.startswith(("rater", "expert")):
            found.setdefault(_rater_and_run(maker), path)
    raters = sorted({rater for rater, _ in found})
    first = {rater: found.get((rater, 0), found.get((rater, 1))) for rater in raters}
    return RaterMasks(
        {rater: path for rater, path in first.items() if path is not None},
        {rater: found[rater, 2] for rater in raters if (rater, 2) in found},
    )


def read_cropped(paths: Sequence[Path], margin_mm: float) -> tuple[CroppedMasks, NDArray[np.float64]]:
    """Masks cropped to the box that holds them all, and the affine of their grid; one whole mask at a time is in memory.

    Raises
    ------
    ImageError
        A mask cannot be read, or lies on another grid than the first.
    """
    grids: list[tuple[tuple[int, ...], NDArray[np.float64]]] = []

    def volumes() -> Iterator[NDArray[Any]]:
        for path in paths:
            values, affine = read_mask(path)
            if grids and (values.shape != grids[0][0] or not np.allclose(affine, grids[0][1], atol=1e-3)):
                raise ImageError(path, f"lies on another grid than {paths[0].name}.", "Resample the masks onto the template's grid.")
            grids.append((values.shape, affine))
            yield values

    return crop_masks(volumes(), margin_of(spacing_of(read_affine(paths[0])), margin_mm)), grids[0][1]


def read_mask(path: Path) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """A mask, which may be empty, and its affine.

    Raises
    ------
    ImageError
        It cannot be read, or is not of three dimensions.
    """
    import nibabel as nib

    try:
        image: Any = nib.load(path)
        values = np.asarray(image.dataobj) > 0.5
    except Exception as error:
        # nibabel and zlib raise many kinds for a damaged file
        raise ImageError(path, f"cannot be read ({error}).", "Copy or draw it again.") from None
    if values.ndim != 3:
        raise ImageError(path, f"has {values.ndim} dimensions where 3 are due.", "Give one mask a rater.")
    return values, np.asarray(image.affine, dtype=np.float64)


def read_affine(path: Path) -> NDArray[np.float64]:
    """The affine of an image, without its data."""
    import nibabel as nib

    try:
        image: Any = nib.load(path)
    except Exception as error:
        raise ImageError(path, f"cannot be read ({error}).", "Copy or draw it again.") from None
    return np.asarray(image.affine, dtype=np.float64)


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Size of a voxel in mm."""
    x, y, z = (float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    return x, y, z


def any_simulated(paths: Sequence[Path]) -> bool:
    """Whether the sidecar of one of the masks says that a computer program made it."""
    return any(simulated_mask(path) for path in paths)


def by_scan(scans: Sequence[Scan], roots: Sequence[Path]) -> Mapping[Scan, RaterMasks]:
    """Masks of every scan that has any."""
    found = {scan: find_rater_masks(scan, roots) for scan in scans}
    return {scan: masks for scan, masks in found.items() if masks.first}


def _rater_and_run(maker: str) -> tuple[str, int]:
    run = _RUN.match(maker)
    name, number = (run["rater"], int(run["run"])) if run else (maker, 0)
    return (name.removeprefix("rater") or name), number

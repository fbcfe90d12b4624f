"""How often each place of the template holds a lesion, and how well two such maps agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from dawson.errors import ImageError
from dawson.imaging.template import template_image, template_mask
from dawson.parallel import each
from dawson.progress import progress

FWHM_MM = 8.0
"""Full width at half maximum of the Gaussian that maps are smoothed by before they are compared (sigma = FWHM / 2.355)."""

LEAST_LESION_MM3 = 3.0
"""Smaller connected parts of a mask are not counted as lesions."""

STEP_MM = 2.0
"""Spacing of the lattice on which maps are kept: blocks of two voxels of the 1 mm template."""

_EVERY = 2  # of the lattice's points, for what is done with every patient's own map: half the smoothing's width

Map = NDArray[np.float32]


@dataclass(frozen=True)
class MeasuredMask:
    """One patient's lesion mask in numbers.

    Parameters
    ----------
    volume_ml : float
    components : int
        Connected parts (26 neighbours) of at least `LEAST_LESION_MM3`.
    share : ndarray of float32 (n,) or None
        Share of lesion at each lattice point in the brain; None where the mask is not in template space.
    smooth : ndarray of float32 (m,) or None
        The same, smoothed, at every second point.
    """

    volume_ml: float
    components: int
    share: Map | None
    smooth: Map | None


@dataclass(frozen=True)
class LesionMap:
    """Share of patients with a lesion at each point.

    Parameters
    ----------
    n : int
        Patients.
    mean : ndarray of float32 (n_points,)
        In the brain, on the lattice, not smoothed.
    each : ndarray of float32 (n, m)
        Smoothed map of every patient at every second point.
    """

    n: int
    mean: Map
    each: Map

    def smoothed(self) -> Map:
        """On the whole lattice, zero outside the brain, smoothed by `FWHM_MM`."""
        return _smooth(_filled(self.mean)) * brain_lattice()


@dataclass(frozen=True)
class Agreement:
    """Correlation of two maps.

    Parameters
    ----------
    estimate, low, high : float
        Pearson's, inside the template's brain after smoothing, and its 95 % interval (jackknife over the patients of both
        maps, Fisher's z); the ends are NaN with fewer than three patients in a map.
    """

    estimate: float
    low: float
    high: float


def measure_masks(paths: Sequence[Path], in_template: bool, jobs: int = 1, note: str = "Lesion masks") -> list[MeasuredMask]:
    """Measure lesion masks.

    Parameters
    ----------
    paths : sequence of Path
    in_template : bool
        Whether they lie in MNI space, so that they can enter a map; any grid will do.
    jobs : int
        Processes.
    note : str
        What the progress bar says.
    """
    found: dict[int, MeasuredMask] = {}
    with progress(note, len(paths)) as advance:
        for index, measured in each(partial(_measure, in_template=in_template), list(enumerate(paths)), jobs=max(1, min(jobs, len(paths)))):
            found[index] = measured
            advance()
    return [found[index] for index in range(len(paths))]


def lesion_map(measured: Sequence[MeasuredMask]) -> LesionMap:
    """Mean of measured masks in template space, one a patient."""
    shares = [mask.share for mask in measured if mask.share is not None]
    smooth = [mask.smooth for mask in measured if mask.smooth is not None]
    if not shares:
        raise ValueError("no mask in template space")
    return LesionMap(len(shares), np.mean(shares, axis=0, dtype=np.float32), np.stack(smooth))


def agreement(one: LesionMap, other: LesionMap) -> Agreement:
    """Correlation of two maps inside the template's brain after smoothing.

    Parameters
    ----------
    one, other : LesionMap

    Returns
    -------
    Agreement
        NaN where a map is empty.

    References
    ----------
    Efron B, Stein C. The jackknife estimate of variance. Ann Stat 9 (1981) 586-596.
    """
    inside = brain_lattice()
    estimate = correlation(one.smoothed()[inside], other.smoothed()[inside])
    if not math.isfinite(estimate) or min(one.n, other.n) < 3:
        return Agreement(estimate, math.nan, math.nan)
    variance = sum(_jackknife_variance(a.each, b.each.mean(axis=0)) for a, b in ((one, other), (other, one)))
    reach = float(stats.t.ppf(0.975, min(one.n, other.n) - 1)) * math.sqrt(variance)
    middle = math.atanh(min(estimate, 1 - 1e-9))
    return Agreement(estimate, math.tanh(middle - reach), math.tanh(middle + reach))


@lru_cache(maxsize=1)
def brain_lattice() -> NDArray[np.bool_]:
    """The template's brain on the lattice."""
    return np.asarray(_halved(template_mask(1.0).astype(np.float32)) > 0.5)


def lattice_affine() -> NDArray[np.float64]:
    """From points of the lattice to template mm."""
    affine = np.array(template_image(1.0).affine, dtype=np.float64)
    affine[:3, 3] += 0.5 * (STEP_MM - 1.0)
    affine[:3, :3] *= STEP_MM
    return affine


def _halved(volume: Map) -> Map:
    """Means over blocks of 2 x 2 x 2 voxels; a side of odd length is padded by zeros."""
    even = np.pad(volume, [(0, size % 2) for size in volume.shape])
    x, y, z = (size // 2 for size in even.shape)
    return np.asarray(even.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5)), dtype=np.float32)


def _smooth(volume: Map) -> Map:
    return np.asarray(ndimage.gaussian_filter(volume, FWHM_MM / 2.355 / STEP_MM, mode="constant", truncate=3.5), dtype=np.float32)


def _filled(inside: Map) -> Map:
    volume = np.zeros(brain_lattice().shape, dtype=np.float32)
    volume[brain_lattice()] = inside
    return volume


def _sparse(volume: Map) -> Map:
    part = (slice(None, None, _EVERY),) * 3
    return volume[part][brain_lattice()[part]]


def _measure(item: tuple[int, Path], in_template: bool) -> tuple[int, MeasuredMask]:
    import nibabel as nib

    index, path = item
    try:
        image: Any = nib.load(path)
        mask = np.asarray(image.dataobj) > 0
    except (OSError, EOFError, nib.filebasedimages.ImageFileError) as error:
        raise ImageError(path, f"cannot be read: {error}.", "Make or copy it again.") from None
    if mask.ndim != 3:
        raise ImageError(path, f"has {mask.ndim} dimensions, not 3.")
    voxel_mm3 = float(abs(np.linalg.det(image.affine[:3, :3])))
    box = (ndimage.find_objects(mask.astype(np.uint8)) or [(slice(0),) * 3])[0]
    parts, _ = ndimage.label(mask[box], np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=1)[1:] * voxel_mm3
    share = smooth = None
    if in_template:
        share = _halved(_on_template(mask, np.asarray(image.affine, dtype=np.float64))) * brain_lattice()
        smooth = _sparse(_smooth(share))
        share = share[brain_lattice()]
    return index, MeasuredMask(float(mask.sum()) * voxel_mm3 / 1000, int((sizes >= LEAST_LESION_MM3 - 1e-6).sum()), share, smooth)


def _on_template(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> Map:
    """A mask on the template's 1 mm grid, by linear interpolation where the grids differ."""
    target = template_image(1.0)
    if mask.shape == target.shape and np.allclose(affine, target.affine, atol=1e-3):
        return mask.astype(np.float32)
    there = np.zeros(target.shape, dtype=np.float32)
    found = ndimage.find_objects(mask.astype(np.uint8))
    if not found:
        return there
    # Only the part of the template that the mask's own box reaches can be anything but zero.
    corners = np.array(np.meshgrid(*[(side.start - 1, side.stop) for side in found[0]])).reshape(3, -1)
    to_mask = np.linalg.inv(affine) @ np.asarray(target.affine, dtype=np.float64)
    to_target = np.linalg.inv(to_mask)
    reached = to_target[:3, :3] @ corners + to_target[:3, 3:]
    low = np.clip(np.floor(reached.min(axis=1)).astype(int) - 1, 0, target.shape)
    high = np.clip(np.ceil(reached.max(axis=1)).astype(int) + 2, low, target.shape)
    offset = to_mask[:3, :3] @ low + to_mask[:3, 3]
    part = ndimage.affine_transform(mask.astype(np.float32), to_mask[:3, :3], offset, output_shape=tuple(high - low), order=1)
    there[tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))] = part
    return there


def correlation(one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]]) -> float:
    """Pearson's correlation; NaN where one is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])


def _jackknife_variance(single: Map, other: Map) -> float:
    """Of Fisher's z of the correlation between the mean of `single` (n, m) and `other` (m,), over its rows."""
    n = len(single)
    without = (single.sum(axis=0) - single) / (n - 1)
    left = np.array([math.atanh(min(correlation(row, other), 1 - 1e-9)) for row in without])
    return float((n - 1) / n * ((left - left.mean()) ** 2).sum())

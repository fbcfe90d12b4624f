"""Simulated people who outline lesions: experts, volunteers, careless ones, each with a bias and a skill that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

MISS_SLOPE = 1.5
"""How steeply the chance to miss a lesion falls with its volume (exponent of the Hill curve); ours, no source."""

FALSE_RADIUS_MM = (1.6, 0.35)
"""Median and standard deviation of the logarithm of a false lesion's radii; ours, no source."""

_REACH = 3.0  # standard deviations of boundary noise that the box around a lesion leaves room for
_INNER_STEP = 0.35  # of a voxel, from the outermost centre inside to the border: half on a plane, less on a round border; set on balls
_SMOOTH_VOXELS = 0.6  # takes the steps of the voxel grid out of the distance, so that shifts below a voxel count


@dataclass(frozen=True)
class Rater:
    """One person's habit and skill.

    Parameters
    ----------
    name : str
    bias_mm : float
        How far the outline lies outside the true border on average; negative draws too tight.
    boundary_mm : float
        Standard deviation of the outline's distance from there.
    correlation_mm : float
        Distance along the outline over which the correlation of that error falls to 1/e.
    miss_at_ml : float
        Volume of lesions of which half are missed; of smaller ones more, see `chance_to_miss`. 0 misses none.
    false_per_scan : float
        Mean number of spots drawn where there is no lesion.
    slice_wise : bool
        Draws one axial slice after the other: errors are independent between slices, and the bias acts within a slice.
    source : str
        Where the level comes from.
    """

    name: str
    bias_mm: float = 0.0
    boundary_mm: float = 0.0
    correlation_mm: float = 4.0
    miss_at_ml: float = 0.0
    false_per_scan: float = 0.0
    slice_wise: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        for field in ("boundary_mm", "miss_at_ml", "false_per_scan"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field} of rater {self.name} is negative")
        if self.correlation_mm <= 0:
            raise ValueError(f"correlation_mm of rater {self.name} is not above 0")

    def chance_to_miss(self, volume_ml: float) -> float:
        """Chance that a lesion of this volume is not drawn: 1 / (1 + (volume / miss_at_ml) ^ MISS_SLOPE).

        Examples
        --------
        >>> Rater("one", miss_at_ml=0.02).chance_to_miss(0.02)
        0.5
        """
        return 0.0 if self.miss_at_ml == 0 else 1.0 / (1.0 + (volume_ml / self.miss_at_ml) ** MISS_SLOPE)


EXPERT = Rater(
    "expert",
    boundary_mm=0.6,
    correlation_mm=4.0,
    miss_at_ml=0.01,
    false_per_scan=1.0,
    slice_wise=True,
    source="Set so that two of them agree with a Dice of about 0.6-0.75 on MS lesions, as trained raters do: Carass et al. 2017 "
    "(two raters, ISBI 2015), Egger et al. 2017, Lesjak et al. 2018 (before consensus), Commowick et al. 2018 (MSSEG). How the "
    "disagreement divides into outline, misses and false lesions is assumed.",
)
VOLUNTEER = Rater(
    "volunteer",
    bias_mm=0.4,
    boundary_mm=1.0,
    correlation_mm=4.0,
    miss_at_ml=0.04,
    false_per_scan=4.0,
    slice_wise=True,
    source="Assumed: no figures of lay people who outline MS lesions were found.",
)
CARELESS = Rater(
    "careless",
    bias_mm=-0.3,
    boundary_mm=1.5,
    correlation_mm=4.0,
    miss_at_ml=0.15,
    false_per_scan=10.0,
    slice_wise=True,
    source="Assumed: someone whom a consensus should learn to trust little.",
)
RATERS = {rater.name: rater for rater in (EXPERT, VOLUNTEER, CARELESS)}


def draw_mask(
    instances: NDArray[np.integer[Any]],
    spacing_mm: Sequence[float],
    rater: Rater,
    rng: np.random.Generator,
    places: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """What a rater draws of the lesions that there are.

    Parameters
    ----------
    instances : ndarray of int, (x, y, z)
        Number of the lesion at each voxel, 0 where there is none; the third axis leads from slice to slice.
    spacing_mm : sequence of float
        Size of a voxel.
    rater : Rater
    rng : Generator
        Of this rater and scan.
    places : ndarray of bool, (x, y, z), optional
        Where false lesions may have their centre; needed by a rater who draws any. Voxels within 3 mm of a true lesion
        are left out.

    Returns
    -------
    ndarray of uint8, (x, y, z)
        1 inside the outlines.

    Raises
    ------
    ValueError
        The rater draws false lesions and `places` is missing or of another shape.
    """
    if rater.false_per_scan > 0 and (places is None or places.shape != instances.shape):
        raise ValueError(f"rater {rater.name} draws false lesions: give the places where they may lie, on the grid of the lesions")
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    drawn = np.zeros(instances.shape, dtype=np.uint8)
    kept = _not_missed(instances, float(np.prod(spacing)) / 1000.0, rater, rng)
    margin = np.ceil((abs(rater.bias_mm) + _REACH * rater.boundary_mm) / spacing).astype(int) + 2
    if rater.slice_wise:
        margin[2] = 0  # nobody draws on a slice on which the lesion is not
    # Lesions that touch are outlined as one: errors of their own would tear gaps along the line where they meet.
    parts, _ = ndimage.label(kept, np.ones((3, 3, 3)))
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        wide = tuple(
            slice(max(0, side.start - room), min(size, side.stop + room))
            for side, room, size in zip(box, margin, instances.shape, strict=True)
        )
        drawn[wide] |= _outlined(parts[wide] == number, spacing, rater, rng)
    if rater.false_per_scan > 0 and places is not None:
        _add_false(drawn, instances > 0, places, spacing, rater, rng)
    return drawn


def _not_missed(instances: NDArray[np.integer[Any]], voxel_ml: float, rater: Rater, rng: np.random.Generator) -> NDArray[np.bool_]:
    sizes = np.bincount(instances.ravel())
    seen = np.zeros(sizes.size, dtype=bool)
    for number in np.flatnonzero(sizes):
        # one draw a lesion whatever becomes of it: the others stay the same when a parameter changes
        seen[number] = rng.random() >= rater.chance_to_miss(float(sizes[number]) * voxel_ml)
    seen[0] = False
    return np.asarray(seen[instances], dtype=bool)


def _outlined(lesion: NDArray[np.bool_], spacing: NDArray[np.float64], rater: Rater, rng: np.random.Generator) -> NDArray[np.bool_]:
    """One lesion as it is drawn, in its box."""
    inside = _depth(lesion, spacing, rater.slice_wise) + rater.bias_mm
    if rater.boundary_mm > 0:
        inside = inside + rater.boundary_mm * _smooth_noise(lesion.shape, spacing, rater, rng)
    return np.asarray(inside > 0)


def _depth(lesion: NDArray[np.bool_], spacing: NDArray[np.float64], slice_wise: bool) -> NDArray[np.float64]:
    """Millimetres to the border, positive inside; within each slice where `slice_wise`."""
    if not slice_wise:
        return _signed(lesion, spacing)
    depth = np.full(lesion.shape, -np.inf)
    for number in np.flatnonzero(lesion.any(axis=(0, 1))):
        depth[..., number] = _signed(lesion[..., number], spacing[:2])
    return depth


def _signed(lesion: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    # The transform counts from voxel centre to voxel centre; the border lies about half a voxel before it.
    step = float(spacing.min())
    outside = ndimage.distance_transform_edt(~lesion, sampling=spacing) - 0.5 * step
    # beyond the image there is no lesion
    within = ndimage.distance_transform_edt(np.pad(lesion, 1), sampling=spacing)[(slice(1, -1),) * lesion.ndim] - _INNER_STEP * step
    smooth = ndimage.gaussian_filter(np.where(lesion, within, -outside), _SMOOTH_VOXELS, mode="nearest")
    # smoothing must not move the border itself: who errs in nothing draws the truth
    least = 0.05 * step
    return np.where(lesion, np.maximum(smooth, least), np.minimum(smooth, -least))


def _smooth_noise(shape: tuple[int, ...], spacing: NDArray[np.float64], rater: Rater, rng: np.random.Generator) -> NDArray[np.float64]:
    """Gaussian noise of standard deviation 1 whose correlation falls to 1/e over the rater's correlation length.

    White noise smoothed by a Gaussian of standard deviation s has the correlation exp(-d^2 / (4 s^2)).
    """
    sigma = rater.correlation_mm / 2 / spacing
    if rater.slice_wise:
        sigma[2] = 0
    room = np.ceil(3 * sigma).astype(int)
    noise = rng.standard_normal(tuple(np.add(shape, 2 * room)))
    for axis, width in enumerate(sigma):
        if width > 0:
            steps = np.arange(-room[axis], room[axis] + 1)
            kernel = np.exp(-0.5 * (steps / width) ** 2)
            noise = ndimage.correlate1d(noise, kernel / np.sqrt((kernel**2).sum()), axis=axis, mode="constant")
    return np.asarray(noise[tuple(slice(side, side + size) for side, size in zip(room, shape, strict=True))], dtype=np.float64)


def _add_false(
    drawn: NDArray[np.uint8],
    lesions: NDArray[np.bool_],
    places: NDArray[np.bool_],
    spacing: NDArray[np.float64],
    rater: Rater,
    rng: np.random.Generator,
) -> None:
    """Ellipsoids about places where no lesion is, into the mask."""
    near = ndimage.distance_transform_edt(~lesions, sampling=spacing) < 3.0 if lesions.any() else lesions
    free = np.flatnonzero(places & ~near)
    number = int(rng.poisson(rater.false_per_scan))
    if free.size == 0:
        return
    for centre in np.column_stack(np.unravel_index(rng.choice(free, number), drawn.shape)):
        radii = FALSE_RADIUS_MM[0] * np.exp(rng.normal(0, FALSE_RADIUS_MM[1], 3))
        reach = np.ceil(radii / spacing).astype(int)
        low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, drawn.shape)
        steps = np.ogrid[tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))]
        squares = [((step - middle) * size / radius) ** 2 for step, middle, size, radius in zip(steps, centre, spacing, radii, strict=True)]
        box = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
        spot = (squares[0] + squares[1] + squares[2] <= 1) & ~lesions[box]
        drawn[box] |= spot.astype(np.uint8)

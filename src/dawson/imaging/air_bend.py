"""How far air beside the brain bends one image of a session against another, whatever their contrasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AirPlace:
    """Where air lies beside the brain.

    Parameters
    ----------
    mm : tuple of float
        In template space.
    words : str
    """

    mm: tuple[float, float, float]
    words: str


AIR_PLACES = {
    "frontal": AirPlace((0.0, 62.0, -32.0), "near the frontal sinuses"),
    "left_ear": AirPlace((-52.0, -24.0, -34.0), "near the left ear"),
    "right_ear": AirPlace((52.0, -24.0, -34.0), "near the right ear"),
}

# the displacement falls off around such a place as exp(-1.5 (distance / width)^2)
_WIDTH_MM = 24.0
# a place is seen where so much brain lies within the width
_LEAST_ML = 3.0
# in voxels of about 2 mm: what is finer than the blur is noise to a shift
_BLUR = 0.6
# what is bright and what stands out from its surroundings foretell the other image together: two tissues may be equally bright
_BINS_OF_BRIGHTNESS, _BINS_OF_DETAIL = 24, 8
_SURROUNDINGS = 2.0
# a bin of few voxels is drawn to the mean of its brightness, as if it had so many more
_PRIOR_VOXELS = 20
_ROUNDS = 6
# the image is foretold anew in the first rounds, while it still moves far
_FORETOLD = 3
# residuals beyond so many robust standard deviations (lesions, vessels) count half and less
_CAUCHY = 3.0
_LEAST_VOXELS = 1000
# lengths over which the affine part is told, mm
_SCALE_MM = 50.0
# displacements of more than this are hardly believed; residuals of neighbours hang together, so that so many voxels count as one
_PRIOR_MM, _VOXELS_AS_ONE = 4.0, 8.0


def bends(
    first: NDArray[np.floating], second: NDArray[np.floating], mask: NDArray[np.bool_], affine: NDArray[np.float64]
) -> dict[str, Floats]:
    """How far the second image is displaced against the first beside each place of air.

    The second image is foretold from the first (the mean of the second at each brightness of the first and each difference from its
    surroundings). The displacement that makes it look as foretold is solved for by least squares over the whole brain at once, the
    image being moved in between (Lucas & Kanade, IJCAI 1981): an affine part, which is no distortion but what alignment left, and
    around each place of air a displacement that falls off as the field of air does. Voxels that neither explains count less (Cauchy
    weights). As few numbers are asked of very many voxels, a displacement is told to about a millimetre, whatever the contrasts.

    Parameters
    ----------
    first, second : ndarray (x, y, z)
        On the same grid in template space, voxels of about 2 mm.
    mask : ndarray of bool (x, y, z)
        Brain in both.
    affine : ndarray (4, 4)
        Of the grid.

    Returns
    -------
    dict of str to ndarray of float32 (3,)
        Place to displacement along the grid's axes at the place itself, mm; without those that have no brain near. Empty for a mask of
        fewer than 1000 voxels, or images without edges.
    """
    if int(mask.sum()) < _LEAST_VOXELS:
        return {}
    box = tuple(slice(max(0, int(at.min()) - 3), int(at.max()) + 4) for at in np.nonzero(mask))
    inside = mask[box]
    one, seen = (_smoothed(np.asarray(image[box], np.float32), inside, _BLUR) for image in (first, second))
    core = ndimage.binary_erosion(inside)
    corner = np.array([part.start for part in box])
    world = (np.argwhere(core) + corner) @ affine[:3, :3].T + affine[:3, 3]
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    bumps = {name: _bump(world, place.mm) for name, place in AIR_PLACES.items()}
    near = _LEAST_ML * 1000 / float(np.prod(spacing))
    bumps = {name: bump for name, bump in bumps.items() if (bump > np.exp(-1.5)).sum() >= near}
    if not bumps:
        return {}
    middle = (world - world.mean(axis=0)) / _SCALE_MM
    shapes = np.stack([np.ones(len(world)), *middle.T, *bumps.values()], axis=1).astype(np.float32)
    found = _solved(one, seen, inside, core, shapes, len(bumps), spacing)
    if found is None:
        return {}
    return {name: (found[:, 4 + place] * spacing).astype(np.float32) for place, name in enumerate(bumps)}


def _bump(world: NDArray[np.float64], place: tuple[float, float, float]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-1.5 * np.square(world - place).sum(axis=1) / _WIDTH_MM**2))


def _solved(
    one: Floats, seen: Floats, inside: NDArray[np.bool_], core: NDArray[np.bool_], shapes: Floats, bumps: int, spacing: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Voxels along each axis for each shape of displacement, (3, shapes); None without edges."""
    count = shapes.shape[1]
    amounts = np.zeros((3, count))
    indices = np.indices(inside.shape).astype(np.float32)
    # of the bumps alone: alignment may have left any affine part
    prior = np.tile(np.r_[np.zeros(count - bumps), np.ones(bumps)], (3, 1)) * np.square(spacing / _PRIOR_MM)[:, None]
    told = one
    for turn in range(_ROUNDS):
        where = indices.copy()
        for axis in range(3):
            where[axis][core] += shapes @ amounts[axis].astype(np.float32)
        moved = ndimage.map_coordinates(seen, where, order=1, mode="nearest")
        if turn < _FORETOLD:
            told = _foretold(one, moved, inside)
        error = (told - moved)[core]
        spread = 1.4826 * float(np.median(np.abs(error)))
        if not spread > 0:
            return amounts if turn else None
        weight = 1 / (1 + np.square(error / np.float32(_CAUCHY * spread)))
        slopes = [np.gradient(moved, axis=axis)[core] for axis in range(3)]
        design = np.concatenate([slope[:, None] * shapes for slope in slopes], axis=1).astype(np.float64) / spread
        weighted = design * (weight / _VOXELS_AS_ONE)[:, None]
        # the prior holds the whole displacement, not the step of this turn
        matrix = weighted.T @ design + np.diag(prior.ravel())
        right = weighted.T @ (error / spread) - prior.ravel() * amounts.ravel()
        amounts = amounts + np.linalg.lstsq(matrix, right, rcond=None)[0].reshape(3, count)
    return amounts


def _foretold(first: Floats, second: Floats, mask: NDArray[np.bool_]) -> Floats:
    """The second image as far as brightness and detail of the first tell it."""
    bright, seen = first[mask], second[mask]
    detail = bright - _smoothed(first, mask, _SURROUNDINGS)[mask]
    level, levels = _binned(bright, _BINS_OF_BRIGHTNESS)
    fine, _ = _binned(detail, _BINS_OF_DETAIL)
    place, size = level * _BINS_OF_DETAIL + fine, levels * _BINS_OF_DETAIL
    of_level = np.bincount(level, weights=seen, minlength=levels) / np.maximum(np.bincount(level, minlength=levels), 1)
    counts, sums = np.bincount(place, minlength=size), np.bincount(place, weights=seen, minlength=size)
    means = (sums + _PRIOR_VOXELS * np.repeat(of_level, _BINS_OF_DETAIL)) / (counts + _PRIOR_VOXELS)
    told = np.zeros_like(first)
    told[mask] = means[place]
    return told


def _binned(values: Floats, bins: int) -> tuple[NDArray[np.intp], int]:
    """Bins of equal counts, and how many there are."""
    edges = np.unique(np.percentile(values, np.linspace(0, 100, bins + 1)))[1:-1]
    return np.searchsorted(edges, values), edges.size + 1


def _smoothed(image: Floats, mask: NDArray[np.bool_], width: float) -> Floats:
    """Smoothing that does not draw in the zeros outside the mask."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), width)
    blurred = ndimage.gaussian_filter(np.where(mask, image, np.float32(0)), width)
    return np.where(mask, blurred / np.maximum(weight, 1e-3), 0.0).astype(np.float32)

"""The head and the air around it in a raw scan: where noise and artefacts show without anatomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# the head is found on voxels of about this size: noise averages out, and skin has no detail that is needed
_WORKING_MM = 4.0
_CLOSING_MM = 12.0
# what is brighter than this share of the bright half's median belongs to the head, even thin or dim skin
_HEAD_SHARE = 0.25
# the skin's partial volume, its chemical shift and the point spread reach this far
_NEAR_HEAD_MM = 10.0
# a voxel of air that stands out this many robust standard deviations is an artefact (MRIQC's threshold)
ARTEFACT_Z = 10.0
_LEAST_AIR_VOXELS = 1000
_LEAST_BLOCKS = 200
# 20 blocks of 4 mm, 1.3 mL
_LEAST_BLOCKS_OF_HEAD = 20
# air that holds this share of one and the same value was written by software, not received by a coil
_FILLED_SHARE = 0.5
# a magnitude image is seldom exactly 0: more zeros than this outside filled blocks, and the scanner cut the noise off
_RARE_ZEROS = 0.2
# fewer zeros than this make no block worth looking for
_NO_ZEROS = 1e-3
# what is left of air that was nearly all filled is its brightest part, and says nothing of the noise
_FILLED_LIMIT = 0.5


@dataclass(frozen=True)
class Surroundings:
    """Regions of a raw scan.

    Parameters
    ----------
    head : ndarray of bool (x, y, z)
        Everything inside the skin.
    air : ndarray of bool (x, y, z)
        Air with the noise that the coil received: 10 mm or more from the head, without voxels that software filled
        (zeros, a constant, what defacing wrote).
    filled_share : float
        Share of the air that software filled, 0 to 1; near 1 there is nothing left to measure noise on.
    coarse_air : ndarray of bool
        Blocks that hold air only.
    steps : tuple of int
        Sides of a block in voxels.
    """

    head: NDArray[np.bool_]
    air: NDArray[np.bool_]
    filled_share: float
    coarse_air: NDArray[np.bool_]
    steps: tuple[int, int, int]

    @property
    def has_air(self) -> bool:
        """Whether there is enough air, not filled by software, to say anything of the noise."""
        return self.filled_share < _FILLED_LIMIT and int(self.air.sum()) >= _LEAST_AIR_VOXELS


def surroundings(values: NDArray[np.float32], spacing_mm: tuple[float, float, float], above: float | None = None) -> Surroundings:
    """Find head and air.

    Parameters
    ----------
    values : ndarray of float32 (x, y, z)
        Raw magnitude image in RAS order.
    spacing_mm : tuple of float
    above : float, optional
        Voxel index along the last axis below which air does not count: jaw, tongue and swallowing move in every scan
        (Mortamet et al. 2009 leave out what lies below nasion and occiput).

    Returns
    -------
    Surroundings
    """
    coarse, steps = _coarse_head(values, spacing_mm)
    head = _spread(coarse, steps, values.shape)
    # at 4 mm: the distance need not be exact, and a distance at full resolution takes longer than all else together
    near = _grown(coarse, [size * step for size, step in zip(spacing_mm, steps, strict=True)], _NEAR_HEAD_MM)
    far = ~_spread(near, steps, values.shape)
    if above is not None:
        far[:, :, : int(np.clip(np.floor(above), 0, values.shape[2]))] = False
    filled = _filled(values, far)
    count = int(far.sum())
    air = far & ~filled
    whole = _block_mean(air.astype(np.float32), steps) > 0.999
    share = float((filled & far).sum()) / count if count else 1.0
    return Surroundings(head, air, share, whole, (steps[0], steps[1], steps[2]))


def head_mask(values: NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Everything inside the skin, from the brightness alone.

    Parameters
    ----------
    values : ndarray of float32 (x, y, z)
    spacing_mm : tuple of float

    Returns
    -------
    ndarray of bool (x, y, z)
        All bright pieces but specks, closed over 12 mm and filled slice by slice; all False for a constant image.
    """
    coarse, steps = _coarse_head(values, spacing_mm)
    return _spread(coarse, steps, values.shape)


def _coarse_head(values: NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> tuple[NDArray[np.bool_], list[int]]:
    """The head on blocks of about 4 mm, and the blocks' sides in voxels."""
    steps = [max(1, min(round(_WORKING_MM / size), count)) for size, count in zip(spacing_mm, values.shape, strict=True)]
    coarse = np.maximum(_block_mean(values, steps), 0.0)
    low, high = float(coarse.min()), float(np.percentile(coarse, 98.0))
    if not high > low:
        return np.zeros(coarse.shape, dtype=bool), steps
    bright = coarse[coarse > otsu(np.clip(coarse, low, high))]
    mask = coarse > low + _HEAD_SHARE * (float(np.median(bright)) - low)
    # the scalp is a shell of its own around a dark skull, and an ear or a chin may lie apart: all pieces but specks count
    mask = _pieces(mask)
    mask = _closed(mask, [size * step for size, step in zip(spacing_mm, steps, strict=True)], _CLOSING_MM)
    for axis in range(3):
        mask = np.moveaxis(np.stack([ndimage.binary_fill_holes(plane) for plane in np.moveaxis(mask, axis, 0)]), 0, axis)
    return mask, steps


def _spread(coarse: NDArray[np.bool_], steps: list[int], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A mask of blocks on the voxels; those beyond the last whole block take its value."""
    fine = coarse
    for axis, (step, count) in enumerate(zip(steps, shape, strict=True)):
        fine = np.take(fine, np.minimum(np.arange(count) // step, fine.shape[axis] - 1), axis=axis)
    return fine


def otsu(values: NDArray[np.float32], bins: int = 256) -> float:
    """The threshold that separates two classes best (Otsu, IEEE Trans Syst Man Cybern 1979).

    Examples
    --------
    >>> float(np.round(otsu(np.array([0.0, 0.0, 1.0, 1.0], dtype=np.float32), bins=4), 2)) < 1.0
    True
    """
    counts, edges = np.histogram(values, bins=bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    best = int(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))
    return float(edges[best + 1])


def artefact_mask(values: NDArray[np.float32], air: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Air voxels that hold signal where there should be noise only.

    As MRIQC does after Mortamet et al. 2009 (doi:10.1002/mrm.21992): more than 10 robust standard deviations above the
    air's median, and left over by an opening, so that single bright voxels of noise do not count.

    Parameters
    ----------
    values : ndarray of float32 (x, y, z)
    air : ndarray of bool (x, y, z)
    """
    inside = values[air]
    if inside.size == 0:
        return np.zeros_like(air)
    middle = float(np.median(inside))
    spread = robust_sd(inside)
    bright = air & (values > middle + ARTEFACT_Z * spread) if spread > 0 else air & (values > middle)
    opened: NDArray[np.bool_] = ndimage.binary_opening(bright, structure=ndimage.generate_binary_structure(3, 1))
    return opened


def air_structure(values: NDArray[np.float32], around: Surroundings) -> float:
    """Faint shapes in the air: ghosts and motion far below the noise of one voxel, seen in means over blocks of 4 mm.

    Parameters
    ----------
    values : ndarray of float32 (x, y, z)
    around : Surroundings

    Returns
    -------
    float
        95th percentile of the blocks' means less their median, in robust standard deviations of single voxels; small for pure
        noise (1.645 / sqrt(voxels of a block)), NaN without air.
    """
    full = around.coarse_air
    spread = robust_sd(values[around.air])
    if int(full.sum()) < _LEAST_BLOCKS or not spread > 0:
        return float("nan")
    means = _block_mean(values, list(around.steps))[full]
    return float(np.percentile(means, 95.0) - np.median(means)) / spread


def air_streaks(values: NDArray[np.float32], around: Surroundings) -> dict[str, float]:
    """Signal of the head smeared along one axis: how much more energy there is in the air beside the head than in the corners.

    Motion and flow spread a voxel's signal along the direction of phase encoding over the whole field of view; air from which one
    cannot come to the head along any axis receives none of it and shows the coil's noise.

    Parameters
    ----------
    values : ndarray of float32 (x, y, z)
    around : Surroundings

    Returns
    -------
    dict
        `air_streak_x`, `air_streak_y`, `air_streak_z`: natural logarithm of the energy of the air from which the head lies along that
        axis, over that of the corners; 0 for pure noise. The energy is the upper quartile of the mean squares of blocks: a piece of the
        head that was taken for air fills few of them, a streak fills most. An axis without enough such air is left out.
    """
    steps = list(around.steps)
    air, head = around.coarse_air, _block_mean(around.head.astype(np.float32), steps) > 0.5
    beside = [air & head.any(axis=axis, keepdims=True) for axis in range(3)]
    corners = air & ~np.logical_or.reduce(beside)
    energy = _block_mean(np.square(values, dtype=np.float32), steps)
    least = float(np.percentile(energy[corners], 75.0)) if int(corners.sum()) >= _LEAST_BLOCKS else 0.0
    if not least > 0:
        return {}
    return {
        f"air_streak_{axis}": float(np.log(np.percentile(energy[part], 75.0) / least))
        for axis, part in zip("xyz", beside, strict=True)
        if int(part.sum()) >= _LEAST_BLOCKS and float(np.percentile(energy[part], 75.0)) > 0
    }


def robust_sd(values: NDArray[np.floating]) -> float:
    """Median absolute deviation times 1.4826: the standard deviation of a normal sample, blind to a few outliers.

    Examples
    --------
    >>> round(robust_sd(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), 4)
    1.4826
    """
    if values.size == 0:
        return float("nan")
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _filled(values: NDArray[np.float32], far: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks of one value (a removed face, a padded border), and every zero where the scanner cut the noise off at it."""
    zero = values <= 0
    filled = _blocks(zero) if float(zero.mean()) > _NO_ZEROS else np.zeros_like(zero)
    inside = values[far & ~filled]
    positive = inside[inside > 0]
    if positive.size:
        found, counts = np.unique(positive[:: max(1, positive.size // 200_000)], return_counts=True)
        if counts.max() > _FILLED_SHARE * counts.sum():
            filled |= values == found[int(np.argmax(counts))]
    if inside.size and float((inside <= 0).mean()) > _RARE_ZEROS:
        filled |= zero
    return filled


def _blocks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels of a mask that lie in a full cube of 3 x 3 x 3 of it."""
    cubes = ndimage.minimum_filter(mask.astype(np.uint8), size=3, mode="nearest")
    return np.asarray(ndimage.maximum_filter(cubes, size=3, mode="nearest") > 0, dtype=bool)


def _block_mean(values: NDArray[np.float32], steps: list[int]) -> NDArray[np.float32]:
    trimmed = values[tuple(slice(0, count - count % step) for count, step in zip(values.shape, steps, strict=True))]
    shape = [part for count, step in zip(trimmed.shape, steps, strict=True) for part in (count // step, step)]
    mean: NDArray[np.float32] = trimmed.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)
    return mean


def _pieces(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    large = sizes >= min(_LEAST_BLOCKS_OF_HEAD, int(sizes[1:].max(initial=0)))
    large[0] = False
    kept: NDArray[np.bool_] = large[labels]
    return kept


def _grown(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...] | list[float], by_mm: float) -> NDArray[np.bool_]:
    if not mask.any():
        return mask.copy()
    near: NDArray[np.bool_] = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= by_mm
    return near


def _closed(mask: NDArray[np.bool_], spacing_mm: list[float], by_mm: float) -> NDArray[np.bool_]:
    """Closing by distance; the border is padded, so that a head which leaves the field of view stays whole there."""
    width = [int(np.ceil(by_mm / size)) + 1 for size in spacing_mm]
    padded = np.pad(mask, [(count, count) for count in width], mode="edge")
    grown = _grown(padded, spacing_mm, by_mm)
    shrunk = ~_grown(~grown, spacing_mm, by_mm)
    inner: NDArray[np.bool_] = shrunk[tuple(slice(count, -count) for count in width)]
    return inner | mask

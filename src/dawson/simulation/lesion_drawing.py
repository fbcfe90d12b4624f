"""What the kinds of lesions have in common: the style of a patient's lesions, a place, a size, a direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawson.simulation.anatomy import Atlas
from dawson.simulation.lesions import Lesion, Point

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Style:
    """How the lesions of one patient look.

    Parameters
    ----------
    size : float
        Multiplies the radii.
    brightness : float
        Multiplies the kind's own brightness on FLAIR.
    black_hole : bool
        The lesion is dark on T1w.
    jagged : bool
        Border of periventricular lesions: jagged or smooth.
    """

    size: float = 1.0
    brightness: float = 1.0
    black_hole: bool = False
    jagged: bool = True


Draw = Callable[[np.random.Generator, Atlas, Style], Lesion]


@dataclass(frozen=True)
class Kind:
    """A kind of lesion that radiologists name.

    Parameters
    ----------
    key : str
    title : str
    description : str
        What a radiologist reads.
    source : str
        The papers that describe it.
    draw : callable
        Draws one lesion of this kind: ``draw(rng, brain, style)``.
    """

    key: str
    title: str
    description: str
    source: str
    draw: Draw


def spot(rng: np.random.Generator, brain: Atlas, place: str, y_mm: float | None = None) -> tuple[NDArray[np.int16], Vector]:
    """A voxel of a place, of those near `y_mm` where that is given, and its template coordinates with a fraction of a voxel added."""
    voxels = brain.regions[place]
    if y_mm is not None:
        away = np.abs(voxels[:, 1] + brain.origin_mm[1] - y_mm)
        voxels = voxels[away <= max(3.0, float(away.min()))]
    voxel = voxels[rng.integers(len(voxels))]
    return voxel, voxel + brain.origin_mm + rng.uniform(-0.4, 0.4, 3)


def point(values: Vector) -> Point:
    """Three numbers as a point."""
    return float(values[0]), float(values[1]), float(values[2])


def unit(values: Vector) -> Vector:
    """A vector of length 1."""
    return np.asarray(values / np.linalg.norm(values))


def direction(rng: np.random.Generator) -> Point:
    """Any direction."""
    return point(unit(rng.standard_normal(3)))


def radius(rng: np.random.Generator, style: Style, median_mm: float, spread: float, limits_mm: tuple[float, float]) -> float:
    """Log-normal radius, kept within limits whatever the patient's style."""
    return float(np.clip(median_mm * style.size * np.exp(spread * rng.standard_normal()), *limits_mm))


def brightness(rng: np.random.Generator, style: Style, low: float, high: float) -> float:
    """Brightness on FLAIR, at most 1."""
    return float(min(1.0, rng.uniform(low, high) * style.brightness))


def t1_loss(rng: np.random.Generator, style: Style, high: float = 0.2) -> float:
    """Darkness on T1w: a black hole, or barely to be seen."""
    return float(rng.uniform(0.5, 0.8) if style.black_hole else rng.uniform(0.25, 1.0) * high)


def new_seed(rng: np.random.Generator) -> int:
    """Seed of one lesion's border."""
    return int(rng.integers(2**31))


def tissue_along(volume: NDArray[np.float32], brain: Atlas, start: Vector, axis: Vector, length_mm: float) -> float:
    """Smallest value of a volume on a line, sampled at every millimetre; 0 outside the box."""
    steps = np.arange(0, length_mm + 0.5)[:, None]
    voxels = np.rint(start - brain.origin_mm + steps * axis).astype(int)
    if np.any(voxels < 0) or np.any(voxels >= brain.shape):
        return 0.0
    return float(volume[tuple(voxels.T)].min())

"""Lesions as soft parametric shapes in the template's space: ovals, bands along a surface, tubes along a tract."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.simulation.anatomy import Atlas, Volume
from dawson.simulation.streams import stream

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Lesion:
    """One lesion of a named kind.

    Parameters
    ----------
    kind : str
        What a radiologist would call it.
    shape : {"oval", "band", "tube"}
        An ellipsoid; the voxels near a surface within an ellipsoid; the voxels near a path.
    centre_mm : tuple of float
        In template coordinates.
    axis : tuple of float
        Unit vector along the first radius.
    radii_mm : tuple of float
        Along the axis and across it; of a tube the first is its radius.
    surface : str
        Of a band: which of the atlas's distances.
    width_mm : float
        Of a band: its thickness.
    path : tuple of points
        Of a tube: its course, template coordinates.
    brightness : float
        On FLAIR, 0 to 1.
    t1_loss : float
        Darkness on T1w, 0 to 1; 1 is as dark as fluid.
    edge_mm : float
        Width of the soft edge.
    roughness : float
        Share of the radius by which the border wanders.
    grey : float
        Share that remains in grey matter.
    visit : int
        Number of the visit at which it first shows, 0 for the first.
    growth : float
        Relative change of the radii per year after it first shows.
    seed : int
        Of its border's random shape.
    """

    kind: str
    shape: Literal["oval", "band", "tube"]
    centre_mm: Point
    axis: Point = (0.0, 0.0, 1.0)
    radii_mm: Point = (3.0, 3.0, 3.0)
    surface: str = "lateral"
    width_mm: float = 0.0
    path: tuple[Point, ...] = ()
    brightness: float = 1.0
    t1_loss: float = 0.2
    edge_mm: float = 0.8
    roughness: float = 0.15
    grey: float = 1.0
    visit: int = 0
    growth: float = 0.0
    seed: int = 0


def paint(lesions: Iterable[Lesion], brain: Atlas, years: dict[int, float]) -> tuple[Volume, Volume]:
    """Paint lesions into the box, the brightest on top.

    Parameters
    ----------
    lesions : iterable of Lesion
        Those with a visit not in `years` are left out: they are still to come.
    brain : Atlas
    years : dict of int to float
        Time since each visit that has been, years.

    Returns
    -------
    bright, dark : ndarray of float32, the box's shape
        Share of lesion on FLAIR and loss of signal on T1w, 0 to 1.
    """
    bright = np.zeros(brain.shape, dtype=np.float32)
    dark = np.zeros(brain.shape, dtype=np.float32)
    for lesion in lesions:
        if lesion.visit in years:
            part, share = _share(lesion, brain, 1 + lesion.growth * years[lesion.visit])
            if share.size:
                np.maximum(bright[part], share * lesion.brightness, out=bright[part])
                np.maximum(dark[part], share * lesion.t1_loss, out=dark[part])
    return bright, dark


def _share(lesion: Lesion, brain: Atlas, scale: float) -> tuple[tuple[slice, ...], Volume]:
    """Share of lesion, 0 to 1, in the part of the box where it may be."""
    points = np.array(lesion.path or [lesion.centre_mm]) - brain.origin_mm
    reach = scale * max(lesion.radii_mm) * (1 + 2 * lesion.roughness) + 4 * lesion.edge_mm
    low = np.maximum(np.floor(points.min(axis=0) - reach).astype(int), 0)
    high = np.minimum(np.ceil(points.max(axis=0) + reach).astype(int) + 1, brain.shape)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    if np.any(high <= low):
        return part, np.zeros(0, dtype=np.float32)
    grid = np.stack(
        np.meshgrid(*(np.arange(a, b, dtype=np.float32) for a, b in zip(low, high, strict=True)), indexing="ij"),
        axis=-1,
    )
    wander = lesion.roughness * _border_noise(lesion, grid.shape[:3])
    radii = np.array(lesion.radii_mm) * scale
    if lesion.shape == "tube":
        inside = radii[0] * (1 + wander) - _distance_to_path(grid, points)
    else:
        radius = np.sqrt((((grid - points[0]) @ _frame(lesion.axis).T / radii) ** 2).sum(axis=-1))
        inside = (1 + wander - radius) * radii.min()
        if lesion.shape == "band":
            # A band has one thickness for its whole length, so only its ends come from the ellipsoid.
            along = brain.distance[lesion.surface][part]
            inside = np.minimum(lesion.width_mm * (1 + wander) - along, inside)
    share = 1 / (1 + np.exp(-np.clip(inside / (lesion.edge_mm / 2), -30, 30)))
    tissue = np.clip(1 - brain.csf[part], 0, 1) ** 2 * brain.mask[part] * (1 - (1 - lesion.grey) * brain.gm[part])
    return part, np.asarray(share * tissue, dtype=np.float32)


def _border_noise(lesion: Lesion, shape: tuple[int, ...]) -> Volume:
    if lesion.roughness == 0:
        return np.zeros(shape, dtype=np.float32)
    # Drawn on a cube of fixed size and cut, so that a growing lesion keeps its border's shape as far as it can.
    side = max(shape)
    sigma = 1.2 if max(lesion.radii_mm) < 6 else 2.5
    noise = stream(lesion.seed, "border").standard_normal((32, 32, 32), dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, sigma, mode="wrap")
    noise /= noise.std()
    start = (math.ceil(side / 32) * 32 - side) // 2
    index = [np.arange(start, start + size) % 32 for size in shape]
    return np.asarray(noise[np.ix_(*index)], dtype=np.float32)


def _frame(axis: Point) -> NDArray[np.float64]:
    """Rows: the axis and two directions across it."""
    first = np.array(axis) / np.linalg.norm(axis)
    other = np.eye(3)[int(np.argmin(np.abs(first)))]
    second = np.cross(first, other)
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])


def _distance_to_path(grid: Volume, points: NDArray[np.float64]) -> Volume:
    best = np.full(grid.shape[:3], np.inf, dtype=np.float32)
    for start, end in pairwise(points):
        step = end - start
        share = np.clip(((grid - start) @ step) / max(float(step @ step), 1e-6), 0, 1)
        best = np.minimum(best, np.linalg.norm(grid - start - share[..., None] * step, axis=-1))
    return best

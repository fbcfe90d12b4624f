"""Shape of one lesion from its voxels: principal axes, surface, sphericity, solidity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

# A direction drawn at random meets the faces of a staircase half as often again as the smooth surface under it.
_STAIRCASE = 2.0 / 3.0


@dataclass(frozen=True)
class LesionShape:
    """Shape of one lesion in mm, whatever its voxels.

    Parameters
    ----------
    volume_mm3 : float
    centre_mm : ndarray (3,)
        Centre of mass in the affine's world.
    lengths_mm : ndarray (3,)
        Full lengths, longest first, of the ellipsoid with the same second moments.
    axes : ndarray (3, 3)
        Rows: unit vectors along these.
    surface_mm2 : float
    sphericity : float
        Surface of the ball of the same volume over the lesion's own: 1 for a ball, less for anything else. Small lesions of few
        voxels may exceed it by what the staircase leaves.
    solidity : float
        Volume over that of the convex hull: near 1 for ovals, lower for bands that are bent and for lesions with arms.
    """

    volume_mm3: float
    centre_mm: NDArray[np.float64]
    lengths_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    surface_mm2: float
    sphericity: float
    solidity: float


def lesion_shape(voxels: NDArray[np.intp], affine: NDArray[np.float64]) -> LesionShape:
    """Shape of the lesion that consists of these voxels.

    Parameters
    ----------
    voxels : ndarray of int (n, 3)
        Indices, each once; n of 1 or more.
    affine : ndarray (4, 4)
        From voxel to mm; anisotropic and oblique grids count with their true voxels.

    Returns
    -------
    LesionShape

    Notes
    -----
    Moments include those of the voxels themselves (a twelfth of the squared edge), so that a lesion of one voxel has a size.
    The surface is two thirds of that of the voxels' outer faces (Cauchy and Crofton's formula with the grid's three directions):
    right for a ball and for any shape that lies at random, up to half too small for plates along the grid.
    """
    edges = affine[:3, :3]
    centre = voxels.mean(axis=0)
    offsets = (voxels - centre) @ edges.T
    covariance = offsets.T @ offsets / len(voxels) + edges @ edges.T / 12
    values, vectors = np.linalg.eigh(covariance)
    voxel_mm3 = float(abs(np.linalg.det(edges)))
    volume = len(voxels) * voxel_mm3
    filled = np.zeros(np.ptp(voxels, axis=0) + 3, dtype=bool)
    filled[tuple((voxels - voxels.min(axis=0) + 1).T)] = True
    surface = _STAIRCASE * _faces(filled, edges)
    return LesionShape(
        volume,
        centre @ edges.T + affine[:3, 3],
        2 * np.sqrt(5 * values[::-1]),
        vectors.T[::-1],
        surface,
        float(np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface),
        volume / _hull_mm3(filled, edges),
    )


def _faces(filled: NDArray[np.bool_], edges: NDArray[np.float64]) -> float:
    """Area of all faces between a voxel of the lesion and one outside."""
    total = 0.0
    for axis in range(3):
        one, other = (edges[:, (axis + step) % 3] for step in (1, 2))
        total += int(np.count_nonzero(np.diff(filled, axis=axis))) * float(np.linalg.norm(np.cross(one, other)))
    return total


def _hull_mm3(filled: NDArray[np.bool_], edges: NDArray[np.float64]) -> float:
    """Volume of the convex hull of the voxels' corners."""
    # A corner belongs to the lesion when any of the eight voxels round it does; in a row of corners along one axis only the ends count.
    corners = np.zeros(np.array(filled.shape) + 1, dtype=bool)
    for a in (0, 1):
        for b in (0, 1):
            for c in (0, 1):
                corners[a : a + filled.shape[0], b : b + filled.shape[1], c : c + filled.shape[2]] |= filled
    first = corners & (np.cumsum(corners, axis=2) == 1)
    last = corners & (np.cumsum(corners[:, :, ::-1], axis=2)[:, :, ::-1] == 1)
    points = np.argwhere(first | last) @ edges.T
    return float(ConvexHull(points).volume)

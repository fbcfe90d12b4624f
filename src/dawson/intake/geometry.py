"""Whether a converted image lies where the headers of its files say."""

from __future__ import annotations

from itertools import product

import numpy as np

from dawson.intake.series import Series

_SAME_PLACE_MM = 0.1
_SAME_SIZE_MM = 1e-2
_SAME_DIRECTION = 1e-3


def difference(series: Series, shape: tuple[int, ...], affine: np.ndarray) -> str:
    """How an image differs from what the headers predict; empty where it does not.

    The order and direction of its axes make no difference: the corners of the grid must be at the same places, and along each edge the
    same number of voxels.

    Parameters
    ----------
    series : Series
        Without fault, of two slices or more.
    shape : (int, int, int)
    affine : ndarray, (4, 4)
        Index to mm (RAS), as in NIfTI.
    """
    header = series.header
    expected = np.diag([-1.0, -1.0, 1.0, 1.0]) @ series.affine
    sizes, found = np.linalg.norm(expected[:3, :3], axis=0), np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs((expected[:3, :3] / sizes).T @ (affine[:3, :3] / found))
    axes = cosines.argmax(axis=1)
    if sorted(axes) != [0, 1, 2] or (cosines.max(axis=1) < 1 - _SAME_DIRECTION).any():
        return "the converted image lies in other directions than the headers say"
    counts = (header.columns, header.rows, series.slices)
    if tuple(shape[axis] for axis in axes) != counts:
        return "the converted image has another number of voxels than the headers say"
    if (np.abs(found[axes] - sizes) > _SAME_SIZE_MM).any():
        return "the converted image has voxels of another size than the headers say"
    wanted, there = _corners(expected, counts), _corners(affine, shape)
    apart = np.linalg.norm(wanted[:, None] - there[None], axis=2).min(axis=1).max()
    return "the converted image lies at another place than the headers say" if apart > _SAME_PLACE_MM else ""


def _corners(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Centres of the eight voxels at the corners, (8, 3)."""
    indices = np.array(list(product(*[(0, count - 1) for count in shape])))
    return indices @ affine[:3, :3].T + affine[:3, 3]

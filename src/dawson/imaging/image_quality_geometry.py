"""Quality of geometry: where the head lies in the scanner, and whether the brain is all there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def head_position(brain: Any) -> dict[str, float]:
    """Where the brain's middle lies in the scanner's world; its origin is the isocentre in images as scanners write them.

    Parameters
    ----------
    brain : nibabel.Nifti1Image
        Mask on the grid of the raw image.

    Returns
    -------
    dict
        `position_x_mm`, `position_y_mm`, `position_z_mm` (INNI's z offset).
    """
    inside = np.asarray(brain.dataobj) > 0
    if not inside.any():
        return {}
    affine = np.asarray(brain.affine, dtype=np.float64)
    centre = affine[:3, :3] @ np.asarray(ndimage.center_of_mass(inside)) + affine[:3, 3]
    return {f"position_{axis}_mm": float(value) for axis, value in zip("xyz", centre, strict=True)}


def brain_cut(inside: NDArray[np.bool_]) -> dict[str, float]:
    """How much of the brain the field of view cuts off, from the areas in which the mask touches its borders.

    Parameters
    ----------
    inside : ndarray of bool (x, y, z)
        Brain mask in RAS order.

    Returns
    -------
    dict
        `cut_top`, `cut_bottom`, `cut_side`: the touching area over the largest cross-section along the same axis, 0 (no touch) to 1
        (cut through the middle); `cut_side` is the worst of left, right, front and back.
    """
    touching = []
    for axis in range(3):
        areas = inside.sum(axis=tuple(other for other in range(3) if other != axis))
        largest = int(areas.max()) if areas.size else 0
        touching.append((areas[0] / largest, areas[-1] / largest) if largest else (0.0, 0.0))
    return {"cut_top": float(touching[2][1]), "cut_bottom": float(touching[2][0]), "cut_side": float(max(*touching[0], *touching[1]))}

"""The outside of a head as a person would recognise it: shaded views from a depth map."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

View = Literal["front", "left", "right"]
# The light stands a little above and beside the eye that looks.
_LIGHT = np.array([0.35, 0.45, 1.0]) / np.linalg.norm([0.35, 0.45, 1.0])


def solid_head(image: Any, level: float, spacing_mm: float = 1.0) -> NDArray[np.bool_]:
    """The largest body that is brighter than a level, on a straight grid of cubes.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        3D, any affine.
    level : float
        Brightness from which on there is a head.
    spacing_mm : float

    Returns
    -------
    ndarray of bool (right, anterior, superior)
        Covers the image's field of view.
    """
    affine = np.asarray(image.affine, dtype=np.float64)
    corners = np.asarray(np.meshgrid(*[(-0.5, size - 0.5) for size in image.shape])).reshape(3, -1).T
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    low, high = world.min(axis=0), world.max(axis=0)
    shape = np.maximum(1, np.ceil((high - low) / spacing_mm)).astype(int)
    to_voxels = np.linalg.inv(affine)
    values = ndimage.affine_transform(
        np.asarray(image.dataobj, dtype=np.float32),
        to_voxels[:3, :3] * spacing_mm,
        to_voxels[:3, :3] @ (low + spacing_mm / 2) + to_voxels[:3, 3],
        output_shape=tuple(shape.tolist()),
        order=1,
        mode="constant",
    )
    return _largest(ndimage.gaussian_filter(values, 1.0 / spacing_mm) > level)


def surface(solid: NDArray[np.bool_], view: View) -> NDArray[np.float32]:
    """Shaded picture of where a head begins, seen from one side.

    Parameters
    ----------
    solid : ndarray of bool (right, anterior, superior)
        See `solid_head`.
    view : {"front", "left", "right"}
        Where the one who looks stands, from the patient.

    Returns
    -------
    ndarray of float32 (rows, columns)
        0 (no head) to 1; top of the head first; seen from the front, the patient's right is on the left.
    """
    return shaded(depth_map(solid, view))


def depth_map(solid: NDArray[np.bool_], view: View) -> NDArray[np.float32]:
    """Voxels from the picture's plane to the first solid voxel of each line of sight; NaN where there is none.

    Parameters
    ----------
    solid : ndarray of bool (right, anterior, superior)
    view : {"front", "left", "right"}
    """
    # axes become (across the picture, away from the eye, up)
    turned = {
        "front": lambda body: body[::-1, ::-1, :],
        "left": lambda body: body.transpose(1, 0, 2)[::-1, :, :],
        "right": lambda body: body.transpose(1, 0, 2)[:, ::-1, :],
    }[view](solid)
    depth = np.argmax(turned, axis=1).astype(np.float32)
    depth[~turned.any(axis=1)] = np.nan
    return np.ascontiguousarray(depth.T[::-1])


def shaded(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness of a matt surface under one light.

    Parameters
    ----------
    depth : ndarray of float32 (rows, columns)
        In pixels; NaN where there is nothing.

    Returns
    -------
    ndarray of float32 (rows, columns)
        0 where there is nothing.
    """
    there = np.isfinite(depth)
    known = np.where(there, depth, 0.0)
    weight = ndimage.gaussian_filter(there.astype(np.float32), 1.2)
    # steps of whole voxels would show as terraces; smoothed within the head only
    smooth = ndimage.gaussian_filter(known, 1.2) / np.maximum(weight, 1e-6)
    down, right = np.gradient(np.where(there, smooth, np.nanmax(depth) if there.any() else 0.0))
    normal = np.stack([right, -down, np.ones_like(right)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = np.clip(normal @ _LIGHT, 0.0, 1.0)
    return np.where(there, 0.12 + 0.88 * light, 0.0).astype(np.float32)


def _largest(solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    labels, count = ndimage.label(solid)
    if count <= 1:
        return solid
    largest: NDArray[np.bool_] = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return largest

"""A brain whose tissues are known: the template's own shares at 2 mm, painted with the brightness of T1w and FLAIR."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.imaging.region_atlas import region_atlas
from dawson.imaging.template import template_image, template_mask

T1W, FLAIR = (70.0, 150.0, 220.0), (40.0, 130.0, 105.0)
# Deep white matter of either hemisphere, beside a ventricle, and under the cortex; radius 5 mm.
LESIONS_MM = ((26.0, -20.0, 34.0), (-26.0, 8.0, 32.0), (-28.0, -42.0, 26.0), (28.0, 20.0, 26.0))
RADIUS_MM = 5.0


@dataclass(frozen=True)
class Phantom:
    shares: NDArray[np.float32]
    brain: NDArray[np.bool_]
    affine: NDArray[np.float64]
    lesions: NDArray[np.bool_]
    t1w: Any
    flair: Any

    @property
    def voxel_ml(self) -> float:
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000


@lru_cache(maxsize=2)
def phantom(lesions: bool = True) -> Phantom:
    image, brain = template_image(2.0), template_mask(2.0)
    affine = np.asarray(image.affine, dtype=float)
    points = np.argwhere(brain) @ affine[:3, :3].T + affine[:3, 3]
    atlas = region_atlas()
    voxels, inside = atlas.voxels(points)
    shares = np.stack([part[tuple(voxels.T)] * inside for part in (atlas.csf, atlas.gm, atlas.wm)])
    shares[0] += 1 - shares.sum(axis=0)
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in brain.shape), indexing="ij"), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    sick = np.zeros(brain.shape, dtype=bool)
    for centre in LESIONS_MM if lesions else ():
        sick |= np.linalg.norm(grid - centre, axis=-1) <= RADIUS_MM
    sick &= brain
    rng = np.random.default_rng(1)
    pictures = []
    for levels, lesion in ((T1W, 150.0), (FLAIR, 190.0)):
        values = np.zeros(brain.shape, dtype=np.float32)
        values[brain] = np.tensordot(np.array(levels), shares, axes=1)
        values[sick] = lesion
        values[brain] += rng.normal(0, 4, int(brain.sum()))
        # what N4 leaves: a tenth from left to right
        values *= (1 + 0.001 * grid[..., 0]).astype(np.float32)
        pictures.append(nib.Nifti1Image(np.maximum(values, brain * np.float32(1)), affine))
    return Phantom(shares.astype(np.float32), brain, affine, sick, *pictures)

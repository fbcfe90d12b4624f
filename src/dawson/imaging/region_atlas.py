"""The template brain as an atlas: shares of tissue, regions, and the distances to ventricles and cortex; made once a process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.brain_regions import Mask, Volume, infratentorial, label_map, ventricles
from dawson.imaging.template import template_image, template_mask, tissue_map

VENTRICLES = ("lateral", "third", "aqueduct", "fourth")
"""Keys of `RegionAtlas.distance` that are fluid."""

# Of the template grid; every side is a multiple of 4 and leaves room for a brain that is not quite the template's.
_BOX = (slice(18, 178), slice(20, 216), slice(0, 164))

# Distances to small ventricles are measured this far and no further.
_REACH_MM = 40


@dataclass(frozen=True)
class RegionAtlas:
    """Tissue, regions and distances on the 1 mm box of the template grid that holds the brain.

    Parameters
    ----------
    affine : ndarray (4, 4)
        From voxel of the box to template mm (RAS).
    box : tuple of slice
        Where the box lies in the template grid.
    grid_shape : tuple of int
        Shape of the template grid.
    csf, gm, wm : ndarray of float32 (160, 196, 164)
        Share of each tissue; they add up to the brain mask.
    mask : ndarray of float32
        1 inside the brain.
    distance : dict of str to ndarray of float32
        Millimetres to the nearest voxel of `lateral`, `third`, `fourth` (ventricle), `aqueduct` and `cortex`; those to third
        and fourth ventricle and aqueduct end at 40 mm.
    labels : ndarray of uint8
        What each voxel is: keys of `brain_regions.LABELS`, 0 outside the brain.
    """

    affine: NDArray[np.float64]
    box: tuple[slice, slice, slice]
    grid_shape: tuple[int, int, int]
    csf: Volume
    gm: Volume
    wm: Volume
    mask: Volume
    distance: dict[str, Volume]
    labels: NDArray[np.uint8]

    @property
    def origin_mm(self) -> NDArray[np.float64]:
        """Template coordinates of the box's first voxel."""
        return self.affine[:3, 3]

    @cached_property
    def infratentorial(self) -> Mask:
        """Brainstem and what lies under the tentorium, the ventricles' lining there with it."""
        return infratentorial(self.labels, *self.coordinates())

    def coordinates(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Template x, y and z in mm, shaped to broadcast to the box."""
        return _coordinates(self.labels.shape, self.affine)

    def voxels(self, points_mm: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """The voxel of the box that each point lies in.

        Parameters
        ----------
        points_mm : ndarray (n, 3)
            Template mm.

        Returns
        -------
        voxels : ndarray of int (n, 3)
            Kept within the box.
        inside : ndarray of bool (n,)
            Whether the point lies in the box at all; beyond it there is no brain.
        """
        nearest = np.rint(points_mm - self.origin_mm).astype(np.intp)
        last = np.array(self.labels.shape) - 1
        inside = np.all((nearest >= 0) & (nearest <= last), axis=1)
        return np.clip(nearest, 0, last), inside

    def label_image(self) -> Any:
        """The regions on the whole template grid.

        Returns
        -------
        nibabel.Nifti1Image
            uint8 (197, 233, 189), keys of `brain_regions.LABELS`.
        """
        return self._whole(self.labels, 0)

    def distance_image(self, name: str) -> Any:
        """The distance to a ventricle or to the cortex on the whole template grid.

        Parameters
        ----------
        name : str
            A key of `distance`.

        Returns
        -------
        nibabel.Nifti1Image
            float32 (197, 233, 189), millimetres; NaN beyond the box, where there is no brain.
        """
        return self._whole(self.distance[name], np.nan)

    def _whole(self, part: NDArray[Any], fill: float) -> Any:
        whole = np.full(self.grid_shape, fill, dtype=part.dtype)
        whole[self.box] = part
        return nib.Nifti1Image(whole, template_image(1.0).affine)


@lru_cache(maxsize=1)
def region_atlas() -> RegionAtlas:
    """The atlas, made once a process (about two seconds). Its arrays are shared: do not write into them."""
    image = template_image(1.0)
    affine = np.array(image.affine, dtype=float)
    affine[:3, 3] += [part.start for part in _BOX]
    mask = template_mask(1.0)[_BOX].astype(np.float32)
    gm, wm = (np.ascontiguousarray(tissue_map(name, 1.0)[_BOX]) * mask for name in ("gm", "wm"))
    csf = mask * np.clip(1 - gm - wm, 0, 1)
    # Maps of 152 averaged brains are blurred; a single brain has sharper borders. Squaring and dividing sharpens.
    total = gm**2 + wm**2 + csf**2 + 1e-6
    gm, wm, csf = (mask * part**2 / total for part in (gm, wm, csf))
    x, y, z = _coordinates(mask.shape, affine)
    found = ventricles(csf, x, y, z)
    # The aqueduct is too narrow for the template's maps, which average many of them away, and its mask has a hole there.
    for tissue, share in ((csf, 0.9), (gm, 0.1), (wm, 0.0), (mask, 1.0)):
        tissue[found["aqueduct"]] = share
    distance = _distances(found, gm, x, y, z)
    labels = label_map(csf, gm, wm, distance, x, y, z)
    return RegionAtlas(affine, _BOX, image.shape, csf, gm, wm, mask, distance, labels)


def _coordinates(
    shape: tuple[int, ...], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    x, y, z = (np.arange(size, dtype=np.float32) + start for size, start in zip(shape, affine[:3, 3], strict=True))
    return x[:, None, None], y[None, :, None], z[None, None, :]


def _distances(
    found: dict[str, Mask], gm: Volume, x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]
) -> dict[str, Volume]:
    distance = {"lateral": ndimage.distance_transform_edt(~found["lateral"]).astype(np.float32)}
    for name in ("third", "aqueduct", "fourth"):
        near = tuple(
            slice(max(0, part.start - _REACH_MM), part.stop + _REACH_MM) for part in ndimage.find_objects(found[name].astype(np.uint8))[0]
        )
        distance[name] = np.full(gm.shape, _REACH_MM, dtype=np.float32)
        distance[name][near] = np.minimum(ndimage.distance_transform_edt(~found[name][near]), _REACH_MM)
    cortex = (gm > 0.6) & (distance["lateral"] > 14) & (np.abs(x) > 4)
    deep = (np.abs(x) < 38) & (y > -38) & (y < 28) & (z > -14) & (z < 20)
    distance["cortex"] = ndimage.distance_transform_edt(~(cortex & ~deep)).astype(np.float32)
    return distance

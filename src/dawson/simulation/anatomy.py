"""The brain that every simulated patient is a deformation of: tissues, ventricles and the places where lesions sit.

Everything lies in the template's space on a 1 mm box that holds the brain. Regions are boxes in template coordinates
(mm, RAS) cut with the tissue maps and with distances to ventricles and cortex.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.template import template_image, template_mask, tissue_map

Volume = NDArray[np.float32]

COARSE = 4
"""Voxels of the box along one step of the coarse grid on which smooth fields live."""

# Of the template grid; every side is a multiple of COARSE and leaves room for the deformed brain.
_BOX = (slice(18, 178), slice(20, 216), slice(0, 164))


@dataclass(frozen=True)
class Atlas:
    """Tissue maps and distances on the brain's box.

    Parameters
    ----------
    affine : ndarray (4, 4)
        From voxel of the box to template mm.
    box : tuple of slice
        Where the box lies in the template grid.
    grid_shape : tuple of int
        Shape of the template grid.
    csf, gm, wm : ndarray of float32 (160, 196, 164)
        Share of each tissue; they add up to the brain mask.
    mask : ndarray of float32
        1 inside the brain.
    detail : ndarray of float32
        What the template's T1w shows beyond the tissue maps (deep grey nuclei, folia), in units of its white matter.
    distance : dict of str to ndarray of float32
        Millimetres to the nearest voxel of `lateral`, `third`, `fourth` (ventricle, aqueduct with it) and `cortex`.
    regions : dict of str to ndarray of int (n, 3)
        Voxels of the box where a lesion's centre may lie.
    outward : ndarray of float32 (3, 40, 49, 41)
        On the coarse grid: direction away from the lateral ventricles, fading with distance.
    """

    affine: NDArray[np.float64]
    box: tuple[slice, slice, slice]
    grid_shape: tuple[int, int, int]
    csf: Volume
    gm: Volume
    wm: Volume
    mask: Volume
    detail: Volume
    distance: dict[str, Volume]
    regions: dict[str, NDArray[np.int16]]
    outward: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the box."""
        return self.mask.shape

    @property
    def origin_mm(self) -> NDArray[np.float64]:
        """Template coordinates of the box's first voxel."""
        return self.affine[:3, 3]

    def slope(self, surface: str, voxel: NDArray[np.int16]) -> NDArray[np.float64]:
        """Unit vector that leads away from a surface at one voxel."""
        near = tuple(slice(max(0, int(v) - 2), int(v) + 3) for v in voxel)
        rise = np.array([gradient.mean() for gradient in np.gradient(self.distance[surface][near])])
        length = float(np.linalg.norm(rise))
        return rise / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """The atlas, made once a process (about three seconds)."""
    image = template_image(1.0)
    affine = np.array(image.affine, dtype=float)
    affine[:3, 3] += [part.start for part in _BOX]
    mask = template_mask(1.0)[_BOX].astype(np.float32)
    gm, wm = (np.ascontiguousarray(tissue_map(name, 1.0)[_BOX]) * mask for name in ("gm", "wm"))
    csf = mask * np.clip(1 - gm - wm, 0, 1)
    # Maps of 152 averaged brains are blurred; a single brain has sharper borders. Squaring and dividing sharpens.
    total = gm**2 + wm**2 + csf**2 + 1e-6
    gm, wm, csf = (mask * part**2 / total for part in (gm, wm, csf))
    x, y, z = (np.arange(size, dtype=np.float32) + start for size, start in zip(mask.shape, affine[:3, 3], strict=True))
    x, y, z = x[:, None, None], y[None, :, None], z[None, None, :]
    distance = _distances(csf, gm, x, y, z)
    return Atlas(
        affine,
        _BOX,
        image.shape,
        csf,
        gm,
        wm,
        mask,
        _detail(np.asarray(image.dataobj, dtype=np.float32)[_BOX], csf, gm, wm, mask),
        distance,
        _regions(gm, wm, distance, x, y, z),
        _outward(distance["lateral"]),
    )


def _distances(csf: Volume, gm: Volume, x: Volume, y: Volume, z: Volume) -> dict[str, Volume]:
    fluid = csf > 0.5
    central = fluid & (np.abs(x) < 45) & (y > -60) & (y < 45) & (z > -5) & (z < 40)
    labels, _ = ndimage.label(central & ~((np.abs(x) < 5) & (z < 8)))
    # (10, -15, 20) and its mirror image lie in the bodies of the lateral ventricles.
    found = {int(labels[int(sign * 10 - x.flat[0]), int(-15 - y.flat[0]), int(20 - z.flat[0])]) for sign in (-1, 1)} - {0}
    lateral = np.isin(labels, list(found))
    third = (csf > 0.3) & (np.abs(x) <= 4) & (y >= -30) & (y <= 3) & (z >= -14) & (z <= 10)
    fourth = (csf > 0.3) & (np.abs(x) <= 13) & (y >= -52) & (y <= -30) & (z >= -48) & (z <= -8)
    fourth &= (np.abs(x) <= 3) | (z < -22)
    cortex = (gm > 0.6) & (ndimage.distance_transform_edt(~lateral) > 14) & (np.abs(x) > 4)
    deep = (np.abs(x) < 38) & (y > -38) & (y < 28) & (z > -14) & (z < 20)
    surfaces = {"lateral": lateral, "third": third, "fourth": fourth, "cortex": cortex & ~deep}
    return {name: ndimage.distance_transform_edt(~part).astype(np.float32) for name, part in surfaces.items()}


def _detail(t1w: Volume, csf: Volume, gm: Volume, wm: Volume, mask: Volume) -> Volume:
    inside = mask > 0
    parts = np.stack([csf[inside], gm[inside], wm[inside]], axis=1)
    weights, *_ = np.linalg.lstsq(parts[::7], t1w[inside][::7], rcond=None)
    detail = np.zeros_like(t1w)
    detail[inside] = np.clip((t1w[inside] - parts @ weights) / weights[2], -0.3, 0.3)
    return np.asarray(detail * (1 - csf), dtype=np.float32)


def _regions(gm: Volume, wm: Volume, distance: dict[str, Volume], x: Volume, y: Volume, z: Volume) -> dict[str, NDArray[np.int16]]:
    side = np.abs(x)
    lateral, cortex, third, fourth = (distance[name] for name in ("lateral", "cortex", "third", "fourth"))
    brainstem = (side < 16) & (y > -46) & (y < -14) & (z < -8)
    regions = {
        "periventricular": (wm > 0.6) & (lateral > 1.5) & (lateral < 7) & (z > 4) & (side > 6),
        "juxtacortical": (wm > 0.5) & (cortex < 2.5) & (z > -10) & (lateral > 12) & (side > 8),
        "subcortical": (wm > 0.7) & (cortex > 2) & (cortex < 8) & (lateral > 10) & (z > 8) & (side > 10),
        "deep": (wm > 0.8) & (cortex > 4) & (lateral > 7) & (lateral < 22) & (z > 12) & (side > 12),
        "callosum": (wm > 0.6) & (side < 9) & (lateral < 9) & (z > -2) & (y > -45) & (y < 36),
        "splenium": (wm > 0.5) & (side < 22) & (y < -28) & (y > -48) & (z > 4) & (z < 24) & (lateral < 10),
        "brainstem": (gm + wm > 0.8) & brainstem & (z > -58),
        "cerebellum": (wm > 0.5) & (y < -44) & (z < -16) & (z > -50) & (side > 8) & (side < 38),
        "temporal": (wm > 0.5) & (side > 26) & (side < 54) & (y > -52) & (y < 6) & (z > -30) & (z < -4),
        "thalamus": (gm + wm > 0.8) & (side > 4) & (side < 19) & (y > -28) & (y < -6) & (z > -2) & (z < 14),
        "basal ganglia": (gm + wm > 0.8) & (side > 14) & (side < 30) & (y > -16) & (y < 14) & (z > -6) & (z < 12),
        "hypothalamus": (gm + wm > 0.6) & (third > 0.5) & (third < 5) & (side < 9) & (y > -12) & (y < 4) & (z < -3) & (z > -17),
        "lateral wall": (lateral > 0.5) & (lateral < 2) & (wm + gm > 0.5) & (z > 2),
        "third wall": (third > 0.5) & (third < 2) & (wm + gm > 0.5),
        "fourth wall": (fourth > 0.5) & (fourth < 2) & (wm + gm > 0.5) & (y > -48),
        "hemisphere": (wm > 0.85) & (cortex > 5) & (z > 6) & (side > 16) & (lateral > 4),
    }
    return {name: np.argwhere(part).astype(np.int16) for name, part in regions.items()}


def _outward(lateral: Volume) -> NDArray[np.float32]:
    """Direction away from the lateral ventricles on the coarse grid, with length exp(-distance / 12 mm)."""
    sizes = [size // COARSE for size in lateral.shape]
    coarse = lateral.reshape(sizes[0], COARSE, sizes[1], COARSE, sizes[2], COARSE).mean(axis=(1, 3, 5))
    rise = np.stack(np.gradient(ndimage.gaussian_filter(coarse, 1.0), float(COARSE)))
    rise /= np.linalg.norm(rise, axis=0, keepdims=True) + 0.2
    return np.asarray(rise * np.exp(-coarse / 12.0), dtype=np.float32)

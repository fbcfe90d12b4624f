"""The brain that every simulated patient is a deformation of: tissues, labels, and the places where lesions sit.

Everything lies in the template's space on a 1 mm box that holds the brain, medulla down to the template's lower edge.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.brain_regions import where
from dawson.imaging.region_atlas import RegionAtlas, region_atlas
from dawson.imaging.template import template_image
from dawson.simulation.places import lesion_places

Volume = NDArray[np.float32]

COARSE = 4
"""Voxels of the box along one step of the coarse grid on which smooth fields live."""


@dataclass(frozen=True)
class Atlas(RegionAtlas):
    """The region atlas, and what a simulated brain needs besides.

    Parameters
    ----------
    detail : ndarray of float32
        What the template's T1w shows beyond the tissue maps (deep grey nuclei, folia), in units of its white matter.
    regions : dict of str to ndarray of int (n, 3)
        Voxels of the box where a lesion's centre may lie.
    outward : ndarray of float32 (3, 40, 49, 41)
        On the coarse grid: direction away from the lateral ventricles, fading with distance; on average 1 along their walls.
    outward_third : ndarray of float32 (3, 40, 49, 41)
        The same for the third ventricle, fading faster.
    """

    detail: Volume
    regions: dict[str, NDArray[np.int16]]
    outward: NDArray[np.float32]
    outward_third: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the box."""
        return self.mask.shape

    @cached_property
    def deep_grey(self) -> NDArray[np.intp]:
        """Flat indices of the voxels of caudate, putamen, pallidum and thalamus."""
        return np.flatnonzero(where(self.labels, "deep grey", "thalamus"))

    @cached_property
    def deep_grey_signal(self) -> NDArray[np.intp]:
        """Flat indices of the voxels whose grey matter shines as deep grey: the nuclei and the 2 mm of partial volume around them."""
        nuclei = where(self.labels, "deep grey", "thalamus")
        around = ndimage.binary_dilation(nuclei, iterations=2) & ~where(self.labels, "cortex", "temporal cortex")
        return np.flatnonzero(around)

    @cached_property
    def coarse_mask(self) -> Volume:
        """Share of brain, on the coarse grid (40, 49, 41)."""
        return coarsen(self.mask)

    @cached_property
    def deep_grey_share(self) -> Volume:
        """Share of deep grey matter and thalamus, on the coarse grid (40, 49, 41)."""
        share = np.zeros(self.mask.size, dtype=np.float32)
        share[self.deep_grey] = 1
        return coarsen(share.reshape(self.shape))

    @cached_property
    def contraction(self) -> NDArray[np.float32]:
        """Velocity (3, 40, 49, 41) in mm whose divergence is the share of deep grey matter and thalamus: it flows out of them.

        The gradient of the solution of Poisson's equation, by Fourier transform.
        """
        waves = np.meshgrid(*(2j * np.pi * np.fft.fftfreq(size, COARSE) for size in self.deep_grey_share.shape), indexing="ij")
        power = sum(wave**2 for wave in waves)
        power[0, 0, 0] = 1
        potential = np.fft.fftn(self.deep_grey_share - self.deep_grey_share.mean()) / power
        return np.stack([np.fft.ifftn(wave * potential).real for wave in waves]).astype(np.float32)

    @cached_property
    def normal_bright(self) -> dict[str, tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """What is bright on every normal FLAIR: flat indices into the box, and weights from 0 to 1.

        `line`: the lining of all ventricles and the aqueduct, fading over 1.5 mm. `left frontal`, `right frontal`, `left occipital`,
        `right occipital`: caps on the horns of the lateral ventricles, fading over 4 mm. `tract`: the corticospinal tract in and
        above the internal capsule.
        """
        nearest = np.minimum.reduce([self.distance[name] for name in ("lateral", "third", "fourth", "aqueduct")])
        x, y, z = (
            (np.arange(size, dtype=np.float32) + start).reshape([-1 if axis == own else 1 for axis in range(3)])
            for own, (size, start) in enumerate(zip(self.shape, self.origin_mm, strict=True))
        )
        cap = np.exp(-((self.distance["lateral"] / np.float32(4.0)) ** 2))
        ends = {"frontal": 1 / (1 + np.exp((24 - y) / 2)), "occipital": 1 / (1 + np.exp((y + 44) / 2))}
        fields = {"line": np.exp(nearest / np.float32(-1.5))}
        for side, sign in (("left", -1), ("right", 1)):
            fields |= {f"{side} {name}": cap * end * (sign * x > 0) for name, end in ends.items()}
        tract = where(self.labels, "corticospinal tract") & (z > -8) & (z < 32)
        fields["tract"] = ndimage.gaussian_filter(tract.astype(np.float32), 1.2)
        found = {}
        for name, field in fields.items():
            indices = np.flatnonzero((field > 0.02) & (self.mask > 0))
            found[name] = (indices, field.reshape(-1)[indices].astype(np.float32))
        return found

    def slope(self, surface: str, voxel: NDArray[np.int16]) -> NDArray[np.float64]:
        """Unit vector that leads away from a surface at one voxel."""
        near = tuple(slice(max(0, int(v) - 2), int(v) + 3) for v in voxel)
        rise = np.array([gradient.mean() for gradient in np.gradient(self.distance[surface][near])])
        length = float(np.linalg.norm(rise))
        return rise / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """The atlas, made once a process (about three seconds)."""
    known = region_atlas()
    gm, wm, csf, mask, distance, labels = known.gm, known.wm, known.csf, known.mask, known.distance, known.labels
    t1w = np.asarray(template_image(1.0).dataobj, dtype=np.float32)[known.box]
    return Atlas(
        **{field.name: getattr(known, field.name) for field in fields(known)},
        detail=_detail(t1w, csf, gm, wm, mask),
        regions=lesion_places(labels, gm, wm, csf, distance, *known.coordinates()),
        outward=_outward(distance["lateral"], 12.0),
        outward_third=_outward(distance["third"], 6.0),
    )


def coarsen(volume: Volume) -> Volume:
    """Means of a volume of the box over the cells of the coarse grid."""
    sizes = [size // COARSE for size in volume.shape]
    return np.asarray(volume.reshape(sizes[0], COARSE, sizes[1], COARSE, sizes[2], COARSE).mean(axis=(1, 3, 5)), dtype=np.float32)


def _detail(t1w: Volume, csf: Volume, gm: Volume, wm: Volume, mask: Volume) -> Volume:
    inside = mask > 0
    parts = np.stack([csf[inside], gm[inside], wm[inside]], axis=1)
    weights, *_ = np.linalg.lstsq(parts[::7], t1w[inside][::7], rcond=None)
    detail = np.zeros_like(t1w)
    detail[inside] = np.clip((t1w[inside] - parts @ weights) / weights[2], -0.3, 0.3)
    return np.asarray(detail * (1 - csf), dtype=np.float32)


def _outward(distance: Volume, fading_mm: float) -> NDArray[np.float32]:
    """Direction away from a ventricle on the coarse grid, fading with distance, 1 on average along its wall."""
    coarse = coarsen(distance)
    rise = np.stack(np.gradient(ndimage.gaussian_filter(coarse, 1.0), float(COARSE)))
    rise /= np.linalg.norm(rise, axis=0, keepdims=True) + 0.2
    field = rise * np.exp(-coarse / fading_mm)
    wall = (coarse > 0.5) & (coarse < COARSE)
    return np.asarray(field / np.linalg.norm(field, axis=0)[wall].mean(), dtype=np.float32)

"""Millilitres of tissue in a brain: fluid, grey and white matter, ventricles, thalamus, and what of the head's fluid space is brain.

Everything is counted in template space and weighed by how much of the person's own head each template voxel stands for (the
Jacobian determinant of the transforms), so that the volumes are those of the head as scanned.

What the figures mean
---------------------
csf_ml, gm_ml, wm_ml
    Sums of the tissue shares, partial volume included; lesions count as white matter.
ventricles_ml
    Fluid of lateral, third and fourth ventricle, found from the template's ventricles outward through fluid, `REACH_MM` at most and
    never past the nearest other fluid of the template; temporal horns are not among them.
thalamus_ml
    Tissue that is not fluid where the template has its thalamus. The place is the template's, not found in the scan: the figure is as
    good as the registration, and atrophy that the registration does not follow is not seen.
brain_ml
    Grey and white matter.
bpf
    Brain parenchymal fraction: `brain_ml` over brain and fluid inside the brain mask (Rudick 1999).

References
----------
Rudick RA, et al. Use of the brain parenchymal fraction to measure whole brain atrophy in relapsing-remitting MS. Neurology 53 (1999)
1698-1704.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.brain_regions import GROUPS, where
from dawson.imaging.lesion_filling import fill_lesions
from dawson.imaging.region_atlas import region_atlas
from dawson.imaging.resample import sample
from dawson.imaging.tissue_model import Priors, TissueModel, fit_tissues, tissue_priors
from dawson.imaging.transforms import Affine, Warp

REACH_MM = 8

_FLUID = 0.5


@dataclass(frozen=True)
class BrainVolumes:
    """Volumes of one brain in mL, as the module says, and the brain parenchymal fraction.

    Parameters
    ----------
    csf_ml, gm_ml, wm_ml, brain_ml, ventricles_ml, thalamus_ml : float
    bpf : float
        0 to 1.
    """

    csf_ml: float
    gm_ml: float
    wm_ml: float
    brain_ml: float
    ventricles_ml: float
    thalamus_ml: float
    bpf: float


def brain_volumes(
    image: Any, brain: NDArray[np.bool_], lesions: NDArray[np.bool_] | None = None, jacobian: NDArray[np.float32] | None = None
) -> BrainVolumes:
    """Volumes of a brain-extracted image in template space.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        T1w where there is one; FLAIR tells grey from white matter mostly by the template's maps.
    brain : ndarray of bool (x, y, z)
    lesions : ndarray of bool (x, y, z), optional
        Filled with normal-appearing white matter before tissues are told apart.
    jacobian : ndarray of float32 (x, y, z), optional
        Volume of the person's own head that each voxel's unit volume stands for, see `jacobian_map`; 1 everywhere by default.

    Raises
    ------
    PreprocessingError
        There is too little brain.
    """
    affine = np.asarray(image.affine, dtype=np.float64)
    shares = filled_tissues(image, brain, lesions).shares
    weight = np.full(shares.shape[1], abs(np.linalg.det(affine[:3, :3])) / 1000, dtype=np.float32)
    if jacobian is not None:
        weight *= jacobian[brain]
    fluid = np.zeros(brain.shape, dtype=bool)
    fluid[brain] = shares[0] > _FLUID
    voxels, inside = region_atlas().voxels(np.argwhere(brain) @ affine[:3, :3].T + affine[:3, 3])
    labels = np.where(inside, region_atlas().labels[tuple(voxels.T)], 0)
    near = inside & _near_ventricles()[tuple(voxels.T)]
    csf, gm, wm = (float((part * weight).sum(dtype=np.float64)) for part in shares)
    rooms = _ventricles(fluid, near, where(labels, *GROUPS["ventricles"]), brain)
    thalamus = where(labels, "thalamus")
    return BrainVolumes(
        csf_ml=csf,
        gm_ml=gm,
        wm_ml=wm,
        brain_ml=gm + wm,
        ventricles_ml=float((shares[0] * weight)[rooms].sum(dtype=np.float64)),
        thalamus_ml=float(((shares[1] + shares[2]) * weight)[thalamus].sum(dtype=np.float64)),
        bpf=(gm + wm) / (csf + gm + wm),
    )


def filled_tissues(image: Any, brain: NDArray[np.bool_], lesions: NDArray[np.bool_] | None = None) -> TissueModel:
    """Tissues of an image in template space whose lesions were filled first.

    Parameters
    ----------
    image, brain, lesions
        See `brain_volumes`.
    """
    values = np.asarray(image.dataobj, dtype=np.float32)
    affine = np.asarray(image.affine, dtype=np.float64)
    spacing = float(np.cbrt(abs(np.linalg.det(affine[:3, :3]))))
    return fit_filled(values, brain, tissue_priors(brain, affine), spacing, lesions)


def fit_filled(
    values: NDArray[np.float32], brain: NDArray[np.bool_], priors: Priors, spacing: float, lesions: NDArray[np.bool_] | None
) -> TissueModel:
    """Tissues of an image anywhere, lesions filled first: the first fit leaves them out and tells where white matter is.

    Parameters
    ----------
    values : ndarray of float32 (x, y, z)
    brain, lesions : ndarray of bool (x, y, z)
    priors : ndarray of float32 (3, n)
        At the brain's voxels, see `dawson.imaging.tissue_model.priors_at`.
    spacing : float
        Mean edge of a voxel, mm.
    """
    if lesions is None or not (lesions & brain).any():
        return fit_tissues(values, brain, priors, spacing)
    sick = lesions & brain
    first = fit_tissues(values, brain, priors, spacing, exclude=sick)
    white = np.zeros(brain.shape, dtype=np.float32)
    white[brain] = first.shares[2]
    filled = fill_lesions(values, sick, white, spacing)
    return fit_tissues(filled, brain, priors, spacing)


def jacobian_map(shape: tuple[int, ...], affine: NDArray[np.float64], warp: Warp | None, linear: Affine | None) -> NDArray[np.float32]:
    """How much of the person's own head each voxel of the template grid stands for.

    Parameters
    ----------
    shape : tuple of int
    affine : ndarray (4, 4)
        From voxels of the grid to template mm.
    warp, linear : Warp and Affine, or None
        From template points to the person's, the warp first, as preprocessing writes them.

    Returns
    -------
    ndarray of float32, `shape`
        Determinant of the whole map: 2 where a template voxel stands for twice its volume in the head.
    """
    factor = 1.0 if linear is None else abs(float(np.linalg.det(linear.matrix[:3, :3])))
    if warp is None:
        return np.full(shape, factor, dtype=np.float32)
    to_voxels = np.linalg.inv(warp.affine[:3, :3])
    gradient = np.empty((*warp.displacement.shape[:3], 3, 3), dtype=np.float32)
    for component in range(3):
        by_voxel = np.stack(list(np.gradient(warp.displacement[..., component])), axis=-1)
        gradient[..., component, :] = by_voxel @ to_voxels.astype(np.float32)
    gradient += np.eye(3, dtype=np.float32)
    determinant = nib.Nifti1Image(np.linalg.det(gradient).astype(np.float32), warp.affine)
    result = np.empty(shape, dtype=np.float32)
    for place in range(shape[0]):
        # by planes: the points of a whole grid would be 200 MB
        index = np.stack(np.meshgrid([place], np.arange(shape[1]), np.arange(shape[2]), indexing="ij"), axis=-1).reshape(-1, 3)
        result[place] = sample(determinant, index @ affine[:3, :3].T + affine[:3, 3], order=1).reshape(shape[1:])
    return np.asarray(result * np.float32(factor), dtype=np.float32)


def head_scaling(linear: Affine | None) -> float:
    """Factor from a volume in the head to the same volume in a head of the template's size.

    It is the inverse of the affine's determinant. The affine was fitted to the brain, not to the skull as SIENAX does: a brain that
    lost volume is scaled up a little, so that normalised volumes hide part of an atrophy that they would show with a skull.

    Parameters
    ----------
    linear : Affine or None
        From template points to the person's; None for a scan that came in template space, whose own size is not known: 1.
    """
    return 1.0 if linear is None else 1.0 / abs(float(np.linalg.det(linear.matrix[:3, :3])))


def _ventricles(fluid: NDArray[np.bool_], near: NDArray[np.bool_], seeds: NDArray[np.bool_], brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which brain voxels are fluid that hangs together with the template's ventricles, within reach of them."""
    start, room = np.zeros(brain.shape, dtype=bool), np.zeros(brain.shape, dtype=bool)
    start[brain] = seeds
    room[brain] = near
    room &= fluid
    parts, _ = ndimage.label(room)
    reached = np.unique(parts[start & room])
    return np.asarray(np.isin(parts[brain], reached[reached > 0]))


@lru_cache(maxsize=1)
def _near_ventricles() -> NDArray[np.bool_]:
    """Box of the atlas: within reach of its ventricles and nearer to them than to its other fluid."""
    atlas = region_atlas()
    ventricles = where(atlas.labels, *GROUPS["ventricles"])
    others = where(atlas.labels, "other CSF") | (atlas.labels == 0)
    away = ndimage.distance_transform_edt(~ventricles)
    return np.asarray((away <= REACH_MM) & (away < ndimage.distance_transform_edt(~others)))

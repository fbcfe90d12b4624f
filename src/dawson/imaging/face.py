"""Which voxels of a head are its face and ears, and whether they are there: the region of the template, laid on a scan by its brain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import PreprocessingError
from dawson.imaging.brain import brain_mask, extracted
from dawson.imaging.face_region import Floats, at_sides, in_core, in_face
from dawson.imaging.registration import overlap_dice, registration_named, shared_information, starting_transform
from dawson.imaging.resample import isotropic, resample
from dawson.imaging.template import template_image, template_mask
from dawson.imaging.tissue import flair_template
from dawson.imaging.transforms import Affine

BRAIN_MARGIN_MM = 6.0
"""Nothing nearer to the brain than this is touched."""
ON_TEMPLATE_DICE = 0.85
ON_TEMPLATE_INFORMATION = 0.03
"""Least information that a brain shares with the template: noise that was taken for a brain has 0.003, whatever its outline."""
FACE_IS_THERE = 0.2
"""Share of tissue in the middle of the face above which a head has its face: see `face_share`."""

# Beside the ears and temples the skull stays.
_SKULL_MM = 9.0
_TISSUE = 0.2
_REGISTRATION_MM = 2.0
_BLOCK = 24


@dataclass(frozen=True)
class PlacedHead:
    """A head whose place in the template is known.

    Parameters
    ----------
    image, brain : nibabel.Nifti1Image
        The scan (RAS order) and its brain mask, on one grid.
    to_scan : Affine
        From template points to the scan's points (RAS mm).
    overlap : float
        Dice of the brain with the template's.
    """

    image: Any
    brain: Any
    to_scan: Affine
    overlap: float


def place_head(image: Any, threads: int = 1) -> PlacedHead:
    """Find the brain of a head and register it (affine, 2 mm) to the template.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        Whole head as `dawson.imaging.volumes.read_volume` gives it, any contrast.
    threads : int

    Raises
    ------
    PreprocessingError
        No brain was found, it does not look like one, or it does not lie on the template.
    """
    brain = brain_mask(image, threads=threads)
    small = isotropic(extracted(image, brain), _REGISTRATION_MM)
    start = starting_transform(template_image(_REGISTRATION_MM), small)
    template = _nearest_template(small, start)
    to_scan = registration_named("greedy").linear(template, small, start, 12, threads)
    if (information := shared_information(template, small, to_scan)) < ON_TEMPLATE_INFORMATION:
        raise PreprocessingError(
            f"What was found does not look like a brain: it shares an information of {information:.3f} with the template "
            f"(due: {ON_TEMPLATE_INFORMATION:g}).",
            "Look at the scan: it may not be a head, or its orientation be wrong.",
        )
    on_template = nib.Nifti1Image(template_mask(_REGISTRATION_MM).astype(np.uint8), template.affine)
    overlap = overlap_dice(on_template, brain, to_scan)
    if overlap < ON_TEMPLATE_DICE:
        raise PreprocessingError(
            f"The brain overlaps the template's by {overlap:.2f} after registration (due: {ON_TEMPLATE_DICE:g}).",
            "Look at the scan: its orientation may be wrong, much of the brain be missing, or the brain mask be wrong.",
        )
    return PlacedHead(image, brain, to_scan, overlap)


def carried_brain(brain: Any, image: Any, transform: Affine) -> NDArray[np.bool_]:
    """Another scan's brain mask on the grid of a scan.

    Parameters
    ----------
    brain : nibabel.Nifti1Image
    image : nibabel.Nifti1Image
        Gives the grid.
    transform : Affine
        From the mask's points to the scan's.
    """
    to_voxels = np.linalg.inv(np.asarray(brain.affine, dtype=np.float64)) @ transform.inverse().matrix @ np.asarray(image.affine)
    carried: NDArray[np.bool_] = ndimage.affine_transform(
        np.asarray(brain.dataobj, dtype=np.uint8), to_voxels[:3, :3], to_voxels[:3, 3], output_shape=image.shape, order=0
    )
    return carried > 0


def removal_mask(head: PlacedHead, also_brain: Any = None) -> NDArray[np.bool_]:
    """The voxels to be filled: face and ears, without the brain and its margin.

    Kept are all voxels within `BRAIN_MARGIN_MM` of the scan's own brain mask (and of `also_brain`), those within 9 mm of it
    at the sides, where the skull is, and whatever the template calls brain.

    Parameters
    ----------
    head : PlacedHead
    also_brain : ndarray of bool, optional
        Brain by another scan of the session, on this scan's grid.

    Returns
    -------
    ndarray of bool, the image's shape
    """
    brain = np.asarray(head.brain.dataobj) > 0
    if also_brain is not None:
        brain |= also_brain
    distance = brain_distance(brain, spacing_mm(head.image.affine), max(BRAIN_MARGIN_MM, _SKULL_MM))
    removed = np.zeros(brain.shape, dtype=bool)
    for part, (x, y, z) in _template_blocks(head):
        far = distance[part]
        removed[part] = (in_face(x, y, z) & (far > BRAIN_MARGIN_MM)) | (at_sides(x, y, z) & (far > _SKULL_MM))
        removed[part] &= ~_template_brain(x, y, z)
    return removed


def face_share(head: PlacedHead) -> float:
    """Share of the middle of the face (eyes, nose, mouth) that holds tissue, within the field of view.

    Tissue is what is brighter, after smoothing by a voxel, than a fifth of the brain's median. In heads of any contrast eyes,
    septum and teeth are dark in parts, so that a whole face has well below 1.

    Parameters
    ----------
    head : PlacedHead

    Returns
    -------
    float
        0 to 1; 0 where the field of view holds less than 5 mL of the face's middle.
    """
    values = np.asarray(head.image.dataobj, dtype=np.float32)
    level = _TISSUE * float(np.median(values[np.asarray(head.brain.dataobj) > 0]))
    tissue = ndimage.gaussian_filter(values, _smoothing(head.image.affine)) > level
    core = core_mask(head)
    volume_ml = float(core.sum()) * abs(float(np.linalg.det(head.image.affine[:3, :3]))) / 1000.0
    return float(tissue[core].mean()) if volume_ml >= 5.0 else 0.0


def face_present(image: Any, threads: int = 1) -> float:
    """Share of the middle of the face that holds tissue; at or above `FACE_IS_THERE` the head still has its face.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        Head or extracted brain as `read_volume` gives it, any contrast and orientation.
    threads : int

    Raises
    ------
    PreprocessingError
        No brain was found, so that nothing can be said.
    """
    return face_share(place_head(image, threads))


def core_mask(head: PlacedHead) -> NDArray[np.bool_]:
    """Voxels of a scan in the middle of the face: eyes, nose and mouth of the usual face."""
    core = np.zeros(head.image.shape, dtype=bool)
    for part, (x, y, z) in _template_blocks(head):
        core[part] = in_core(x, y, z)
    return core


def spacing_mm(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Voxel sizes (3,) of an affine."""
    sizes: NDArray[np.float64] = np.sqrt((np.asarray(affine, dtype=np.float64)[:3, :3] ** 2).sum(axis=0))
    return sizes


def brain_distance(brain: NDArray[np.bool_], spacing: NDArray[np.float64], reach_mm: float) -> NDArray[np.float32]:
    """Millimetres from each voxel to the nearest brain voxel's middle, worked out as far as `reach_mm`; beyond it infinite.

    Parameters
    ----------
    brain : ndarray of bool (i, j, k)
    spacing : ndarray (3,)
        Voxel size, mm.
    reach_mm : float
    """
    distance = np.full(brain.shape, np.inf, dtype=np.float32)
    if not brain.any():
        return distance
    pad = np.ceil(reach_mm / spacing).astype(int) + 1
    box = []
    for axis in range(3):
        there = np.flatnonzero(brain.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(max(0, int(there[0]) - int(pad[axis])), int(there[-1]) + int(pad[axis]) + 1))
    part = tuple(box)
    distance[part] = ndimage.distance_transform_edt(~brain[part], sampling=spacing)
    return distance


def _smoothing(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width of a Gaussian of 1 mm in voxels; none across thick slices."""
    width: NDArray[np.float64] = np.where(spacing_mm(affine) > 2.0, 0.0, 1.0 / spacing_mm(affine))
    return width


def _nearest_template(brain: Any, start: Affine) -> Any:
    """The T1w template, or the one with the contrast of FLAIR where that is more like this brain."""
    candidates = [template_image(_REGISTRATION_MM), flair_template(_REGISTRATION_MM)]
    moved = resample(brain, candidates[0].shape, candidates[0].affine, [start])
    values = np.asarray(moved.dataobj, dtype=np.float64)
    both = (values > 0) & template_mask(_REGISTRATION_MM)
    likeness = [np.corrcoef(values[both], np.asarray(candidate.dataobj, dtype=np.float64)[both])[0, 1] for candidate in candidates]
    return candidates[int(np.argmax(likeness))]


def _template_blocks(head: PlacedHead) -> Iterator[tuple[slice, tuple[Floats, Floats, Floats]]]:
    """Slabs of the scan's first axis with the template coordinates (mm) of their voxels: bounded memory whatever the grid."""
    matrix = (head.to_scan.inverse().matrix @ np.asarray(head.image.affine, dtype=np.float64)).astype(np.float32)
    sizes = head.image.shape
    j = np.arange(sizes[1], dtype=np.float32)[None, :, None]
    k = np.arange(sizes[2], dtype=np.float32)[None, None, :]
    for start in range(0, sizes[0], _BLOCK):
        part = slice(start, min(start + _BLOCK, sizes[0]))
        i = np.arange(part.start, part.stop, dtype=np.float32)[:, None, None]
        x, y, z = (row[0] * i + row[1] * j + row[2] * k + row[3] for row in matrix[:3])
        yield part, (x, y, z)


def _template_brain(x: Floats, y: Floats, z: Floats) -> NDArray[np.bool_]:
    """Whether the nearest voxel of the template is brain."""
    mask, affine = template_mask(), template_image().affine
    indices = [np.rint(p - np.float32(first)).astype(np.int32) for p, first in zip((x, y, z), affine[:3, 3], strict=True)]
    inside = np.ones(x.shape, dtype=bool)
    for index, size in zip(indices, mask.shape, strict=True):
        inside &= (index >= 0) & (index < size)
    found: NDArray[np.bool_] = np.zeros(x.shape, dtype=bool)
    found[inside] = mask[tuple(index[inside] for index in indices)]
    return found

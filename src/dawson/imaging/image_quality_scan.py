"""All measures of one contrast of one scan, from its raw image and what preprocessing found in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.image_quality import efc, fber, fwhm, inu, qi_1, summary, wm2max
from dawson.imaging.image_quality_background import Surroundings, air_streaks, air_structure, artefact_mask, surroundings
from dawson.imaging.image_quality_geometry import brain_cut, head_position
from dawson.imaging.image_quality_tissue import tissue_measures, tissue_posteriors
from dawson.imaging.resample import PointTransform, grid_points, inside_grid, sample
from dawson.imaging.template import template_image, template_mask, tissue_map

# points of the template at which tissue is looked up in the raw image
_POINTS_MM = 2.0
# jaw and tongue move in every scan: air counts from this share of the brain's height upwards
_AIR_FROM = 0.3
_LEAST_POINTS = 1000


@dataclass(frozen=True)
class TissuePoints:
    """Voxels of a raw image of which the template knows what tissue to expect.

    Parameters
    ----------
    index : ndarray of int (n,)
        Into the flattened image; no voxel twice.
    priors : ndarray (n, 3)
        Fluid, grey and white matter.
    lesion : ndarray of bool (n,) or None
        None where no lesion mask is known.
    """

    index: NDArray[np.intp]
    priors: NDArray[np.float32]
    lesion: NDArray[np.bool_] | None = None


def tissue_points(image: Any, transforms: Sequence[PointTransform], lesion: Any | None = None) -> TissuePoints:
    """Look up the template's tissues in a raw image, without interpolating the image: noise stays what it is.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        Raw, any grid.
    transforms : sequence of PointTransform
        From the template's world to the image's, in the order in which points pass them.
    lesion : nibabel.Nifti1Image, optional
        Lesion mask in template space.
    """
    mask = template_mask(_POINTS_MM)
    points = grid_points(mask.shape, np.asarray(template_image(_POINTS_MM).affine, dtype=np.float64), mask)
    grey, white = (tissue_map(name, _POINTS_MM)[mask] for name in ("gm", "wm"))
    priors = np.stack([np.clip(1.0 - grey - white, 0.0, 1.0), grey, white], axis=1)
    found = None if lesion is None else sample(lesion, points, order=0) > 0.5
    for transform in transforms:
        points = transform.apply(points)
    return points_at(image, points, priors, found)


def points_at(
    image: Any, points: NDArray[np.float64], priors: NDArray[np.floating], lesion: NDArray[np.bool_] | None = None
) -> TissuePoints:
    """The voxels nearest to points of the image's world (n, 3); of several points in one voxel the first counts."""
    to_voxel = np.linalg.inv(np.asarray(image.affine, dtype=np.float64))
    voxels = points @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    inside = inside_grid(voxels, image.shape)
    nearest = np.clip(np.rint(voxels[inside]).astype(np.intp), 0, np.asarray(image.shape) - 1)
    index, first = np.unique(np.ravel_multi_index(tuple(nearest.T), image.shape), return_index=True)
    return TissuePoints(index, np.asarray(priors[inside][first], np.float32), None if lesion is None else lesion[inside][first])


def measure_contrast(
    image: Any,
    brain: Any | None = None,
    unbiased: Any | None = None,
    tissue: TissuePoints | None = None,
    *,
    raw: bool = True,
) -> tuple[dict[str, float], dict[str, str]]:
    """Every measure that can be had of one image.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        As `read_volume` gives it.
    brain : nibabel.Nifti1Image, optional
        Brain mask on its grid.
    unbiased : nibabel.Nifti1Image, optional
        The image without bias field, right inside the brain mask; the image itself where there is none.
    tissue : TissuePoints, optional
    raw : bool
        False for an image without its head (brain-extracted, in template space): nothing is said of air, scanner or field.

    Returns
    -------
    measures : dict of str to float
        Under MRIQC's and INNI's names; only finite values.
    absent : dict of str to str
        Group of measures to the reason why it could not be had.
    """
    values = np.asarray(image.dataobj, dtype=np.float32)
    inside = values != 0 if brain is None and not raw else None if brain is None else np.asarray(brain.dataobj) > 0
    flat = values if unbiased is None else np.asarray(unbiased.dataobj, dtype=np.float32)
    spacing = np.sqrt((np.asarray(image.affine, dtype=np.float64)[:3, :3] ** 2).sum(axis=0))
    figures = {f"spacing_{axis}": float(size) for axis, size in zip("xyz", spacing, strict=True)}
    absent: dict[str, str] = {}
    air = None
    if raw:
        figures["efc"] = efc(values)
        figures["coverage_mm"] = float(values.shape[2] * spacing[2])
        around = surroundings(values, (float(spacing[0]), float(spacing[1]), float(spacing[2])), _lowest_air(inside))
        figures |= _background(values, around)
        air = values[around.air] if around.has_air else None
        if air is None:
            absent["air"] = f"{100 * around.filled_share:.0f} % of the air around the head was filled by software (zeros or one value)"
    else:
        absent["air"] = "the image holds the brain only"
    if inside is None or not inside.any():
        absent["brain"] = "there is no brain mask"
    else:
        figures["brain_ml"] = float(inside.sum() * np.prod(spacing)) / 1000.0
        figures |= fwhm(flat, inside)
        if raw:
            figures |= brain_cut(inside) | head_position(brain)
            if unbiased is None:
                absent["inu"] = "there is no image without bias field"
            else:
                figures |= inu(_field(values, flat, inside))
        else:
            absent["position"] = absent["inu"] = "the image is in template space already"
    figures |= _tissues(values, flat, inside, tissue, air, absent)
    return {name: float(value) for name, value in figures.items() if np.isfinite(value)}, absent


def _lowest_air(inside: NDArray[np.bool_] | None) -> float | None:
    planes = np.flatnonzero(inside.any(axis=(0, 1))) if inside is not None else np.empty(0)
    return float(planes[0] + _AIR_FROM * (planes[-1] - planes[0])) if planes.size else None


def _background(values: NDArray[np.float32], around: Surroundings) -> dict[str, float]:
    figures = {"air_filled": around.filled_share}
    if around.has_air:
        air = values[around.air]
        figures["fber"] = fber(values[around.head], air)
        figures["qi_1"] = qi_1(around.air, artefact_mask(values, around.air))
        figures["air_structure"] = air_structure(values, around)
        figures |= air_streaks(values, around)
        figures |= summary(air, "bg")
    return figures


def _field(values: NDArray[np.float32], flat: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    good = inside & (flat > 0) & (values > 0)
    return np.asarray(values[good] / flat[good], dtype=np.float32)


def _tissues(
    values: NDArray[np.float32],
    flat: NDArray[np.float32],
    inside: NDArray[np.bool_] | None,
    tissue: TissuePoints | None,
    air: NDArray[np.float32] | None,
    absent: dict[str, str],
) -> dict[str, float]:
    if tissue is None or inside is None:
        absent["tissue"] = "no transform tells where tissues are to be expected"
        return {}
    kept = inside.ravel()[tissue.index]
    if int(kept.sum()) < _LEAST_POINTS:
        absent["tissue"] = "the brain mask does not hold the places where tissues are expected"
        return {}
    seen = flat.ravel()[tissue.index[kept]]
    lesion = None if tissue.lesion is None else tissue.lesion[kept]
    if lesion is None:
        absent["lesion"] = "no lesion mask: lesions are part of the tissues"
    figures = tissue_measures(seen, _without(seen, tissue.priors[kept], lesion), lesion, air)
    if "summary_wm_median" in figures:
        figures["wm2max"] = wm2max(figures["summary_wm_median"], values)
    return figures


def _without(seen: NDArray[np.float32], priors: NDArray[np.float32], lesion: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Posteriors learnt from healthy voxels; those of lesions stay the template's, and enter no tissue."""
    if lesion is None or not lesion.any():
        return tissue_posteriors(seen, priors)
    posterior = np.asarray(priors, np.float64).copy()
    posterior[~lesion] = tissue_posteriors(seen[~lesion], priors[~lesion])
    return posterior

"""Where each lesion of a mask lies, what it touches and what shape it has: one row a lesion, from a mask in template space.

Thresholds, and whose they are
------------------------------
periventricular
    Touches the lateral ventricle (McDonald criteria; MAGNIMS). In template space a patient's ventricle is not quite the template's,
    so that a gap of `TOUCH_VENTRICLE_MM` to the template's still counts as touching (ours); a callosal lesion is periventricular too.
juxtacortical
    Touches the cortex above the tentorium (same sources), in the same way with `TOUCH_CORTEX_MM` (ours).
infratentorial
    Most of it lies in brainstem or cerebellum (same sources).
callosal, deep_grey, thalamic, hypothalamic, temporal, periaqueductal, area_postrema
    A `REGION_SHARE` of it or more lies in that region of `brain_regions` (ours).
inferior_temporal
    Temporal, and its centre lies below z = `INFERIOR_TEMPORAL_MM` (Matthews 2013 names the place; the height is ours).
at_lateral_body
    Touches the lateral ventricle within `BODY_Y_MM` and above `BODY_Z_MM`: the body, without the horns (bounds ours).
dawson_finger
    Touches the body of the lateral ventricle, not callosal, an oval at right angles to the wall (Horowitz 1989, Matthews 2013); the
    figures of `Finger` are ours.
u_fibre
    A band under the cortex that bends with it, U- or S-shaped (Matthews 2013); the figures of `UFibre` are ours.
linear
    A thin layer of a centimetre and a half or more along the lining of a ventricle or of the aqueduct (Kim 2015); the figures of
    `Line` are ours. `linear_lateral` where that ventricle is the lateral one.
punctate
    No larger than a ball of 3.5 mm across: 3 mm is the least size of a lesion in the McDonald criteria, the rest is for the voxels'
    corners (ours).
extensive
    30 mm or longer, the size of the extensive hemispheric and longitudinal lesions of Kim 2015.

References
----------
Filippi M, et al. MRI criteria for the diagnosis of multiple sclerosis: MAGNIMS consensus guidelines. Lancet Neurol 15 (2016) 292-303.
Thompson AJ, et al. Diagnosis of multiple sclerosis: 2017 revisions of the McDonald criteria. Lancet Neurol 17 (2018) 162-173.
Matthews L, et al. Distinction of seropositive NMO spectrum disorder and MS brain lesion distribution. Neurology 80 (2013) 1330-1337.
Horowitz AL, et al. The ovoid lesion: a new MR observation in patients with multiple sclerosis. AJNR 10 (1989) 303-305.
Kim HJ, et al. MRI characteristics of neuromyelitis optica spectrum disorder. Neurology 84 (2015) 1165-1173.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.brain_regions import GROUPS, LABELS, where
from dawson.imaging.lesion_instances import lesion_instances, lesions_of, points_of, refuse_elsewhere
from dawson.imaging.lesion_shape import LesionShape, lesion_shape
from dawson.imaging.region_atlas import VENTRICLES, RegionAtlas, region_atlas

TOUCH_VENTRICLE_MM = 3.0
TOUCH_CORTEX_MM = 1.0
REGION_SHARE = 0.25
INFERIOR_TEMPORAL_MM = -8.0
BODY_Y_MM = (-46.0, 26.0)
BODY_Z_MM = 12.0
PUNCTATE_ML = 3.5**3 * np.pi / 6 / 1000
EXTENSIVE_MM = 30.0

_WALL_FADES_MM = 4.0
# What a lesion is not called after when it lies in anything else too: fluid that the patient's brain has elsewhere, and the thin lining.
_LAST_NAMES = (*GROUPS["ventricles"], "other CSF", "ependyma")


@dataclass(frozen=True)
class Finger:
    """What an oval at the ventricle's wall must be for a Dawson's finger.

    Parameters
    ----------
    elongation : float
        Its length over its width, at least.
    angle_deg : float
        Between long axis and normal of the wall, at most.
    length_mm, width_mm : float
        At least this long, at most this wide.
    """

    elongation: float = 1.3
    angle_deg: float = 40.0
    length_mm: float = 8.0
    width_mm: float = 12.0


@dataclass(frozen=True)
class UFibre:
    """What a juxtacortical lesion must be for a U- or S-shaped one.

    Parameters
    ----------
    length_mm : float
        At least this long.
    depth_mm : float
        Nine tenths of it lie within this distance of the cortex.
    solidity : float
        At most: a band that is bent fills little of its convex hull.
    """

    length_mm: float = 14.0
    depth_mm: float = 6.0
    solidity: float = 0.5


@dataclass(frozen=True)
class Line:
    """What a lesion at a ventricle must be for a line along the ependyma.

    Parameters
    ----------
    length_mm : float
        At least this long.
    lining_share : float
        At least this share lies within `LINING_MM` of the ventricle.
    sphericity : float
        At most.
    """

    length_mm: float = 15.0
    lining_share: float = 0.7
    sphericity: float = 0.55


LINING_MM = 4.0
FINGER, U_FIBRE, LINE = Finger(), UFibre(), Line()


@dataclass(frozen=True)
class LesionFeatures:
    """One lesion of a mask in template space.

    Parameters
    ----------
    number : int
        In the instance map.
    volume_ml : float
    x_mm, y_mm, z_mm : float
        Centre of mass, template mm (RAS).
    region : str
        Of `brain_regions.LABELS`, the one that most of it lies in; fluid and ependyma only where it lies in nothing else.
    regions : tuple of str
        All that it touches.
    lateral_mm, third_mm, aqueduct_mm, fourth_mm, cortex_mm : float
        Shortest distance to the template's lateral, third and fourth ventricle, aqueduct and cortex, mm; 0 inside. Those to third and
        fourth ventricle and aqueduct end at 40 mm.
    length_mm, width_mm, thickness_mm : float
        Full lengths of the ellipsoid with the same second moments.
    elongation : float
        Length over width.
    wall_angle_deg : float
        Between the long axis and the normal of the lateral ventricle's wall, 0 to 90; NaN for a lesion inside the template's ventricle.
    surface_mm2, sphericity, solidity : float
        See `lesion_shape.LesionShape`.
    lining_share : float
        Share within `LINING_MM` of any ventricle or the aqueduct.
    periventricular, at_lateral_body, juxtacortical, callosal, infratentorial, deep_grey, thalamic, hypothalamic, temporal, \
    inferior_temporal, periaqueductal, area_postrema, dawson_finger, u_fibre, linear, linear_lateral, punctate, extensive : bool
        As the module says.
    """

    number: int
    volume_ml: float
    x_mm: float
    y_mm: float
    z_mm: float
    region: str
    regions: tuple[str, ...]
    lateral_mm: float
    third_mm: float
    aqueduct_mm: float
    fourth_mm: float
    cortex_mm: float
    length_mm: float
    width_mm: float
    thickness_mm: float
    elongation: float
    wall_angle_deg: float
    surface_mm2: float
    sphericity: float
    solidity: float
    lining_share: float
    periventricular: bool
    at_lateral_body: bool
    juxtacortical: bool
    callosal: bool
    infratentorial: bool
    deep_grey: bool
    thalamic: bool
    hypothalamic: bool
    temporal: bool
    inferior_temporal: bool
    periaqueductal: bool
    area_postrema: bool
    dawson_finger: bool
    u_fibre: bool
    linear: bool
    linear_lateral: bool
    punctate: bool
    extensive: bool


def measure_lesions(mask: Any, instances: NDArray[Any] | None = None) -> tuple[LesionFeatures, ...]:
    """Features of every lesion of a mask.

    Parameters
    ----------
    mask : nibabel.Nifti1Image
        3D, in the template's space (MNI152 2009a), on any grid, of any voxel size.
    instances : ndarray of int (x, y, z), optional
        Lesions by number, on the mask's grid, 0 where there is none; by default those of `lesion_instances`.

    Returns
    -------
    tuple of LesionFeatures
        In the order of their numbers; empty for an empty mask.

    Raises
    ------
    ValueError
        The mask is not 3D, the instances have another shape, or the lesions lie outside the template's brain.
    """
    values = np.asarray(mask.dataobj)
    if values.ndim != 3:
        raise ValueError(f"a lesion mask has three dimensions, not {values.ndim}")
    numbers = lesion_instances(values) if instances is None else np.asarray(instances)
    if numbers.shape != values.shape:
        raise ValueError(f"instances of shape {numbers.shape} do not fit a mask of shape {values.shape}")
    affine, brain = np.asarray(mask.affine, dtype=np.float64), region_atlas()
    refuse_elsewhere(np.argwhere(numbers > 0), affine, brain)
    return tuple(_features(number, voxels, affine, brain) for number, voxels in lesions_of(numbers))


def _features(number: int, voxels: NDArray[np.intp], affine: NDArray[np.float64], brain: RegionAtlas) -> LesionFeatures:
    shape = lesion_shape(voxels, affine)
    points = points_of(voxels, affine)
    nearest, inside = brain.voxels(points)
    at = tuple(nearest.T)
    labels = np.where(inside, brain.labels[at], 0)
    distance = {name: volume[at] for name, volume in brain.distance.items()}
    lining = np.minimum.reduce([distance[name] for name in VENTRICLES]) <= LINING_MM
    least = {name: float(values.min()) for name, values in distance.items()}
    angle = _wall_angle(nearest, distance["lateral"], shape, brain)
    elongation = float(shape.lengths_mm[0] / shape.lengths_mm[1])

    def much_in(*names: str) -> bool:
        return bool(where(labels, *names).mean() >= REGION_SHARE)

    length, width = float(shape.lengths_mm[0]), float(shape.lengths_mm[1])
    touches = distance["lateral"] <= TOUCH_VENTRICLE_MM
    body = (points[:, 1] >= BODY_Y_MM[0]) & (points[:, 1] <= BODY_Y_MM[1]) & (points[:, 2] >= BODY_Z_MM)
    at_body = bool((touches & body).any())
    low = bool(brain.infratentorial[at].mean() > 0.5)
    juxtacortical = least["cortex"] <= TOUCH_CORTEX_MM and not low
    temporal, callosal = much_in("temporal lobe"), much_in("corpus callosum")
    line = length >= LINE.length_mm and float(lining.mean()) >= LINE.lining_share and shape.sphericity <= LINE.sphericity
    finger = (
        at_body
        and not callosal
        and elongation >= FINGER.elongation
        and angle <= FINGER.angle_deg
        and length >= FINGER.length_mm
        and width <= FINGER.width_mm
    )
    bent = length >= U_FIBRE.length_mm and shape.solidity <= U_FIBRE.solidity
    region, regions = _region(labels)
    return LesionFeatures(
        number=number,
        volume_ml=shape.volume_mm3 / 1000,
        x_mm=float(shape.centre_mm[0]),
        y_mm=float(shape.centre_mm[1]),
        z_mm=float(shape.centre_mm[2]),
        region=region,
        regions=regions,
        lateral_mm=least["lateral"],
        third_mm=least["third"],
        aqueduct_mm=least["aqueduct"],
        fourth_mm=least["fourth"],
        cortex_mm=least["cortex"],
        length_mm=length,
        width_mm=width,
        thickness_mm=float(shape.lengths_mm[2]),
        elongation=elongation,
        wall_angle_deg=angle,
        surface_mm2=shape.surface_mm2,
        sphericity=shape.sphericity,
        solidity=shape.solidity,
        lining_share=float(lining.mean()),
        periventricular=bool(touches.any()),
        at_lateral_body=at_body,
        juxtacortical=juxtacortical,
        callosal=callosal,
        infratentorial=low,
        deep_grey=much_in("deep grey"),
        thalamic=much_in("thalamus"),
        hypothalamic=much_in("hypothalamus"),
        temporal=temporal,
        inferior_temporal=temporal and float(shape.centre_mm[2]) <= INFERIOR_TEMPORAL_MM,
        periaqueductal=much_in("periaqueductal grey"),
        area_postrema=much_in("area postrema"),
        dawson_finger=finger,
        u_fibre=juxtacortical and not touches.any() and bent and float(np.quantile(distance["cortex"], 0.9)) <= U_FIBRE.depth_mm,
        linear=line,
        linear_lateral=line and min(VENTRICLES, key=lambda name: float(distance[name].mean())) == "lateral",
        punctate=shape.volume_mm3 / 1000 <= PUNCTATE_ML,
        extensive=length >= EXTENSIVE_MM,
    )


def _wall_angle(voxels: NDArray[np.intp], lateral_mm: NDArray[np.float32], shape: LesionShape, brain: RegionAtlas) -> float:
    """Degrees between the long axis and the normal of the lateral ventricle's wall, the nearest parts of the lesion counting most."""
    low = np.maximum(voxels.min(axis=0) - 2, 0)
    window = tuple(slice(start, stop + 3) for start, stop in zip(low, voxels.max(axis=0), strict=True))
    slopes = np.asarray(np.gradient(brain.distance["lateral"][window]))[(slice(None), *(voxels - low).T)]
    # Inside the ventricle the distance is flat and says nothing.
    normal = slopes @ np.where(lateral_mm > 0, np.exp(-(lateral_mm - lateral_mm.min()) / _WALL_FADES_MM), 0)
    size = float(np.linalg.norm(normal))
    return float(np.degrees(np.arccos(min(1.0, abs(float(normal @ shape.axes[0])) / size)))) if size > 1e-6 else float("nan")


def _region(labels: NDArray[np.integer[Any]]) -> tuple[str, tuple[str, ...]]:
    numbers, counts = np.unique(labels[labels > 0], return_counts=True)
    found = {LABELS[int(number)]: int(count) for number, count in zip(numbers, counts, strict=True)}
    if not found:
        return "outside", ()
    tissue = {name: count for name, count in found.items() if name not in _LAST_NAMES} or found
    return max(tissue, key=lambda name: tissue[name]), tuple(found)

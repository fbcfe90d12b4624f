"""What a scanner that never was makes of a patch, drawn at random: contrast, lesions, artefacts and brain edges.

Brightness is in robust standard deviations of the brain (see `dawson.lesions.intensity`); fields are drawn on coarse grids.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.brain_regions import LABELS
from dawson.lesions.intensity import BLACK, WHITE
from dawson.lesions.recipe import AppearancePart

Field = NDArray[np.float32]

# Bright on FLAIR without being a lesion: linings and caps of the ventricles, choroid plexus, fluid that flows, the rim of the cortex,
# tracts and brainstem (Neuroradiology 39 (1997) 243 describes linings, caps and tracts in 40 normal brains).
_BRIGHT_PLACES: tuple[tuple[str, ...], ...] = (
    ("ependyma",),
    ("lateral ventricle",),
    ("third ventricle", "aqueduct", "fourth ventricle", "other CSF"),
    ("cortex", "temporal cortex", "cerebellar cortex"),
    ("optic radiation", "corticospinal tract", "corpus callosum"),
    ("brainstem", "cerebellar white matter"),
    ("thalamus", "hypothalamus", "caudate", "putamen", "pallidum"),
)
# Regions that take a colour together: within one, contrast is small on any scanner.
_TISSUES: tuple[tuple[str, ...], ...] = (
    ("lateral ventricle", "third ventricle", "aqueduct", "fourth ventricle", "other CSF"),
    ("cortex", "temporal cortex", "cerebellar cortex"),
    ("white matter", "temporal white matter", "corpus callosum", "cerebellar white matter", "optic radiation"),
    ("caudate", "putamen", "pallidum", "thalamus", "hypothalamus"),
    ("brainstem", "periaqueductal grey", "area postrema", "corticospinal tract"),
    ("ependyma",),
)
_FIELD_MM = {"lesion": 12.0, "spots": 6.0, "remains": 8.0, "edge": 10.0, "bias": 40.0}
_NUMBER = {name: number for number, name in LABELS.items()}


@dataclass(frozen=True)
class BrightSpots:
    """Part of a region that is brighter than it should be: where the field exceeds the level."""

    regions: tuple[int, ...]
    field: Field
    level: float
    height: float


@dataclass(frozen=True)
class Channel:
    """What happens to one contrast.

    Parameters
    ----------
    lesion : float
        Contrast of the lesions relative to what it is.
    colours : ndarray (256,)
        Added to each region.
    spots : tuple of BrightSpots
    curve : ndarray (k,) or None
        Brightness at k equal steps from black to white after a monotone map.
    bias : ndarray or None
        Logarithm of the coil's sensitivity.
    thick : tuple of (int, float) or None
        Axis of the slices and their thickness in voxels.
    blur : float
        Standard deviation in voxels; 0 for none.
    texture, noise : (float, float)
        Standard deviation, and over how many voxels it is correlated (standard deviation of a kernel).
    ghosts : tuple of (int, int, float) or None
        Axis, shift in voxels, height.
    gain, offset : float
    """

    lesion: float
    colours: Field
    spots: tuple[BrightSpots, ...]
    curve: Field | None
    bias: Field | None
    thick: tuple[int, float] | None
    blur: float
    texture: tuple[float, float]
    noise: tuple[float, float]
    ghosts: tuple[int, int, float] | None
    gain: float
    offset: float


@dataclass(frozen=True)
class Appearance:
    """All draws of one patch.

    Parameters
    ----------
    channels : tuple of Channel
        FLAIR, T1w.
    lesion_field : ndarray
        Factor on the contrast of lesions from place to place.
    remains : ndarray or None
        Where positive near the brain, skull, skin or orbit is left in.
    edge : ndarray or None
        How far the brain mask is off, in voxels: positive where it is too small.
    t1w_absent : bool
    noise_seed : int
    """

    channels: tuple[Channel, ...]
    lesion_field: Field
    remains: Field | None
    edge: Field | None
    t1w_absent: bool
    noise_seed: int


def draw_appearance(rng: np.random.Generator, shape: tuple[int, ...], part: AppearancePart) -> Appearance:
    """Draw how a patch of `shape` voxels of 1 mm is to look."""
    lesion = float(np.exp(rng.uniform(*np.log(part.lesion_contrast))))
    flair = _channel(rng, shape, part, lesion, spots=True)
    # T1w shows lesions from black holes to not at all, whatever FLAIR shows
    t1w = _channel(rng, shape, part, float(rng.uniform(*part.t1w_lesion_contrast)), spots=False)
    remains, edge = None, None
    if rng.random() < part.remains:
        remains = _field(rng, shape, "remains") - np.float32(rng.uniform(-0.5, 1.0))
    if rng.random() < part.edge:
        edge = np.float32(rng.uniform(0.5, 2.5)) * (_field(rng, shape, "edge") + np.float32(rng.uniform(-0.5, 1)))
    return Appearance(
        channels=(flair, t1w),
        lesion_field=np.exp(part.lesion_contrast_spread * _field(rng, shape, "lesion")).astype(np.float32),
        remains=remains,
        edge=edge,
        t1w_absent=bool(rng.random() < part.t1w_absent),
        noise_seed=int(rng.integers(2**62)),
    )


def _channel(rng: np.random.Generator, shape: tuple[int, ...], part: AppearancePart, lesion: float, *, spots: bool) -> Channel:
    colours = np.zeros(256, np.float32)
    if rng.random() < part.recolour:
        for tissue in _TISSUES:
            common = rng.normal(0, part.recolour_sd)
            for name in tissue:
                colours[_NUMBER[name]] = common + rng.normal(0, 0.25 * part.recolour_sd)
    bright = tuple(_bright_spots(rng, shape, part, place) for place in _BRIGHT_PLACES if spots and rng.random() < part.bright_spots)
    bias, thick, ghosts, blurred = None, None, None, 0.0
    texture, noise = (0.0, 0.0), (0.0, 0.0)
    if rng.random() < part.bias:
        bias = np.float32(rng.uniform(0, 2 * part.bias_sd)) * _field(rng, shape, "bias")
    if rng.random() < part.thick:
        thick = (int(rng.integers(3)), float(rng.uniform(*part.thick_mm)))
    if rng.random() < part.blur:
        blurred = float(rng.uniform(*part.blur_mm))
    if rng.random() < part.texture:
        texture = (float(rng.uniform(*part.texture_sd)), float(rng.uniform(0.8, 2.5)))
    if rng.random() < part.noise:
        noise = (float(rng.uniform(*part.noise_sd)), float(rng.choice([0.0, rng.uniform(0.3, 0.8)])))
    if rng.random() < part.ghosts:
        ghosts = (int(rng.integers(3)), int(rng.integers(6, 30)), float(rng.uniform(*part.ghost_height)))
    return Channel(
        lesion=lesion,
        colours=colours,
        spots=bright,
        curve=_curve(rng) if rng.random() < part.monotone else None,
        bias=bias,
        thick=thick,
        blur=blurred,
        texture=texture,
        noise=noise,
        ghosts=ghosts,
        gain=float(np.exp(rng.uniform(*np.log(part.gain)))),
        offset=float(rng.normal(0, part.offset_sd)),
    )


def _bright_spots(rng: np.random.Generator, shape: tuple[int, ...], part: AppearancePart, place: tuple[str, ...]) -> BrightSpots:
    level, height = float(rng.uniform(-0.5, 1.5)), float(rng.uniform(*part.bright_height))
    return BrightSpots(tuple(_NUMBER[name] for name in place), _field(rng, shape, "spots"), level, height)


def _field(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> Field:
    return rng.standard_normal([int(np.ceil(size / _FIELD_MM[kind])) + 1 for size in shape], dtype=np.float32)


def _curve(rng: np.random.Generator) -> Field:
    steps = np.exp(rng.normal(0, 0.45, 8))
    return np.concatenate(([0.0], np.cumsum(steps) / steps.sum())).astype(np.float32) * np.float32(WHITE - BLACK) + np.float32(BLACK)

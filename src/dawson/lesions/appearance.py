"""Scanners that never were: random contrast, lesions, artefacts and brain edges for patches, so that one network reads any scanner.

What is drawn (`draw_appearance`) is apart from what is done (`change_appearance`): the same draw gives the same images. Brightness is in
robust standard deviations of the brain (see `dawson.lesions.intensity`); fields are drawn on coarse grids and brought to the patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dawson.imaging.brain_regions import LABELS
from dawson.lesions.intensity import BLACK, WHITE
from dawson.lesions.recipe import AppearancePart

Field = NDArray[np.float32]
UNLABELLED = 255
"""Brain of which no label map tells the region; 0 is outside."""

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


def change_appearance(images: Tensor, excess: Tensor, lesion: Tensor, labels: Tensor, drawn: Appearance) -> Tensor:
    """Images of the same brain as another scanner might show it.

    Parameters
    ----------
    images : Tensor of float32 (2, x, y, z)
        FLAIR and T1w; T1w is all 0 where there is none.
    excess : Tensor of float32 (2, x, y, z)
        What lesions add to either.
    lesion : Tensor of float32 (x, y, z)
        Probability of lesion, which keeps bright spots off it.
    labels : Tensor of uint8 (x, y, z)
        Regions; `UNLABELLED` for brain of unknown region, 0 outside.
    drawn : Appearance

    Returns
    -------
    Tensor of float32 (2, x, y, z)
    """
    generator = torch.Generator().manual_seed(drawn.noise_seed)
    brain = labels > 0
    field = _upsampled(drawn.lesion_field, brain.shape)
    inside = _worn(brain, drawn.edge)
    remains = _remains(brain, drawn.remains)
    changed = []
    for number, channel in enumerate(drawn.channels):
        if number == 1 and (drawn.t1w_absent or not bool(images[1].any())):
            changed.append(torch.zeros_like(images[1]))
            continue
        # the excess is what a lesion adds: the rest of it is taken away
        image = images[number] + (channel.lesion * field - 1.0) * excess[number]
        image = _recoloured(image, labels, lesion, channel)
        if channel.curve is not None:
            image = _mapped(image, channel.curve)
        if remains is not None:
            stuff = WHITE * 0.4 * torch.rand((), generator=generator) + _smooth_noise(brain.shape, 1.5, generator) * 2.0
            image = torch.where(remains, stuff, image)
        image = _scanned(image, channel, generator)
        seen = inside if remains is None else inside | remains
        image = (image * channel.gain + channel.offset).clamp_(BLACK, WHITE)
        changed.append(torch.where(seen, image, torch.full_like(image, BLACK)))
    return torch.stack(changed)


def _recoloured(image: Tensor, labels: Tensor, lesion: Tensor, channel: Channel) -> Tensor:
    added = torch.from_numpy(channel.colours)[labels.long()] if channel.colours.any() else torch.zeros_like(image)
    for spots in channel.spots:
        there = torch.zeros(256)
        there[list(spots.regions)] = spots.height
        strength = (_upsampled(spots.field, image.shape) - spots.level).clamp_(0, 1)
        added = added + there[labels.long()] * strength
    # regions end softly, as in a scan; and lesions keep the colour of what they lie in, not that of a spot
    return image + blur(added, 0.7) * (1 - lesion) if channel.spots or channel.colours.any() else image


def _mapped(image: Tensor, curve: Field) -> Tensor:
    place = (image.clamp(BLACK, WHITE) - BLACK) / (WHITE - BLACK) * (len(curve) - 1)
    below = place.floor().clamp(0, len(curve) - 2)
    values = torch.from_numpy(curve)
    low, high = values[below.long()], values[below.long() + 1]
    return low + (place - below) * (high - low)


def _scanned(image: Tensor, channel: Channel, generator: torch.Generator) -> Tensor:
    """Coil, slices, motion and noise; noise is Rician, so black must be the smallest value there is."""
    signal = (image - BLACK).clamp_(min=0)
    if channel.texture[0]:
        signal = signal + channel.texture[0] * _smooth_noise(image.shape, channel.texture[1], generator)
    if channel.bias is not None:
        signal = signal * torch.exp(_upsampled(channel.bias, image.shape))
    if channel.blur:
        signal = blur(signal, channel.blur)
    if channel.thick is not None:
        signal = _thick(signal, *channel.thick)
    if channel.ghosts is not None:
        axis, shift, height = channel.ghosts
        signal = signal + height * (torch.roll(signal, shift, axis) + torch.roll(signal, -shift, axis) - signal)
    if channel.noise[0]:
        real, imaginary = (_smooth_noise(image.shape, channel.noise[1], generator) * channel.noise[0] for _ in range(2))
        signal = torch.sqrt((signal + real) ** 2 + imaginary**2)
        if channel.thick is not None and channel.noise[1] == 0:
            # noise of thick slices is interpolated with them
            signal = _thick(signal, channel.thick[0], min(channel.thick[1], 2.0))
    return signal + BLACK


def _thick(signal: Tensor, axis: int, voxels: float) -> Tensor:
    """Slices of `voxels` along an axis, then back to the old grid by linear interpolation."""
    moved = signal.movedim(axis, -1)
    flat = moved.reshape(1, -1, moved.shape[-1])
    fewer = functional.adaptive_avg_pool1d(flat, max(2, round(moved.shape[-1] / voxels)))
    return functional.interpolate(fewer, size=moved.shape[-1], mode="linear").reshape(moved.shape).movedim(-1, axis)


def _worn(brain: Tensor, edge: Field | None) -> Tensor:
    """The brain mask with an edge that is off by some voxels inwards; outwards there is nothing to show."""
    if edge is None:
        return brain
    # a blurred mask falls from 1 to 0 over about four standard deviations: its level is a distance from the edge
    depth = (blur(brain.float(), 2.0) - 0.5) * (2.0 * 2.5)
    # deep inside the depth is 2.5 at most: a larger error of the edge must not make holes there
    return brain & (depth > _upsampled(edge, brain.shape).clamp_(max=2.3))


def _remains(brain: Tensor, field: Field | None) -> Tensor | None:
    if field is None:
        return None
    near = blur(brain.float(), 3.0) > 0.02
    return near & ~brain & (_upsampled(field, brain.shape) > 0)


def _smooth_noise(shape: torch.Size, sd: float, generator: torch.Generator) -> Tensor:
    """Noise of standard deviation 1, correlated by a Gaussian kernel of `sd` voxels."""
    noise = torch.randn(shape, generator=generator)
    if not sd:
        return noise
    kernel = _kernel(sd)
    return blur(noise, sd) / float((kernel**2).sum()) ** 1.5


def _upsampled(field: Field, shape: torch.Size) -> Tensor:
    return functional.interpolate(torch.from_numpy(field)[None, None], size=tuple(shape), mode="trilinear", align_corners=True)[0, 0]


def _kernel(sd: float) -> Tensor:
    reach = max(1, int(np.ceil(3 * sd)))
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sd) ** 2)
    return kernel / kernel.sum()


def blur(volume: Tensor, sd: float) -> Tensor:
    """A Gaussian of `sd` voxels over (x, y, z); the border's value goes on outside."""
    for axis in range(3):
        # as a product with the matrix of all kernels: several times faster here than a convolution with one channel
        volume = (volume.movedim(axis, -1) @ _smoothing(volume.shape[axis], sd)).movedim(-1, axis)
    return volume.contiguous()


def _smoothing(size: int, sd: float) -> Tensor:
    """Matrix (size, size) whose column j holds the kernel around place j; its parts beyond the border count for the border's place."""
    kernel = _kernel(sd)
    reach = len(kernel) // 2
    columns = torch.arange(size)
    matrix = torch.zeros(size, size)
    for shift, weight in zip(range(-reach, reach + 1), kernel.tolist(), strict=True):
        matrix[(columns + shift).clamp(0, size - 1), columns] += weight
    return matrix

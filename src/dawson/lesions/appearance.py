"""Scanners that never were: random contrast, lesions, artefacts and brain edges for patches, so that one network reads any scanner.

What is drawn (`dawson.lesions.appearance_draws`) is apart from what is done here: the same draw gives the same images.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dawson.lesions.appearance_draws import Appearance, Channel, Field, draw_appearance
from dawson.lesions.intensity import BLACK, WHITE

__all__ = ["UNLABELLED", "Appearance", "Channel", "blur", "change_appearance", "draw_appearance"]

UNLABELLED = 255
"""Brain of which no label map tells the region; 0 is outside."""


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

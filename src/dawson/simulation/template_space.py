"""Simulated scans as they are after preprocessing: in template space, brain only, no head around it.

What is left of a scanner there: contrast, noise, blur of thick slices, ringing, motion, ghosts, what N4 leaves of the coil's bias,
and a missing top. Registration takes the geometric distortion away.
"""

from __future__ import annotations

import numpy as np

from dawson.simulation import artefacts, k_space
from dawson.simulation.anatomy import Atlas, Volume
from dawson.simulation.brain import Scene
from dawson.simulation.scanner import PHASE_AXIS, SLICE_PLANE, WHITE, Contrast, ScannerState

SHAPE_LEFT = 0.7
"""Of a brain's own shape, what non-linear alignment leaves. Alignment is not simulated; the share is ours: it lies between the overlap
with the template that real heads reach and that of simulated ones, which are deformed templates and align too well."""

# Of a coil's bias, what N4 leaves.
_RESIDUAL_BIAS = 0.25
# Scalp and skull over the brain: the first to miss in a field of view that is too short.
_OVER_THE_BRAIN_MM = 14.0


def template_scan(scene: Scene, brain: Atlas, state: ScannerState, rng: np.random.Generator) -> dict[Contrast, np.ndarray]:
    """T1w and FLAIR on the template's 1 mm grid.

    Parameters
    ----------
    scene : Scene
    brain : Atlas
    state : ScannerState
    rng : Generator
        Of this scan.

    Returns
    -------
    dict of str to ndarray of int16 (197, 233, 189)
        Zero outside the brain.
    """
    images: dict[Contrast, np.ndarray] = {}
    for contrast, signal in scene.images.items():
        inside = scene.brain_mask & _imaged(scene.brain_mask, state.severity(contrast, "cropped"))
        part = np.zeros(signal.shape, dtype=np.int16)
        part[inside] = np.rint(_scanned(signal, inside, state, contrast, rng) * (WHITE * state.gain[contrast]))
        whole = np.zeros(brain.grid_shape, dtype=np.int16)
        whole[brain.box] = part
        images[contrast] = whole
    return images


def _scanned(signal: Volume, inside: np.ndarray, state: ScannerState, contrast: Contrast, rng: np.random.Generator) -> Volume:
    """Values inside the brain as scanned."""
    bias = artefacts.draw_bias(rng, _RESIDUAL_BIAS * state.severity(contrast, "bias"))
    motion = k_space.draw_motion(rng, state.severity(contrast, "motion"), PHASE_AXIS[contrast])
    ghosting = k_space.draw_ghosting(rng, state.severity(contrast, "ghosting"), PHASE_AXIS[contrast])
    noise = artefacts.draw_noise(rng, state.severity(contrast, "noise"))
    thickness = state.severity(contrast, "partial_volume")
    image = artefacts.add_bias(signal, bias)
    if thickness > 1:
        down, up = artefacts.slices(signal.shape[2], thickness, float(rng.random()))
        image = artefacts.along_slices(image, down)
    image = k_space.move(image, motion, (1.0, 1.0, max(thickness, 1.0)))
    image = k_space.add_ghosts(image, ghosting)
    image = k_space.truncate(image, state.severity(contrast, "gibbs"), SLICE_PLANE[contrast])
    if thickness > 1:
        return np.asarray(artefacts.along_slices(artefacts.add_noise(image, noise), up)[inside])
    return artefacts.add_noise(image[inside], noise)


def _imaged(brain_mask: np.ndarray, cropped_mm: float) -> np.ndarray:
    """Where the field of view reaches; broadcasts over the box."""
    top = int(np.flatnonzero(brain_mask.any(axis=(0, 1)))[-1]) + 1
    missing = max(0.0, cropped_mm - _OVER_THE_BRAIN_MM)
    return (np.arange(brain_mask.shape[2]) < top - missing)[None, None, :]

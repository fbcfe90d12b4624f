"""Simulated scans as they are after preprocessing: in template space, brain only, no head around it."""

from __future__ import annotations

import numpy as np

from dawson.simulation.anatomy import Atlas
from dawson.simulation.brain import Scene
from dawson.simulation.scanner import Contrast, ScannerState, add_scanner

# What N4 leaves of a coil's bias.
_RESIDUAL_BIAS = 0.03


def template_scan(
    scene: Scene, brain: Atlas, state: ScannerState, rng: np.random.Generator
) -> tuple[dict[Contrast, np.ndarray], np.ndarray]:
    """T1w and FLAIR on the template's 1 mm grid.

    Returns
    -------
    images : dict of str to ndarray of int16 (197, 233, 189)
        Zero outside the brain.
    lesion_mask : ndarray of uint8 (197, 233, 189)
    """
    images: dict[Contrast, np.ndarray] = {}
    for contrast, signal in scene.images.items():
        whole = np.zeros(brain.grid_shape, dtype=np.int16)
        whole[brain.box] = add_scanner(signal, scene.brain_mask, state, contrast, rng, _RESIDUAL_BIAS)
        images[contrast] = whole
    truth = np.zeros(brain.grid_shape, dtype=np.uint8)
    truth[brain.box] = scene.lesion_mask
    return images, truth

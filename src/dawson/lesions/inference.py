"""Probability of lesion over a whole scan: to 1 mm, windows that slide over the brain, and back to the scan's own grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dawson.errors import ImageError
from dawson.imaging.boxes import union_box
from dawson.lesions.intensity import BLACK, standardise

if TYPE_CHECKING:
    import torch

    from dawson.lesions.recipe import InferencePart

GRID_MM = 1.0
_STEP = 32
"""Windows are multiples of it: a network halves its resolution at most five times."""
_MARGIN = 4


def channels_of(flair: NDArray[np.floating], t1w: NDArray[np.floating] | None, brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """What the network sees of a scan: FLAIR and T1w as robust z-scores, T1w all 0 where there is none; (2, x, y, z)."""
    second = np.zeros(brain.shape, np.float32) if t1w is None else standardise(t1w, brain)
    return np.stack([standardise(flair, brain), second])


def member_probabilities(
    networks: Sequence[torch.nn.Module],
    flair: Any,
    t1w: Any | None,
    brain: NDArray[np.bool_],
    part: InferencePart,
    temperature: float = 1.0,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Probability of lesion by every member, on the grid of the images.

    Parameters
    ----------
    networks : sequence of Module
    flair, t1w : nibabel.Nifti1Image
        On one grid of any orientation and voxel size; T1w may be None.
    brain : ndarray of bool (x, y, z)
    part : InferencePart
    temperature : float
        Logits are divided by it.
    threads : int
        Of torch.

    Returns
    -------
    ndarray of float32 (members, x, y, z)
        0 outside the brain.

    Raises
    ------
    ImageError
        The images are not on one grid, or there is no brain.
    """
    from dawson.lesions.regridding import on_millimetres

    shape = tuple(flair.shape)
    if brain.shape != shape or (t1w is not None and (tuple(t1w.shape) != shape or not np.allclose(t1w.affine, flair.affine, atol=1e-3))):
        raise ImageError("FLAIR, T1w and brain mask", "are not on one grid.", "Bring them to the grid of the FLAIR.")
    grid = on_millimetres(flair, GRID_MM)
    inside = grid.take_mask(brain, flair.affine)
    images = channels_of(grid.take(flair), None if t1w is None else grid.take(t1w), inside)
    found = sliding_windows(networks, images, inside, part, temperature, threads)
    return np.stack([np.where(brain, grid.give_back(one), np.float32(0)) for one in found])


def sliding_windows(
    networks: Sequence[torch.nn.Module],
    images: NDArray[np.float32],
    brain: NDArray[np.bool_],
    part: InferencePart,
    temperature: float = 1.0,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Probability of lesion by every member, from overlapping windows whose middle counts more than their rim.

    Parameters
    ----------
    networks : sequence of Module
    images : ndarray of float32 (2, x, y, z)
        From `channels_of`, 1 mm.
    brain : ndarray of bool (x, y, z)
        Only its box is looked at.
    part : InferencePart
    temperature : float
    threads : int

    Returns
    -------
    ndarray of float32 (members, x, y, z)
    """
    import torch
    from monai.inferers import SlidingWindowInferer

    result = np.zeros((len(networks), *brain.shape), np.float32)
    if not brain.any():
        return result
    box = union_box(brain, margin=_MARGIN)
    piece = torch.from_numpy(np.ascontiguousarray(images[(slice(None), *box)]))[None].to(memory_format=torch.channels_last_3d)
    # no larger than the brain: what is black beyond it would count in the normalisation of each instance
    window = tuple(min(part.window, _STEP * math.ceil(size / _STEP)) for size in piece.shape[2:])
    inferer = SlidingWindowInferer(window, 1, part.overlap, mode="gaussian", padding_mode="constant", cval=BLACK)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            for number, network in enumerate(networks):
                network.eval()
                logits: Any = inferer(piece, network)
                if part.flip:
                    mirrored: Any = inferer(piece.flip(2), network)
                    logits = (logits + mirrored.flip(2)) / 2
                result[number][box] = torch.sigmoid(logits[0, 0].float() / temperature).numpy()
    finally:
        torch.set_num_threads(before)
    result *= brain
    return result

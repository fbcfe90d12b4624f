"""Lesions filled with normal-appearing white matter, so that a tissue model does not take them for grey matter.

Every lesion voxel gets the brightness of the white matter near it and the grain of white matter elsewhere in the brain (the way of
Chard and of LST: local mean, white matter's spread).

References
----------
Chard DT, et al. Reducing the impact of white matter lesions on automated measures of brain gray and white matter volumes. J Magn Reson
Imaging 32 (2010) 223-228.
Sdika M, Pelletier D. Nonrigid registration of multiple sclerosis brain images using lesion inpainting for morphometry or lesion mapping.
Hum Brain Mapp 30 (2009) 1060-1067.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import PreprocessingError
from dawson.imaging.boxes import union_box

# How far around a lesion white matter is looked for, in steps until there is enough.
_REACHES_MM = (4.0, 8.0, 16.0, 32.0)
# Share of white matter in what the Gaussian window of that reach covers.
_ENOUGH = 0.1
_SURE_WHITE = 0.8


def fill_lesions(
    image: NDArray[Any],
    lesions: NDArray[np.bool_],
    white: NDArray[np.float32],
    spacing_mm: float = 1.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """An image whose lesions look like white matter.

    Parameters
    ----------
    image : ndarray (x, y, z)
        T1w or FLAIR.
    lesions : ndarray of bool (x, y, z)
    white : ndarray of float32 (x, y, z)
        Probability of white matter, 0 outside the brain; where it is above 0.8 and there is no lesion the fill is learnt.
    spacing_mm : float
        Mean edge of a voxel.
    seed : int
        Of the grain.

    Returns
    -------
    ndarray of float32 (x, y, z)
        The image itself outside lesions, voxel for voxel.

    Raises
    ------
    PreprocessingError
        There are lesions and no normal-appearing white matter to fill them with.
    """
    filled = np.array(image, dtype=np.float32)
    if not lesions.any():
        return filled
    # partial volume of the lesion itself reaches a voxel further
    near = ndimage.binary_dilation(lesions)
    sure = (white > _SURE_WHITE) & ~near
    if not sure.any():
        raise PreprocessingError("There is no normal-appearing white matter to fill lesions with.", "Look at the lesion mask.")
    everywhere = float(np.median(filled[sure]))
    level = np.full(filled.shape, np.nan, dtype=np.float32)
    box = union_box(lesions, margin=int(np.ceil(3 * _REACHES_MM[-1] / spacing_mm)))
    open_places, weight = level[box], sure[box].astype(np.float32)
    for reach in _REACHES_MM:
        sigma = reach / spacing_mm / 2
        found = ndimage.gaussian_filter(weight, sigma)
        mean = ndimage.gaussian_filter(filled[box] * weight, sigma) / np.maximum(found, 1e-6)
        empty = np.isnan(open_places) & (found >= _ENOUGH)
        open_places[empty] = mean[empty]
        if not np.isnan(open_places[lesions[box]]).any():
            break  # what a wider window finds elsewhere fills nothing
    level[np.isnan(level)] = everywhere
    grain = _grain(filled, sure, sigma=2.0 / spacing_mm)
    rng = np.random.default_rng(seed)
    filled[lesions] = level[lesions] + rng.choice(grain, int(lesions.sum()))
    return filled


def _grain(image: NDArray[np.float32], sure: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """What is left of white matter after its local mean."""
    weight = sure.astype(np.float32)
    mean = ndimage.gaussian_filter(image * weight, sigma) / np.maximum(ndimage.gaussian_filter(weight, sigma), 1e-6)
    left = (image - mean)[sure]
    low, high = np.percentile(left, (1, 99))
    return np.asarray(left[(left >= low) & (left <= high)], dtype=np.float32)

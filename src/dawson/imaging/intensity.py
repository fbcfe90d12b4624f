"""Brightness made comparable between scanners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dawson.errors import PreprocessingError

# one voxel in 2000 at either end: spikes of vessels and noise go, lesions (some millilitres of 1.9 L) stay bright
CLIP_PERCENTILES = (0.05, 99.95)


def normalise(values: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Z-score inside the brain, 0 outside.

    Values beyond the percentiles 0.05 and 99.95 of the brain are set to these first, so that a few spikes cannot change
    the scale; afterwards the brain has mean 0 and standard deviation 1.

    Parameters
    ----------
    values : ndarray (i, j, k)
    brain : ndarray of bool, same shape

    Returns
    -------
    ndarray of float32, same shape

    Raises
    ------
    PreprocessingError
        There is no brain, or it has one brightness only.
    """
    inside = np.asarray(values, dtype=np.float64)[brain]
    if inside.size == 0:
        raise PreprocessingError("There is no brain voxel to normalise.", "Look at the brain mask.")
    inside = np.clip(inside, *np.percentile(inside, CLIP_PERCENTILES))
    spread = float(inside.std())
    if not spread > 1e-12 * max(1.0, abs(float(inside.mean()))):
        raise PreprocessingError("The brain has one brightness only.", "Look at the scan.")
    result = np.zeros(np.shape(values), dtype=np.float32)
    result[brain] = (inside - inside.mean()) / spread
    return result

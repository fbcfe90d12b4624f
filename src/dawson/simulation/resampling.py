"""Volumes taken to another grid by an affine: the step a raw scan is made of, so it has to be fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_PLANES = 16


def resample(volumes: Sequence[NDArray[np.float32]], to_voxel: NDArray[np.float64], shape: Sequence[int]) -> list[NDArray[np.float32]]:
    """Resample volumes on another grid, trilinear, zero outside.

    Works through a few planes at a time: positions of a whole grid take more memory, and more time, than the sampling itself.

    Parameters
    ----------
    volumes : sequence of ndarray of float32 (x, y, z)
        All of one shape.
    to_voxel : ndarray (4, 4)
        From voxel of the new grid to voxel of the volumes.
    shape : sequence of int
        Of the new grid.

    Returns
    -------
    list of ndarray of float32
        Of that shape.
    """
    import torch

    stack = torch.from_numpy(volumes[0])[None, None] if len(volumes) == 1 else torch.from_numpy(np.stack(volumes))[None]
    # grid_sample wants the last axis first and the volume's ends at -1 and 1.
    scale = 2 / (np.array(volumes[0].shape) - 1.0)
    matrix = to_voxel[:3, :3] * scale[:, None]
    offset = to_voxel[:3, 3] * scale - 1
    steps = [[torch.arange(size, dtype=torch.float32) * float(matrix[row, axis]) for axis, size in enumerate(shape)] for row in range(3)]
    result = np.empty((len(volumes), *shape), dtype=np.float32)
    for start in range(0, shape[0], _PLANES):
        stop = min(start + _PLANES, shape[0])
        positions = torch.empty((1, stop - start, shape[1], shape[2], 3), dtype=torch.float32)
        for row in range(3):
            x, y, z = steps[row]
            plane = y[:, None] + (z + float(offset[row]))[None, :]
            torch.add(x[start:stop, None, None], plane[None], out=positions[0, ..., 2 - row])
        moved = torch.nn.functional.grid_sample(stack, positions, mode="bilinear", padding_mode="zeros", align_corners=True)
        result[:, start:stop] = moved[0].numpy()
    return list(result)

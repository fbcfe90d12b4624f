"""Random affine and elastic changes of shape for patches, drawn apart from their application."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dawson.lesions.recipe import PatchPart


@dataclass(frozen=True)
class Deformation:
    """How a patch is taken from a scan.

    Parameters
    ----------
    flip : bool
        Left and right change places.
    matrix : ndarray (3, 3) or None
        From offsets of the patch's voxels to offsets in the scan.
    displacement : ndarray (3, i, j, k) or None
        Voxels, on a coarse grid over the patch.
    """

    flip: bool
    matrix: NDArray[np.float32] | None
    displacement: NDArray[np.float32] | None

    @property
    def reach(self) -> int:
        """How many voxels beyond the patch may be read, for a patch of 100 voxels or fewer a side; 0 where it is only cut out."""
        return 0 if self.matrix is None else 16


def draw_deformation(rng: np.random.Generator, part: PatchPart) -> Deformation:
    """Draw a change of shape for a patch."""
    flip = bool(rng.random() < part.flip)
    if rng.random() >= part.deform:
        return Deformation(flip, None, None)
    angles = np.deg2rad(rng.uniform(-part.rotation_degrees, part.rotation_degrees, 3))
    matrix = np.diag(rng.uniform(*part.scale, 3))
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        one, other = (axis + 1) % 3, (axis + 2) % 3
        turn[one, one] = turn[other, other] = np.cos(angle)
        turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    nodes = int(np.ceil(part.size / part.elastic_spacing_mm)) + 1
    displacement = rng.standard_normal((3, nodes, nodes, nodes)) * rng.uniform(*part.elastic_mm)
    return Deformation(flip, matrix.astype(np.float32), displacement.astype(np.float32))


def apply_deformation(values: Tensor, labels: Tensor, size: int, drawn: Deformation) -> tuple[Tensor, Tensor]:
    """Take the patch out of the middle of a larger piece.

    Parameters
    ----------
    values : Tensor of float32 (c, n, n, n)
        n = size + 2 * drawn.reach; interpolated linearly.
    labels : Tensor of uint8 (n, n, n)
        Taken from the nearest voxel.
    size : int
    drawn : Deformation

    Returns
    -------
    Tensor of float32 (c, size, size, size), Tensor of uint8 (size, size, size)
    """
    if drawn.matrix is not None and drawn.displacement is not None:
        whole = values.shape[-1]
        line = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
        offsets = torch.stack(torch.meshgrid(line, line, line, indexing="ij"))
        places = torch.einsum("ab,bxyz->axyz", torch.from_numpy(drawn.matrix), offsets)
        places += functional.interpolate(
            torch.from_numpy(drawn.displacement)[None], size=(size,) * 3, mode="trilinear", align_corners=True
        )[0]
        # grid_sample counts from -1 to 1 between the centres of the outermost voxels and wants the last axis first
        grid = (places / ((whole - 1) / 2)).flip(0).permute(1, 2, 3, 0)[None]
        values = functional.grid_sample(values[None], grid, mode="bilinear", padding_mode="border", align_corners=True)[0]
        near = functional.grid_sample(labels[None, None].float(), grid, mode="nearest", padding_mode="border", align_corners=True)[0, 0]
        labels = near.to(torch.uint8)
    if drawn.flip:
        values, labels = values.flip(1), labels.flip(0)
    return values, labels

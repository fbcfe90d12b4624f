"""The channel image: axial slices of a volume in template space, as the network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.imaging.resample import sample

# Middle of the template brain's bounding box in the axial plane, RAS mm. The brain reaches from x = -72 to 72 and from
# y = -107 to 73, so that a field of view of 192 mm leaves 24 mm at the sides, 6 mm in front and behind.
CENTRE_MM = (0.0, -17.0)
EDGE_MM = 1.5
"""Width of the brain's soft edge, a pixel of 192 mm / 128: the standard deviation of the Gaussian in `edge_weight`."""


def channel_points(slices_mm: Sequence[float], field_of_view_mm: float, matrix: int) -> NDArray[np.float64]:
    """World coordinates of the pixels of a channel image.

    Returns
    -------
    ndarray (slices, matrix, matrix, 3)
        RAS mm. Row 0 is anterior, column 0 the patient's right: shown with the origin at the top, the picture has the
        radiological convention.

    Examples
    --------
    >>> channel_points([20.0], 192.0, 128)[0, 0, 0]
    array([95.25, 78.25, 20.  ])
    """
    pixel = field_of_view_mm / matrix
    # pixel centres, symmetric about the middle; both axes run from + to - of RAS
    offsets = ((matrix - 1) / 2 - np.arange(matrix)) * pixel
    z, y, x = np.meshgrid(np.asarray(slices_mm, dtype=float), CENTRE_MM[1] + offsets, CENTRE_MM[0] + offsets, indexing="ij")
    return np.stack([x, y, z], axis=-1)


def channel_image(
    image: Any,
    slices_mm: Sequence[float] = (60.0, 40.0, 20.0, 0.0, -20.0),
    field_of_view_mm: float = 192.0,
    matrix: int = 128,
    order: int = 1,
) -> NDArray[np.float32]:
    """Axial slices of a volume in template space, one channel each.

    Parameters
    ----------
    image : nibabel.Nifti1Image
        3D in MNI152 space, with any affine: pixels are found by their place in the world.
    slices_mm : sequence of float
        Heights of the slices, MNI z.
    field_of_view_mm : float
        Side of the square, about `CENTRE_MM`.
    matrix : int
        Pixels along a side.
    order : {0, 1}
        Nearest (masks) or linear.

    Returns
    -------
    ndarray of float32, (slices, matrix, matrix)
        Row 0 anterior, column 0 the patient's right; 0 outside the volume.
    """
    points = channel_points(slices_mm, field_of_view_mm, matrix)
    return sample(image, points.reshape(-1, 3), order=order).reshape(points.shape[:3])


def edge_weight(brain: Any, width_mm: float = EDGE_MM) -> NDArray[np.float32]:
    """How much each voxel of a brain counts: 1 inside, falling to 0 at the border.

    No brain mask knows its border to the voxel: two extractions of one head differ there by a tenth of a millimetre and more. With a hard
    edge each pixel that changes sides is a step from the brightness of the cortex or of the fluid to 0; with a soft one it is a small
    change of a small value. The weight is max(0, 2 g - 1), with g the mask smoothed by a Gaussian: 0.5 on a straight border, so that
    nothing outside the mask gets any weight; two widths inside, it is 0.95.

    Parameters
    ----------
    brain : nibabel.Nifti1Image
        Mask, not 0 in the brain.
    width_mm : float
        Standard deviation of the Gaussian.

    Returns
    -------
    ndarray of float32, shape of the mask

    Examples
    --------
    >>> import nibabel as nib
    >>> half = np.repeat(np.arange(8) > 3, 64).reshape(8, 8, 8).astype(np.uint8)
    >>> edge_weight(nib.Nifti1Image(half, np.eye(4)), 1.0)[:, 4, 4].astype(float).round(2).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.4, 0.88, 0.99, 1.0]
    """
    inside = (np.asarray(brain.dataobj) > 0).astype(np.float32)
    voxels_mm = np.sqrt((np.asarray(brain.affine)[:3, :3] ** 2).sum(axis=0))
    smoothed = ndimage.gaussian_filter(inside, width_mm / voxels_mm, mode="nearest")
    weight: NDArray[np.float32] = np.maximum(np.float32(0), 2 * smoothed - 1) * inside
    return weight

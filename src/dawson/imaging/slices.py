"""The channel image: axial slices of a volume in template space, as the network sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.imaging.resample import sample

# Middle of the template brain's bounding box in the axial plane, RAS mm. The brain reaches from x = -72 to 72 and from
# y = -107 to 73, so that a field of view of 192 mm leaves 24 mm at the sides, 6 mm in front and behind.
CENTRE_MM = (0.0, -17.0)


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

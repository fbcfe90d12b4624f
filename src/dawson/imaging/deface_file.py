"""Change voxels of a NIfTI file and nothing else: type, scaling and geometry stay to the bit, free text goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import NDArray

from dawson.errors import ImageError
from dawson.files import atomic_path

# Fields of the header that programs fill with text: names, file names and dates have been seen in all of them.
_TEXT_FIELDS = ("descrip", "aux_file", "intent_name", "db_name", "data_type")


def stored_values(path: Path) -> tuple[Any, NDArray[Any]]:
    """Header and voxel values as they are stored, before scaling.

    Parameters
    ----------
    path : Path
        NIfTI-1 or NIfTI-2 in one file, compressed or not; readable by `dawson.imaging.volumes.read_volume`.

    Returns
    -------
    header : nibabel.Nifti1Header
    values : ndarray (i, j, k)
        Axes of length 1 behind the third are dropped.

    Raises
    ------
    ImageError
        It is another format.
    """
    image: Any = nib.load(path)
    if not isinstance(image, nib.Nifti1Image):
        raise ImageError(path, f"is {type(image).__name__}, not a NIfTI file.", "Convert it to NIfTI (.nii.gz) first.")
    stored: Any = image.dataobj
    values = np.asanyarray(stored.get_unscaled())
    return image.header, values.reshape(values.shape[:3])


def as_in_file(mask: NDArray[Any], affine: NDArray[np.float64]) -> NDArray[Any]:
    """An array in RAS order (as `read_volume` gives it) in the order of axes that a file with this affine has.

    Parameters
    ----------
    mask : ndarray (right, anterior, superior)
    affine : ndarray (4, 4)
        Of the file.
    """
    to_ras = io_orientation(affine)
    back = ornt_transform(io_orientation(np.eye(4)), to_ras)
    return np.asarray(apply_orientation(mask, back))


def write_values(source: Path, values: NDArray[Any], output: Path) -> None:
    """Write a copy of a file with other stored values; the header stays but for its free text, extensions are dropped.

    Parameters
    ----------
    source : Path
    values : ndarray (i, j, k)
        Stored values, of the file's type and order of axes.
    output : Path
        Another file than `source`.
    """
    original: Any = nib.load(source)
    header = original.header.copy()
    for field in _TEXT_FIELDS:
        if field in header:
            header[field] = b""
    header.extensions.clear()
    slope, intercept = original.dataobj.slope, original.dataobj.inter
    # No affine is given: the header's own q-form and s-form are kept as they are.
    image: Any = type(original)(np.ascontiguousarray(values).reshape(original.shape), None, header)
    image.header.set_data_dtype(original.get_data_dtype())
    if (slope, intercept) != (1.0, 0.0):
        # set after construction, so that nibabel writes the values as they are and the scaling beside them
        image.header.set_slope_inter(slope, intercept)
    with atomic_path(output) as temporary:
        nib.save(image, temporary)

"""The slow change of brightness that the coil leaves across a scan (N4), taken out."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np

from dawson.errors import PreprocessingError
from dawson.imaging.itk import RAS_LPS, to_itk

# N4 works on voxels of about this size: "shrink factor 4" for a 1 mm scan, in-plane only for thick slices
WORKING_MM = 4.0
ITERATIONS = (50, 50, 50, 50)
_CONVERGENCE = 0.001


def correct_bias(image: Any, mask: Any, threads: int = 1) -> tuple[Any, Any]:
    """N4 inside a mask (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908).

    Parameters
    ----------
    image, mask : nibabel.Nifti1Image
        A scan and its brain mask on the same grid.
    threads : int

    Returns
    -------
    corrected, field : nibabel.Nifti1Image
        float32 on the grid of the scan; corrected = image / field, with the field's mean 1 inside the mask, so that the
        brightness stays what it was. The field is smooth and reaches beyond the mask.

    Raises
    ------
    PreprocessingError
        The mask is empty, or N4 gave no finite field.
    """
    import SimpleITK

    inside = np.asarray(mask.dataobj) > 0
    values = np.asarray(image.dataobj, dtype=np.float32)
    if not inside.any():
        raise PreprocessingError("The bias field cannot be found in an empty brain mask.")
    # N4 takes logarithms: a shifted image has no zero or negative voxel in the mask, and a shift so small changes no contrast
    shift = max(0.0, -float(values[inside].min())) + 1e-3 * float(np.abs(values[inside]).max())
    spacing = np.sqrt((np.asarray(image.affine)[:3, :3] ** 2).sum(axis=0))
    # obliqueness does not matter to a smooth field, and without it sheared grids work as well
    straight = RAS_LPS @ np.diag([*spacing, 1.0])
    whole = to_itk(nib.Nifti1Image(values + np.float32(shift), straight))
    factors = [int(max(1, min(round(WORKING_MM / size), count // 8))) for size, count in zip(spacing, values.shape, strict=True)]
    small = SimpleITK.Shrink(whole, factors)
    small_mask = SimpleITK.Shrink(to_itk(nib.Nifti1Image(inside.astype(np.uint8), straight), np.uint8), factors)
    corrector = SimpleITK.N4BiasFieldCorrectionImageFilter()
    corrector.SetNumberOfThreads(threads)
    corrector.SetMaximumNumberOfIterations(ITERATIONS)
    corrector.SetConvergenceThreshold(_CONVERGENCE)
    try:
        corrector.Execute(small, small_mask)
        log_field = SimpleITK.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(whole)).T
    except RuntimeError as error:
        raise PreprocessingError(f"N4 bias correction failed: {str(error).strip().splitlines()[-1]}") from None
    field = np.exp(log_field.astype(np.float32))
    if not np.isfinite(field).all():
        raise PreprocessingError("N4 bias correction gave no finite field.", "Look at the scan and its brain mask.")
    field /= float(field[inside].mean())
    return nib.Nifti1Image(values / field, image.affine), nib.Nifti1Image(field, image.affine)

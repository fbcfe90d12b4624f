"""Rigid registration of two contrasts of one head, by mutual information of what lies inside the brain."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.errors import PreprocessingError
from dawson.imaging.itk import euler_transform, point_transform, to_itk
from dawson.imaging.resample import grid_points
from dawson.imaging.transforms import Affine

INSIDE_MM = 6.0
"""How deep in both brains a point must lie to be compared: more than a thick slice, whose border interpolation spreads so far."""

_BINS = 32
# coarse to fine: how many cubes become one, and the Gaussian before that (mm)
_SHRINK = (4, 2, 1)
_SMOOTHING_MM = (4.0, 2.0, 0.0)
_FIRST_STEP, _LAST_STEP, _STEPS = 1.0, 0.005, 200
_FEWEST_VOXELS = 500


def align_rigidly(fixed: Any, moving: Any, start: Affine, threads: int = 1) -> Affine:
    """Turn and shift one brain-extracted image onto another of any contrast.

    Mattes mutual information (Mattes et al. 2003, doi:10.1109/TMI.2003.809072) of every voxel that lies deep in both brains, by
    gradient descent on three levels. Only the inside is compared because the outlines of two contrasts of one brain are not the same:
    each is an extraction of its own, one field of view may end where the other goes on, and whoever compares outlines (as local
    correlation does in images that are 0 outside the brain) lays edge upon edge and moves the brain by millimetres.

    Parameters
    ----------
    fixed, moving : nibabel.Nifti1Image
        0 outside the brain, on straight grids.
    start : Affine
        From fixed points to moving points, some centimetres and tens of degrees from the truth at most; its shear is dropped.
    threads : int
        With 1 the result is the same to the bit; more add up in another order, which moved it by 1e-14.

    Returns
    -------
    Affine
        Rigid, from fixed points to moving points.

    Raises
    ------
    PreprocessingError
        One of them has too little brain, or the brains do not meet.
    """
    import SimpleITK

    inside = _deep_inside(fixed)
    transform = euler_transform(start.matrix, grid_points(fixed.shape, fixed.affine, inside).mean(axis=0))
    method = SimpleITK.ImageRegistrationMethod()
    method.SetNumberOfThreads(threads)
    method.SetMetricAsMattesMutualInformation(_BINS)
    # every voxel, none by chance
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(_itk_mask(inside, fixed))
    method.SetMetricMovingMask(_itk_mask(_deep_inside(moving), moving))
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(_FIRST_STEP, _LAST_STEP, _STEPS, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(_SHRINK)
    method.SetSmoothingSigmasPerLevel(_SMOOTHING_MM)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=True)
    # the metric adds up in as many threads as the library has by default, whatever the method is told
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    try:
        method.Execute(to_itk(fixed), to_itk(moving))
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise PreprocessingError(f"No rigid alignment was found: {reason}", "Look at both scans and their brain masks.") from None
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    return Affine(point_transform(transform))


def _itk_mask(inside: NDArray[np.bool_], image: Any) -> Any:
    return to_itk(nib.Nifti1Image(inside.astype(np.uint8), image.affine), np.uint8)


def _deep_inside(image: Any) -> NDArray[np.bool_]:
    """Voxels at least `INSIDE_MM` from the border of a brain."""
    brain = ndimage.binary_fill_holes(np.asarray(image.dataobj) > 0)
    # what lies beyond the field of view counts as outside
    depth = ndimage.distance_transform_edt(np.pad(brain, 1), sampling=np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0)))[1:-1, 1:-1, 1:-1]
    inside: NDArray[np.bool_] = depth > INSIDE_MM
    if inside.sum() < _FEWEST_VOXELS:
        raise PreprocessingError(
            f"Only {int(inside.sum())} voxels lie deep in the brain: too few to register.", "Look at the scan and its brain mask."
        )
    return inside

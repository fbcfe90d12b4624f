"""The MNI152 2009a template and tissue maps that nilearn ships: no download."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

TEMPLATE_SPACE = "MNI152NLin2009aSym"


def _whole(resolution_mm: float) -> int:
    """Voxel size as nilearn takes it, which knows whole millimetres only."""
    if resolution_mm != int(resolution_mm):
        raise ValueError(f"the template comes in whole millimetres, not at {resolution_mm} mm")
    return int(resolution_mm)


@lru_cache(maxsize=8)
def template_image(resolution_mm: float = 1.0) -> Any:
    """The brain-extracted T1w template.

    Parameters
    ----------
    resolution_mm : float
        Voxel size; 1 mm gives a (197, 233, 189) grid in RAS orientation.

    Returns
    -------
    nibabel.Nifti1Image
        float32; zero outside the brain.
    """
    from nilearn.datasets import load_mni152_template

    return load_mni152_template(resolution=_whole(resolution_mm))


@lru_cache(maxsize=16)
def tissue_map(tissue: str, resolution_mm: float = 1.0) -> NDArray[np.float32]:
    """Probability of a tissue at each voxel of the template.

    Parameters
    ----------
    tissue : {"gm", "wm"}
        Grey or white matter.
    resolution_mm : float
        Voxel size.

    Returns
    -------
    ndarray of float32, the template's shape
        Between 0 and 1.
    """
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    image = {"gm": load_mni152_gm_template, "wm": load_mni152_wm_template}[tissue](resolution=_whole(resolution_mm))
    return np.clip(np.asarray(image.dataobj, dtype=np.float32), 0.0, 1.0)


@lru_cache(maxsize=4)
def template_mask(resolution_mm: float = 1.0) -> NDArray[np.bool_]:
    """Brain mask of the template, ventricles included.

    Returns
    -------
    ndarray of bool, the template's shape
    """
    from nilearn.datasets import load_mni152_brain_mask

    return np.asarray(load_mni152_brain_mask(resolution=_whole(resolution_mm)).dataobj) > 0.5

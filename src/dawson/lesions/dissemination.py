"""Dissemination in space by the 2017 McDonald criteria, as far as a brain scan shows it."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

from dawson.imaging.lesion_features import LesionFeatures
from dawson.imaging.lesion_rules import Verdict

REGIONS = ("periventricular", "cortical or juxtacortical", "infratentorial")
"""Of the four regions of the criteria, those of the brain."""

# The criteria's least long axis of a lesion; in voxels of a millimetre its volume says it more safely than its length.
_LEAST_ML = 3.0**3 * pi / 6 / 1000


def dissemination_in_space(lesions: Sequence[LesionFeatures]) -> Verdict:
    """One lesion or more in two or more of the regions periventricular, cortical or juxtacortical, and infratentorial.

    Parameters
    ----------
    lesions : sequence of LesionFeatures
        Of one scan.

    Returns
    -------
    Verdict
        The criteria are the regions.

    Notes
    -----
    The fourth region, the spinal cord, is not seen on a brain scan and counts as free of lesions, so that the verdict is less sensitive
    than the criteria. Purely cortical lesions are seldom visible on FLAIR at 1 mm. Lesions below 3 mm (the volume of a ball of that
    diameter) do not count. A line along the ependyma or a lesion of the corpus callosum alone touches the ventricle; it counts as
    periventricular here, as in the criteria. The criteria are for people with a typical attack of demyelination: applied to anybody
    else, NMOSD among them, they say nothing about MS.

    References
    ----------
    Thompson AJ, et al. Diagnosis of multiple sclerosis: 2017 revisions of the McDonald criteria. Lancet Neurol 17 (2018) 162-173.
    """
    large = [lesion for lesion in lesions if lesion.volume_ml >= _LEAST_ML]
    there = (
        any(lesion.periventricular for lesion in large),
        any(lesion.juxtacortical or lesion.region in ("cortex", "temporal cortex") for lesion in large),
        any(lesion.infratentorial for lesion in large),
    )
    return Verdict(sum(there) >= 2, dict(zip(REGIONS, there, strict=True)))

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from dawson.imaging.lesion_features import LesionFeatures, measure_lesions
from dawson.lesions.dissemination import dissemination_in_space


@pytest.fixture(scope="module")
def plain() -> LesionFeatures:
    """A lesion deep in white matter that is nothing in particular."""
    values = np.ones((5, 5, 5), dtype=np.uint8)
    affine = np.eye(4)
    affine[:3, 3] = (-30, -22, 33)
    return replace(measure_lesions(nib.Nifti1Image(values, affine))[0], periventricular=False, juxtacortical=False, infratentorial=False)


@pytest.mark.parametrize(
    ("regions", "positive"),
    [
        ((), False),
        (("periventricular",), False),
        (("periventricular", "infratentorial"), True),
        (("juxtacortical", "infratentorial"), True),
        (("periventricular", "juxtacortical", "infratentorial"), True),
    ],
)
def test_two_regions_are_needed(plain: LesionFeatures, regions: tuple[str, ...], positive: bool) -> None:
    found = dissemination_in_space([plain, *(replace(plain, **{region: True}) for region in regions)])
    assert found.positive is positive
    assert len(found.met) == len(regions)


def test_many_lesions_in_one_region_are_one_region(plain: LesionFeatures) -> None:
    assert not dissemination_in_space([replace(plain, periventricular=True)] * 20).positive


def test_one_lesion_may_count_for_two_regions_and_a_small_one_for_none(plain: LesionFeatures) -> None:
    both = replace(plain, periventricular=True, juxtacortical=True)
    assert dissemination_in_space([both]).positive
    assert not dissemination_in_space([replace(both, volume_ml=0.013)]).positive
    assert dissemination_in_space([replace(both, volume_ml=0.015)]).positive


def test_a_cortical_lesion_counts_with_the_juxtacortical(plain: LesionFeatures) -> None:
    assert dissemination_in_space([replace(plain, region="cortex")]).criteria["cortical or juxtacortical"]

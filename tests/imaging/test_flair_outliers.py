from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.errors import PreprocessingError
from dawson.imaging.flair_outliers import OutlierSettings, segment_outliers
from dawson.imaging.tissue import dice

from .brain_phantom import LESIONS_MM, phantom


def test_lesions_of_a_known_brain_are_found() -> None:
    brain = phantom()
    found = segment_outliers(brain.flair, brain.t1w, brain.brain)
    assert dice(found.mask, brain.lesions) > 0.9
    assert found.probability[brain.lesions].mean() > 0.9
    assert found.probability[brain.brain & ~brain.lesions].mean() < 0.02
    assert not found.probability[~brain.brain].any()


def test_flair_alone_is_enough() -> None:
    brain = phantom()
    assert dice(segment_outliers(brain.flair, None, brain.brain).mask, brain.lesions) > 0.85


def test_a_healthy_brain_has_no_lesion() -> None:
    brain = phantom(lesions=False)
    assert not segment_outliers(brain.flair, brain.t1w, brain.brain).mask.any()


def test_a_part_without_a_seed_is_no_lesion_and_small_ones_are_left_out() -> None:
    brain = phantom()
    none = segment_outliers(brain.flair, brain.t1w, brain.brain, OutlierSettings(seed_z=1e6))
    assert not none.mask.any()
    assert none.probability.max() <= 0.5
    assert not segment_outliers(brain.flair, brain.t1w, brain.brain, OutlierSettings(minimum_mm3=5000)).mask.any()


def test_fluid_asks_for_more_than_white_matter() -> None:
    brain = phantom()
    asked = segment_outliers(brain.flair, brain.t1w, brain.brain)
    not_asked = segment_outliers(brain.flair, brain.t1w, brain.brain, OutlierSettings(fluid_z=0.0))
    more = (not_asked.z - asked.z)[brain.brain]
    fluid, white = brain.shares[0] > 0.95, brain.shares[2] > 0.95
    assert more[fluid].mean() > 0.75 * OutlierSettings().fluid_z
    assert more[white].mean() < 0.1 * OutlierSettings().fluid_z


def test_brightness_may_come_on_any_scale() -> None:
    brain = phantom()
    bright = nib.Nifti1Image(np.asarray(brain.flair.dataobj) * 13.7, brain.affine)
    assert np.array_equal(segment_outliers(bright, brain.t1w, brain.brain).mask, segment_outliers(brain.flair, brain.t1w, brain.brain).mask)


def test_grids_that_differ_and_brains_that_are_not_there_are_refused() -> None:
    brain = phantom()
    with pytest.raises(ValueError, match="one grid"):
        segment_outliers(brain.flair, nib.Nifti1Image(np.zeros((3, 3, 3)), np.eye(4)), brain.brain)
    with pytest.raises(PreprocessingError, match="too little brain"):
        segment_outliers(brain.flair, brain.t1w, np.zeros_like(brain.brain))


def test_the_phantom_has_as_many_lesions_as_it_says() -> None:
    from dawson.imaging.lesion_instances import lesion_instances

    assert lesion_instances(phantom().lesions).max() == len(LESIONS_MM)

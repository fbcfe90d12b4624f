from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.imaging.volume_change import combined, fraction_change, jacobian_change

from .brain_phantom import phantom


def test_two_directions_that_agree_leave_no_doubt() -> None:
    found = combined(0.97, 1 / 0.97)
    assert found.percent == pytest.approx(-3)
    assert found.inconsistency_percent == pytest.approx(0)


def test_exchanging_the_scans_gives_the_opposite_change() -> None:
    there, back = combined(0.98, 1.01), combined(1.01, 0.98)
    assert (1 + there.percent / 100) * (1 + back.percent / 100) == pytest.approx(1)
    assert there.inconsistency_percent == pytest.approx(back.inconsistency_percent)


def test_fraction_change_is_relative_to_the_first() -> None:
    assert fraction_change(0.8, 0.76) == pytest.approx(-5)


@pytest.mark.slow
def test_a_brain_that_shrank_by_a_known_share_is_measured() -> None:
    brain = phantom(lesions=False)
    tissue = np.zeros(brain.brain.shape, dtype=np.float32)
    tissue[brain.brain] = brain.shares[1] + brain.shares[2]
    smaller = np.diag([0.99, 0.99, 0.99, 1.0]) @ brain.affine
    found = jacobian_change(brain.t1w, nib.Nifti1Image(np.asarray(brain.t1w.dataobj), smaller), tissue, tissue)
    assert found.percent == pytest.approx(100 * (0.99**3 - 1), abs=0.3)
    assert found.inconsistency_percent < 0.3

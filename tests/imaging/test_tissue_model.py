from __future__ import annotations

import numpy as np
import pytest

from dawson.errors import PreprocessingError
from dawson.imaging.tissue_model import fit_tissues, priors_at, tissue_priors

from .brain_phantom import FLAIR, T1W, phantom


@pytest.mark.parametrize(("contrast", "levels", "allowed"), [("t1w", T1W, (0.1, 0.04, 0.04)), ("flair", FLAIR, (0.15, 0.08, 0.08))])
def test_the_shares_of_a_known_brain_are_found(contrast: str, levels: tuple[float, ...], allowed: tuple[float, ...]) -> None:
    brain = phantom(lesions=False)
    found = fit_tissues(np.asarray(getattr(brain, contrast).dataobj), brain.brain, tissue_priors(brain.brain, brain.affine), 2.0)
    wrong = found.shares.sum(axis=1) / brain.shares.sum(axis=1) - 1
    assert np.all(np.abs(wrong) < allowed), wrong
    assert found.means[1:] == pytest.approx(levels[1:], rel=0.05)


def test_most_of_a_smooth_field_is_taken_away() -> None:
    brain = phantom(lesions=False)
    found = fit_tissues(np.asarray(brain.t1w.dataobj), brain.brain, tissue_priors(brain.brain, brain.affine), 2.0)
    white = brain.shares[2] > 0.95
    x = np.argwhere(brain.brain)[white, 0] * brain.affine[0, 0] + brain.affine[0, 3]
    before = np.polyfit(x, np.asarray(brain.t1w.dataobj)[brain.brain][white], 1)[0]
    assert abs(np.polyfit(x, found.values[white], 1)[0]) < 0.5 * abs(before)


def test_a_lesion_is_typical_of_no_tissue_on_flair() -> None:
    brain = phantom()
    found = fit_tissues(np.asarray(brain.flair.dataobj), brain.brain, tissue_priors(brain.brain, brain.affine), 2.0)
    sick = brain.lesions[brain.brain]
    assert np.median(found.typical[sick]) < 0.05
    assert np.median(found.typical[~sick]) > 0.9


def test_shares_and_priors_add_up_to_one() -> None:
    brain = phantom()
    priors = tissue_priors(brain.brain, brain.affine)
    found = fit_tissues(np.asarray(brain.t1w.dataobj), brain.brain, priors, 2.0)
    assert priors.sum(axis=0) == pytest.approx(1, abs=1e-5)
    assert priors.min() > 0
    assert found.shares.sum(axis=0) == pytest.approx(1, abs=1e-4)


def test_beyond_the_template_there_is_most_likely_fluid() -> None:
    assert priors_at(np.array([[400.0, 0.0, 0.0]])).argmax(axis=0).tolist() == [0]


@pytest.mark.parametrize("values", [0.0, 7.0])
def test_a_brain_of_one_brightness_is_refused(values: float) -> None:
    brain = phantom()
    with pytest.raises(PreprocessingError, match="one brightness"):
        fit_tissues(np.full(brain.brain.shape, values), brain.brain, tissue_priors(brain.brain, brain.affine), 2.0)

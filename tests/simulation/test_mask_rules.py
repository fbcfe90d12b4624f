"""The rules read off lesion masks, held against what the simulator knows of the lesions."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.imaging.lesion_features import measure_lesions
from dawson.imaging.lesion_rules import barkhof, matthews
from dawson.simulation import plan_cohort, rules
from dawson.simulation.anatomy import atlas
from dawson.simulation.brain import make_brain, make_scene
from dawson.simulation.course import draw_atrophy, draw_course, place_lesions
from dawson.simulation.profiles import load_profile
from dawson.simulation.scanner import draw_scanner
from dawson.simulation.streams import stream
from dawson.simulation.template_space import SHAPE_LEFT

SEED = 404


@pytest.fixture(scope="module")
def patients() -> list[tuple[list[str], nib.Nifti1Image]]:
    """Kinds of lesions and lesion mask of patients, as they lie after alignment to the template."""
    plan = plan_cohort({"MS": 4, "NMOSD": 4}, followed_up={"MS": 0, "NMOSD": 0}, seed=SEED)
    profile, brain, found = load_profile(plan.profile, plan.hardness), atlas(), []
    for person in plan.people:
        known = profile.classes[person.diagnosis]
        course = draw_course(person, known, SEED)
        own = make_brain(person, brain, SEED, place_lesions(person, course, known, brain, SEED), draw_atrophy(person, known, SEED))
        session = person.visits[0].session_id
        rng = stream(SEED, person.participant_id, session, "scan")
        state = draw_scanner(person.site, SEED, person.participant_id, session)
        scene = make_scene(person, 0, brain, own, state, rng, truth=False, shape=SHAPE_LEFT)
        kinds = [lesion.kind for lesion in course.present(0)]
        found.append((kinds, nib.Nifti1Image(scene.lesion_mask.astype(np.uint8), brain.affine)))
    return found


def test_the_rules_say_of_masks_what_they_say_of_the_true_lesions(patients: list[tuple[list[str], nib.Nifti1Image]]) -> None:
    lesions = [measure_lesions(mask) for _, mask in patients]
    agree = [matthews(own).positive == rules.matthews(kinds) for own, (kinds, _) in zip(lesions, patients, strict=True)]
    assert np.mean(agree) >= 0.8
    agree = [barkhof(own).positive == rules.barkhof(kinds) for own, (kinds, _) in zip(lesions, patients, strict=True)]
    assert np.mean(agree) >= 0.75
    said = [matthews(own).positive for own in lesions]
    assert 0 < np.mean(said) < 1

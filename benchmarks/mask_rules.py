"""How often a rule read off a lesion mask says what it says of the true kinds of lesions, on simulated patients.

    python benchmarks/mask_rules.py --seeds 202 303 --patients 20

The thresholds of `dawson.imaging.lesion_features` were set on seed 101: do not judge them on it.
"""

from __future__ import annotations

import argparse
from collections import Counter

import nibabel as nib
import numpy as np

from dawson.imaging.lesion_features import measure_lesions
from dawson.imaging.lesion_rules import RULES
from dawson.simulation import plan_cohort, rules
from dawson.simulation.anatomy import atlas
from dawson.simulation.brain import make_brain, make_scene
from dawson.simulation.course import draw_atrophy, draw_course, place_lesions
from dawson.simulation.profiles import load_profile
from dawson.simulation.scanner import draw_scanner
from dawson.simulation.streams import stream
from dawson.simulation.template_space import SHAPE_LEFT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[202, 303])
    parser.add_argument("--patients", type=int, default=20, help="of each class and seed")
    given = parser.parse_args()
    agree: Counter[tuple[str, str]] = Counter()
    positive: Counter[tuple[str, str]] = Counter()
    total: Counter[str] = Counter()
    for seed in given.seeds:
        plan = plan_cohort(dict.fromkeys(("MS", "NMOSD"), given.patients), followed_up={"MS": 0, "NMOSD": 0}, seed=seed)
        profile, brain = load_profile(plan.profile, plan.hardness), atlas()
        for person in plan.people:
            known = profile.classes[person.diagnosis]
            course = draw_course(person, known, seed)
            own = make_brain(person, brain, seed, place_lesions(person, course, known, brain, seed), draw_atrophy(person, known, seed))
            session = person.visits[0].session_id
            rng = stream(seed, person.participant_id, session, "scan")
            state = draw_scanner(person.site, seed, person.participant_id, session)
            scene = make_scene(person, 0, brain, own, state, rng, truth=False, shape=SHAPE_LEFT)
            lesions = measure_lesions(nib.Nifti1Image(scene.lesion_mask.astype(np.uint8), brain.affine))
            kinds = [lesion.kind for lesion in course.present(0)]
            total[person.diagnosis] += 1
            for name, rule in RULES.items():
                said = rule(lesions).positive
                positive[name, person.diagnosis] += said
                if name in rules.RULES:
                    agree[name, person.diagnosis] += said == rules.RULES[name](kinds)
    for name in RULES:
        for diagnosis, n in total.items():
            agreed = f", agrees with the true kinds in {agree[name, diagnosis]}" if name in rules.RULES else ""
            print(f"{name}, {diagnosis} (simulated): positive in {positive[name, diagnosis]} of {n}{agreed}")


if __name__ == "__main__":
    main()

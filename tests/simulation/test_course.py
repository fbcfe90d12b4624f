"""Lesions from scan to scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dawson.simulation.course import draw_atrophy, draw_course
from dawson.simulation.people import Person, Visit, plan_cohort
from dawson.simulation.profiles import load_profile

YEAR = 365


def followed(diagnosis: str, states: list[str], count: int = 200) -> list[Person]:
    """People with a scan a year in the given states."""
    people = plan_cohort({diagnosis: count}, followed_up={diagnosis: 0}, seed=3).people
    visits = [Visit(f"ses-{number + 1:02d}", number * YEAR, state, 2.0, 40.0 + number) for number, state in enumerate(states)]
    return [replace(person, visits=tuple(visits)) for person in people]


def test_ms_lesions_come_grow_and_shrink_at_the_rates_of_the_profile() -> None:
    known = load_profile("korea").classes["MS"]
    courses = [draw_course(person, known, seed=0) for person in followed("MS", ["remission", "remission"])]
    changes = [entry.change(1) for course in courses for entry in course.lesions]
    old = sum(change != "new" for change in changes)
    for change, share in (
        ("enlarging", known.course.enlarging),
        ("shrinking", known.course.shrinking),
        ("resolved", known.course.resolving),
    ):
        assert abs(changes.count(change) / old - share) < 4 * np.sqrt(share / old), change
    mean_new = changes.count("new") / len(courses)
    assert abs(mean_new - known.course.new) < 4 * np.sqrt(known.course.new / len(courses))


def test_nmosd_lesions_follow_relapse_and_remission() -> None:
    known = load_profile("korea").classes["NMOSD"]
    share = []
    people = followed("NMOSD", ["remission", "relapse", "remission"], 600)
    courses = [draw_course(person, known, seed=0) for person in people]
    for visit in range(3):
        share.append(np.mean([any(lesion.follows_status for lesion in course.present(visit)) for course in courses]))
    assert abs(share[0] - 0.39) < 0.06 and abs(share[1] - 0.62) < 0.06 and share[2] == share[0]
    gone = [entry for course in courses for entry in course.lesions if entry.lesion.follows_status and entry.change(2) == "resolved"]
    assert gone and all(entry.change(1) == "new" for entry in gone)


def test_a_lesion_is_told_by_its_radii() -> None:
    known = load_profile("korea").classes["MS"]
    for person in followed("MS", ["remission"] * 3, 20):
        for entry in draw_course(person, known, seed=0).lesions:
            for visit in (1, 2):
                before, now = entry.scales[visit - 1 : visit + 1]
                expected = (
                    ("new" if now else "absent")
                    if not before
                    else "resolved" if not now else "enlarging" if now > before else "shrinking" if now < before else "stable"
                )  # fmt: skip
                assert entry.change(visit) == expected


def test_follow_up_never_adds_a_finding_to_a_patient_with_ms() -> None:
    known = load_profile("korea").classes["MS"]
    for person in followed("MS", ["remission", "relapse"], 50):
        course = draw_course(person, known, seed=0)
        first, second = ({name for lesion in course.present(visit) for name in lesion.findings} for visit in (0, 1))
        assert second <= first


def test_atrophy_goes_on_and_is_larger_in_ms() -> None:
    atrophy = {
        name: [draw_atrophy(person, load_profile("korea").classes[name], seed=0) for person in followed(name, ["remission"] * 3, 100)]
        for name in ("MS", "NMOSD")
    }
    assert np.mean([one[0].deep_grey for one in atrophy["MS"]]) < 0.93 < np.mean([one[0].deep_grey for one in atrophy["NMOSD"]])
    assert all(one[2].ventricle_mm >= one[0].ventricle_mm and one[2].deep_grey <= one[0].deep_grey for one in atrophy["MS"])

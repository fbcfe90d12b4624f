"""How a patient's lesions go on from scan to scan, and the brain's atrophy with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dawson.simulation.anatomy import Atlas
from dawson.simulation.brain import Atrophy
from dawson.simulation.findings import DrawnLesion, DrawnPatient, draw_patient
from dawson.simulation.kinds import KINDS, Style
from dawson.simulation.lesions import Lesion
from dawson.simulation.people import Person
from dawson.simulation.profile_schema import ClassProfile
from dawson.simulation.streams import stream

# Radius in remission of a lesion that follows the clinical state and stays.
_IN_REMISSION = 0.85
# Factor on the radius of a lesion that is called enlarging or shrinking, from one scan to the next.
_ENLARGE = (1.08, 1.22)
_SHRINK = (0.80, 0.93)
_TRIES = 6


@dataclass(frozen=True)
class LesionCourse:
    """A lesion and its radius at every scan.

    Parameters
    ----------
    lesion : DrawnLesion
    scales : tuple of float
        Relative to its full size; 0 where it is not there.
    """

    lesion: DrawnLesion
    scales: tuple[float, ...]

    def change(self, visit: int) -> str:
        """What became of it since the scan before: baseline, new, enlarging, stable, shrinking, resolved, or absent."""
        now = self.scales[visit]
        if visit == 0:
            return "baseline" if now else "absent"
        before = self.scales[visit - 1]
        if not before:
            return "new" if now else "absent"
        if not now:
            return "resolved"
        return "stable" if now == before else "enlarging" if now > before else "shrinking"


@dataclass(frozen=True)
class PatientCourse:
    """All lesions that a patient has at any scan.

    Parameters
    ----------
    patient : DrawnPatient
    lesions : tuple of LesionCourse
        In order of their instance numbers, from 1.
    """

    patient: DrawnPatient
    lesions: tuple[LesionCourse, ...]

    @classmethod
    def nothing(cls) -> PatientCourse:
        """That of someone without lesions."""
        return cls(DrawnPatient((), 1.0, (), False, 1.0), ())

    def present(self, visit: int) -> tuple[DrawnLesion, ...]:
        """Lesions there are at a scan."""
        return tuple(course.lesion for course in self.lesions if course.scales[visit])


def draw_course(person: Person, profile: ClassProfile, seed: int) -> PatientCourse:
    """Draw a patient's lesions over all scans; no image or atlas is needed.

    Parameters
    ----------
    person : Person
    profile : ClassProfile
        Of the person's diagnosis.
    seed : int
        Of the cohort.
    """
    patient = draw_patient(person, profile, seed)
    rng = stream(seed, person.participant_id, "course")
    courses = [LesionCourse(lesion, _scales(lesion, patient, person, profile, rng)) for lesion in patient.lesions]
    for number in range(1, len(person.visits)):
        mean = profile.course.new * _years(person, number)
        if person.visits[number].clinical_status == "relapse":
            mean += profile.course.new_in_relapse
        for _ in range(rng.poisson(mean) if patient.sources else 0):
            weights = np.array([weight for *_, weight in patient.sources])
            kind, findings, _ = patient.sources[rng.choice(len(weights), p=weights / weights.sum())]
            lesion = DrawnLesion(kind, findings, False, bool(rng.random() < profile.look.black_hole.share))
            later = (1.0,) * (len(person.visits) - number)
            courses.append(LesionCourse(lesion, (0.0,) * number + later))
    # One that follows the clinical state may never be there, for want of a scan in that state.
    return PatientCourse(patient, tuple(course for course in courses if any(course.scales)))


def place_lesions(person: Person, course: PatientCourse, profile: ClassProfile, brain: Atlas, seed: int) -> tuple[Lesion, ...]:
    """Give every lesion of a patient its place, shape and border.

    Parameters
    ----------
    person : Person
    course : PatientCourse
    profile : ClassProfile
    brain : Atlas
    seed : int
        Of the cohort.
    """
    placed: list[Lesion] = []
    for number, entry in enumerate(course.lesions, start=1):
        rng = stream(seed, person.participant_id, "lesion", str(number))
        style = Style(course.patient.size, profile.look.brightness, entry.lesion.black_hole, course.patient.jagged)
        # Lesions of one patient mostly lie apart; after some tries they may touch, as confluent ones do.
        for _ in range(_TRIES):
            lesion = KINDS[entry.lesion.kind].draw(rng, brain, style)
            if not any(_touch(lesion, other) for other in placed):
                break
        placed.append(replace(lesion, number=number, scales=entry.scales))
    return tuple(placed)


def draw_atrophy(person: Person, profile: ClassProfile, seed: int) -> tuple[Atrophy, ...]:
    """Atrophy beyond age at every scan of a person.

    Parameters
    ----------
    person : Person
    profile : ClassProfile
    seed : int
        Of the cohort.
    """
    mean = profile.atrophy
    rng = stream(seed, person.participant_id, "atrophy")
    # Who has more lesions has lost more tissue, loosely.
    factor = max(0.0, 1 + mean.spread * (0.5 * person.severity + 0.87 * float(rng.standard_normal())))
    atrophy = []
    for visit in person.visits:
        years = visit.days_from_baseline / 365.25
        atrophy.append(
            Atrophy(
                ventricle_mm=factor * (mean.ventricle_mm + mean.ventricle_mm_per_year * years),
                third_mm=factor * mean.third_mm,
                deep_grey=max(0.7, 1 - factor * (1 - mean.deep_grey) + factor * mean.deep_grey_per_year * years),
                sulci=factor * mean.sulci,
            )
        )
    return tuple(atrophy)


def _scales(
    lesion: DrawnLesion, patient: DrawnPatient, person: Person, profile: ClassProfile, rng: np.random.Generator
) -> tuple[float, ...]:
    if lesion.follows_status:
        found = profile.status_finding
        assert found
        there = [patient.status_rank < found[1].at(visit.clinical_status) for visit in person.visits]
        full = [1.0 if visit.clinical_status == "relapse" else _IN_REMISSION for visit in person.visits]
        return tuple(size if present else 0.0 for size, present in zip(full, there, strict=True))
    scales = [1.0]
    for number in range(1, len(person.visits)):
        years = _years(person, number)
        draw, factor = float(rng.random()), rng.random(2)
        enlarging, shrinking, resolving = (
            1 - (1 - share) ** years for share in (profile.course.enlarging, profile.course.shrinking, profile.course.resolving)
        )
        before = scales[-1]
        if draw < resolving:
            now = 0.0
        elif draw < resolving + enlarging:
            now = before * (_ENLARGE[0] + (_ENLARGE[1] - _ENLARGE[0]) * float(factor[0]))
        elif draw < resolving + enlarging + shrinking:
            now = before * (_SHRINK[0] + (_SHRINK[1] - _SHRINK[0]) * float(factor[1]))
        else:
            now = before
        scales.append(now)
    return tuple(scales)


def _years(person: Person, number: int) -> float:
    """From the scan before."""
    return (person.visits[number].days_from_baseline - person.visits[number - 1].days_from_baseline) / 365.25


def _touch(one: Lesion, other: Lesion) -> bool:
    apart = float(np.linalg.norm(np.subtract(one.centre_mm, other.centre_mm)))
    return apart < 0.7 * (_radius(one) + _radius(other))


def _radius(lesion: Lesion) -> float:
    """Of a ball of the same size, roughly."""
    return float(np.prod(lesion.radii_mm) ** (1 / 3))

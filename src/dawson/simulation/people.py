"""Who is in a simulated cohort: demographics, sites and visits, drawn from the seed paper's Table 1.

Source: Seok, Cho et al., Sci Rep 2023, doi:10.1038/s41598-023-38271-x. Phenotype shares and visit intervals are ours,
where the paper is silent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dawson.errors import ConfigError
from dawson.simulation.streams import stream

AGE_RANGE_YEARS = (18.0, 80.0)
SITES = ("A", "B", "C")


@dataclass(frozen=True)
class Demographics:
    """How the people of one diagnosis are distributed.

    Parameters
    ----------
    age : tuple of float
        Mean and standard deviation, years.
    women, aqp4_positive, relapse : float
        Shares; `relapse` is that of scans made in a relapse.
    duration : tuple of float
        Disease duration at the first scan, mean and standard deviation, years (gamma distributed).
    edss : tuple of float
        Lower quartile, median and upper quartile.
    phenotypes : mapping of str to float
        Shares, adding up to 1.
    without_follow_up : float
        Share of people with one scan only, where the caller gives no number.
    follow_ups : float
        Follow-up scans of a person who has any, mean.
    """

    age: tuple[float, float]
    women: float
    aqp4_positive: float
    relapse: float
    duration: tuple[float, float]
    edss: tuple[float, float, float]
    phenotypes: Mapping[str, float]
    without_follow_up: float
    follow_ups: float


DEMOGRAPHICS: dict[str, Demographics] = {
    "MS": Demographics(
        (35.0, 9.9),
        0.721,
        0.0,
        0.221,
        (5.8, 5.3),
        (0.0, 1.0, 2.5),
        {"RRMS": 0.85, "SPMS": 0.10, "PPMS": 0.05},
        0.50,
        113 / 52,
    ),
    "NMOSD": Demographics(
        (43.9, 12.6),
        0.857,
        0.943,
        0.312,
        (4.8, 5.4),
        (1.5, 2.5, 4.0),
        {"relapsing": 0.85, "monophasic": 0.15},
        0.65,
        39 / 24,
    ),
}
_POOLED_AGE = (39.0, 12.0)
_POOLED_WOMEN = 0.78


@dataclass(frozen=True)
class Visit:
    """One scan of a person.

    Parameters
    ----------
    session_id : str
        `ses-01`, `ses-02`...
    days_from_baseline : int
    clinical_status : {"relapse", "remission"}
    edss : float
    age : float
        Years at this visit.
    """

    session_id: str
    days_from_baseline: int
    clinical_status: str
    edss: float
    age: float


@dataclass(frozen=True)
class Person:
    """One simulated participant and their visits; ages and durations in years, at the first visit."""

    participant_id: str
    diagnosis: str
    sex: str
    age: float
    site: str
    aqp4: str
    mog: str
    edss: float
    disease_duration: float
    phenotype: str
    visits: tuple[Visit, ...]


@dataclass(frozen=True)
class CohortPlan:
    """Everything that decides a simulated cohort besides the seed of its images.

    Parameters
    ----------
    people : tuple of Person
    name : str
        Name of the dataset.
    lesions : bool
        False leaves every lesion out, to see what else tells the classes apart.
    """

    people: tuple[Person, ...]
    name: str = "Simulated cohort"
    lesions: bool = True

    @property
    def n_scans(self) -> int:
        """Scans in all."""
        return sum(len(person.visits) for person in self.people)

    def content(self) -> dict[str, Any]:
        """The plan as JSON-like values."""
        return asdict(self)


def plan_cohort(
    counts: Mapping[str, int],
    *,
    followed_up: Mapping[str, int] | None = None,
    follow_up_scans: Mapping[str, int] | None = None,
    seed: int = 0,
    sites: Sequence[str] = SITES,
    matched: bool = False,
    lesions: bool = True,
    name: str = "Simulated cohort",
) -> CohortPlan:
    """Draw the people of a cohort.

    Numbers are met exactly; sites are balanced within each diagnosis; the order of the participants says nothing about
    their diagnosis.

    Parameters
    ----------
    counts : mapping of str to int
        Participants of each diagnosis.
    followed_up : mapping of str to int, optional
        Participants with more than one scan; by default half of those with MS and a third of those with NMOSD.
    follow_up_scans : mapping of str to int, optional
        Follow-up scans in all, at least one for each participant who is followed up; by default as many a person as in
        the seed paper.
    seed : int
    sites : sequence of str
    matched : bool
        Draw age and sex from one distribution for all diagnoses.
    lesions : bool
        False leaves every lesion out.
    name : str

    Raises
    ------
    ConfigError
        A diagnosis that cannot be simulated, or numbers that cannot be met.
    """
    for diagnosis in counts:
        if diagnosis not in DEMOGRAPHICS:
            raise ConfigError(f"{diagnosis!r} cannot be simulated.", f"Diagnoses that can: {', '.join(DEMOGRAPHICS)}.")
    if min(counts.values(), default=0) < 0 or sum(counts.values()) == 0:
        raise ConfigError("A simulated cohort needs at least one participant.")
    if seed < 0:
        raise ConfigError(f"seed = {seed} is negative.", "Give 0 or more.")
    if not sites:
        raise ConfigError("A simulated cohort needs at least one site.")
    rows: list[tuple[str, str, int]] = []
    for diagnosis, count in counts.items():
        visits = _visits_per_person(diagnosis, count, (followed_up or {}).get(diagnosis), (follow_up_scans or {}).get(diagnosis), seed)
        first = int(stream(seed, diagnosis, "first site").integers(len(sites)))
        # Follow-up is dealt out separately from sites, so that both are balanced within a diagnosis.
        places = stream(seed, diagnosis, "sites").permutation([(first + i) % len(sites) for i in range(count)])
        rows += [(diagnosis, sites[place], n) for place, n in zip(places, visits, strict=True)]
    order = stream(seed, "order").permutation(len(rows))
    digits = max(3, len(str(len(rows))))
    people = []
    for number, index in enumerate(order, start=1):
        diagnosis, site, n_visits = rows[index]
        people.append(_draw_person(f"sub-{number:0{digits}d}", diagnosis, site, n_visits, seed, matched))
    return CohortPlan(tuple(people), name, lesions)


def seok2023_plan(seed: int = 0, scale: float = 1.0) -> CohortPlan:
    """The size and shape of the seed paper's cohort, from one site.

    Parameters
    ----------
    seed : int
    scale : float
        Share of the paper's numbers: 0.5 gives half as many of everything.

    Returns
    -------
    CohortPlan
        With `scale=1`: 86 / 70 participants, 199 / 109 scans, 34 / 46 participants without follow-up.
    """
    counts = {"MS": 86, "NMOSD": 70}
    single = {"MS": 34, "NMOSD": 46}
    extra = {"MS": 113, "NMOSD": 39}
    if scale != 1.0:
        counts = {name: max(2, round(value * scale)) for name, value in counts.items()}
        single = {name: min(counts[name], max(1, round(value * scale))) for name, value in single.items()}
        extra = {
            name: max(counts[name] - single[name], round(value * scale)) if counts[name] > single[name] else 0
            for name, value in extra.items()
        }
    return plan_cohort(
        counts,
        followed_up={name: counts[name] - single[name] for name in counts},
        follow_up_scans=extra,
        seed=seed,
        sites=("A",),
        name="Simulated cohort of the size and shape of Seok et al. 2023",
    )


def _visits_per_person(diagnosis: str, count: int, followed: int | None, extra: int | None, seed: int) -> np.ndarray:
    """Number of scans of each person of a diagnosis, in random order."""
    shape = DEMOGRAPHICS[diagnosis]
    if followed is None:
        followed = count - math.ceil(count * shape.without_follow_up)
    if not 0 <= followed <= count:
        raise ConfigError(f"{followed} of {count} participants with {diagnosis} cannot be followed up.")
    if extra is None:
        extra = max(followed, round(followed * shape.follow_ups))
    if extra < followed or (followed == 0 and extra > 0):
        raise ConfigError(f"{extra} follow-up scans cannot be shared by {followed} participants with {diagnosis}.")
    rng = stream(seed, diagnosis, "visits")
    visits = np.ones(count, dtype=int)
    visits[:followed] += 1
    if followed:
        visits[:followed] += rng.multinomial(extra - followed, np.full(followed, 1 / followed))
    return rng.permutation(visits)


def _draw_person(participant_id: str, diagnosis: str, site: str, n_visits: int, seed: int, matched: bool) -> Person:
    shape = DEMOGRAPHICS[diagnosis]
    rng = stream(seed, participant_id, "person")
    age = round(_truncated_normal(rng, *(_POOLED_AGE if matched else shape.age)), 1)
    women = _POOLED_WOMEN if matched else shape.women
    sex = "F" if rng.random() < women else "M"
    mean, sd = shape.duration
    duration = min(float(rng.gamma((mean / sd) ** 2, sd**2 / mean)), age - 8)
    edss = _draw_edss(rng, shape.edss)
    phenotype = str(rng.choice(list(shape.phenotypes), p=list(shape.phenotypes.values())))
    visits = []
    days, now = 0, edss
    for number in range(1, n_visits + 1):
        status = "relapse" if rng.random() < shape.relapse else "remission"
        visits.append(Visit(f"ses-{number:02d}", days, status, now, round(age + days / 365.25, 1)))
        days += int(np.clip(rng.normal(400, 150), 60, 900))
        now = float(np.clip(now + rng.choice([-0.5, 0.0, 0.5, 1.0], p=[0.15, 0.5, 0.25, 0.1]), 0, 9))
    return Person(
        participant_id,
        diagnosis,
        sex,
        age,
        site,
        "positive" if rng.random() < shape.aqp4_positive else "negative",
        "negative",
        edss,
        round(duration, 1),
        phenotype,
        tuple(visits),
    )


def _truncated_normal(rng: np.random.Generator, mean: float, sd: float) -> float:
    while True:
        value = float(rng.normal(mean, sd))
        if AGE_RANGE_YEARS[0] <= value <= AGE_RANGE_YEARS[1]:
            return value


def _draw_edss(rng: np.random.Generator, quartiles: tuple[float, float, float]) -> float:
    """EDSS in its half steps (there is no 0.5), from the quartiles by linear interpolation of the quantile function."""
    value = np.interp(rng.random(), [0, 0.25, 0.5, 0.75, 0.97, 1], [0, *quartiles, 6.0, 7.5])
    step = round(float(value) * 2) / 2
    return 0.0 if step == 0.5 else step

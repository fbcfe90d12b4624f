"""Who is in a simulated cohort: people, their sites and their visits. Intervals between visits are ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from dawson.errors import ConfigError
from dawson.simulation.demographics import DEMOGRAPHICS
from dawson.simulation.profiles import DEFAULT_PROFILE, load_profile
from dawson.simulation.streams import stream

AGE_RANGE_YEARS = (18.0, 80.0)
SITES = ("A", "B", "C")


# Rank correlation with lesion load. EDSS: 0.34 in 95 people, 0.27 in relapsing MS (doi:10.1055/s-0042-1758457). The others are ours:
# load was twice as large after 7 years as after 1 (Mult Scler Int 2013, 231345), and severe disease gets stronger drugs.
_EDSS_WITH_LOAD = 0.34
_DURATION_WITH_LOAD = 0.3
_TREATMENT_WITH_LOAD = 0.3
_PHENOTYPE_WITH_LOAD = 0.3

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
    clinical_status : {"relapse", "remission", "n/a"}
    edss : float or None
    age : float
        Years at this visit.
    """

    session_id: str
    days_from_baseline: int
    clinical_status: str
    edss: float | None
    age: float


@dataclass(frozen=True)
class Person:
    """One simulated participant and their visits.

    Parameters
    ----------
    age, disease_duration : float
        Years, at the first visit.
    severity : float
        Latent; standard normal over the people of a diagnosis. Lesion load, EDSS, duration, phenotype, treatment and atrophy
        follow it, loosely.
    """

    participant_id: str
    diagnosis: str
    sex: str
    age: float
    site: str
    aqp4: str
    mog: str
    edss: float | None
    disease_duration: float | None
    phenotype: str
    treatment: str
    severity: float
    visits: tuple[Visit, ...]


def age_score(person: Person) -> float:
    """Age as a standard normal score among people of the same diagnosis."""
    mean, sd = DEMOGRAPHICS[person.diagnosis].age
    low, high = ((limit - mean) / sd for limit in AGE_RANGE_YEARS)
    rank = stats.truncnorm.cdf((person.age - mean) / sd, low, high)
    return float(stats.norm.ppf(np.clip(rank, 1e-6, 1 - 1e-6)))


@dataclass(frozen=True)
class CohortPlan:
    """Everything that decides a simulated cohort besides the seed of its images.

    Parameters
    ----------
    people : tuple of Person
    name : str
        Name of the dataset.
    lesions, atrophy : bool
        False leaves every lesion, or all disease-related atrophy, out: to see what else tells the classes apart.
    profile : str
        Population of `lesion_profiles.toml`.
    hardness : float, optional
        In place of a population, a place between the easy and the hard one.
    """

    people: tuple[Person, ...]
    name: str = "Simulated cohort"
    lesions: bool = True
    atrophy: bool = True
    profile: str = DEFAULT_PROFILE
    hardness: float | None = None

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
    site_bias: float = 0.0,
    lesions: bool = True,
    atrophy: bool = True,
    profile: str = DEFAULT_PROFILE,
    hardness: float | None = None,
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
    site_bias : float
        0: the site says nothing of the diagnosis. 1: each diagnosis has its own site. In between: this share of each diagnosis is
        scanned at its own site, the rest anywhere. It needs a site for every diagnosis.
    lesions, atrophy : bool
        False leaves every lesion, or all disease-related atrophy, out.
    profile : str
        Population of `lesion_profiles.toml`.
    hardness : float, optional
        0 to 1, in place of a population.
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
    if not 0 <= site_bias <= 1:
        raise ConfigError(f"site_bias = {site_bias} is not between 0 and 1.", "0: sites do not depend on the diagnosis.")
    if site_bias > 0 and len(sites) < len(counts):
        raise ConfigError(
            f"site_bias = {site_bias} needs a site for each of {len(counts)} diagnoses, and there are {len(sites)}.", "Give more sites."
        )
    load_profile(profile, hardness)
    rows: list[tuple[str, str, int]] = []
    for diagnosis, count in counts.items():
        visits = _visits_per_person(diagnosis, count, (followed_up or {}).get(diagnosis), (follow_up_scans or {}).get(diagnosis), seed)
        first = int(stream(seed, diagnosis, "first site").integers(len(sites)))
        # Follow-up is dealt out separately from sites, so that both are balanced within a diagnosis.
        own = round(site_bias * count)
        own_site = list(counts).index(diagnosis) % len(sites)
        spread = [own_site] * own + [(first + i) % len(sites) for i in range(count - own)]
        places = stream(seed, diagnosis, "sites").permutation(spread)
        rows += [(diagnosis, sites[place], n) for place, n in zip(places, visits, strict=True)]
    order = stream(seed, "order").permutation(len(rows))
    digits = max(3, len(str(len(rows))))
    people = []
    for number, index in enumerate(order, start=1):
        diagnosis, site, n_visits = rows[index]
        people.append(_draw_person(f"sub-{number:0{digits}d}", diagnosis, site, n_visits, seed, matched))
    return CohortPlan(tuple(people), name, lesions, atrophy, profile, hardness)


def seok2023_plan(seed: int = 0, scale: float = 1.0, *, sites: Sequence[str] = ("A",), **settings: Any) -> CohortPlan:
    """The size and shape of the seed paper's cohort, from one site.

    Parameters
    ----------
    seed : int
    scale : float
        Share of the paper's numbers: 0.5 gives half as many of everything.
    sites : sequence of str
    **settings
        `profile`, `hardness`, `matched`, `site_bias`, `lesions`, `atrophy`, as for `plan_cohort`.

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
        sites=sites,
        **settings,
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
    severity = float(rng.standard_normal())

    def rank(correlation: float) -> float:
        """Uniform, tied to severity."""
        return float(stats.norm.cdf(correlation * severity + math.sqrt(1 - correlation**2) * rng.standard_normal()))

    duration = edss = None
    if shape.duration is not None and shape.edss is not None:
        mean, sd = shape.duration
        duration = min(round(float(stats.gamma.ppf(rank(_DURATION_WITH_LOAD), (mean / sd) ** 2, scale=sd**2 / mean)), 1), age - 8)
        edss = _edss(rank(_EDSS_WITH_LOAD), shape.edss)
    phenotype = _level(rank(_PHENOTYPE_WITH_LOAD), shape.phenotypes)
    treatment = _level(rank(_TREATMENT_WITH_LOAD), shape.treatments)
    visits = []
    days, now = 0, edss
    for number in range(1, n_visits + 1):
        status = "relapse" if rng.random() < shape.relapse and (number == 1 or phenotype != "monophasic") else "remission"
        visits.append(Visit(f"ses-{number:02d}", days, "n/a" if edss is None else status, now, round(age + days / 365.25, 1)))
        days += int(np.clip(rng.normal(400, 150), 60, 900))
        if now is not None:
            now = float(np.clip(now + rng.choice([-0.5, 0.0, 0.5, 1.0], p=[0.15, 0.5, 0.25, 0.1]), 0, 9))
    return Person(
        participant_id,
        diagnosis,
        sex,
        age,
        site,
        "positive" if rng.random() < shape.aqp4_positive else "negative",
        "positive" if rng.random() < shape.mog_positive else "negative",
        edss,
        duration,
        phenotype,
        treatment,
        severity,
        tuple(visits),
    )


def _level(rank: float, shares: Mapping[str, float]) -> str:
    """The level that a rank between 0 and 1 falls in, in the order of the levels."""
    limits = np.cumsum(list(shares.values()))
    return list(shares)[min(int(np.searchsorted(limits, rank)), len(limits) - 1)]


def _truncated_normal(rng: np.random.Generator, mean: float, sd: float) -> float:
    while True:
        value = float(rng.normal(mean, sd))
        if AGE_RANGE_YEARS[0] <= value <= AGE_RANGE_YEARS[1]:
            return value


def _edss(rank: float, quartiles: tuple[float, float, float]) -> float:
    """EDSS in its half steps (there is no 0.5), from the quartiles by linear interpolation of the quantile function."""
    value = np.interp(rank, [0, 0.25, 0.5, 0.75, 0.97, 1], [0, *quartiles, 6.0, 7.5])
    step = round(float(value) * 2) / 2
    return 0.0 if step == 0.5 else step

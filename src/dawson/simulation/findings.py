"""Which findings a patient has, and which lesions show them: drawn from a profile, without an atlas or an image.

Every published frequency is met by construction. Findings of a patient are tied by one latent severity (a Gaussian copula,
Nelsen 2006), which moves no frequency of its own. Where a finding means that at least one of several others is there, those are
drawn as independent ones given that they are not all absent, with the chances that give each its published share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from dawson.simulation.people import Person, age_score
from dawson.simulation.profile_schema import ClassProfile, Finding
from dawson.simulation.streams import stream

MOST_LESIONS = 160
"""No patient has more; the tail of the count's distribution is cut here."""


@dataclass(frozen=True)
class DrawnLesion:
    """A lesion before it has a place.

    Parameters
    ----------
    kind : str
        Key of `dawson.simulation.kinds.KINDS`.
    findings : tuple of str
        What it shows: a finding and all that this one is a case of; empty for plain lesions that no list names.
    follows_status : bool
        It comes and goes with relapse and remission.
    black_hole : bool
        Dark on T1w.
    """

    kind: str
    findings: tuple[str, ...]
    follows_status: bool
    black_hole: bool


@dataclass(frozen=True)
class DrawnPatient:
    """The lesions of a patient at the first scan, and what decides how they go on.

    Parameters
    ----------
    lesions : tuple of DrawnLesion
        Those that follow the clinical state are all listed, present or not.
    status_rank : float
        0 to 1: the patient's lesions that follow the clinical state are there where the state's share exceeds it.
    sources : tuple of (kind, findings, weight)
        Where new lesions come from: they are of findings that the patient has.
    jagged : bool
        Border of the patient's periventricular lesions.
    size : float
        Factor on the radii of all lesions.
    """

    lesions: tuple[DrawnLesion, ...]
    status_rank: float
    sources: tuple[tuple[str, tuple[str, ...], float], ...]
    jagged: bool
    size: float


def draw_patient(person: Person, profile: ClassProfile, seed: int) -> DrawnPatient:
    """Draw a patient's lesions.

    Parameters
    ----------
    person : Person
        Gives the latent severity.
    profile : ClassProfile
        Of the person's diagnosis.
    seed : int
        Of the cohort.
    """
    rng = stream(seed, person.participant_id, "findings")
    status_rank = float(rng.random())
    status = profile.status_finding
    status_lesions = _status_lesions(profile, rng)
    older = math.sqrt(1 - profile.with_age**2) * rng.standard_normal() + profile.with_age * age_score(person)
    active = 1 - float(stats.norm.cdf(older)) < profile.plain_share
    present = _plain_findings(profile, person.severity, rng) if active else set()
    sources = _sources(profile, present) if active else ()
    black_hole = profile.look.black_hole.share
    plain: list[tuple[str, tuple[str, ...]]] = [
        (_kind(profile.findings[name].kinds, rng), profile.ancestry(name))
        for name in profile.findings
        if name in present and not any(child in present for child in profile.children(name))
    ]
    if active:
        plain = plain or [(profile.filler, ())]
        wanted = _count(profile, person.severity, rng, _expected(profile, status))
        chances = np.array([weight for *_, weight in sources])
        for index in rng.choice(len(sources), size=max(0, wanted - len(plain)), p=chances / chances.sum()):
            plain.append(sources[index][:2])
    lesions = [(kind, found, True) for kind, found in status_lesions] + [(kind, found, False) for kind, found in plain]
    dark = rng.random(len(lesions)) < black_hole
    size = profile.look.size * float(np.exp(profile.look.size_sd * (0.6 * person.severity + 0.8 * rng.standard_normal())))
    return DrawnPatient(
        tuple(DrawnLesion(kind, found, follows, bool(hole)) for (kind, found, follows), hole in zip(lesions, dark, strict=True)),
        status_rank,
        sources,
        bool(rng.random() < profile.look.jagged.share),
        size,
    )


def at_least_one(shares: np.ndarray) -> np.ndarray:
    """Chances of independent findings which, given that one at least is there, have these shares.

    Parameters
    ----------
    shares : ndarray (n,)
        Share of each among those who have any; they add up to 1 or more.

    Returns
    -------
    ndarray (n,)
        r with r / (1 - prod(1 - r)) = shares. Where the shares add up to 1 there is no such r but in the limit of 0: exactly one
        is there.
    """
    shares = np.asarray(shares, dtype=float)
    if shares.sum() <= 1 + 1e-9:
        return np.zeros_like(shares)
    if np.any(shares >= 1):
        return shares
    # The chance z that any is there solves z = 1 - prod(1 - shares * z); 0 solves it too, and is not meant.
    return np.asarray(shares * optimize.brentq(lambda z: 1 - np.prod(1 - shares * z) - z, 1e-9, 1.0))


def _draw_some(shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    chances = at_least_one(shares)
    if not chances.any():
        return np.arange(len(shares)) == rng.choice(len(shares), p=shares / shares.sum())
    while True:
        there = rng.random(len(shares)) < chances
        if there.any():
            return np.asarray(there)


def _status_lesions(profile: ClassProfile, rng: np.random.Generator) -> list[tuple[str, tuple[str, ...]]]:
    """Lesions that follow the clinical state; drawn for everyone, present where the state allows."""
    if profile.status_finding is None:
        return []
    lesions = []
    for name in _leaves(profile, profile.status_finding[0], rng):
        finding = profile.findings[name]
        for _ in range(1 + rng.poisson(finding.more)):
            lesions.append((_kind(finding.kinds, rng), profile.ancestry(name)))
    return lesions


def _leaves(profile: ClassProfile, name: str, rng: np.random.Generator) -> list[str]:
    """The findings at the ends below one that is there."""
    share = profile.findings[name].share
    found = _cases_of(profile, name, rng, lambda case: rng.random() < case.share / share)
    return [leaf for child in found for leaf in _leaves(profile, child, rng)] or [name]


def _cases_of(profile: ClassProfile, name: str, rng: np.random.Generator, there: Callable[[Finding], bool]) -> list[str]:
    """Which cases of a finding that is there are there, one at least where the finding asks for it."""
    finding, cases = profile.findings[name], profile.children(name)
    if finding.any_of:
        drawn = _draw_some(np.array([case.share for case in cases.values()]) / finding.share, rng)
        return [case for case, present in zip(cases, drawn, strict=True) if present]
    return [case for case, entry in cases.items() if there(entry)]


def _plain_findings(profile: ClassProfile, severity: float, rng: np.random.Generator) -> set[str]:
    """Findings of a patient with lesions that do not follow the clinical state."""
    present: set[str] = set()
    own = math.sqrt(1 - profile.coupling**2)
    for name, finding in profile.children(None).items():
        rank = float(stats.norm.cdf(profile.coupling * severity + own * rng.standard_normal()))
        if finding.follows_status:
            continue
        if 1 - rank < finding.share / profile.plain_share:
            present |= {name, *_cases(profile, name, rank, rng)}
    return present


def _cases(profile: ClassProfile, name: str, rank: float, rng: np.random.Generator) -> set[str]:
    """Cases of a finding that is there. The same rank decides, so that a case's own share holds whatever the severity."""
    found = _cases_of(profile, name, rng, lambda case: 1 - rank < case.share / profile.plain_share)
    return set(found).union(*(_cases(profile, child, rank, rng) for child in found))


def _sources(profile: ClassProfile, present: set[str]) -> tuple[tuple[str, tuple[str, ...], float], ...]:
    sources: list[tuple[str, tuple[str, ...], float]] = []
    if profile.filler_weight > 0:
        sources.append((profile.filler, (), profile.filler_weight))
    for name in profile.findings:
        finding = profile.findings[name]
        if name in present and finding.kinds and finding.weight > 0:
            total = sum(finding.kinds.values())
            sources += [(kind, profile.ancestry(name), finding.weight * share / total) for kind, share in finding.kinds.items()]
    return tuple(sources or [(profile.filler, (), 1.0)])


def _expected(profile: ClassProfile, status: tuple[str, Finding] | None) -> float:
    """Mean number of lesions that follow the clinical state, over all patients."""
    if status is None:
        return 0.0
    below = {name: finding for name, finding in profile.findings.items() if status[0] in profile.ancestry(name)}
    return sum(finding.share * (1 + finding.more) for name, finding in below.items() if not profile.children(name))


def _count(profile: ClassProfile, severity: float, rng: np.random.Generator, elsewhere: float) -> int:
    """Lesions that do not follow the clinical state, of a patient who has any."""
    count = profile.lesions
    mean = max(1.0, (count.mean - elsewhere) / profile.plain_share)
    shape = (mean / count.sd) ** 2
    rank = stats.norm.cdf(count.with_severity * severity + math.sqrt(1 - count.with_severity**2) * rng.standard_normal())
    return min(MOST_LESIONS, max(1, round(float(stats.gamma.ppf(rank, shape, scale=mean / shape)))))


def _kind(kinds: Mapping[str, float], rng: np.random.Generator) -> str:
    weights = np.array(list(kinds.values()), dtype=float)
    return str(rng.choice(list(kinds), p=weights / weights.sum()))

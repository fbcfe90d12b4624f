"""What is drawn against what was published, on lesion tables without images."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import numpy as np
import pytest
from scipy import stats

from dawson.errors import ConfigError
from dawson.simulation.course import draw_course
from dawson.simulation.findings import at_least_one, draw_patient
from dawson.simulation.people import plan_cohort
from dawson.simulation.profile_schema import Profile
from dawson.simulation.profiles import load_profile, profile_names
from dawson.simulation.rules import RULES, barkhof, matthews
from dawson.statistics.proportions import exact_binomial, holm

PATIENTS = 1000

Counts = dict[str, tuple[int, int]]
"""How often something was seen, of how many."""


@lru_cache
def drawn(profile: str, diagnosis: str) -> Counts:
    """Every frequency of a class in 1,000 patients at their first scan."""
    known = load_profile(profile).classes[diagnosis]
    people = plan_cohort({diagnosis: PATIENTS}, followed_up={diagnosis: 0}, seed=0, profile=profile).people
    seen: Counter[str] = Counter()
    of: Counter[str] = Counter()
    for person in people:
        course = draw_course(person, known, seed=0)
        there = course.present(0)
        status = person.visits[0].clinical_status
        found = {name for lesion in there for name in lesion.findings}
        jagged = course.patient.jagged
        seen.update({"normal": not there, "jagged": jagged, "black_hole": sum(lesion.black_hole for lesion in there)})
        of.update({"black_hole": len(there)})
        for name, finding in known.findings.items():
            seen[name] += name in found
            if finding.follows_status:
                seen[f"{name}, {status}"] += name in found
                of[f"{name}, {status}"] += 1
        for name, rule in RULES.items():
            seen[f"rule {name}"] += rule(lesion.kind for lesion in there)
    return {name: (count, of.get(name, len(people))) for name, count in seen.items()}


def published(profile: Profile, diagnosis: str) -> dict[str, float]:
    known = profile.classes[diagnosis]
    shares = {name: finding.share for name, finding in known.findings.items()}
    shares |= {f"rule {name}": rule.share for name, rule in known.rules.items()}
    shares |= {"jagged": known.look.jagged.share, "black_hole": known.look.black_hole.share}
    if known.normal:
        shares["normal"] = known.normal.share
    if known.status_finding:
        name, finding = known.status_finding
        shares |= {f"{name}, relapse": finding.at("relapse"), f"{name}, remission": finding.at("remission")}
    return shares


def test_every_frequency_of_the_file_is_met() -> None:
    names, p_values, told = [], [], []
    for name in profile_names():
        profile = load_profile(name)
        for diagnosis in profile.classes:
            counts = drawn(name, diagnosis)
            for what, share in published(profile, diagnosis).items():
                seen, of = counts[what]
                names.append(f"{name} {diagnosis} {what}")
                p_values.append(stats.binomtest(seen, of, share).pvalue)
                told.append(f"{seen}/{of} for {share}")
    assert len(names) > 150
    adjusted = holm(p_values)
    missed = [f"{name}: {text}" for name, text, p in zip(names, told, adjusted, strict=True) if p < 0.05]
    assert not missed


@pytest.mark.parametrize(
    ("profile", "sensitivity", "patients", "specificity", "controls"),
    [("uk", 0.92, 50, 0.96, 44), ("taiwan", 0.79, 29, 0.40, 25), ("korea", 0.75, 332, 0.85, 196)],
)
def test_the_oracle_with_the_matthews_rule_does_as_published(
    profile: str, sensitivity: float, patients: int, specificity: float, controls: int
) -> None:
    for diagnosis, share, n in (("MS", sensitivity, patients), ("NMOSD", 1 - specificity, controls)):
        seen, of = drawn(profile, diagnosis)["rule matthews"]
        interval = exact_binomial(share * n, n)
        assert interval.low <= seen / of <= interval.high, (diagnosis, seen, of)


def test_a_wrong_share_would_be_noticed() -> None:
    seen, of = drawn("korea", "NMOSD")["periependymal"]
    assert stats.binomtest(seen, of, 0.30).pvalue < 1e-4


def test_findings_of_a_patient_go_together_with_severity() -> None:
    known = load_profile("taiwan").classes["NMOSD"]
    people = plan_cohort({"NMOSD": 400}, followed_up={"NMOSD": 0}, seed=1, profile="taiwan").people
    counts = [len(draw_patient(person, known, seed=1).lesions) for person in people]
    assert stats.spearmanr([person.severity for person in people], counts).statistic > 0.4


def test_a_hardness_lies_between_the_easy_and_the_hard_population() -> None:
    easy, half, hard = (load_profile(hardness=value).classes["NMOSD"] for value in (0.0, 0.5, 1.0))
    assert easy.findings["dawson_finger"].share == load_profile("uk").classes["NMOSD"].findings["dawson_finger"].share
    assert hard.findings["dawson_finger"].share == load_profile("taiwan").classes["NMOSD"].findings["dawson_finger"].share
    middle = (easy.findings["dawson_finger"].share + hard.findings["dawson_finger"].share) / 2
    assert half.findings["dawson_finger"].share == pytest.approx(middle)
    assert half.findings["dawson_finger"].n is None and half.findings["dawson_finger"].basis == "assumed"
    assert half.findings["subcortical"].basis == "assumed" and not half.rules
    assert easy.findings["infratentorial"].kinds["dorsal_brainstem"] == 0 < hard.findings["infratentorial"].kinds["dorsal_brainstem"]


def test_what_all_populations_share_keeps_its_source_at_any_hardness() -> None:
    blend, own = load_profile(hardness=0.3).classes["MOGAD"], load_profile("korea").classes["MOGAD"]
    for name, finding in own.findings.items():
        assert (blend.findings[name].n, blend.findings[name].basis) == (finding.n, finding.basis), name


def test_an_unknown_population_or_hardness_is_refused() -> None:
    with pytest.raises(ConfigError, match="korea"):
        load_profile("atlantis")
    with pytest.raises(ConfigError, match="hardness"):
        load_profile(hardness=1.5)


@pytest.mark.parametrize("shares", [(0.22, 0.32, 0.84, 0.12), (0.6, 0.6), (0.5, 0.5), (1.0, 0.3)])
def test_at_least_one_gives_each_its_share(shares: tuple[float, ...]) -> None:
    wanted = np.array(shares)
    chances = at_least_one(wanted)
    if wanted.sum() <= 1:
        assert not chances.any()
    else:
        np.testing.assert_allclose(chances / (1 - np.prod(1 - chances)), wanted, atol=1e-6)


def test_the_matthews_rule_word_by_word() -> None:
    assert matthews(["dawson_finger"]) and matthews(["u_fibre"]) and matthews(["temporal", "periventricular"])
    assert not matthews(["temporal", "punctate"]) and not matthews(["periventricular", "callosal", "linear_third"]) and not matthews([])


def test_barkhof_wants_three_of_four() -> None:
    assert barkhof(["periventricular"] * 3 + ["juxtacortical", "brainstem"])
    assert barkhof(["periventricular"] * 8 + ["u_fibre"])
    assert not barkhof(["periventricular"] * 9)
    assert not barkhof(["juxtacortical", "brainstem", "deep_white"])

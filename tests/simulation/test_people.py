from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from dawson.errors import ConfigError
from dawson.simulation import plan_cohort, seok2023_plan


def test_the_papers_cohort_has_exactly_the_papers_numbers() -> None:
    plan = seok2023_plan(seed=4)
    for diagnosis, participants, scans, single in (("MS", 86, 199, 34), ("NMOSD", 70, 109, 46)):
        people = [person for person in plan.people if person.diagnosis == diagnosis]
        assert len(people) == participants
        assert sum(len(person.visits) for person in people) == scans
        assert sum(len(person.visits) == 1 for person in people) == single


def test_a_scaled_paper_cohort_keeps_its_shape() -> None:
    plan = seok2023_plan(seed=0, scale=0.5)
    assert Counter(person.diagnosis for person in plan.people) == {"MS": 43, "NMOSD": 35}
    assert sum(len(p.visits) == 1 for p in plan.people if p.diagnosis == "MS") == 17


def test_sixty_patients_leave_fifteen_a_class_without_follow_up() -> None:
    plan = plan_cohort({"MS": 30, "NMOSD": 30}, seed=0)
    single = Counter(person.diagnosis for person in plan.people if len(person.visits) == 1)
    assert single["MS"] >= 15 and single["NMOSD"] >= 15


def test_ages_and_sexes_follow_table_one() -> None:
    people = plan_cohort({"MS": 1500, "NMOSD": 1500}, seed=1).people
    for diagnosis, age, women in (("MS", 35.0, 0.721), ("NMOSD", 43.9, 0.857)):
        group = [person for person in people if person.diagnosis == diagnosis]
        assert np.mean([person.age for person in group]) == pytest.approx(age, abs=1.5)
        assert np.mean([person.sex == "F" for person in group]) == pytest.approx(women, abs=0.035)
        assert all(18 <= person.age <= 80 for person in group)
        assert all(0 <= person.disease_duration < person.age for person in group)
    assert not any(person.aqp4 == "positive" for person in people if person.diagnosis == "MS")
    assert {person.edss % 0.5 for person in people} == {0.0}
    assert not any(person.edss == 0.5 for person in people)


def test_matched_classes_do_not_differ_in_age() -> None:
    people = plan_cohort({"MS": 800, "NMOSD": 800}, seed=1, matched=True).people
    means = [np.mean([p.age for p in people if p.diagnosis == name]) for name in ("MS", "NMOSD")]
    assert abs(means[0] - means[1]) < 2


def test_sites_are_balanced_within_each_diagnosis() -> None:
    people = plan_cohort({"MS": 31, "NMOSD": 20}, seed=2).people
    for diagnosis in ("MS", "NMOSD"):
        counts = Counter(person.site for person in people if person.diagnosis == diagnosis)
        assert len(counts) == 3 and max(counts.values()) - min(counts.values()) <= 1


def test_severity_ties_disability_and_treatment_loosely() -> None:
    people = plan_cohort({"MS": 1500}, seed=0).people
    severity = [person.severity for person in people]
    edss = stats.spearmanr(severity, [person.edss for person in people]).statistic
    assert 0.25 < edss < 0.42
    assert stats.spearmanr(severity, [person.disease_duration for person in people]).statistic > 0.2
    assert stats.spearmanr(severity, [["none", "platform", "high efficacy"].index(person.treatment) for person in people]).statistic > 0.15


def test_healthy_people_have_no_disease_and_mogad_its_antibody() -> None:
    people = plan_cohort({"healthy": 20, "MOGAD": 20}, seed=0).people
    for person in people:
        healthy = person.diagnosis == "healthy"
        assert (person.edss is None) == (person.disease_duration is None) == healthy
        assert person.mog == ("negative" if healthy else "positive") and person.aqp4 == "negative"
        assert all((visit.clinical_status == "n/a") == healthy for visit in person.visits)


@pytest.mark.parametrize(("bias", "same"), [(0.0, 1 / 3), (1.0, 1.0), (0.5, 2 / 3)])
def test_sites_tell_the_diagnosis_only_when_asked_to(bias: float, same: float) -> None:
    people = plan_cohort({"MS": 300, "NMOSD": 300}, seed=0, site_bias=bias).people
    for diagnosis, own in (("MS", "A"), ("NMOSD", "B")):
        group = [person.site == own for person in people if person.diagnosis == diagnosis]
        assert np.mean(group) == pytest.approx(same, abs=0.01)


def test_visits_are_dated_after_baseline_and_people_grow_older() -> None:
    for person in seok2023_plan(seed=0).people:
        days = [visit.days_from_baseline for visit in person.visits]
        assert days[0] == 0 and all(later > earlier for earlier, later in pairwise(days))
        assert person.visits[0].age == person.age
        assert person.visits[-1].age == pytest.approx(person.age + days[-1] / 365.25, abs=0.06)


def test_the_order_of_participants_does_not_give_the_diagnosis_away() -> None:
    people = plan_cohort({"MS": 200, "NMOSD": 200}, seed=0).people
    assert [person.participant_id for person in people] == [f"sub-{i:03d}" for i in range(1, 401)]
    assert abs(sum(person.diagnosis == "MS" for person in people[:200]) - 100) < 30


def test_the_same_seed_gives_the_same_people() -> None:
    assert plan_cohort({"MS": 5, "NMOSD": 5}, seed=9) == plan_cohort({"MS": 5, "NMOSD": 5}, seed=9)
    assert plan_cohort({"MS": 5, "NMOSD": 5}, seed=9) != plan_cohort({"MS": 5, "NMOSD": 5}, seed=10)


@pytest.mark.parametrize(
    ("counts", "options", "word"),
    [
        ({"ALS": 3}, {}, "ALS"),
        ({"MS": 0}, {}, "at least one"),
        ({"MS": 3}, {"followed_up": {"MS": 4}}, "4 of 3"),
        ({"MS": 3}, {"followed_up": {"MS": 2}, "follow_up_scans": {"MS": 1}}, "shared"),
        ({"MS": 3}, {"sites": ()}, "site"),
        ({"MS": 3}, {"seed": -1}, "negative"),
        ({"MS": 3}, {"site_bias": 2.0}, "site_bias"),
        ({"MS": 3, "NMOSD": 3}, {"site_bias": 1.0, "sites": ("A",)}, "each of 2 diagnoses"),
        ({"MS": 3}, {"profile": "atlantis"}, "atlantis"),
    ],
)
def test_impossible_plans_are_refused(counts: dict[str, int], options: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        plan_cohort(counts, **options)

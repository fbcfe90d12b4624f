"""A simulated crowd, served by the very functions that serve people."""

import numpy as np
import pytest
from sqlalchemy import select

from dawson.annotation.settings import parse_campaign
from dawson.annotation.simulated_crowd import CrowdPlan, gather_crowd, labels_of, rate_all
from dawson.annotation.skills import gather_ratings
from dawson.statistics.categorical_consensus import vote
from dawson.storage.models import Account, Campaign, Member

SETTINGS = parse_campaign({"campaign": {"title": "Crowd", "task": "lesion-accept"}}, "test")
PLAN = CrowdPlan(volunteers=20, experts=3, items=90, checks=40)


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    from dawson.storage.database import open_database

    sessions = open_database(tmp_path_factory.mktemp("crowd") / "server.sqlite", url="")
    rng = np.random.default_rng(4)
    with sessions.begin() as session:
        crowd = gather_crowd(session, SETTINGS, PLAN, rng)
    rate_all(sessions, crowd, SETTINGS, seed=4)
    return sessions, crowd


def test_the_consensus_is_better_than_the_mean_rater_and_not_worse_than_the_majority(rated):
    sessions, crowd = rated
    with sessions.begin() as session:
        truth, told, _ = labels_of(session, crowd, SETTINGS.classes)
        campaign = session.scalars(select(Campaign)).one()
        gathered = gather_ratings(session, campaign, SETTINGS)
    majority = vote(gathered.ratings).label[PLAN.checks :]
    rater = np.mean([0.5 + (skill - 0.5) * (1 - PLAN.difficulty / 2) for skill in crowd.skill.values()])
    accuracy = (truth == told).mean()
    assert accuracy >= (truth == majority).mean()
    assert accuracy > rater + 0.1


def test_careless_raters_are_found_out(rated):
    sessions, crowd = rated
    with sessions.begin() as session:
        rows = session.execute(select(Account.pseudonym, Member.stage, Member.skill).join(Member)).all()
    skill = {name: value for name, _, value in rows}
    careless = [skill[name] for name in crowd.careless]
    others = [skill[name] for name in crowd.skill if name not in crowd.careless]
    assert max(careless) < np.median(others)
    assert sum(stage == "closed" for name, stage, _ in rows if name in crowd.careless) >= len(crowd.careless) / 2


def test_easy_items_cost_less_than_the_maximum(rated):
    sessions, crowd = rated
    with sessions.begin() as session:
        _, _, counts = labels_of(session, crowd, SETTINGS.classes)
    assert counts.min() >= SETTINGS.end.minimum and counts.max() <= SETTINGS.end.maximum
    assert counts.mean() < 0.75 * SETTINGS.end.maximum


def test_the_same_seed_gives_the_same_campaign(tmp_path):
    from dawson.storage.database import open_database

    plan, told = CrowdPlan(volunteers=6, experts=1, items=12, checks=14), []
    for number in range(2):
        sessions = open_database(tmp_path / f"{number}.sqlite", url="")
        with sessions.begin() as session:
            crowd = gather_crowd(session, SETTINGS, plan, np.random.default_rng(1))
        rate_all(sessions, crowd, SETTINGS, seed=1)
        with sessions.begin() as session:
            told.append([part.tolist() for part in labels_of(session, crowd, SETTINGS.classes)])
    assert told[0] == told[1]

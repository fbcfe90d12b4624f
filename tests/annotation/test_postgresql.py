"""The same campaign on SQLite and on PostgreSQL: the same ratings, the same labels."""

import numpy as np
import pandas as pd
from sqlalchemy import select
from tests.annotation.conftest import emptied

from dawson.annotation.results import labels_table, ratings_table
from dawson.annotation.settings import parse_campaign
from dawson.annotation.simulated_crowd import CrowdPlan, gather_crowd, rate_all
from dawson.storage.database import open_database
from dawson.storage.models import Campaign


def test_two_databases_give_the_same(tmp_path, postgresql):
    settings = parse_campaign({"campaign": {"title": "Crowd", "task": "lesion-accept"}}, "test")
    plan, told = CrowdPlan(volunteers=12, experts=2, items=60, checks=30), []
    for address in ("", postgresql):
        sessions = emptied(open_database(tmp_path / "server.sqlite", address))
        with sessions.begin() as session:
            crowd = gather_crowd(session, settings, plan, np.random.default_rng(1))
        rate_all(sessions, crowd, settings, seed=1)
        with sessions.begin() as session:
            campaign = session.scalars(select(Campaign)).one()
            told.append((ratings_table(session, campaign), labels_table(session, campaign)))
    for one, other in zip(*told, strict=True):
        pd.testing.assert_frame_equal(one, other)
